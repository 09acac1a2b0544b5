// A task that can be waited for: control messages of other ranks' failures, timeout, stall warning, and how to fail.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/system/task.hpp>
#include <tutti/collectives/transport/waiting.hpp>

namespace tutti::detail {

/// "`what` rank 1, 2, 5 and 3 more"; empty if there are no ranks.
std::string list(const char* what, const std::set<int>& ranks);

/// Whether a task stands for itself or is a stage of another, which then advances it.
enum class Role { whole, stage };

class WaitingTask : public Task {
 public:
  WaitingTask(const WaitingTask&) = delete;
  WaitingTask& operator=(const WaitingTask&) = delete;
  ~WaitingTask() override;

  bool poll() final;
  void wait() final;

  /// For an operation of which this is a stage.
  std::set<int> awaited_by_stage() const { return awaited(); }
  /// advance(), called by whoever waits for another task.
  Progress advance_beside();

 protected:
  /// `sequence` is kNoSequence for messages between two ranks.
  WaitingTask(Communicator comm, std::uint64_t sequence, Role role);

  /// The operation in words: "allreduce #7 (sum f32 x 1000, ring)".
  virtual std::string label() const = 0;

  /// The number under which the other ranks know what this task waits for.
  virtual std::uint64_t current_sequence() const { return sequence_; }

  /// Whether this waits for a message from a rank that nobody knows yet.
  virtual bool awaits_anyone() const { return false; }

  /// Whether this waits for what others write to the node's memory, and owes them nothing meanwhile.
  virtual bool waits_in_memory() const { return false; }

  /// The ranks that this waits for, and what for, in words; by default those it exchanges messages with. Of a message
  /// that any rank may send, none.
  virtual std::set<int> awaited() const;
  virtual std::string awaited_in_words() const;

  /// Why waiting is in vain, whatever the other ranks do; empty if it is not.
  virtual std::string hopeless() const { return {}; }

  /// Makes the communicator unusable, tells the other ranks and throws CommunicationError.
  [[noreturn]] void fail(const std::string& why);

  const Communicator& comm() const noexcept { return comm_; }
  CommunicatorState& state() const noexcept { return comm_.state(); }
  std::uint64_t sequence() const noexcept { return sequence_; }

 private:
  enum class Mode : std::uint8_t { waits, tests };

  Progress advance_all();
  void look_around(Clock::time_point now, Mode mode);
  void check_gone(Clock::time_point now);
  void check_limits(Clock::time_point now);
  void show(Clock::time_point now, Mode mode);
  void hide() noexcept;
  void end_record(bool at_once) noexcept;
  void warn(std::chrono::duration<double> idle);
  void ask_around(std::chrono::duration<double> idle);
  std::set<int> asked_ranks() const;
  void answer_questions();
  std::string waiting_for() const;
  std::string answer_to(const CommunicatorState::Question& question) const;

  Communicator comm_;
  std::uint64_t sequence_;
  std::optional<Clock::time_point> idle_since_;
  std::chrono::duration<double> next_questions_{};  ///< asked at this idle time
  std::chrono::duration<double> next_show_{};       ///< shown to others at this idle time
  std::chrono::duration<double> next_warning_{};    ///< looked at again at this idle time, while another rank warns
  bool shown_ = false;
  bool ended_ = false;  ///< the record says so
  bool asked_ = false;
  bool warned_ = false;
};

}  // namespace tutti::detail
