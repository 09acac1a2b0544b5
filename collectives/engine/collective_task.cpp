// What collectives under way have in common; see collective_task.hpp.
#include <algorithm>
#include <chrono>
#include <utility>

#include <tutti/collectives/engine/collective_task.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Memory for the scratch slot, if the schedule has one.
std::byte* scratch_of(const Call& call, const CompiledSchedule& schedule, MemoryPools& pools, RequestMemory& memory) {
  if (schedule.needs_scratch()) memory.scratch = pools.acquire_scratch(call.data_bytes());
  return memory.scratch.memory.get();
}

}  // namespace

CollectiveTask::CollectiveTask(const Communicator& comm, const RankGroup& group, SchedulePlan&& plan, Call&& call,
                               std::uint64_t sequence, Role role)
    : WaitingTask(comm, sequence, role),
      group_(group),
      plan_(std::move(plan)),
      memory_(state().memory().acquire_operation()),
      call_(std::move(call)),
      layout_(call_, plan_, scratch_of(call_, schedule(), state().memory(), *memory_)) {
  const Header header = {.call = signature(call_, plan_, sequence, role == Role::whole ? state().calls().history() : 0),
                         .before = state().calls().last_call()};
  // Stages begin when they can, not in one order on all ranks.
  const ExecutionInfo how = {.name = schedule().algorithm().name,
                             .radix = schedule().at().radix,
                             .segments = plan_.segments,
                             .element_bytes = call_.element_bytes()};
  const std::uint64_t digest = state().calls().record(header, role == Role::whole, &group == &state().everyone(), how);
  SignatureExchange& signature_exchange = memory_->signature_exchange;
  signature_exchange.set_compares(state().calls().compares());
  if (call_.is_counted_by_pair()) {
    signature_exchange.begin(header.call, digest, state().size(), call_.input_offsets, call_.offsets);
  } else {
    signature_exchange.begin(header.call, digest, state().size());
  }
}

CollectiveTask::~CollectiveTask() {
  if (!complete_) {
    state().failures().fail(sequence(), text(label(), " was given up before it was complete"));
    leak_until_exit(std::move(memory_));
    return;
  }
  MemoryPools& pools = state().memory();
  if (memory_->scratch.capacity > 0) pools.release_scratch(std::exchange(memory_->scratch, {}));
  pools.release_operation(std::move(memory_));
}

std::string CollectiveTask::label() const {
  return text(name(call_.collective), " #", sequence(), " (", describe(memory_->signature_exchange.own()), ", ",
              schedule().algorithm().name, ")");
}

bool CollectiveTask::progress() {
  try {
    return state().transport().progress();
  } catch (const CommunicationError& error) {
    calls_match();  // calls or messages that differ explain most failures, and say more
    state().progress().advance_messages();
    state().poll_control_messages();  // so does a rank that failed and then left
    if (!state().failures().is_imminent()) fail_of_transport(error.what());
    return false;
  }
}

void CollectiveTask::compare_signatures() {
  constexpr std::chrono::duration<double> kAnswerLimit = std::chrono::milliseconds(500);
  const auto mismatch = memory_->signature_exchange.verify();
  if (!mismatch) return;
  state().poll_control_messages();  // a rank that found its arguments wrong and went on says more
  const auto& [peer, own, theirs] = *mismatch;
  if (own == theirs) {  // the peer, once asked, compares more, and fails
    const auto now = Clock::now();
    bool compares = true;
    if (!asked_) {
      state().questions().forget_answer(peer);
      compares = state().questions().ask(peer, sequence());
      state().failures().set_imminent();
      asked_ = now;
      asked_peer_ = peer;
      has_just_asked_ = true;
    }
    const auto& timeout = state().options().timeout;
    const auto limit = timeout ? std::min(kAnswerLimit, *timeout / 2) : kAnswerLimit;
    // Whoever says what it does had nothing to compare.
    const bool has_answered = !state().questions().answer_of(asked_peer_, sequence()).empty();
    if (compares && now - *asked_ < limit && !has_answered) return;
    fail(text("calls differ: rank ", comm().rank(), " and rank ", peer, " both call ", name(own.collective), " ",
              describe(own), ", and counts of ranks, algorithm, segments or other options differ, or an earlier call"));
  }
  fail(find_difference(comm().rank(), {own, {}}, peer, {theirs, {}}));
}

}  // namespace tutti::detail
