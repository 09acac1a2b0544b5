// One collective that is enqueued as a whole on a transport that only enqueues (queue.hpp).
//
// All steps (round, segment) are enqueued when the collective is started, in the order that all ranks share
// (step_order.hpp): local copies, the messages of the round, then what combines them. A rank does its steps one after
// the other, and what a step waits for are the same step's messages on other ranks, so the first step that is not done
// everywhere can always be done: there is no deadlock. Signatures travel beside, on the transport that completes: one
// message of the header to and from every peer.
#pragma once

#include <memory>
#include <vector>

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/choice.hpp>
#include <tutti/collectives/data_layout.hpp>
#include <tutti/collectives/group.hpp>
#include <tutti/collectives/handshake.hpp>
#include <tutti/collectives/queue.hpp>
#include <tutti/collectives/waiting_task.hpp>

namespace tutti::detail {

class QueuedTask final : public WaitingTask {
 public:
  /// As ScheduleTask's; the communicator has a queue.
  QueuedTask(const Communicator& comm, const Group& group, const Plan& plan, int row, const Call& call,
             std::uint64_t sequence, Role role);
  ~QueuedTask() override;
  QueuedTask(const QueuedTask&) = delete;
  QueuedTask& operator=(const QueuedTask&) = delete;

  /// Enqueues everything.
  void begin();

  Progress advance() override;

 private:
  /// What queue and MPI read or write until the work is done.
  struct Memory {
    Handshake handshake;
    Pending greetings;
    Pending mark;
    std::vector<std::unique_ptr<std::byte[]>> staging;  ///< the last is in use, those before may still be
    std::size_t staging_bytes = 0;                      ///< of the last
    std::unique_ptr<std::byte[]> scratch;
    std::byte barrier_byte{};
  };

  std::string label() const override;
  void greet(const Round& round);
  void enqueue_step(int segment, const Round& round);
  std::byte* staging(std::size_t bytes);
  void enqueue_combinations(const Round& round, const std::vector<Parts>& parts,
                            const std::vector<std::byte*>& arrived);
  void require_same_calls();

  const Group& group_;
  const Algorithm& algorithm_;
  Call call_;
  Position at_;
  DataLayout layout_;
  int spacing_;
  std::shared_ptr<Memory> memory_;
  std::vector<bool> greeted_;     ///< by rank
  std::vector<bool> greeted_by_;  ///< by rank
  std::vector<const Greeting*> awaited_;
  bool complete_ = false;
};

}  // namespace tutti::detail
