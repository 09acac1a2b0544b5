// Waiting; see waiting.hpp.
#include <sched.h>

#include <thread>

#include <tutti/collectives/waiting.hpp>

namespace tutti::detail {

WaitPolicy WaitPolicy::for_node(int ranks, int cores) noexcept {
  WaitPolicy policy;
  if (ranks > cores) policy.spin = Clock::duration::zero();
  return policy;
}

void Waiter::pause(Clock::time_point now) noexcept {
  const auto idle = now - idle_since_;
  if (idle < policy_.spin) return;
  if (idle < policy_.spin + policy_.yield) {
    sched_yield();
  } else {
    std::this_thread::sleep_for(policy_.sleep);
  }
}

}  // namespace tutti::detail
