// The public allreduce; see allreduce.hpp.
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/table.hpp>
#include <tutti/collectives/executor.hpp>

namespace tutti {
namespace {

std::unique_ptr<detail::Task> start(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                    const CollectiveOptions& options) {
  return detail::start_collective(comm, allreduce_algorithms(),
                                  {.collective = Collective::allreduce,
                                   .input = input,
                                   .output = output,
                                   .data_count = output.count,
                                   .dtype = output.dtype,
                                   .op = op,
                                   .options = options});
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

Operation iallreduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                     const CollectiveOptions& options) {
  return Operation(start(comm, input, output, op, options));
}

}  // namespace tutti
