// What all collectives under way have in common, whether run step by step or enqueued: the call, how it runs, its
// memory, and how ranks find that they call alike.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/call/data_layout.hpp>
#include <tutti/collectives/call/plan_cache.hpp>
#include <tutti/collectives/communicator/operation_memory.hpp>
#include <tutti/collectives/communicator/rank_group.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>

namespace tutti::detail {

class CollectiveTask : public WaitingTask {
 public:
  /// Takes part in the order of calls. The call has been checked, and `plan` has a schedule. `group` stays.
  CollectiveTask(const Communicator& comm, const RankGroup& group, SchedulePlan&& plan, Call&& call,
                 std::uint64_t sequence, Role role);

  /// A task that is destroyed before it is complete makes the communicator unusable.
  ~CollectiveTask() override;

  /// Starts what can be started. \throws CommunicationError
  virtual void begin() = 0;

 protected:
  std::string label() const final;

  /// Drives the transport. What fails is explained as well as can be. \throws CommunicationError
  bool progress();

  /// Whether all signatures that have come are of the same call. \throws CommunicationError if one is not, and it is
  /// known how it differs: until then nothing more may be done.
  bool calls_match() {
    if (memory_->signature_exchange.awaits_any()) compare_signatures();
    return !awaits_answer();
  }

  /// Whether a peer was asked how its call differs, of which no message may come.
  bool awaits_answer() const noexcept { return asked_.has_value(); }

  /// To have asked is as good as progress once, for the timeout.
  Progress progress_of_question() noexcept {
    return std::exchange(has_just_asked_, false) ? Progress::some : Progress::none;
  }

  const Call& call() const noexcept { return call_; }
  const CompiledSchedule& schedule() const noexcept { return *plan_.schedule; }
  const DataLayout& layout() const noexcept { return layout_; }
  RequestMemory& memory() const noexcept { return *memory_; }
  int rank_of(int number) const noexcept { return group_.rank_of(number); }

  bool complete() const noexcept { return complete_; }
  void set_complete() noexcept { complete_ = true; }

 private:
  void compare_signatures();

  const RankGroup& group_;
  SchedulePlan plan_;
  std::shared_ptr<RequestMemory> memory_;
  Call call_;
  DataLayout layout_;
  std::optional<Clock::time_point> asked_;  // when a peer was that calls otherwise and does not say how
  int asked_peer_ = -1;
  bool has_just_asked_ = false;
  bool complete_ = false;
};

}  // namespace tutti::detail
