// The public allreduce; see allreduce.hpp.
#include <memory>
#include <utility>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/call/collective_calls.hpp>
#include <tutti/collectives/engine/dispatch.hpp>

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

TaskPtr start(const Communicator& comm, detail::Call&& call) {
  return detail::start_collective(comm, allreduce_algorithms(), std::move(call));
}

void run(const Communicator& comm, detail::Call&& call) {
  detail::run_collective(comm, allreduce_algorithms(), std::move(call));
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
  return PersistentRequest(
      detail::prepare_collective(comm, allreduce_algorithms(), call_of(input, output, op, options)));
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
