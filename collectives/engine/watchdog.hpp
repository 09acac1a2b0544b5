// What a rank does besides while an operation makes no progress: it handles control messages, looks for ranks that have
// ended, shows others how it waits, asks those it waits for, warns, and at the timeout fails.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/transport/waiting.hpp>

namespace tutti::detail {

/// What a watchdog has to know of the operation that it watches.
class WatchedOperation {
 public:
  virtual ~WatchedOperation() = default;

  /// The operation in words: "allreduce #7 (sum f32 x 1000, ring)".
  virtual std::string label() const = 0;

  /// The number under which the other ranks know what it waits for.
  virtual std::uint64_t current_sequence() const = 0;

  /// Whether it waits for a message from a rank that nobody knows yet.
  virtual bool awaits_anyone() const = 0;

  /// The ranks that it waits for, and what for, in words. Of a message that any rank may send, none.
  virtual std::set<int> awaited() const = 0;
  virtual std::string awaited_in_words() const = 0;
};

class Watchdog {
 public:
  /// Of an operation with this number, or kNoSequence; both stay.
  Watchdog(CommunicatorState& state, const WatchedOperation& operation, std::uint64_t sequence) noexcept
      : state_(state), operation_(operation), sequence_(sequence) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// The operation got further.
  void progressed() noexcept {
    idle_since_.reset();
    hide();
  }

  /// There is no progress, as this rank waits for the operation, or tests it now and then. \throws CommunicationError
  enum class Mode : std::uint8_t { waits, tests };
  void look_around(Clock::time_point now, Mode mode);

  /// Shows others no wait any more.
  void hide() noexcept;

  /// Makes the communicator unusable, tells the other ranks and throws CommunicationError.
  [[noreturn]] void fail(const std::string& why);

  /// The same of what MPI or UCX says. A connection may break a little before it is seen that the process at its other
  /// end has died: this waits for that, at most 2 kGoneGrace, and names the rank.
  [[noreturn]] void fail_of_transport(const std::string& what);

 private:
  void check_gone(Clock::time_point now);
  void check_limits(Clock::time_point now);
  void show(Clock::time_point now, Mode mode);
  void warn(std::chrono::duration<double> idle);
  void ask_around(std::chrono::duration<double> idle);
  std::set<int> asked_ranks() const;
  void answer_questions();
  std::string waiting_for() const;
  std::string answer_to(const Question& question) const;

  CommunicatorState& state_;
  const WatchedOperation& operation_;
  std::uint64_t sequence_;
  std::optional<Clock::time_point> idle_since_;
  std::chrono::duration<double> next_questions_{};  ///< asked at this idle time
  std::chrono::duration<double> next_show_{};       ///< shown to others at this idle time
  std::chrono::duration<double> next_warning_{};    ///< looked at again at this idle time, while another rank warns
  bool shown_ = false;
  bool asked_ = false;
  bool warned_ = false;
};

}  // namespace tutti::detail
