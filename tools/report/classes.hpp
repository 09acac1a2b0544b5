// The part of a run's page that is about classes: a table with a row for each, the confusion matrix as a heat map, and
// what is taken for what most often.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tutti::tools {

/// From the content of classes.json; nothing if it is not what the trainer writes.
std::string classes_html(const nlohmann::json& file);

}  // namespace tutti::tools
