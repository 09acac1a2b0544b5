// Voting; see vote.hpp.
#include "allreduce/preload/vote.hpp"

#include <cstdint>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/call/collective_calls.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/engine/node_task.hpp>
#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/selection.hpp>

namespace tutti::preload {
namespace {

void run(const Communicator& comm, const detail::Call& call) {
  if (call.collective == Collective::allreduce) return allreduce(comm, call.input, call.output, call.op);
  detail::start_collective(comm, collective_algorithms(), detail::Call(call))->wait();
}

/// Whether a rule takes the call out of the node's memory.
bool is_ruled(const Communicator& comm, const detail::Call& call) {
  if (comm.state().rules() == nullptr) return false;
  detail::Call own = call;
  const bool is_allreduce = call.collective == Collective::allreduce;
  detail::take_rule(comm, is_allreduce ? allreduce_algorithms() : collective_algorithms(), own);
  return !detail::runs_in_node(comm, own);
}
bool is_in_memory(const Communicator& comm) noexcept { return comm.state().is_one_node(); }

}  // namespace

void let_pass(const Communicator& comm) {
  if (is_in_memory(comm)) detail::let_pass(comm);
}

bool run_if_all_can(const Communicator& comm, const detail::Call* call) {
  // Where all ranks share memory they say so when they meet. Elsewhere that takes a message of its own.
  if (is_in_memory(comm)) {
    if (call == nullptr || !is_ruled(comm, *call)) return detail::run_if_all_can(comm, call);
    // A rule has it run by messages. A rank that cannot serve it knows of no rule, and says no all the same.
    static const detail::Call meeting = detail::barrier_call({});
    if (!detail::run_if_all_can(comm, &meeting)) return false;
    run(comm, *call);
    return true;
  }
  std::uint8_t can = call != nullptr ? 1 : 0;
  allreduce(comm, Buffer(&can, 1, DType::u8), ReduceOp::min);
  if (can == 0 || call == nullptr) return false;
  run(comm, *call);
  return true;
}

}  // namespace tutti::preload
