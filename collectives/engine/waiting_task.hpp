// A task that can be waited for, with a watchdog for when it makes no progress.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/communicator/progress_list.hpp>
#include <tutti/collectives/engine/watchdog.hpp>
#include <tutti/collectives/system/task.hpp>

namespace tutti::detail {

/// "`what` rank 1, 2, 5 and 3 more"; empty if there are no ranks.
std::string list(const char* what, const std::set<int>& ranks);

/// Whether a task stands for itself or is a stage of another, which then advances it.
enum class Role { whole, stage };

class WaitingTask : public Task, public Driven, private WatchedOperation {
 public:
  WaitingTask(const WaitingTask&) = delete;
  WaitingTask& operator=(const WaitingTask&) = delete;
  ~WaitingTask() override;

  bool poll() final;
  void wait() final;

  /// For an operation of which this is a stage.
  std::set<int> awaited_by_stage() const { return awaited(); }

  /// advance(), called by whoever waits for another task.
  bool advance_beside() final;

 protected:
  /// `sequence` is kNoSequence for messages between two ranks.
  WaitingTask(Communicator comm, std::uint64_t sequence, Role role);

  std::string label() const override = 0;
  std::uint64_t current_sequence() const override { return sequence_; }
  bool awaits_anyone() const override { return false; }

  /// By default the ranks that messages under way go to or come from.
  std::set<int> awaited() const override;
  std::string awaited_in_words() const override;

  /// Whether this waits for what others write to the node's memory, and owes them nothing meanwhile.
  virtual bool waits_in_memory() const { return false; }

  /// Why waiting is in vain, whatever the other ranks do; empty if it is not.
  virtual std::string hopeless() const { return {}; }

  /// Makes the communicator unusable, tells the other ranks and throws CommunicationError.
  [[noreturn]] void fail(const std::string& why) { watchdog_.fail(why); }
  /// The same, of what MPI or UCX says: of a connection that broke, whose rank has died.
  [[noreturn]] void fail_of_transport(const std::string& what) { watchdog_.fail_of_transport(what); }

  const Communicator& comm() const noexcept { return comm_; }
  CommunicatorState& state() const noexcept { return comm_.state(); }
  std::uint64_t sequence() const noexcept { return sequence_; }

 private:
  Progress advance_all();
  void end_record(bool at_once) noexcept;

  Communicator comm_;
  std::uint64_t sequence_;
  Watchdog watchdog_;
  bool ended_ = false;  ///< the record says so
};

}  // namespace tutti::detail
