// Waiting; see waiting.hpp.
#include <sched.h>

#include <thread>

#include <tutti/collectives/transport.hpp>
#include <tutti/collectives/waiting.hpp>

namespace tutti::detail {

WaitPolicy WaitPolicy::for_node(int ranks, int cores) noexcept {
  WaitPolicy policy;
  if (ranks > cores) policy.spin = Clock::duration::zero();
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
    transport_.sleep(policy_.sleep);
  }
}

}  // namespace tutti::detail
