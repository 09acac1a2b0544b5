// Watching a wait; see watchdog.hpp.
#include <algorithm>
#include <cstdio>
#include <thread>

#include <tutti/collectives/engine/watchdog.hpp>
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

}  // namespace

/// What is to be done now and then while there is no progress.
void Watchdog::look_around(Clock::time_point now, Mode mode) {
  if (!state_.progress().is_look_due(now)) return;
  if (!idle_since_) {
    idle_since_ = now;
    next_questions_ = kQuestionInterval;
    next_show_ = kShowInterval;
    next_warning_ = {};
  }
  state_.poll_control_messages();
  state_.liveness().look(now);
  if (!state_.liveness().gone().empty()) check_gone(now);
  answer_questions();
  show(now, mode);
  check_limits(now);
}

/// Others, on whatever machine, learn of the end of a process by this rank's failure.
void Watchdog::check_gone(Clock::time_point now) {
  if (now - *idle_since_ < kGoneGrace) return;
  const std::set<int> ranks = operation_.awaited();
  const auto is_over = [&](const GoneRank& gone) { return now - gone.since >= kGoneGrace; };
  const auto over = std::count_if(state_.liveness().gone().begin(), state_.liveness().gone().end(),
                                  [&](const auto& entry) { return is_over(entry.second); });
  const bool all_gone = over + 1 == state_.size();
  std::string why;
  for (const auto& [rank, gone] : state_.liveness().gone()) {
    if (!is_over(gone)) continue;
    // One that was done with MPI has sent what it had to send; who waits for any rank waits for another.
    const bool is_one_of_any = operation_.awaits_anyone() && (!gone.finished || all_gone);
    if (is_one_of_any || ranks.count(rank) > 0) why += (why.empty() ? "" : "; ") + gone.words;
  }
  if (!why.empty()) fail(why);
}

/// Lets others see how this waits.
void Watchdog::show(Clock::time_point now, Mode mode) {
  const std::chrono::duration<double> idle = now - *idle_since_;
  if (idle < next_show_) return;
  next_show_ = idle + kShowInterval;
  shown_ = true;
  state_.published().show({.tests = mode == Mode::tests,
                           .sequence = sequence_,
                           .since = *idle_since_,
                           .now = now,
                           .label = operation_.label(),
                           .anyone = operation_.awaits_anyone(),
                           .awaited = operation_.awaited()});
}

void Watchdog::hide() noexcept {
  if (shown_) state_.published().show_nothing();
  shown_ = false;
}

void Watchdog::check_limits(Clock::time_point now) {
  const std::chrono::duration<double> idle = now - *idle_since_;
  if (idle >= next_questions_) ask_around(idle);
  const CommunicatorOptions& options = state_.options();
  if (options.timeout && idle >= *options.timeout) {
    const std::string suspects = state_.liveness().node_suspects();
    const char* const advice = state_.advice();
    fail(text("no progress for ", options.timeout->count(), " s; ", waiting_for(), suspects.empty() ? "" : "; ",
              suspects, advice == nullptr ? "" : "; ", advice == nullptr ? "" : advice));
  }
  if (!warned_ && options.stall_warning.count() > 0 && idle >= std::max(options.stall_warning, next_warning_)) {
    warn(idle);
  }
}

/// Of the ranks of a machine that wait for the same the lowest speaks. It may get on, and another be left waiting: that
/// one looks again. In one piece, since ranks of several machines may warn at one time.
void Watchdog::warn(std::chrono::duration<double> idle) {
  const std::optional<std::string> hang_report = state_.liveness().node_hang_report(sequence_);
  next_warning_ = idle + std::max(kWarningInterval, idle / 4);
  if (!hang_report) return;
  warned_ = true;
  const char* const advice = state_.advice();
  std::fprintf(stderr, "tutti: warning: rank %d: %s: no progress for %.1f s; %s\n%s%s", state_.rank(),
               operation_.label().c_str(), idle.count(), waiting_for().c_str(), hang_report->c_str(),
               advice == nullptr ? "" : text("tutti:   ", advice, "\n").c_str());
}

// Ranks that call otherwise may never exchange a message with this one, and those it waits for may wait themselves.
void Watchdog::ask_around(std::chrono::duration<double> idle) {
  asked_ = true;
  next_questions_ = idle + std::max(kQuestionInterval, idle / 4);
  for (const int peer : asked_ranks()) state_.questions().ask(peer, operation_.current_sequence());
}

/// Those that this waits for, and all, if any rank would do.
std::set<int> Watchdog::asked_ranks() const {
  std::set<int> ranks = operation_.awaited();
  for (int rank = 0; operation_.awaits_anyone() && rank < state_.size(); ++rank) {
    if (rank != state_.rank()) ranks.insert(rank);
  }
  return ranks;
}

void Watchdog::answer_questions() {
  for (const Question& question : state_.questions().take()) {
    state_.questions().answer(question, answer_to(question));
  }
}

std::string Watchdog::answer_to(const Question& question) const {
  if (question.sequence == kNoSequence || (sequence_ == kNoSequence && state_.calls().has_begun(question.sequence))) {
    return text("is in ", operation_.label(), " and ", waiting_for());
  }
  if (state_.calls().has_begun(question.sequence)) return waiting_for();
  return text("has not begun it and is in ", operation_.label(), " and ", waiting_for());
}

std::string Watchdog::waiting_for() const {
  std::string out = operation_.awaited_in_words();
  if (!asked_) return out;
  constexpr int kTold = 4;
  int told = 0;
  for (const int peer : asked_ranks()) {
    if (++told > kTold) break;
    const std::string answer = state_.questions().answer_of(peer, operation_.current_sequence());
    out += text("; rank ", peer, " ", answer.empty() ? "has not entered any collective" : answer);
  }
  return out;
}

void Watchdog::fail_of_transport(const std::string& what) {
  const Clock::time_point limit = Clock::now() + 2 * kGoneGrace;
  std::string why;
  do {
    try {
      state_.poll_control_messages();  // a rank that failed and then left says more
    } catch (const CommunicationError&) {
      if (state_.failures().unusable()) throw;
    }
    state_.liveness().look(Clock::now());
    for (const auto& [rank, gone] : state_.liveness().gone()) why += gone.words + "; ";
    if (!kSimulated && why.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  } while (!kSimulated && why.empty() && Clock::now() < limit);
  fail(why + what);
}

void Watchdog::fail(const std::string& why) {
  const std::string message = text(operation_.label(), ": ", why);
  state_.failures().fail(sequence_, message);
  throw CommunicationError(message);
}

}  // namespace tutti::detail
