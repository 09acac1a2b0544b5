// The public allreduce; see allreduce.hpp.
#include <utility>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/allreduce/table.hpp>
#include <tutti/collectives/call/collective_calls.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using TaskPtr = std::unique_ptr<detail::Task>;

detail::Call call_of(ConstBuffer input, Buffer output, ReduceOp op, const CollectiveOptions& options) {
  return {.collective = Collective::allreduce,
          .input = input,
          .output = output,
          .data_count = output.count,
          .dtype = output.dtype,
          .op = op,
          .options = options};
}

detail::Call call_of(Buffer data, std::shared_ptr<const UserOperator> function, const CollectiveOptions& options) {
  const Buffer bytes = detail::bytes_of(data);
  return detail::with_function(call_of(bytes, bytes, detail::kUserOperator, options), std::move(function));
}

/// Why the hierarchical algorithm, which is named, cannot run; nullptr if it can.
const char* find_level_problem(const Communicator& comm, const detail::Call& call) {
  if (comm.state().hierarchy() == nullptr) return "needs several nodes, one of them with several ranks";
  if (comm.options().reproducibility == Reproducibility::layout)
    return "does not reduce all ranks at once, as the reproducibility level 'layout' needs";
  if (call.function) return "is not for functions of the program";
  // Its stages would be enqueued when those before are done, which is not in one order on all ranks.
  if (comm.state().queue() != nullptr) return "is not for transports that only enqueue";
  return nullptr;
}

/// Whether the call runs on two levels, because it or a rule says so, or because that is predicted faster. Of calls
/// that are wrong the others say so.
bool wants_two_levels(const Communicator& comm, detail::Call& call) {
  detail::take_rule(comm, allreduce_algorithms(), call, find_level_problem);
  const CollectiveOptions& options = call.options;
  const bool named = options.algorithm == detail::kHierarchical;
  if (!named && (!options.algorithm.empty() || options.radix != 0 || options.segment_bytes != 0)) return false;
  if (const char* const problem = find_level_problem(comm, call)) {
    if (!named) return false;
    const std::uint64_t sequence = comm.state().take_sequence();
    comm.state().failures().refuse(sequence,
                                   text("allreduce #", sequence, ": algorithm '", options.algorithm, "' ", problem));
  }
  if (!detail::find_problem(call, comm.rank(), comm.size()).empty()) return false;
  return named || detail::is_hierarchical_faster(comm, call.output.count, size_of(call.dtype));
}

detail::HierarchicalPlan plan_of(const Communicator& comm, const detail::Call& call) {
  const auto plan = detail::plan_hierarchical(*comm.state().hierarchy(), call.data_bytes(), call.options.segment_bytes);
  if (detail::DebugLog* const log = comm.state().debug()) {
    const std::string why = call.rule != nullptr ? text("rule '", call.rule->words, "' of ", call.rule->place)
                            : call.options.algorithm.empty() ? "predicted faster than one level"
                                                             : "named by the program";
    log->say_call(call, text(detail::kHierarchical, ", ", plan.chunks, plan.chunks == 1 ? " chunk" : " chunks"), why);
  }
  return plan;
}

TaskPtr start(const Communicator& comm, detail::Call&& call) {
  if (!wants_two_levels(comm, call)) return detail::start_collective(comm, allreduce_algorithms(), std::move(call));
  return detail::start_hierarchical(comm, call.input, call.output, call.op, plan_of(comm, call));
}

void run(const Communicator& comm, detail::Call&& call) {
  if (!wants_two_levels(comm, call)) return detail::run_collective(comm, allreduce_algorithms(), std::move(call));
  start(comm, std::move(call))->wait();
}

}  // namespace

void allreduce(const Communicator& comm, Buffer data, ReduceOp op, const CollectiveOptions& options) {
  run(comm, call_of(data, data, op, options));
}

void allreduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
               const CollectiveOptions& options) {
  run(comm, call_of(input, output, op, options));
}

Request iallreduce(const Communicator& comm, Buffer data, ReduceOp op, const CollectiveOptions& options) {
  return Request(start(comm, call_of(data, data, op, options)));
}

Request iallreduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                   const CollectiveOptions& options) {
  return Request(start(comm, call_of(input, output, op, options)));
}

PersistentRequest allreduce_init(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                 const CollectiveOptions& options) {
  detail::Call call = call_of(input, output, op, options);
  if (!wants_two_levels(comm, call)) {
    return PersistentRequest(detail::prepare_collective(comm, allreduce_algorithms(), std::move(call)));
  }
  return PersistentRequest(
      [=, plan = plan_of(comm, call)] { return detail::start_hierarchical(comm, input, output, op, plan); });
}

void allreduce(const Communicator& comm, Buffer data, std::shared_ptr<const UserOperator> function,
               const CollectiveOptions& options) {
  start(comm, call_of(data, std::move(function), options))->wait();
}

Request iallreduce(const Communicator& comm, Buffer data, std::shared_ptr<const UserOperator> function,
                   const CollectiveOptions& options) {
  return Request(start(comm, call_of(data, std::move(function), options)));
}

}  // namespace tutti
