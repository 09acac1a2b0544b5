// One collective on its way: a schedule, its data, and the segments under way.
//
// The data are cut into segments; each goes through all rounds of the schedule by itself, so that the messages of one
// segment overlap the reduction of another. With R rounds, segment s starts `spacing` rounds after segment s-1, and
// everything a rank starts is started in one order that all ranks share: by tick = round + s * spacing, then by
// segment. Two ranks therefore agree on the order of the messages between them without numbering them. A step (round,
// segment) is started once its predecessor in this order has been started and its segment's round before is complete;
// what it waits for are steps before it, so schedules without deadlock stay without.
#pragma once

#include <span>

#include <tutti/collectives/engine/collective_task.hpp>
#include <tutti/collectives/engine/pooled_task.hpp>
#include <tutti/collectives/schedule/step_order.hpp>

namespace tutti::detail {

class ScheduleTask final : public CollectiveTask, public PooledTask<ScheduleTask> {
 public:
  ScheduleTask(const Communicator& comm, const RankGroup& group, SchedulePlan&& plan, Call&& call,
               std::uint64_t sequence, Role role);
  ~ScheduleTask() override;

  void begin() override { take_steps_or_fail(); }
  Progress advance() override;

 private:
  friend class PooledTask<ScheduleTask>;

  std::span<ActiveSegment> window() const noexcept { return {memory().window.data(), window_}; }
  bool take_steps_or_fail();
  bool take_steps();
  bool start_steps();
  void start_step(ActiveSegment& active);
  void copy_locally(const ActiveSegment& active, const Round& round);
  void reserve(Scratch& scratch, std::size_t bytes);
  void post_receives(ActiveSegment& active, const Round& round);
  void post_sends(ActiveSegment& active, const Round& round);
  static bool is_complete(const ActiveSegment& active);
  void complete_step(ActiveSegment& active);
  void reduce_parts(std::span<const Incoming> together);
  void complete_segment(ActiveSegment& active);

  StepOrder order_;  ///< the next step to be started
  std::size_t window_;
  std::uint64_t seen_ = 0;  ///< of the transport's completions, when steps were last taken
  int segments_done_ = 0;
};

}  // namespace tutti::detail
