// Measuring what measured costs choose: for each size the two best candidates, as they run.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>

namespace tutti::tools {

/// A candidate as it was predicted and measured, in seconds: the median of the slowest rank's times.
struct VerifiedPlan {
  std::string name;  ///< "ring, 4 segments"
  std::string rule;  ///< "ring:segment=64K", as a rule says it
  double predicted = 0;
  double measured = 0;
};

struct VerifiedChoice {
  std::string collective;
  std::size_t bytes = 0;
  VerifiedPlan chosen;
  VerifiedPlan other;

  /// Whether the other one is clearly faster.
  bool is_wrong() const noexcept { return chosen.measured > 1.25 * other.measured; }
};

/// Of allreduce, broadcast and all_gather from 8 bytes to 4 MiB, by messages: on a communicator with these costs.
/// Collective; the same on all ranks. A few seconds; sizes are left out once a call takes half a second.
std::vector<VerifiedChoice> verify_choices(const Communicator& comm, const LevelCosts& costs);

/// The rules that mend the wrong ones, for TUTTI_ALGORITHM; empty if none is.
std::string mending_rules(const std::vector<VerifiedChoice>& choices);

}  // namespace tutti::tools
