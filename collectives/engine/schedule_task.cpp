// Running one schedule; see schedule_task.hpp.
#include <algorithm>
#include <cstring>
#include <utility>

#include <tutti/collectives/engine/schedule_task.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Scratch memory of so few bytes stays with the operation's, where the next one finds it at hand.
constexpr std::size_t kKeptBytes = 8192;

}  // namespace

ScheduleTask::ScheduleTask(const Communicator& comm, const RankGroup& group, SchedulePlan&& plan, Call&& call,
                           std::uint64_t sequence, Role role)
    : CollectiveTask(comm, group, std::move(plan), std::move(call), sequence, role),
      order_(schedule().rounds(), layout().segment_count(), schedule().spacing()),
      window_(static_cast<std::size_t>(order_.window())) {
  if (memory().window.size() < window_) memory().window.resize(window_);
}

ScheduleTask::~ScheduleTask() {
  if (!complete()) return;  // which fails, and keeps all memory
  for (ActiveSegment& active : window()) {
    for (Scratch* scratch : {&active.staging, &active.packing}) {
      if (scratch->capacity > kKeptBytes) state().memory().release_scratch(std::exchange(*scratch, {}));
    }
  }
}

Task::Progress ScheduleTask::advance() {
  if (complete()) return Progress::complete;
  if (state().failures().unusable()) state().failures().throw_unusable();
  progress();
  if (state().transport().completions() == seen_ && !awaits_answer()) return Progress::none;
  if (!calls_match()) return progress_of_question();
  const bool any = take_steps_or_fail();
  if (complete()) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

bool ScheduleTask::take_steps_or_fail() {
  try {
    const bool any = take_steps();
    seen_ = state().transport().completions();
    return any;
  } catch (const CommunicationError& error) {
    if (state().failures().unusable()) throw;
    fail_of_transport(error.what());
  } catch (const std::exception& error) {
    // What is reduced half must not be reduced again.
    if (!state().failures().unusable()) state().failures().fail(sequence(), text(label(), ": ", error.what()));
    throw;
  }
}

/// Completes and starts all steps that can be; true if any.
bool ScheduleTask::take_steps() {
  bool any = start_steps();
  for (bool again = true; again;) {
    again = false;
    for (ActiveSegment& active : window()) {
      if (active.underway && is_complete(active)) {
        complete_step(active);
        again = true;
      }
    }
    any = any || again;
    if (segments_done_ == layout().segment_count()) {
      set_complete();
      break;
    }
    if (again) start_steps();
  }
  return any;
}

bool ScheduleTask::start_steps() {
  bool any = false;
  for (; !order_.done(); order_.next()) {
    ActiveSegment& active = window()[static_cast<std::size_t>(order_.segment()) % window_];
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
  const Round& round = schedule().round(active.round, active.space);
  copy_locally(active, round);
  post_receives(active, round);
  post_sends(active, round);
  active.underway = true;
}

void ScheduleTask::copy_locally(const ActiveSegment& active, const Round& round) {
  for (const Copy& copy : round.copies) {
    const DataLayout::Move move = layout().move(active.segment, copy);
    if (move.bytes > 0) copy_bytes(move.to, move.from, move.bytes);
  }
}

/// Memory of at least `bytes` bytes.
void ScheduleTask::reserve(Scratch& scratch, std::size_t bytes) {
  if (bytes <= scratch.capacity) return;
  state().memory().release_scratch(std::exchange(scratch, {}));
  scratch = state().memory().acquire_scratch(bytes);
}

void ScheduleTask::post_receives(ActiveSegment& active, const Round& round) {
  active.incoming.clear();
  std::size_t staged = 0;
  for (const Receive& receive : round.receives) {
    const Incoming& incoming =
        active.incoming.emplace_back(receive, layout().parts(active.segment, receive.to, receive.blocks));
    if (incoming.is_staged()) staged += incoming.parts.total();
  }
  reserve(active.staging, staged);
  std::byte* stage = active.staging.memory.get();
  for (Incoming& incoming : active.incoming) {
    const Parts& parts = incoming.parts;
    if (incoming.is_staged()) {
      incoming.arrived[0] = stage;
      incoming.arrived[1] = stage + parts.bytes[0];
      stage += parts.total();
    } else {
      for (const int i : {0, 1}) incoming.arrived[i] = layout().address(incoming.receive.to, parts.range[i]);
    }
    SignatureExchange& signature_exchange = memory().signature_exchange;
    Transport& transport = state().transport();
    const int peer = rank_of(incoming.receive.peer);
    if (parts.is_split()) {
      incoming.first_message =
          signature_exchange.receive(transport, peer, {incoming.arrived[0], parts.bytes[0]}, active.pending);
      signature_exchange.receive(transport, peer, {incoming.arrived[1], parts.bytes[1]}, active.pending);
    } else {
      std::byte* first = incoming.arrived[parts.bytes[0] == 0 ? 1 : 0];
      incoming.first_message = signature_exchange.receive(transport, peer, {first, parts.total()}, active.pending);
    }
  }
}

void ScheduleTask::post_sends(ActiveSegment& active, const Round& round) {
  active.outgoing.clear();
  std::size_t packed = 0;
  for (const Send& send : round.sends) {
    const Parts& its = active.outgoing.emplace_back(layout().parts(active.segment, send.from, send.blocks));
    if (its.is_packed()) packed += its.total();
  }
  reserve(active.packing, packed);
  std::byte* pack = active.packing.memory.get();
  for (std::size_t s = 0; s < round.sends.size(); ++s) {
    const Send& send = round.sends[s];
    const Parts& its = active.outgoing[s];
    const auto post = [&](const std::byte* from, std::size_t bytes) {
      memory().signature_exchange.send(state().transport(), rank_of(send.peer), {from, bytes}, active.pending);
    };
    const auto from = [&](int i) { return layout().address(send.from, its.range[i].first); };
    if (its.is_packed()) {
      std::memcpy(pack, from(0), its.bytes[0]);
      std::memcpy(pack + its.bytes[0], from(1), its.bytes[1]);
      post(pack, its.total());
      pack += its.total();
    } else if (its.is_split()) {
      for (const int i : {0, 1}) post(from(i), its.bytes[i]);
    } else {
      post(layout().address(send.from, its.range[its.bytes[0] == 0 ? 1 : 0]), its.total());
    }
  }
}

bool ScheduleTask::is_complete(const ActiveSegment& active) {
  return active.pending.messages == 0 &&
         std::all_of(active.incoming.begin(), active.incoming.end(),
                     [](const Incoming& in) { return in.first_message == nullptr || in.first_message->verified; });
}

void ScheduleTask::complete_step(ActiveSegment& active) {
  const std::vector<Incoming>& incoming = active.incoming;
  for (std::size_t i = 0; i < incoming.size();) {
    std::size_t end = i + 1;
    while (end < incoming.size() && reduced_together(incoming[i].receive, incoming[end].receive)) ++end;
    reduce_parts({&incoming[i], end - i});
    i = end;
  }
  active.underway = false;
  ++active.round;
  if (active.round == schedule().rounds()) complete_segment(active);
}

/// Takes over what has come in messages that are reduced in one pass, or in a single one that is copied.
void ScheduleTask::reduce_parts(std::span<const Incoming> together) {
  const Receive& receive = together.front().receive;
  for (const int part : {0, 1}) {
    const ElementRange& elements = together.front().parts.range[part];
    if (elements.count == 0) continue;
    const Buffer to = layout().buffer(layout().address(receive.to, elements.first), elements);
    if (receive.reduction == Reduction::copy) {
      const std::byte* arrived = together.front().data(part);
      if (arrived != to.data) std::memcpy(to.data, arrived, to.size_bytes());
      continue;
    }
    std::vector<ConstBuffer>& operands = memory().operands;
    operands.resize(together.size() + 1);
    auto next = operands.begin();
    const auto add = [&](const std::byte* data) { *next++ = {data, to.count, to.dtype}; };
    for (const Incoming& in : together) {
      if (in.receive.reduction == Reduction::incoming_left) add(in.data(part));
    }
    add(layout().address(receive.with, elements.first));
    for (const Incoming& in : together) {
      if (in.receive.reduction == Reduction::incoming_right) add(in.data(part));
    }
    if (call().function) {
      reduce_all(*call().function, operands, to);
    } else {
      reduce_all(call().op, operands, to);
    }
  }
}

void ScheduleTask::complete_segment(ActiveSegment& active) {
  if (call().reduces() && call().op == ReduceOp::avg) {
    const ElementRange elements = layout().result(active.segment);
    const Buffer result = layout().buffer(layout().address(Slot::output, elements), elements);
    finish_reduction(call().op, result, schedule().at().size);
  }
  active.segment = -1;
  ++segments_done_;
}

}  // namespace tutti::detail
