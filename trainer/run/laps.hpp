// A stretch of time cut into parts, with one look at the clock for each cut.
#pragma once

#include <chrono>

namespace tutti::trainer {

class Laps {
 public:
  /// Seconds since the lap before, or since the beginning.
  double next() noexcept {
    const auto now = Clock::now();
    const std::chrono::duration<double> lap = now - last_;
    last_ = now;
    return lap.count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

}  // namespace tutti::trainer
