// A task that can be waited for: notices of other ranks' failures, deadline, stall warning, and how to fail.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator_state.hpp>
#include <tutti/collectives/operation.hpp>
#include <tutti/collectives/waiting.hpp>

namespace tutti::detail {

class WaitingTask : public Task {
 public:
  bool poll() final;
  void wait() final;

 protected:
  enum class Progress { none, some, complete };

  WaitingTask(Communicator comm, std::uint64_t sequence) : comm_(std::move(comm)), sequence_(sequence) {}

  /// Does what can be done without waiting. `some` means that this task itself got further.
  virtual Progress advance() = 0;

  /// The operation in words: "allreduce #7 (sum f32 x 1000, ring)".
  virtual std::string label() const = 0;

  /// Makes the communicator unusable, tells the other ranks and throws CommunicationError.
  [[noreturn]] void fail(const std::string& why);

  const Communicator& comm() const noexcept { return comm_; }
  CommunicatorState& state() const noexcept { return comm_.state(); }
  std::uint64_t sequence() const noexcept { return sequence_; }

 private:
  Progress advance_within_limits();
  void check_limits(Clock::time_point now);
  std::string waiting_for() const;

  Communicator comm_;
  std::uint64_t sequence_;
  std::optional<Clock::time_point> idle_since_;
  Clock::time_point last_notices_{};
  bool warned_ = false;
};

}  // namespace tutti::detail
