// The order in which all ranks start the steps (round, segment) of a collective.
#pragma once

#include <algorithm>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// The rounds between two segments that follow one another.
inline int segment_spacing(const Algorithm& algorithm, int rounds) noexcept {
  constexpr int kSegmentsUnderway = 4;  // enough to keep the network busy while one is reduced
  if (algorithm.pipelining == Pipelining::each_round) return 1;
  return std::max(1, (rounds + kSegmentsUnderway - 1) / kSegmentsUnderway);
}

/// Enumerates the steps by tick = round + segment * spacing, then by segment: segment s enters `spacing` rounds after
/// segment s-1.
class StepOrder {
 public:
  StepOrder(int rounds, int segments, int spacing) noexcept : rounds_(rounds), segments_(segments), spacing_(spacing) {}

  bool done() const noexcept { return segment_ >= segments_ || rounds_ == 0; }
  int segment() const noexcept { return segment_; }
  int round() const noexcept { return tick_ - segment_ * spacing_; }

  /// Segments that can be under way at once, and one that is being cleared away.
  int window() const noexcept { return std::min(segments_, (rounds_ + spacing_ - 1) / spacing_ + 1); }

  void next() noexcept {
    ++segment_;
    if (segment_ < segments_ && segment_ * spacing_ <= tick_) return;
    ++tick_;
    const int through = tick_ - rounds_;  // segments that entered at or before this tick have gone through all rounds
    segment_ = through < 0 ? 0 : through / spacing_ + 1;
    if (segment_ < segments_) tick_ = std::max(tick_, segment_ * spacing_);
  }

 private:
  int rounds_;
  int segments_;
  int spacing_;
  int tick_ = 0;
  int segment_ = 0;
};

}  // namespace tutti
