// Schedules as ranks run them: what an algorithm says for one place, asked for once and kept for the next call.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti::detail {

/// The schedule of the rank at `at`, size >= 2. Small ones hold all their rounds, others make them one at a time.
class CompiledSchedule {
 public:
  CompiledSchedule(const Algorithm& algorithm, const Position& at);

  const Algorithm& algorithm() const noexcept { return algorithm_; }
  const Position& at() const noexcept { return at_; }
  int blocks() const noexcept { return blocks_; }
  int rounds() const noexcept { return rounds_; }
  int spacing() const noexcept { return spacing_; }  ///< rounds between two segments that follow one another
  bool needs_scratch() const noexcept { return needs_scratch_; }

  /// Round `index`, which is held here or made in `space`.
  const Round& round(int index, Round& space) const;

 private:
  void hold_if_small();

  const Algorithm& algorithm_;
  Position at_;
  int blocks_;
  int rounds_;
  int spacing_;
  bool needs_scratch_;
  std::vector<Round> held_;  // all, or none
};

/// The recent schedules of one rank of a group.
class ScheduleStore {
 public:
  /// `rank` of the ranks of `group`, as the schedules see them.
  ScheduleStore(int rank, const Shape& group) noexcept : rank_(rank), group_(group) {}

  std::shared_ptr<const CompiledSchedule> find(const Algorithm& algorithm, int radix, int root);

 private:
  static constexpr std::size_t kSets = 64;
  static constexpr std::size_t kWays = 4;  // a schedule may lie in any of so many places that follow each other

  int rank_;
  Shape group_;
  std::size_t next_way_ = 0;
  std::array<std::shared_ptr<const CompiledSchedule>, kSets + kWays> recent_;
};

}  // namespace tutti::detail
