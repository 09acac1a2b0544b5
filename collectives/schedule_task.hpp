// One collective on its way: a schedule, its data, and the segments under way. executor.hpp tells the rules.
#pragma once

#include <memory>
#include <new>
#include <vector>

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/choice.hpp>
#include <tutti/collectives/data_layout.hpp>
#include <tutti/collectives/group.hpp>
#include <tutti/collectives/operation_memory.hpp>
#include <tutti/collectives/schedule.hpp>
#include <tutti/collectives/step_order.hpp>
#include <tutti/collectives/waiting_task.hpp>

namespace tutti::detail {

class ScheduleTask final : public WaitingTask {
 public:
  /// `row` is the index of the plan's algorithm in its table. The call has been checked; size >= 2.
  ScheduleTask(const Communicator& comm, const Group& group, const Plan& plan, int row, const Call& call,
               std::uint64_t sequence, Role role);
  ~ScheduleTask() override;
  ScheduleTask(const ScheduleTask&) = delete;
  ScheduleTask& operator=(const ScheduleTask&) = delete;

  /// Tasks live in memory that their communicator keeps for the next one.
  static void* operator new(std::size_t bytes, CommunicatorState& state);
  static void operator delete(void* memory, CommunicatorState& state) noexcept;
  static void operator delete(ScheduleTask* task, std::destroying_delete_t) noexcept;

  /// Starts the first messages.
  void begin() { advance(); }

  Progress advance() override;

 private:
  std::string label() const override;

  bool take_steps();
  bool start_steps();
  void start_step(ActiveSegment& active);
  void copy_locally(const ActiveSegment& active);
  void reserve(Scratch& scratch, std::size_t bytes);
  void post_receives(ActiveSegment& active);
  void post_sends(ActiveSegment& active);
  static bool is_complete(const ActiveSegment& active);
  void complete_step(ActiveSegment& active);
  void combine_parts(std::span<const Incoming> together);
  void complete_segment(ActiveSegment& active);
  void require_same_calls();

  const Group& group_;
  const Algorithm& algorithm_;
  Call call_;
  Position at_;
  DataLayout layout_;
  int rounds_;
  StepOrder order_;  ///< the next step to be started
  std::shared_ptr<OperationMemory> memory_;
  int segments_done_ = 0;
  bool complete_ = false;
};

}  // namespace tutti::detail
