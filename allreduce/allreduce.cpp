// The public allreduce; see allreduce.hpp.
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/allreduce/table.hpp>
#include <tutti/collectives/call.hpp>
#include <tutti/collectives/communicator_state.hpp>
#include <tutti/collectives/executor.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

/// Whether the call is right and runs hierarchically, because it is told to or because that is predicted faster.
bool wants_two_levels(const Communicator& comm, const detail::Call& call) {
  const CollectiveOptions& options = call.options;
  const bool named = options.algorithm == detail::kHierarchical;
  if (!named && (!options.algorithm.empty() || options.radix != 0 || options.segment_bytes != 0)) return false;
  if (comm.state().hierarchy() == nullptr) {
    if (!named) return false;
    const std::uint64_t sequence = comm.state().take_sequence();
    comm.state().refuse(sequence, text("allreduce #", sequence, ": algorithm '", options.algorithm,
                                       "' needs several nodes, one of them with several ranks"));
  }
  if (!detail::find_problem(call, comm.rank(), comm.size()).empty()) return false;
  return named || detail::is_hierarchical_faster(comm, call.output.count, size_of(call.dtype));
}

std::unique_ptr<detail::Task> start(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                    const CollectiveOptions& options) {
  const detail::Call call = {.collective = Collective::allreduce,
                             .input = input,
                             .output = output,
                             .data_count = output.count,
                             .dtype = output.dtype,
                             .op = op,
                             .options = options};
  if (wants_two_levels(comm, call)) {
    const auto plan = detail::plan_hierarchical(comm, output.count, size_of(output.dtype), options);
    return detail::start_hierarchical(comm, input, output, op, plan);
  }
  return detail::start_collective(comm, allreduce_algorithms(), call);
}

}  // namespace

void allreduce(const Communicator& comm, Buffer data, ReduceOp op, const CollectiveOptions& options) {
  start(comm, data, data, op, options)->wait();
}

void allreduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
               const CollectiveOptions& options) {
  start(comm, input, output, op, options)->wait();
}

Operation iallreduce(const Communicator& comm, Buffer data, ReduceOp op, const CollectiveOptions& options) {
  return Operation(start(comm, data, data, op, options));
}

}  // namespace tutti
