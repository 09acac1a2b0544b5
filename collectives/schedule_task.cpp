// Running one schedule; see schedule_task.hpp.
#include <algorithm>
#include <cstring>
#include <utility>

#include <tutti/collectives/mailbox.hpp>
#include <tutti/collectives/schedule_task.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
ScheduleTask::ScheduleTask(const Communicator& comm, const Group& group, const Plan& plan, int row, const Call& call,
                           std::uint64_t sequence, Role role)
    : WaitingTask(comm, sequence, role),
      group_(group),
      algorithm_(*plan.algorithm),
      call_(call),
      at_{.rank = group.number(), .size = group.size(), .root = call.root, .radix = plan.radix},
      layout_(call_, plan, at_),
      rounds_(algorithm_.rounds(at_.shape())),
      order_(rounds_, layout_.segment_count(), segment_spacing(algorithm_, rounds_)) {
  memory_ = state().memory().acquire_operation();
  const Header header = {.call = signature(call_, plan, row, sequence, role == Role::whole ? state().history() : 0),
                         .before = state().last_call()};
  if (call_.is_counted_by_pair()) {
    memory_->handshake.begin(header, comm.size(), call_.input_offsets, call_.offsets);
  } else {
    memory_->handshake.begin(header, comm.size());
  }
  // Stages begin when they can, not in one order on all ranks.
  state().record(header, role == Role::whole, &group == &state().everyone());
  const auto window = static_cast<std::size_t>(order_.window());
  if (memory_->window.size() < window) memory_->window.resize(window);
  if (call.collective == Collective::barrier) call_.input = ConstBuffer(&memory_->barrier_byte, 1, DType::u8);
  if (algorithm_.needs_scratch(at_)) memory_->scratch = state().memory().acquire_scratch(call.data_bytes());
  layout_.set_scratch(memory_->scratch.memory.get());
}

ScheduleTask::~ScheduleTask() {
  if (!complete_) {
    state().fail(sequence(), text(label(), " was given up before it was complete"));
    keep_until_exit(memory_);
    return;
  }
  state().memory().release_scratch(std::exchange(memory_->scratch, {}));
  for (ActiveSegment& active : memory_->window) {
    state().memory().release_scratch(std::exchange(active.staging, {}));
    state().memory().release_scratch(std::exchange(active.packing, {}));
  }
  state().memory().release_operation(std::move(memory_));
}

void* ScheduleTask::operator new(std::size_t bytes, CommunicatorState& state) {
  return state.memory().acquire_task(bytes);
}

void ScheduleTask::operator delete(void* memory, CommunicatorState& state) noexcept {
  state.memory().release_task(memory);
}

void ScheduleTask::operator delete(ScheduleTask* task, std::destroying_delete_t) noexcept {
  const Communicator comm = task->comm();  // which may be the last to hold it
  task->~ScheduleTask();
  comm.state().memory().release_task(task);
}

std::string ScheduleTask::label() const {
  return text(name(call_.collective), " #", sequence(), " (", describe(memory_->handshake.own().call), ", ",
              algorithm_.name, ")");
}

