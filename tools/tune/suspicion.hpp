// Whether measured costs can be believed: a busy node makes a tuning file that ruins every choice.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/collectives/inspect/costs.hpp>

namespace tutti::tools {

/// What was measured, in rounds: their median, and the quartiles below and above it.
struct Rounds {
  double median = 0;
  double low = 0;
  double high = 0;

  double spread() const noexcept { return low > 0 ? high / low : 1; }
};

/// The median and quartiles of samples, which are sorted.
Rounds rounds_of(std::vector<double>& samples);

/// The costs that are measured.
struct MeasuredCost {
  const char* name;
  double TransportCosts::*value;
  double unit;  ///< of a second, as it is printed
  const char* unit_name;
};
inline constexpr MeasuredCost kMeasuredCosts[] = {{"latency", &TransportCosts::latency, 1e6, "us"},
                                                  {"overhead", &TransportCosts::overhead, 1e6, "us"},
                                                  {"gap", &TransportCosts::gap, 1e6, "us"},
                                                  {"byte", &TransportCosts::byte, 1e9, "ns"},
                                                  {"reduce", &TransportCosts::reduce, 1e9, "ns per byte"},
                                                  {"copy", &TransportCosts::copy, 1e9, "ns per byte"}};
inline constexpr std::size_t kMeasuredCount = std::size(kMeasuredCosts);

/// The costs of a level, and the rounds that each is from.
struct MeasuredLevel {
  TransportCosts costs;
  std::array<Rounds, kMeasuredCount> rounds = {};
};

/// What is hard to believe, a sentence each: a cost of more than 10 times the built-in one, or rounds whose quartiles
/// are more than a factor of 2 apart.
std::vector<std::string> find_suspicions(const std::string& level, const TransportCosts& built_in,
                                         const MeasuredLevel& measured);

}  // namespace tutti::tools
