// Enqueuing one schedule; see queued_task.hpp.
#include <algorithm>
#include <utility>

#include <tutti/collectives/queued_task.hpp>
#include <tutti/collectives/step_order.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {

QueuedTask::QueuedTask(const Communicator& comm, const Group& group, const Plan& plan, int row, const Call& call,
                       std::uint64_t sequence, Role role)
    : WaitingTask(comm, sequence, role),
      group_(group),
      algorithm_(*plan.algorithm),
      call_(call),
      at_{.rank = group.number(), .size = group.size(), .root = call.root, .radix = plan.radix, .torus = plan.torus},
      layout_(call_, plan, at_),
      spacing_(segment_spacing(algorithm_, algorithm_.rounds(at_.shape()))),
      memory_(std::make_shared<Memory>()),
      greeted_(static_cast<std::size_t>(comm.size())),
      greeted_by_(static_cast<std::size_t>(comm.size())) {
  const Header header = {.call = signature(call_, plan, row, sequence, role == Role::whole ? state().history() : 0),
                         .before = state().last_call()};
  if (call_.is_counted_by_pair()) {
    memory_->handshake.begin(header, comm.size(), call_.input_offsets, call_.offsets);
  } else {
    memory_->handshake.begin(header, comm.size());
  }
  state().record(header, role == Role::whole, &group == &state().everyone());
  if (call.collective == Collective::barrier) call_.input = ConstBuffer(&memory_->barrier_byte, 1, DType::u8);
  if (algorithm_.needs_scratch(at_)) {
    memory_->scratch = std::make_unique<std::byte[]>(call_.data_bytes());
    layout_.set_scratch(memory_->scratch.get());
  }
}

QueuedTask::~QueuedTask() {
  if (complete_) return;
  state().fail(sequence(), text(label(), " was given up before it was complete"));
  keep_until_exit(memory_);
}

std::string QueuedTask::label() const {
  return text(name(call_.collective), " #", sequence(), " (", describe(memory_->handshake.own().call), ", ",
              algorithm_.name, ")");
}

void QueuedTask::begin() {
  Round round;
  const int rounds = algorithm_.rounds(at_.shape());
  for (StepOrder order(rounds, layout_.segment_count(), spacing_); !order.done(); order.next()) {
    round.clear();
    algorithm_.round(at_, order.round(), round);
    if (order.segment() == 0) greet(round);
    enqueue_step(order.segment(), round);
    if (order.round() == rounds - 1 && call_.reduces()) {
      const ElementRange elements = layout_.result(order.segment());
      std::byte* result = layout_.address(Slot::output, elements);
      if (elements.count > 0) state().queue()->finish(call_.op, layout_.buffer(result, elements), at_.size);
    }
  }
  state().queue()->mark(memory_->mark);
  advance();
}

/// Exchanges signatures with those that are met for the first time.
void QueuedTask::greet(const Round& round) {
  const auto is_first = [](std::vector<bool>& met, int peer) {
    const auto at = static_cast<std::size_t>(peer);
    const bool before = met[at];
    met[at] = true;
    return !before;
  };
  for (const Receive& receive : round.receives) {
    const int peer = group_.rank_of(receive.peer);
    if (is_first(greeted_by_, peer)) {
      awaited_.push_back(memory_->handshake.receive(state().transport(), peer, {}, memory_->greetings));
    }
  }
  for (const Send& send : round.sends) {
    const int peer = group_.rank_of(send.peer);
    if (is_first(greeted_, peer)) memory_->handshake.send(state().transport(), peer, {}, memory_->greetings);
  }
}

/// What comes may be staged in memory that an earlier step still uses: the queue keeps their order.
std::byte* QueuedTask::staging(std::size_t bytes) {
  if (bytes > memory_->staging_bytes || memory_->staging.empty()) {
    memory_->staging.push_back(std::make_unique<std::byte[]>(bytes));
    memory_->staging_bytes = bytes;
  }
  return memory_->staging.back().get();
}

