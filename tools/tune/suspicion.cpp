// Judging measured costs; see suspicion.hpp.
#include "tools/tune/suspicion.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tutti::tools {
namespace {

constexpr double kMostTimesBuiltIn = 10;
constexpr double kMostSpread = 2;

}  // namespace

Rounds rounds_of(std::vector<double>& samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t count = samples.size();
  if (count == 0) return {};
  return {.median = samples[count / 2], .low = samples[count / 4], .high = samples[count - 1 - count / 4]};
}

std::vector<std::string> find_suspicions(const std::string& level, const TransportCosts& built_in,
                                         const MeasuredLevel& measured) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < kMeasuredCount; ++i) {
    const MeasuredCost& cost = kMeasuredCosts[i];
    const double before = built_in.*cost.value;
    const double now = measured.costs.*cost.value;
    const Rounds& rounds = measured.rounds[i];
    if (before > 0 && now > kMostTimesBuiltIn * before) {
      found.push_back(fmt::format("{}.{} {:.3g} {} is {:.0f} times the built-in {:.3g}", level, cost.name,
                                  now * cost.unit, cost.unit_name, now / before, before * cost.unit));
    } else if (rounds.spread() > kMostSpread) {
      found.push_back(fmt::format("{}.{} varies: the middle half of its rounds spans a factor of {:.1f}", level,
                                  cost.name, rounds.spread()));
    }
  }
  return found;
}

}  // namespace tutti::tools
