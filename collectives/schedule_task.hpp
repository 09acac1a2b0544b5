// One collective on its way: a schedule, its data, and the segments under way. executor.hpp tells the rules.
#pragma once

#include <memory>
#include <vector>

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/handshake.hpp>
#include <tutti/collectives/schedule.hpp>
#include <tutti/collectives/segments.hpp>
#include <tutti/collectives/step_order.hpp>
#include <tutti/collectives/waiting_task.hpp>

namespace tutti::detail {

/// A receive of the step under way: where the bytes arrive, and what then becomes of them.
struct Incoming {
  Receive receive;
  ElementRange elements;
  std::byte* arrived = nullptr;        ///< where the payload comes to lie, unless it comes inside `greeting`
  const Greeting* greeting = nullptr;  ///< if this is the peer's first message
};

/// A segment on its way through the schedule.
struct ActiveSegment {
  int segment = -1;  ///< -1: free
  int round = 0;     ///< next to be started, or under way
  bool underway = false;
  Pending pending;
  Round plan;
  std::vector<Incoming> incoming;
  Scratch staging;  ///< for received data that is combined
};

/// Everything MPI reads or writes while an operation is under way, except the caller's buffers. Reused from operation
/// to operation, so that one like the last needs no new memory.
struct OperationMemory {
  Handshake handshake;
  std::vector<ActiveSegment> window;
  Scratch scratch;
  std::byte barrier_byte{};
};

class ScheduleTask final : public WaitingTask {
 public:
  /// `row` is the index of `algorithm` in its table. The call has been checked; size >= 2.
  ScheduleTask(const Communicator& comm, const Algorithm& algorithm, int row, const Call& call, std::uint64_t sequence,
               Role role);
  ~ScheduleTask() override;
  ScheduleTask(const ScheduleTask&) = delete;
  ScheduleTask& operator=(const ScheduleTask&) = delete;

  /// Starts the first messages.
  void begin() { advance(); }

  Progress advance() override;

 private:
  std::string label() const override;

  bool start_steps();
  void start_step(ActiveSegment& active);
  void copy_locally(const ActiveSegment& active);
  void post_receives(ActiveSegment& active);
  static bool is_complete(const ActiveSegment& active);
  void complete_step(ActiveSegment& active);
  void complete_segment(ActiveSegment& active);
  void require_same_calls();
  std::byte* address(Slot slot, std::size_t element) const noexcept;
  std::size_t bytes(const ElementRange& elements) const noexcept { return elements.count * size_of(call_.dtype); }

  const Algorithm& algorithm_;
  Call call_;
  Position at_;
  Segments segments_;
  int rounds_;
  StepOrder order_;  ///< the next step to be started
  std::shared_ptr<OperationMemory> memory_;
  int segments_done_ = 0;
  bool complete_ = false;
};

}  // namespace tutti::detail
