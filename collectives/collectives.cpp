// The public collectives; see collectives.hpp.
#include <tutti/collectives/choice.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/executor.hpp>

namespace tutti {
namespace {

void run(const Communicator& comm, const detail::Call& call) {
  detail::start_collective(comm, detail::collective_source(), call)->wait();
}

}  // namespace

void broadcast(const Communicator& comm, Buffer data, int root, const CollectiveOptions& options) {
  run(comm, {.collective = Collective::broadcast,
             .input = {},
             .output = data,
             .data_count = data.count,
             .dtype = data.dtype,
             .root = root,
             .options = options});
}

void all_gather(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  run(comm, {.collective = Collective::all_gather,
             .input = input,
             .output = output,
             .data_count = output.count,
             .dtype = output.dtype,
             .options = options});
}

void reduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                    const CollectiveOptions& options) {
  run(comm, {.collective = Collective::reduce_scatter,
             .input = input,
             .output = output,
             .data_count = input.count,
             .dtype = input.dtype,
             .op = op,
             .options = options});
}

void reduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
            const CollectiveOptions& options) {
  run(comm, {.collective = Collective::reduce,
             .input = input,
             .output = output,
             .data_count = input.count,
             .dtype = input.dtype,
             .op = op,
             .root = root,
             .options = options});
}

void all_to_all(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  run(comm, {.collective = Collective::all_to_all,
             .input = input,
             .output = output,
             .data_count = input.count,
             .dtype = input.dtype,
             .options = options});
}

void barrier(const Communicator& comm) {
  run(comm, {.collective = Collective::barrier, .input = {}, .output = {}, .data_count = 1});
}

}  // namespace tutti
