// How a rank waits: spin, then yield, then sleep, as fits the number of ranks that share the cores. In a simulator it
// blocks in MPI instead.
#pragma once

#include <chrono>

#include <tutti/collectives/system/simulated.hpp>

namespace tutti::detail {

class Transport;

using Clock = std::chrono::steady_clock;

/// How long each way of waiting lasts.
struct WaitPolicy {
  Clock::duration spin = std::chrono::microseconds(20);   ///< then yield
  Clock::duration yield = std::chrono::milliseconds(5);   ///< then sleep
  Clock::duration sleep = std::chrono::microseconds(50);  ///< at a time; MPI is driven in between

  /// The longer a wait has lasted, the longer a sleep: a sixteenth of it, from `sleep` up to this.
  Clock::duration longest_sleep = std::chrono::microseconds(50);

  /// With more ranks than cores one that waits takes from those that work: it yields at once, soon sleeps, and long.
  static WaitPolicy for_node(int ranks, int cores) noexcept;
};

/// One wait. At every poll without progress is_time_due() is asked, and pause() called if it is; progressed() at every
/// other.
class Waiter {
 public:
  /// `may_oversleep`: nobody needs this rank's answers meanwhile, so that it may sleep up to policy.longest_sleep.
  /// `policy` and `transport` have to outlive it.
  Waiter(const WaitPolicy& policy, Transport& transport, bool may_oversleep) noexcept
      : policy_(policy), transport_(transport), may_oversleep_(may_oversleep) {
    progressed();
  }

  void progressed() noexcept {
    is_idle_ = false;
    polls_ = 0;
    spins_ = policy_.spin > Clock::duration::zero();
  }

  /// Whether to look at the clock. To read it takes as long as some polls, so a rank that spins does so now and then.
  bool is_time_due() noexcept {
    constexpr int kPollsPerReading = 16;
    return !spins_ || ++polls_ % kPollsPerReading == 0;
  }

  void pause(Clock::time_point now);

 private:
  const WaitPolicy& policy_;
  Transport& transport_;
  Clock::time_point idle_since_;  // as far as the clock was read
  bool may_oversleep_;
  bool is_idle_ = false;
  int polls_ = 0;
  bool spins_ = true;
};

}  // namespace tutti::detail
