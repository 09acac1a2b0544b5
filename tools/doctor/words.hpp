// Words that the doctor's checks share.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/doctor/facts.hpp"

namespace tutti::tools::doctor {

/// "1 rank", "2 ranks".
inline std::string counted(std::integral auto number, const char* thing) {
  return fmt::format("{} {}{}", number, thing, number == 1 ? "" : "s");
}

/// "rank 3", "ranks 0, 1 and 2", "ranks 0, 1, 2 and 61 more".
std::string listed(const char* thing, const std::vector<int>& numbers);

/// "64 KiB", "1.5 GiB".
std::string bytes_text(std::uint64_t bytes);

/// Of a variable of the rank's environment; empty if it is not set.
std::string value_of(const RankFacts& rank, const std::string& variable);

/// Whether the MPI library is Open MPI.
bool is_open_mpi(const RankFacts& rank);

}  // namespace tutti::tools::doctor
