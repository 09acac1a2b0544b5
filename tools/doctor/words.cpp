#include "tools/doctor/words.hpp"

#include <array>

namespace tutti::tools::doctor {

std::string listed(const char* thing, const std::vector<int>& numbers) {
  constexpr std::size_t kShown = 3;
  const std::size_t shown = numbers.size() == kShown + 1 ? kShown + 1 : std::min(numbers.size(), kShown);
  const std::size_t left = numbers.size() - shown;
  std::string list = fmt::format("{}{} ", thing, numbers.size() == 1 ? "" : "s");
  for (std::size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == shown && left == 0;
    list += fmt::format("{}{}", i == 0 ? "" : last ? " and " : ", ", numbers[i]);
  }
  if (left > 0) list += fmt::format(" and {} more", left);
  return list;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  constexpr double kKilo = 1024;
  auto number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= kKilo && unit + 1 < kUnits.size(); ++unit) number /= kKilo;
  return fmt::format(
      "{:.{}f} {}", number,
      unit > 0 && number < 10 && number != static_cast<double>(static_cast<std::uint64_t>(number)) ? 1 : 0,
      kUnits[unit]);
}

std::string value_of(const RankFacts& rank, const std::string& variable) {
  const auto found = rank.environment.find(variable);
  return found == rank.environment.end() ? "" : found->second;
}

bool is_open_mpi(const RankFacts& rank) { return rank.mpi_library.starts_with("Open MPI"); }

}  // namespace tutti::tools::doctor
