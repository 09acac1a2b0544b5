// Enqueuing one schedule; see queue_task.hpp.
#include <algorithm>
#include <utility>

#include <tutti/collectives/engine/queue_task.hpp>
#include <tutti/collectives/schedule/step_order.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {

QueuedTask::QueuedTask(const Communicator& comm, const RankGroup& group, SchedulePlan&& plan, Call&& call,
                       std::uint64_t sequence, Role role)
    : CollectiveTask(comm, group, std::move(plan), std::move(call), sequence, role),
      enqueued_(std::make_shared<Enqueued>()),
      greeted_(static_cast<std::size_t>(comm.size())),
      greeted_by_(static_cast<std::size_t>(comm.size())) {}

QueuedTask::~QueuedTask() {
  if (!complete()) leak_until_exit(enqueued_);
}

void QueuedTask::begin() {
  Round space;
  const int rounds = schedule().rounds();
  for (StepOrder order(rounds, layout().segment_count(), schedule().spacing()); !order.done(); order.next()) {
    const Round& round = schedule().round(order.round(), space);
    if (order.segment() == 0) greet(round);
    enqueue_step(order.segment(), round);
    if (order.round() == rounds - 1 && call().reduces()) {
      const ElementRange elements = layout().result(order.segment());
      std::byte* result = layout().address(Slot::output, elements);
      if (elements.count > 0)
        state().queue()->finish(call().op, layout().buffer(result, elements), schedule().at().size);
    }
  }
  state().queue()->mark(enqueued_->mark);
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
    const int peer = rank_of(receive.peer);
    if (is_first(greeted_by_, peer)) {
      awaited_.push_back(memory().signature_exchange.receive(state().transport(), peer, {}, enqueued_->first_messages));
    }
  }
  for (const Send& send : round.sends) {
    const int peer = rank_of(send.peer);
    if (is_first(greeted_, peer))
      memory().signature_exchange.send(state().transport(), peer, {}, enqueued_->first_messages);
  }
}

/// What comes may be staged in memory that an earlier step still uses: the queue keeps their order.
std::byte* QueuedTask::staging(std::size_t bytes) {
  if (bytes > enqueued_->staging_bytes || enqueued_->staging.empty()) {
    enqueued_->staging.push_back(std::make_unique<std::byte[]>(bytes));
    enqueued_->staging_bytes = bytes;
  }
  return enqueued_->staging.back().get();
}

void QueuedTask::enqueue_step(int segment, const Round& round) {
  Queue& queue = *state().queue();
  for (const Copy& copy : round.copies) {
    const DataLayout::Move move = layout().move(segment, copy);
    if (move.bytes > 0) queue.copy(move.to, move.from, move.bytes);
  }
  std::vector<Parts> parts;
  std::size_t staged = 0;
  for (const Receive& receive : round.receives) {
    parts.push_back(layout().parts(segment, receive.to, receive.blocks));
    if (receive.reduction != Reduction::copy) staged += parts.back().total();
  }
  std::byte* stage = staging(staged);
  std::vector<std::byte*> arrived;  // two of every receive
  std::vector<QueuedMessage> messages;
  const auto add = [&](Direction direction, int peer, std::byte* bytes, std::size_t size) {
    if (size > 0) messages.push_back({direction, rank_of(peer), bytes, size});
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Receive& receive = round.receives[i];
    for (const int part : {0, 1}) {
      const bool direct = receive.reduction == Reduction::copy;
      std::byte* to = direct ? layout().address(receive.to, parts[i].range[part]) : stage;
      if (!direct) stage += parts[i].bytes[part];
      arrived.push_back(to);
      add(Direction::receive, receive.peer, to, parts[i].bytes[part]);
    }
  }
  for (const Send& send : round.sends) {
    const Parts its = layout().parts(segment, send.from, send.blocks);
    for (const int part : {0, 1}) {
      add(Direction::send, send.peer, layout().address(send.from, its.range[part]), its.bytes[part]);
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
    while (end < round.receives.size() && reduced_together(first, round.receives[end])) ++end;
    if (first.reduction == Reduction::copy) continue;
    for (const int part : {0, 1}) {
      const ElementRange& elements = parts[i].range[part];
      if (elements.count == 0) continue;
      operands.clear();
      const auto add_those = [&](Reduction side) {
        for (std::size_t j = i; j < end; ++j) {
          std::byte* data = arrived[2 * j + static_cast<std::size_t>(part)];
          if (round.receives[j].reduction == side) operands.emplace_back(layout().buffer(data, elements));
        }
      };
      add_those(Reduction::incoming_left);
      operands.emplace_back(layout().buffer(layout().address(first.with, elements), elements));
      add_those(Reduction::incoming_right);
      state().queue()->reduce(call().op, operands, layout().buffer(layout().address(first.to, elements), elements));
    }
  }
}

Task::Progress QueuedTask::advance() {
  if (complete()) return Progress::complete;
  if (state().failures().unusable()) state().failures().throw_unusable();
  bool any = progress();
  if (!calls_match()) return progress_of_question();
  try {
    any = state().queue()->progress() || any;
  } catch (const CommunicationError& error) {
    fail_of_transport(error.what());
  }
  if (enqueued_->mark.messages == 0 && enqueued_->first_messages.messages == 0 &&
      std::all_of(awaited_.begin(), awaited_.end(), [](const FirstMessage* g) { return g->verified; })) {
    set_complete();
    return Progress::complete;
  }
  return any ? Progress::some : Progress::none;
}

}  // namespace tutti::detail
