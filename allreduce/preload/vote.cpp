// Voting; see vote.hpp.
#include "allreduce/preload/vote.hpp"

#include <cstdint>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/executor.hpp>
#include <tutti/collectives/node/direct_task.hpp>
#include <tutti/collectives/table.hpp>

namespace tutti::preload {
namespace {

void run(const Communicator& comm, const detail::Call& call) {
  if (call.collective == Collective::allreduce) return allreduce(comm, call.input, call.output, call.op);
  detail::start_collective(comm, collective_algorithms(), detail::Call(call))->wait();
}

}  // namespace

bool run_if_all_can(const Communicator& comm, const detail::Call* call) {
  // Where all ranks share memory they say so when they meet. Elsewhere that takes a message of its own.
  if (comm.place().nodes == 1 && comm.choice_facts().shared_memory) return detail::run_if_all_can(comm, call);
  std::uint8_t can = call != nullptr ? 1 : 0;
  allreduce(comm, Buffer(&can, 1, DType::u8), ReduceOp::min);
  if (can == 0 || call == nullptr) return false;
  run(comm, *call);
  return true;
}

}  // namespace tutti::preload