void QueuedTask::enqueue_step(int segment, const Round& round) {
  Queue& queue = *state().queue();
  for (const Copy& copy : round.copies) {
    const DataLayout::Move move = layout_.move(segment, copy);
    if (move.bytes > 0) queue.copy(move.to, move.from, move.bytes);
  }
  std::vector<Parts> parts;
  std::size_t staged = 0;
  for (const Receive& receive : round.receives) {
    parts.push_back(layout_.parts(segment, receive.to, receive.blocks));
    if (receive.combine != Combine::copy) staged += parts.back().total();
  }
  std::byte* stage = staging(staged);
  std::vector<std::byte*> arrived;  // two of every receive
  std::vector<QueuedMessage> messages;
  const auto add = [&](Direction direction, int peer, std::byte* bytes, std::size_t size) {
    if (size > 0) messages.push_back({direction, group_.rank_of(peer), bytes, size});
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Receive& receive = round.receives[i];
    for (const int part : {0, 1}) {
      const bool direct = receive.combine == Combine::copy;
      std::byte* to = direct ? layout_.address(receive.to, parts[i].range[part]) : stage;
      if (!direct) stage += parts[i].bytes[part];
      arrived.push_back(to);
      add(Direction::receive, receive.peer, to, parts[i].bytes[part]);
    }
  }
  for (const Send& send : round.sends) {
    const Parts its = layout_.parts(segment, send.from, send.blocks);
    for (const int part : {0, 1}) {
      add(Direction::send, send.peer, layout_.address(send.from, its.range[part]), its.bytes[part]);
    }
  }
  if (!messages.empty()) queue.exchange(messages);
  enqueue_combinations(round, parts, arrived);
}

void QueuedTask::enqueue_combinations(const Round& round, const std::vector<Parts>& parts,
                                      const std::vector<std::byte*>& arrived) {
  std::vector<ConstBuffer> operands;
  for (std::size_t i = 0, end = 0; i < round.receives.size(); i = end) {
    const Receive& first = round.receives[i];
    end = i + 1;
    while (end < round.receives.size() && combined_together(first, round.receives[end])) ++end;
    if (first.combine == Combine::copy) continue;
    for (const int part : {0, 1}) {
      const ElementRange& elements = parts[i].range[part];
      if (elements.count == 0) continue;
      operands.clear();
      const auto add_those = [&](Combine side) {
        for (std::size_t j = i; j < end; ++j) {
          std::byte* data = arrived[2 * j + static_cast<std::size_t>(part)];
          if (round.receives[j].combine == side) operands.emplace_back(layout_.buffer(data, elements));
        }
      };
      add_those(Combine::incoming_left);
      operands.emplace_back(layout_.buffer(layout_.address(first.with, elements), elements));
      add_those(Combine::incoming_right);
      state().queue()->combine(call_.op, operands, layout_.buffer(layout_.address(first.to, elements), elements));
    }
  }
}

Task::Progress QueuedTask::advance() {
  if (complete_) return Progress::complete;
  if (state().unusable()) state().throw_unusable();
  bool any = false;
  try {
    any = state().transport().progress();
    any = state().queue()->progress() || any;
  } catch (const CommunicationError& error) {
    require_same_calls();
    fail(error.what());
  }
  require_same_calls();
  complete_ = memory_->mark.messages == 0 && memory_->greetings.messages == 0 &&
              std::all_of(awaited_.begin(), awaited_.end(), [](const Greeting* g) { return g->verified; });
  if (complete_) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

void QueuedTask::require_same_calls() {
  const auto mismatch = memory_->handshake.verify();
  if (!mismatch) return;
  state().poll_notices();  // a rank that found its arguments wrong and went on says more
  fail(find_difference(comm().rank(), mismatch->own, mismatch->peer, mismatch->theirs));
}

}  // namespace tutti::detail