Task::Progress ScheduleTask::advance() {
  if (complete_) return Progress::complete;
  if (state().unusable()) state().throw_unusable();
  try {
    state().transport().progress();
  } catch (const CommunicationError& error) {
    require_same_calls();  // calls or messages that differ explain most failures, and say more
    state().mailbox().advance();
    state().poll_notices();  // so does a rank that failed and then left
    fail(error.what());
  }
  require_same_calls();
  bool any = false;
  try {
    any = take_steps();
  } catch (const std::exception& error) {
    // What is combined half must not be combined again.
    if (!state().unusable()) state().fail(sequence(), text(label(), ": ", error.what()));
    throw;
  }
  complete_ = segments_done_ == layout_.segment_count();
  if (complete_) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

/// Completes and starts all steps that can be; true if any.
bool ScheduleTask::take_steps() {
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
  return any;
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
  post_sends(active);
  active.underway = true;
}

void ScheduleTask::copy_locally(const ActiveSegment& active) {
  for (const Copy& copy : active.plan.copies) {
    const DataLayout::Move move = layout_.move(active.segment, copy);
    if (move.bytes > 0) copy_bytes(move.to, move.from, move.bytes);
  }
}

/// Memory of at least `bytes` bytes.
void ScheduleTask::reserve(Scratch& scratch, std::size_t bytes) {
  if (bytes <= scratch.capacity) return;
  state().memory().release_scratch(std::exchange(scratch, {}));
  scratch = state().memory().acquire_scratch(bytes);
}

void ScheduleTask::post_receives(ActiveSegment& active) {
  active.incoming.clear();
  std::size_t staged = 0;
  for (const Receive& receive : active.plan.receives) {
    const Incoming& incoming = active.incoming.emplace_back(
        Incoming{.receive = receive, .parts = layout_.parts(active.segment, receive.to, receive.blocks)});
    if (receive.combine != Combine::copy || incoming.parts.is_packed()) staged += incoming.parts.total();
  }
  reserve(active.staging, staged);
  std::byte* stage = active.staging.memory.get();
  for (Incoming& incoming : active.incoming) {
    const Parts& parts = incoming.parts;
    if (incoming.receive.combine != Combine::copy || parts.is_packed()) {
      incoming.arrived[0] = stage;
      incoming.arrived[1] = stage + parts.bytes[0];
      stage += parts.total();
    } else {
      for (const int i : {0, 1}) incoming.arrived[i] = layout_.address(incoming.receive.to, parts.range[i]);
    }
    Handshake& handshake = memory_->handshake;
    Transport& transport = state().transport();
    const int peer = group_.rank_of(incoming.receive.peer);
    if (parts.is_split()) {
      incoming.greeting = handshake.receive(transport, peer, {incoming.arrived[0], parts.bytes[0]}, active.pending);
      handshake.receive(transport, peer, {incoming.arrived[1], parts.bytes[1]}, active.pending);
    } else {
      std::byte* first = incoming.arrived[parts.bytes[0] == 0 ? 1 : 0];
      incoming.greeting = handshake.receive(transport, peer, {first, parts.total()}, active.pending);
    }
  }
}

void ScheduleTask::post_sends(ActiveSegment& active) {
  std::size_t packed = 0;
  for (const Send& send : active.plan.sends) {
    const Parts its = layout_.parts(active.segment, send.from, send.blocks);
    if (its.is_packed()) packed += its.total();
  }
  reserve(active.packing, packed);
  std::byte* pack = active.packing.memory.get();
  for (const Send& send : active.plan.sends) {
    const int peer = group_.rank_of(send.peer);
    const Parts its = layout_.parts(active.segment, send.from, send.blocks);
    const auto from = [&](int i) { return layout_.address(send.from, its.range[i].first); };
    if (its.is_packed()) {
      std::memcpy(pack, from(0), its.bytes[0]);
      std::memcpy(pack + its.bytes[0], from(1), its.bytes[1]);
      memory_->handshake.send(state().transport(), peer, {pack, its.total()}, active.pending);
      pack += its.total();
    } else if (its.is_split()) {
      for (const int i : {0, 1}) {
        memory_->handshake.send(state().transport(), peer, {from(i), its.bytes[i]}, active.pending);
      }
    } else {
      std::byte* only = layout_.address(send.from, its.range[its.bytes[0] == 0 ? 1 : 0]);
      memory_->handshake.send(state().transport(), peer, {only, its.total()}, active.pending);
    }
  }
}

bool ScheduleTask::is_complete(const ActiveSegment& active) {
  return active.pending.messages == 0 &&
         std::all_of(active.incoming.begin(), active.incoming.end(),
                     [](const Incoming& in) { return in.greeting == nullptr || in.greeting->verified; });
}

void ScheduleTask::complete_step(ActiveSegment& active) {
  const std::vector<Incoming>& incoming = active.incoming;
  for (std::size_t i = 0; i < incoming.size();) {
    std::size_t end = i + 1;
    while (end < incoming.size() && combined_together(incoming[i].receive, incoming[end].receive)) ++end;
    combine_parts({&incoming[i], end - i});
    i = end;
  }
  active.underway = false;
  ++active.round;
  if (active.round == rounds_) complete_segment(active);
}

/// Takes over what has come in messages that are combined in one pass, or in a single one that is copied.
void ScheduleTask::combine_parts(std::span<const Incoming> together) {
  const Receive& receive = together.front().receive;
  for (const int part : {0, 1}) {
    const ElementRange& elements = together.front().parts.range[part];
    if (elements.count == 0) continue;
    std::byte* to = layout_.address(receive.to, elements.first);
    if (receive.combine == Combine::copy) {
      const std::byte* arrived = together.front().data(part);
      if (arrived != to) std::memcpy(to, arrived, layout_.bytes(elements));
      continue;
    }
    std::vector<ConstBuffer>& operands = memory_->operands;
    operands.clear();
    const auto add = [&](const std::byte* data) {
      const Buffer like = layout_.buffer(to, elements);
      operands.emplace_back(data, like.count, like.dtype);
    };
    for (const Incoming& in : together) {
      if (in.receive.combine == Combine::incoming_left) add(in.data(part));
    }
    add(layout_.address(receive.with, elements.first));
    for (const Incoming& in : together) {
      if (in.receive.combine == Combine::incoming_right) add(in.data(part));
    }
    if (call_.function) {
      combine_all(*call_.function, operands, layout_.buffer(to, elements));
    } else {
      combine_all(call_.op, operands, layout_.buffer(to, elements));
    }
  }
}

void ScheduleTask::complete_segment(ActiveSegment& active) {
  if (call_.reduces() && !call_.function) {
    const ElementRange elements = layout_.result(active.segment);
    finish_reduction(call_.op, layout_.buffer(layout_.address(Slot::output, elements), elements), at_.size);
  }
  active.segment = -1;
  ++segments_done_;
}

void ScheduleTask::require_same_calls() {
  const auto mismatch = memory_->handshake.verify();
  if (!mismatch) return;
  state().poll_notices();  // a rank that found its arguments wrong and went on says more
  fail(find_difference(comm().rank(), mismatch->own, mismatch->peer, mismatch->theirs));
}

}  // namespace tutti::detail
