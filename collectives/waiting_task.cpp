// Waiting for a task; see waiting_task.hpp.
#include <algorithm>
#include <cstdio>
#include <utility>

#include <tutti/collectives/waiting_task.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr std::chrono::duration<double> kQuestionInterval = std::chrono::milliseconds(200);

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
    : comm_(std::move(comm)), sequence_(sequence) {
  if (role == Role::whole) state().enlist(*this);
}

WaitingTask::~WaitingTask() { state().delist(*this); }

bool WaitingTask::poll() {
  const Progress progress = advance_all();
  if (progress == Progress::none) {
    if constexpr (kSimulated) {
      state().transport().wait_any();
    } else {
      look_around(Clock::now());
    }
  }
  return progress == Progress::complete;
}

void WaitingTask::wait() {
  if (const std::string why = hopeless(); !why.empty()) fail(why);
  Waiter waiter(state().wait_policy(), state().transport());
  for (;;) {
    switch (advance_all()) {
      case Progress::complete:
        return;
      case Progress::some:
        waiter.progressed();
        break;
      case Progress::none:
        if constexpr (kSimulated) {
          state().transport().wait_any();
        } else if (waiter.is_time_due()) {
          const auto now = Clock::now();
          look_around(now);
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
  const bool others = state().advance_others(*this);
  if (progress == Progress::some) idle_since_.reset();
  return others ? Progress::some : progress;
}

/// What is to be done now and then while there is no progress.
void WaitingTask::look_around(Clock::time_point now) {
  if (!state().are_notices_due(now)) return;
  state().poll_notices();
  answer_questions();
  check_limits(now);
}

void WaitingTask::check_limits(Clock::time_point now) {
  if (!idle_since_) {
    idle_since_ = now;
    next_questions_ = kQuestionInterval;
  }
  const std::chrono::duration<double> idle = now - *idle_since_;
  if (idle >= next_questions_) ask_around(idle);
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

// Ranks that call otherwise may never exchange a message with this one, and those it waits for may wait themselves.
void WaitingTask::ask_around(std::chrono::duration<double> idle) {
  asked_ = true;
  next_questions_ = idle + std::max(kQuestionInterval, idle / 4);
  for (const int peer : awaited()) state().ask(peer, current_sequence());
}

std::set<int> WaitingTask::awaited() const {
  std::set<int> ranks = peers(state().transport(), std::nullopt);
  for (int rank = 0; awaits_anyone() && rank < comm_.size(); ++rank) {
    if (rank != comm_.rank()) ranks.insert(rank);
  }
  return ranks;
}

void WaitingTask::answer_questions() {
  for (const CommunicatorState::Question& question : state().take_questions()) {
    state().answer(question, answer_to(question));
  }
}

std::string WaitingTask::answer_to(const CommunicatorState::Question& question) const {
  if (question.sequence == kNoSequence || (sequence_ == kNoSequence && state().has_begun(question.sequence))) {
    return text("is in ", label(), " and ", waiting_for());
  }
  return state().has_begun(question.sequence) ? waiting_for() : text("has not begun it and is in ", label());
}

std::string WaitingTask::awaited_in_words() const {
  const std::string receives = list("waits for messages from", peers(state().transport(), Direction::receive));
  const std::string sends = list("waits for messages to be taken by", peers(state().transport(), Direction::send));
  std::string out = awaits_anyone() ? "waits for a message from any rank" : "";
  for (const std::string& those : {receives, sends}) out += text(out.empty() || those.empty() ? "" : "; ", those);
  return out;
}

std::string WaitingTask::waiting_for() const {
  std::string out = awaited_in_words();
  if (!asked_) return out;
  constexpr int kTold = 4;
  int told = 0;
  for (const int peer : awaited()) {
    if (++told > kTold) break;
    const std::string answer = state().answer_of(peer, current_sequence());
    out += text("; rank ", peer, " ", answer.empty() ? "gives no sign of being in a call" : answer);
  }
  return out;
}

void WaitingTask::fail(const std::string& why) {
  const std::string message = text(label(), ": ", why);
  state().fail(sequence_, message);
  throw CommunicationError(message);
}

}  // namespace tutti::detail
