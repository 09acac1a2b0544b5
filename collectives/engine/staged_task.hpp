// Several collectives as one operation.
//
// An operation cuts its data into parts. Every part goes through the same stages, one after the other; some parts are
// under way at once. A stage is a collective of all ranks or of a group of them, or nothing where this rank has no part
// in it. Before and after it the operation computes: a compressed allreduce adds what has come, a sharded optimizer
// would update its shard between a reduce_scatter and an all_gather.
//
// The operation has a sequence number of its own, by which ranks compare their calls and messages name it, and after it
// one for every stage of every part. Stages begin when those before are complete, not in one order on all ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/rank_group.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/node/local_ranks.hpp>

namespace tutti::detail {

/// An operation as messages and other ranks know it.
struct StagedCall {
  std::string_view name;  ///< "hierarchical allreduce", in memory that stays
  std::string arguments;  ///< "sum f32 x 1000": in messages, and all ranks have to agree on these words
  Collective collective{};
  std::size_t count = 0;
  DType dtype{};
  ReduceOp op{};
  std::uint8_t row = UINT8_MAX;     ///< of the algorithm in its table; UINT8_MAX: it is in none
  std::uint32_t plan = 0;           ///< digest of how it runs, beside the number of parts
  std::string_view algorithm = {};  ///< for the flight recorder, in memory that stays
  int stages = 1;
  int parts = 1;
  int parts_underway = 1;

  /// Digest of what ranks have to agree on, whatever a stage moves.
  std::uint32_t variant() const;
};

/// A stage of a part.
class Stage {
 public:
  Stage(const Communicator& comm, int part, int number, std::uint64_t sequence, std::uint32_t variant) noexcept
      : comm_(comm), part_(part), number_(number), sequence_(sequence), variant_(variant) {}

  const Communicator& comm() const noexcept { return comm_; }
  int part() const noexcept { return part_; }
  int number() const noexcept { return number_; }
  std::uint64_t sequence() const noexcept { return sequence_; }

  /// Starts its collective among the ranks of `group`, which stays; null if this rank is alone there and all is done.
  std::unique_ptr<WaitingTask> start(RankGroup& group, AlgorithmTable table, Call&& call) const;

  /// The same in the memory of this rank's node, whose ranks are `group`.
  std::unique_ptr<WaitingTask> start_in_node(const RankGroup& group, Call&& call, const ReservedSlot& slot) const;

 private:
  const Communicator& comm_;
  int part_;
  int number_;
  std::uint64_t sequence_;
  std::uint32_t variant_;
};

/// What an operation does. Holds what its stages read and write, which is kept until the process ends if the operation
/// is given up.
class Stages {
 public:
  Stages() = default;
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;
  virtual ~Stages() = default;

  /// Starts a stage; null if this rank has nothing to do in it, or has done it.
  virtual std::unique_ptr<WaitingTask> begin(const Stage& stage) = 0;

  /// What is to be done once a stage is complete, before the next one of its part begins.
  virtual void end(const Stage& stage) = 0;
};

/// An operation under way. What its stages throw fails it on all ranks, as does to destroy it before it is complete.
class StagedTask final : public WaitingTask {
 public:
  /// Takes part in the order of calls under its number and takes those of the stages.
  StagedTask(const Communicator& comm, StagedCall&& call, std::uint64_t sequence, std::shared_ptr<Stages> stages);
  ~StagedTask() override;

  Progress advance() override;

 private:
  struct Part {
    int index = -1;  ///< none: free for the next
    int stage = 0;
    std::unique_ptr<WaitingTask> task;
  };

  std::string label() const override;
  std::set<int> awaited() const override;  ///< those that any stage waits for
  std::string awaited_in_words() const override { return list("waits for", awaited()); }

  Stage stage_of(const Part& part) const noexcept;
  Progress advance_parts();
  bool advance_part(Part& part);

  StagedCall call_;
  std::uint32_t variant_;
  std::shared_ptr<Stages> stages_;
  std::uint64_t first_stage_;  ///< its number
  std::vector<Part> underway_;
  int begun_ = 0;
  int done_ = 0;
};

/// Makes the stages of a call, which has been checked, and begins it under its number. What `make` throws fails the
/// operation on all ranks, which would wait for this one. \throws CommunicationError
std::unique_ptr<StagedTask> start_staged(const Communicator& comm, StagedCall&& call, std::uint64_t sequence,
                                         const std::function<std::shared_ptr<Stages>()>& make);

}  // namespace tutti::detail
