#include "tools/perf/overlap.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

#include <tutti/kernels/clock.hpp>

namespace tutti::tools {
namespace {

/// A chain in which every step needs the one before. The result goes where the compiler cannot see that nobody reads
/// it.
void compute(std::size_t steps) {
  static volatile std::uint64_t sink = 0;
  std::uint64_t state = sink;
  for (std::size_t i = 0; i < steps; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= (state << 17) | 1;
  }
  sink = state;
}

}  // namespace

double overlap_of(double communication, double computation, double both) {
  const double shorter = std::min(communication, computation);
  if (!(shorter > 0)) return 0.0;
  return std::clamp((communication + computation - both) / shorter, 0.0, 1.0);
}

Computation::Computation() : steps_per_microsecond_(0) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kSteps = 100'000;
  constexpr int kRounds = 10;
  for (int i = 0; i < kRounds; ++i) {  // the fastest: the others were disturbed
    const auto start = Clock::now();
    compute(kSteps);
    const double microseconds = 1e6 * seconds_since(start);
    steps_per_microsecond_ = std::max(steps_per_microsecond_, kSteps / std::max(microseconds, 1e-3));
  }
}

void Computation::set_length(double microseconds, double interval) {
  pieces_ = static_cast<std::size_t>(std::max(1.0, std::round(microseconds / interval)));
  const double steps = steps_per_microsecond_ * microseconds / static_cast<double>(pieces_);
  steps_per_piece_ = static_cast<std::size_t>(std::max(1.0, std::round(steps)));
}

void Computation::run(const std::function<void()>& between) const {
  for (std::size_t i = 0; i < pieces_; ++i) {
    compute(steps_per_piece_);
    if (i + 1 < pieces_) between();
  }
}

}  // namespace tutti::tools
