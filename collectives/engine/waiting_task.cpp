// Waiting for a task; see waiting_task.hpp.
#include <algorithm>
#include <utility>

#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// The ranks that messages under way go to or come from.
std::set<int> peers(const Transport& transport, std::optional<Direction> direction) {
  std::set<int> found;
  for (const Underway& message : transport.underway()) {
    if (!direction || message.direction == *direction) found.insert(message.peer);
  }
  return found;
}

}  // namespace

std::string list(const char* what, const std::set<int>& ranks) {
  constexpr std::size_t kShown = 8;
  if (ranks.empty()) return {};
  std::string out = text(what, ranks.size() == 1 ? " rank " : " ranks ");
  std::size_t shown = 0;
  for (const int rank : ranks) {
    if (shown == kShown) break;
    out += text(shown == 0 ? "" : ", ", rank);
    ++shown;
  }
  return shown < ranks.size() ? text(out, " and ", ranks.size() - shown, " more") : out;
}

WaitingTask::WaitingTask(Communicator comm, std::uint64_t sequence, Role role)
    : comm_(std::move(comm)), sequence_(sequence), watchdog_(comm_.state(), *this, sequence) {
  if (role == Role::whole) state().progress().enlist(*this);
}

WaitingTask::~WaitingTask() {
  end_record(false);
  state().progress().delist(*this);
}

bool WaitingTask::poll() {
  const Progress progress = advance_all();
  if (progress == Progress::none) {
    if constexpr (kSimulated) {
      state().transport().wait_any();
    } else {
      watchdog_.look_around(Clock::now(), Watchdog::Mode::tests);
    }
  }
  if (progress == Progress::complete) end_record(false);
  return progress == Progress::complete;
}

void WaitingTask::wait() {
  if (const std::string why = hopeless(); !why.empty()) watchdog_.fail(why);
  Waiter waiter(state().wait_policy(), state().transport(), waits_in_memory());
  bool waits = false;
  bool at_once = false;  // the clock was read when the wait began, and not since
  for (;;) {
    switch (advance_all()) {
      case Progress::complete:
        end_record(at_once);
        return;
      case Progress::some:
        waiter.progressed();
        break;
      case Progress::none:
        if constexpr (kSimulated) {
          state().transport().wait_any();
          break;
        }
        if (!waits && sequence_ != kNoSequence) at_once = state().published().begins_to_wait(sequence_);
        waits = true;
        if (waiter.is_time_due()) {
          const auto now = Clock::now();
          at_once = false;
          watchdog_.look_around(now, Watchdog::Mode::waits);
          waiter.pause(now);
        }
        break;
    }
  }
}

/// Advances this task and all others of the communicator; `some` also if only those got further.
WaitingTask::Progress WaitingTask::advance_all() {
  const Progress progress = advance();
  if (progress == Progress::complete) return progress;
  const bool others = state().progress().advance_others(*this);
  if (progress == Progress::some) watchdog_.progressed();
  return others ? Progress::some : progress;
}

bool WaitingTask::advance_beside() {
  const Progress progress = advance();
  if (progress == Progress::complete) end_record(false);
  if (progress == Progress::some) watchdog_.progressed();
  return progress == Progress::some;
}

/// The operation is over, or given up. `at_once`: the clock was read just before.
void WaitingTask::end_record(bool at_once) noexcept {
  watchdog_.hide();
  if (ended_ || sequence_ == kNoSequence) return;
  ended_ = true;
  state().published().end(sequence_, state().failures().unusable(), at_once);
}

std::set<int> WaitingTask::awaited() const { return peers(state().transport(), std::nullopt); }

std::string WaitingTask::awaited_in_words() const {
  const std::string receives = list("waits for messages from", peers(state().transport(), Direction::receive));
  const std::string sends = list("waits for messages to be taken by", peers(state().transport(), Direction::send));
  std::string out = awaits_anyone() ? "waits for a message from any rank" : "";
  for (const std::string& those : {receives, sends}) out += text(out.empty() || those.empty() ? "" : "; ", those);
  return out;
}

}  // namespace tutti::detail
