// How a rank waits: spin, then yield, then sleep, as fits the number of ranks that share the cores.
#pragma once

#include <chrono>

namespace tutti::detail {

using Clock = std::chrono::steady_clock;

/// How long each way of waiting lasts.
struct WaitPolicy {
  Clock::duration spin = std::chrono::microseconds(20);   ///< then yield
  Clock::duration yield = std::chrono::milliseconds(5);   ///< then sleep
  Clock::duration sleep = std::chrono::microseconds(50);  ///< at a time; MPI is driven in between

  /// With more ranks than cores a spinning rank keeps another from running: yield at once.
  static WaitPolicy for_node(int ranks, int cores) noexcept;
};

/// One wait. pause() is called whenever there was nothing to do, progressed() whenever there was.
class Waiter {
 public:
  explicit Waiter(const WaitPolicy& policy) noexcept : policy_(policy), idle_since_(Clock::now()) {}
  void progressed() noexcept { idle_since_ = Clock::now(); }
  void pause(Clock::time_point now) noexcept;

 private:
  const WaitPolicy& policy_;
  Clock::time_point idle_since_;
};

}  // namespace tutti::detail
