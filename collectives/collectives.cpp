// The public collectives; see collectives.hpp.
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/executor.hpp>
#include <tutti/collectives/table.hpp>

namespace tutti {
namespace {

std::size_t ranks(const Communicator& comm) { return static_cast<std::size_t>(comm.size()); }

Operation start(const Communicator& comm, const detail::Call& call) {
  return Operation(detail::start_collective(comm, collective_algorithms(), call));
}

}  // namespace

Operation ibroadcast(const Communicator& comm, Buffer data, int root, const CollectiveOptions& options) {
  return start(comm, {.collective = Collective::broadcast,
                      .input = {},
                      .output = data,
                      .data_count = data.count,
                      .dtype = data.dtype,
                      .root = root,
                      .options = options});
}

void broadcast(const Communicator& comm, Buffer data, int root, const CollectiveOptions& options) {
  ibroadcast(comm, data, root, options).wait();
}

Operation iall_gather(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  return start(comm, {.collective = Collective::all_gather,
                      .input = input,
                      .output = output,
                      .data_count = output.count,
                      .dtype = output.dtype,
                      .options = options});
}

void all_gather(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  iall_gather(comm, input, output, options).wait();
}

Operation igather(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                  const CollectiveOptions& options) {
  return start(comm, {.collective = Collective::gather,
                      .input = input,
                      .output = output,
                      .data_count = input.count * ranks(comm),
                      .dtype = input.dtype,
                      .root = root,
                      .options = options});
}

void gather(const Communicator& comm, ConstBuffer input, Buffer output, int root, const CollectiveOptions& options) {
  igather(comm, input, output, root, options).wait();
}

Operation iscatter(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                   const CollectiveOptions& options) {
  return start(comm, {.collective = Collective::scatter,
                      .input = input,
                      .output = output,
                      .data_count = output.count * ranks(comm),
                      .dtype = output.dtype,
                      .root = root,
                      .options = options});
}

void scatter(const Communicator& comm, ConstBuffer input, Buffer output, int root, const CollectiveOptions& options) {
  iscatter(comm, input, output, root, options).wait();
}

Operation ireduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                          const CollectiveOptions& options) {
  return start(comm, {.collective = Collective::reduce_scatter,
                      .input = input,
                      .output = output,
                      .data_count = input.count,
                      .dtype = input.dtype,
                      .op = op,
                      .options = options});
}

void reduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                    const CollectiveOptions& options) {
  ireduce_scatter(comm, input, output, op, options).wait();
}

Operation ireduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
                  const CollectiveOptions& options) {
  return start(comm, {.collective = Collective::reduce,
                      .input = input,
                      .output = output,
                      .data_count = input.count,
                      .dtype = input.dtype,
                      .op = op,
                      .root = root,
                      .options = options});
}

void reduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
            const CollectiveOptions& options) {
  ireduce(comm, input, output, op, root, options).wait();
}

Operation iall_to_all(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  return start(comm, {.collective = Collective::all_to_all,
                      .input = input,
                      .output = output,
                      .data_count = input.count,
                      .dtype = input.dtype,
                      .options = options});
}

void all_to_all(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  iall_to_all(comm, input, output, options).wait();
}

Operation ibarrier(const Communicator& comm, const CollectiveOptions& options) {
  return start(comm,
               {.collective = Collective::barrier, .input = {}, .output = {}, .data_count = 1, .options = options});
}

void barrier(const Communicator& comm, const CollectiveOptions& options) { ibarrier(comm, options).wait(); }

}  // namespace tutti
