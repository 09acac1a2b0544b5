// Waiting; see waiting.hpp.
#include <sched.h>

#include <algorithm>
#include <thread>

#include <tutti/collectives/transport/transport.hpp>
#include <tutti/collectives/transport/waiting.hpp>

namespace tutti::detail {

WaitPolicy WaitPolicy::for_node(int ranks, int cores) noexcept {
  WaitPolicy policy;
  if (ranks <= cores) return policy;
  policy.spin = Clock::duration::zero();
  policy.yield = std::chrono::milliseconds(3);
  policy.longest_sleep = std::chrono::milliseconds(4);
  return policy;
}

void Transport::sleep(Clock::duration longest) { std::this_thread::sleep_for(longest); }

void Waiter::pause(Clock::time_point now) {
  if (!is_idle_) idle_since_ = now;
  is_idle_ = true;
  const auto idle = now - idle_since_;
  spins_ = idle < policy_.spin;
  if (spins_) return;
  if (idle < policy_.spin + policy_.yield) {
    sched_yield();
  } else {
    constexpr int kShare = 16;  // of the wait so far that it may take longer
    const auto longest = may_oversleep_ ? policy_.longest_sleep : policy_.sleep;
    transport_.sleep(std::clamp(idle / kShare, policy_.sleep, longest));
  }
}

}  // namespace tutti::detail
