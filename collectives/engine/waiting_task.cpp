// Waiting for a task; see waiting_task.hpp.
#include <algorithm>
#include <cstdio>
#include <utility>

#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr std::chrono::duration<double> kQuestionInterval = std::chrono::milliseconds(200);

/// A wait is shown to others when it has lasted for so long, and again in such intervals. What is shown takes memory,
/// which shorter waits must not.
constexpr std::chrono::duration<double> kShowInterval = kQuestionInterval;

/// A stall that another rank tells is looked at again after so long.
constexpr std::chrono::duration<double> kWarningInterval = std::chrono::seconds(1);

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

WaitingTask::~WaitingTask() {
  end_record(false);
  state().delist(*this);
}

bool WaitingTask::poll() {
  const Progress progress = advance_all();
  if (progress == Progress::none) {
    if constexpr (kSimulated) {
      state().transport().wait_any();
    } else {
      look_around(Clock::now(), Mode::tests);
    }
  }
  if (progress == Progress::complete) end_record(false);
  return progress == Progress::complete;
}

void WaitingTask::wait() {
  if (const std::string why = hopeless(); !why.empty()) fail(why);
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
          look_around(now, Mode::waits);
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
  if (progress == Progress::some) {
    idle_since_.reset();
    hide();
  }
  return others ? Progress::some : progress;
}

WaitingTask::Progress WaitingTask::advance_beside() {
  const Progress progress = advance();
  if (progress == Progress::complete) end_record(false);
  if (progress == Progress::some) {
    idle_since_.reset();
    hide();
  }
  return progress;
}

/// The operation is over, or given up. `at_once`: the clock was read just before.
void WaitingTask::end_record(bool at_once) noexcept {
  hide();
  if (ended_ || sequence_ == kNoSequence) return;
  ended_ = true;
  state().published().end(sequence_, state().unusable(), at_once);
}

/// What is to be done now and then while there is no progress.
void WaitingTask::look_around(Clock::time_point now, Mode mode) {
  if (!state().is_control_poll_due(now)) return;
  if (!idle_since_) {
    idle_since_ = now;
    next_questions_ = kQuestionInterval;
    next_show_ = kShowInterval;
    next_warning_ = {};
  }
  state().poll_control_messages();
  state().look_at_peers(now);
  if (!state().gone().empty()) check_gone(now);
  answer_questions();
  show(now, mode);
  check_limits(now);
}

/// Others, on whatever machine, learn of the end of a process by this rank's failure.
void WaitingTask::check_gone(Clock::time_point now) {
  if (now - *idle_since_ < kGoneGrace) return;
  const std::set<int> ranks = awaited();
  const auto is_over = [&](const GoneRank& gone) { return now - gone.since >= kGoneGrace; };
  const auto over = std::count_if(state().gone().begin(), state().gone().end(),
                                  [&](const auto& entry) { return is_over(entry.second); });
  const bool all_gone = over + 1 == comm_.size();
  std::string why;
  for (const auto& [rank, gone] : state().gone()) {
    if (!is_over(gone)) continue;
    // One that was done with MPI has sent what it had to send; who waits for any rank waits for another.
    const bool is_one_of_any = awaits_anyone() && (!gone.finished || all_gone);
    if (is_one_of_any || ranks.count(rank) > 0) why += (why.empty() ? "" : "; ") + gone.words;
  }
  if (!why.empty()) fail(why);
}

/// Lets others see how this waits.
void WaitingTask::show(Clock::time_point now, Mode mode) {
  const std::chrono::duration<double> idle = now - *idle_since_;
  if (idle < next_show_) return;
  next_show_ = idle + kShowInterval;
  shown_ = true;
  state().published().show({.tests = mode == Mode::tests,
                            .sequence = sequence_,
                            .since = *idle_since_,
                            .now = now,
                            .label = label(),
                            .anyone = awaits_anyone(),
                            .awaited = awaited()});
}

void WaitingTask::hide() noexcept {
  if (shown_) state().published().show_nothing();
  shown_ = false;
}

void WaitingTask::check_limits(Clock::time_point now) {
  const std::chrono::duration<double> idle = now - *idle_since_;
  if (idle >= next_questions_) ask_around(idle);
  const CommunicatorOptions& options = comm_.options();
  if (options.timeout && idle >= *options.timeout) {
    const std::string suspects = state().node_suspects();
    const char* const advice = state().advice();
    fail(text("no progress for ", options.timeout->count(), " s; ", waiting_for(), suspects.empty() ? "" : "; ",
              suspects, advice == nullptr ? "" : "; ", advice == nullptr ? "" : advice));
  }
  if (!warned_ && options.stall_warning.count() > 0 && idle >= std::max(options.stall_warning, next_warning_)) {
    warn(idle);
  }
}

/// Of the ranks of a machine that wait for the same the lowest speaks. It may get on, and another be left waiting: that
/// one looks again. In one piece, since ranks of several machines may warn at one time.
void WaitingTask::warn(std::chrono::duration<double> idle) {
  const std::optional<std::string> hang_report = state().node_hang_report(sequence_);
  next_warning_ = idle + std::max(kWarningInterval, idle / 4);
  if (!hang_report) return;
  warned_ = true;
  const char* const advice = state().advice();
  std::fprintf(stderr, "tutti: warning: rank %d: %s: no progress for %.1f s; %s\n%s%s", comm_.rank(), label().c_str(),
               idle.count(), waiting_for().c_str(), hang_report->c_str(),
               advice == nullptr ? "" : text("tutti:   ", advice, "\n").c_str());
}

// Ranks that call otherwise may never exchange a message with this one, and those it waits for may wait themselves.
void WaitingTask::ask_around(std::chrono::duration<double> idle) {
  asked_ = true;
  next_questions_ = idle + std::max(kQuestionInterval, idle / 4);
  for (const int peer : asked_ranks()) state().ask(peer, current_sequence());
}

std::set<int> WaitingTask::awaited() const { return peers(state().transport(), std::nullopt); }

/// Those that this waits for, and all, if any rank would do.
std::set<int> WaitingTask::asked_ranks() const {
  std::set<int> ranks = awaited();
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
  if (state().has_begun(question.sequence)) return waiting_for();
  return text("has not begun it and is in ", label(), " and ", waiting_for());
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
  for (const int peer : asked_ranks()) {
    if (++told > kTold) break;
    const std::string answer = state().answer_of(peer, current_sequence());
    out += text("; rank ", peer, " ", answer.empty() ? "has not entered any collective" : answer);
  }
  return out;
}

void WaitingTask::fail(const std::string& why) {
  const std::string message = text(label(), ": ", why);
  state().fail(sequence_, message);
  throw CommunicationError(message);
}

}  // namespace tutti::detail
