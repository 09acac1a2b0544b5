// The public collectives of which every rank has a count of its own; see collectives.hpp.
#include <utility>

#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>

namespace tutti {
namespace {

Request start(const Communicator& comm, detail::Call call, std::span<const std::size_t> counts) {
  detail::set_counts(call, counts);
  return Request(detail::start_collective(comm, collective_algorithms(), std::move(call)));
}

}  // namespace

Request iall_gather_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
                      const CollectiveOptions& options) {
  return start(comm,
               {.collective = Collective::all_gather,
                .input = input,
                .output = output,
                .dtype = output.dtype,
                .options = options},
               counts);
}

void all_gather_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
                  const CollectiveOptions& options) {
  iall_gather_v(comm, input, output, counts, options).wait();
}

Request igather_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
                  int root, const CollectiveOptions& options) {
  return start(comm,
               {.collective = Collective::gather,
                .input = input,
                .output = output,
                .dtype = input.dtype,
                .root = root,
                .options = options},
               counts);
}

void gather_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts, int root,
              const CollectiveOptions& options) {
  igather_v(comm, input, output, counts, root, options).wait();
}

Request iscatter_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
                   int root, const CollectiveOptions& options) {
  return start(comm,
               {.collective = Collective::scatter,
                .input = input,
                .output = output,
                .dtype = output.dtype,
                .root = root,
                .options = options},
               counts);
}

void scatter_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
               int root, const CollectiveOptions& options) {
  iscatter_v(comm, input, output, counts, root, options).wait();
}

Request ireduce_scatter_v(const Communicator& comm, ConstBuffer input, Buffer output,
                          std::span<const std::size_t> counts, ReduceOp op, const CollectiveOptions& options) {
  return start(comm,
               {.collective = Collective::reduce_scatter,
                .input = input,
                .output = output,
                .dtype = input.dtype,
                .op = op,
                .options = options},
               counts);
}

void reduce_scatter_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
                      ReduceOp op, const CollectiveOptions& options) {
  ireduce_scatter_v(comm, input, output, counts, op, options).wait();
}

Request iall_to_all_v(const Communicator& comm, ConstBuffer input, std::span<const std::size_t> input_counts,
                      Buffer output, std::span<const std::size_t> output_counts, const CollectiveOptions& options) {
  detail::Call call = {
      .collective = Collective::all_to_all, .input = input, .output = output, .dtype = input.dtype, .options = options};
  detail::set_counts(call, input_counts, output_counts);
  return Request(detail::start_collective(comm, collective_algorithms(), std::move(call)));
}

void all_to_all_v(const Communicator& comm, ConstBuffer input, std::span<const std::size_t> input_counts, Buffer output,
                  std::span<const std::size_t> output_counts, const CollectiveOptions& options) {
  iall_to_all_v(comm, input, input_counts, output, output_counts, options).wait();
}

}  // namespace tutti
