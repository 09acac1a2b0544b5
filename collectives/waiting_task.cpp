// Waiting for a task; see waiting_task.hpp.
#include <algorithm>
#include <cstdio>
#include <set>

#include <tutti/collectives/waiting_task.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr auto kNoticeInterval = std::chrono::microseconds(20);

/// "`what` rank 1, 2, 5 and 3 more"; empty if there are no peers.
std::string list(const char* what, const std::set<int>& peers) {
  constexpr std::size_t kShown = 8;
  if (peers.empty()) return {};
  std::string out = text(what, peers.size() == 1 ? " rank " : " ranks ");
  std::size_t shown = 0;
  for (const int peer : peers) {
    if (shown == kShown) break;
    out += text(shown == 0 ? "" : ", ", peer);
    ++shown;
  }
  return shown < peers.size() ? text(out, " and ", peers.size() - shown, " more") : out;
}

}  // namespace

bool WaitingTask::poll() { return advance_within_limits() == Progress::complete; }

void WaitingTask::wait() {
  Waiter waiter(state().wait_policy());
  for (;;) {
    switch (advance_within_limits()) {
      case Progress::complete:
        return;
      case Progress::some:
        waiter.progressed();
        break;
      case Progress::none:
        waiter.pause(Clock::now());
        break;
    }
  }
}

WaitingTask::Progress WaitingTask::advance_within_limits() {
  const Progress progress = advance();
  if (progress != Progress::none) {
    idle_since_.reset();
    return progress;
  }
  const auto now = Clock::now();
  if (now - last_notices_ >= kNoticeInterval) {
    last_notices_ = now;
    state().poll_notices();
    check_limits(now);
  }
  return Progress::none;
}

void WaitingTask::check_limits(Clock::time_point now) {
  if (!idle_since_) idle_since_ = now;
  const std::chrono::duration<double> idle = now - *idle_since_;
  const CommunicatorOptions& options = comm_.options();
  if (options.deadline && idle >= *options.deadline) {
    fail(text("no progress for ", options.deadline->count(), " s; ", waiting_for()));
  }
  if (!warned_ && options.stall_warning.count() > 0 && idle >= options.stall_warning) {
    warned_ = true;
    std::fprintf(stderr, "tutti: warning: rank %d: %s: no progress for %.1f s; %s\n", comm_.rank(), label().c_str(),
                 idle.count(), waiting_for().c_str());
  }
}

std::string WaitingTask::waiting_for() const {
  std::set<int> from;
  std::set<int> to;
  for (const Underway& message : state().transport().underway()) {
    (message.direction == Direction::receive ? from : to).insert(message.peer);
  }
  const std::string receives = list("waits for messages from", from);
  const std::string sends = list("waits for messages to be taken by", to);
  return text(receives, receives.empty() || sends.empty() ? "" : "; ", sends);
}

void WaitingTask::fail(const std::string& why) {
  const std::string message = text(label(), ": ", why);
  state().fail(sequence_, message);
  throw CommunicationError(message);
}

}  // namespace tutti::detail
