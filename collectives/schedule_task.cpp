// Running one schedule; see schedule_task.hpp.
#include <algorithm>
#include <cstring>
#include <utility>

#include <tutti/collectives/schedule_task.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kDefaultSegmentBytes = std::size_t{512} << 10;
constexpr std::size_t kMaxSegments = std::size_t{1} << 16;
constexpr int kSegmentsUnderway = 4;  // enough to keep the network busy while one is reduced

Segments cut(const Call& call, const Algorithm& algorithm, int size) {
  const bool bound = has_bound_blocks(call.collective);
  const int blocks = algorithm.blocks(size);
  if (bound && !algorithm.single_block) return {call.data_count, blocks, 1, true};
  const std::size_t wanted = call.options.segment_bytes > 0 ? call.options.segment_bytes : kDefaultSegmentBytes;
  const std::size_t data = call.data_count * size_of(call.dtype);
  const std::size_t message = algorithm.single_block ? data / static_cast<std::size_t>(blocks) : data / 2;
  const std::size_t segments =
      std::clamp<std::size_t>(message / wanted + (message % wanted != 0 ? 1 : 0), 1, kMaxSegments);
  return {call.data_count, blocks, static_cast<int>(segments), bound};
}

}  // namespace

ScheduleTask::ScheduleTask(const Communicator& comm, const Algorithm& algorithm, int row, const Call& call,
                           std::uint64_t sequence, Role role)
    : WaitingTask(comm, sequence, role),
      algorithm_(algorithm),
      call_(call),
      at_{.rank = comm.rank(), .size = comm.size(), .root = call.root},
      segments_(cut(call, algorithm, comm.size())),
      rounds_(algorithm.rounds(comm.size())),
      order_(rounds_, segments_.segments(), std::max(1, (rounds_ + kSegmentsUnderway - 1) / kSegmentsUnderway)) {
  const Signature own = {.sequence = sequence,
                         .count = call.data_count,
                         .history = role == Role::whole ? state().history() : 0,
                         .segments = static_cast<std::uint32_t>(segments_.segments()),
                         .variant = call.variant,
                         .root = call.root,
                         .collective = call.collective,
                         .dtype = call.dtype,
                         .op = call.op,
                         .algorithm = static_cast<std::uint8_t>(row)};
  memory_ = state().acquire_operation_memory();
  const Header header = {.call = own, .before = state().last_call()};
  memory_->handshake.begin(header, comm.size());
  state().record(header, role == Role::whole);  // stages begin when they can, not in one order on all ranks
  const auto window = static_cast<std::size_t>(order_.window());
  if (memory_->window.size() < window) memory_->window.resize(window);
  if (call.collective == Collective::barrier) call_.input = ConstBuffer(&memory_->barrier_byte, 1, DType::u8);
  if (algorithm.needs_scratch(at_)) memory_->scratch = state().acquire_scratch(call.data_count * size_of(call.dtype));
}

ScheduleTask::~ScheduleTask() {
  if (!complete_) {
    state().fail(sequence(), text(label(), " was given up before it was complete"));
    keep_until_exit(memory_);
    return;
  }
  state().release_scratch(std::exchange(memory_->scratch, {}));
  for (ActiveSegment& active : memory_->window) state().release_scratch(std::exchange(active.staging, {}));
  state().release_operation_memory(std::move(memory_));
}

std::string ScheduleTask::label() const {
  return text(name(call_.collective), " #", sequence(), " (", describe(memory_->handshake.own().call), ", ",
              algorithm_.name, ")");
}

std::byte* ScheduleTask::address(Slot slot, std::size_t element) const noexcept {
  std::size_t origin = 0;
  void* base = nullptr;
  switch (slot) {
    case Slot::input:
      base = const_cast<void*>(call_.input.data);  // only read: the verifier proves that no schedule writes its input
      if (call_.collective == Collective::all_gather) origin = segments_.block_begin(at_.rank);
      break;
    case Slot::output:
      base = call_.output.data;
      if (call_.collective == Collective::reduce_scatter) origin = segments_.block_begin(at_.rank);
      break;
    case Slot::scratch:
      base = memory_->scratch.memory.get();
      break;
  }
  return static_cast<std::byte*>(base) + (element - origin) * size_of(call_.dtype);
}

