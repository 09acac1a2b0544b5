// One collective that is enqueued as a whole on a transport that only enqueues (queue.hpp).
//
// All steps (round, segment) are enqueued when the collective is started, in the order that all ranks share
// (step_order.hpp): local copies, the messages of the round, then what reduces them. A rank does its steps one after
// the other, and what a step waits for are the same step's messages on other ranks, so the first step that is not done
// everywhere can always be done: there is no deadlock. Signatures travel beside, on the transport that completes: one
// message of the header to and from every peer.
#pragma once

#include <memory>
#include <vector>

#include <tutti/collectives/engine/collective_task.hpp>
#include <tutti/collectives/transport/queue.hpp>

namespace tutti::detail {

class QueuedTask final : public CollectiveTask {
 public:
  /// The communicator has a queue.
  QueuedTask(const Communicator& comm, const RankGroup& group, SchedulePlan&& plan, Call&& call, std::uint64_t sequence,
             Role role);
  ~QueuedTask() override;

  /// Enqueues everything.
  void begin() override;
  Progress advance() override;

 private:
  /// What queue and MPI read or write until the work is done, beside what all collectives have.
  struct Enqueued {
    Pending first_messages;
    Pending mark;
    std::vector<std::unique_ptr<std::byte[]>> staging;  ///< the last is in use, those before may still be
    std::size_t staging_bytes = 0;                      ///< of the last
  };

  void greet(const Round& round);
  void enqueue_step(int segment, const Round& round);
  std::byte* staging(std::size_t bytes);
  void enqueue_combinations(const Round& round, const std::vector<Parts>& parts,
                            const std::vector<std::byte*>& arrived);

  std::shared_ptr<Enqueued> enqueued_;
  std::vector<bool> greeted_;     ///< by rank
  std::vector<bool> greeted_by_;  ///< by rank
  std::vector<const FirstMessage*> awaited_;
};

}  // namespace tutti::detail
