// The answer of `tutti explain` as text and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tools/explain/question.hpp"

namespace tutti::tools {

/// "halving_doubling, radix 4, 2 segments"
std::string plan_text(const Plan& plan);

std::string answer_text(const Question& question, const Ranks& ranks, const Answer& answer);
nlohmann::json answer_json(const Question& question, const Ranks& ranks, const Answer& answer);

}  // namespace tutti::tools