Task::Progress ScheduleTask::advance() {
  if (complete_) return Progress::complete;
  if (state().unusable()) state().throw_unusable();
  try {
    state().transport().progress();
  } catch (const CommunicationError& error) {
    require_same_calls();  // calls that differ explain most failures, and say more
    fail(error.what());
  }
  require_same_calls();
  bool any = false;
  for (bool again = true; again; any = any || again) {
    again = false;
    for (ActiveSegment& active : memory_->window) {
      if (active.underway && is_complete(active)) {
        complete_step(active);
        again = true;
      }
    }
    again = start_steps() || again;
  }
  complete_ = segments_done_ == segments_.segments();
  if (complete_) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

bool ScheduleTask::start_steps() {
  bool any = false;
  for (; !order_.done(); order_.next()) {
    ActiveSegment& active = memory_->window[static_cast<std::size_t>(order_.segment()) % memory_->window.size()];
    if (order_.round() == 0) {
      if (active.segment >= 0) break;
      active.segment = order_.segment();
      active.round = 0;
    } else if (active.underway || active.round != order_.round()) {
      break;
    }
    start_step(active);
    any = true;
  }
  return any;
}

void ScheduleTask::start_step(ActiveSegment& active) {
  active.plan.clear();
  algorithm_.round(at_, active.round, active.plan);
  copy_locally(active);
  post_receives(active);
  for (const Send& send : active.plan.sends) {
    const ElementRange elements = segments_.range(active.segment, send.blocks);
    memory_->handshake.send(state().transport(), send.peer, {address(send.from, elements.first), bytes(elements)},
                            active.pending);
  }
  active.underway = true;
}

void ScheduleTask::copy_locally(const ActiveSegment& active) {
  for (const Copy& copy : active.plan.copies) {
    const ElementRange elements = segments_.range(active.segment, copy.blocks);
    const std::byte* from = address(copy.from, elements.first);
    std::byte* to = address(copy.to, elements.first);
    if (from != to && elements.count > 0) copy_bytes(to, from, bytes(elements));
  }
}

void ScheduleTask::post_receives(ActiveSegment& active) {
  active.incoming.clear();
  std::size_t staged = 0;
  for (const Receive& receive : active.plan.receives) {
    const ElementRange elements = segments_.range(active.segment, receive.blocks);
    active.incoming.push_back({.receive = receive, .elements = elements});
    if (receive.combine != Combine::copy) staged += bytes(elements);
  }
  if (staged > active.staging.capacity) {
    state().release_scratch(std::exchange(active.staging, {}));
    active.staging = state().acquire_scratch(staged);
  }
  std::byte* stage = active.staging.memory.get();
  for (Incoming& incoming : active.incoming) {
    const std::size_t payload = bytes(incoming.elements);
    if (incoming.receive.combine == Combine::copy) {
      incoming.arrived = address(incoming.receive.to, incoming.elements.first);
    } else {
      incoming.arrived = stage;
      stage += payload;
    }
    incoming.greeting = memory_->handshake.receive(state().transport(), incoming.receive.peer,
                                                   {incoming.arrived, payload}, active.pending);
  }
}

bool ScheduleTask::is_complete(const ActiveSegment& active) {
  return active.pending.messages == 0 &&
         std::all_of(active.incoming.begin(), active.incoming.end(),
                     [](const Incoming& in) { return in.greeting == nullptr || in.greeting->verified; });
}

void ScheduleTask::complete_step(ActiveSegment& active) {
  for (const Incoming& in : active.incoming) {
    if (in.elements.count == 0) continue;
    const bool inlined = in.greeting != nullptr && bytes(in.elements) <= kInlinePayloadBytes;
    const std::byte* arrived = inlined ? in.greeting->payload() : in.arrived;
    std::byte* to = address(in.receive.to, in.elements.first);
    if (in.receive.combine == Combine::copy) {
      if (arrived != to) std::memcpy(to, arrived, bytes(in.elements));
      continue;
    }
    const ConstBuffer incoming(arrived, in.elements.count, call_.dtype);
    const ConstBuffer own(address(in.receive.with, in.elements.first), in.elements.count, call_.dtype);
    const bool left = in.receive.combine == Combine::incoming_left;
    combine(call_.op, left ? incoming : own, left ? own : incoming, Buffer(to, in.elements.count, call_.dtype));
  }
  active.underway = false;
  ++active.round;
  if (active.round == rounds_) complete_segment(active);
}

void ScheduleTask::complete_segment(ActiveSegment& active) {
  const bool holds_result = call_.collective != Collective::reduce || at_.rank == at_.root;
  if (call_.reduces() && holds_result) {
    const bool own_only = call_.collective == Collective::reduce_scatter;
    const BlockRange result = own_only ? BlockRange{at_.rank, 1} : BlockRange{0, algorithm_.blocks(at_.size)};
    const ElementRange elements = segments_.range(active.segment, result);
    finish_reduction(call_.op, Buffer(address(Slot::output, elements.first), elements.count, call_.dtype), at_.size);
  }
  active.segment = -1;
  ++segments_done_;
}

void ScheduleTask::require_same_calls() {
  const auto mismatch = memory_->handshake.verify();
  if (mismatch) fail(find_difference(at_.rank, memory_->handshake.own(), mismatch->peer, mismatch->theirs));
}

}  // namespace tutti::detail
