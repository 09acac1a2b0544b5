// The collectives of collectives.hpp, which includes this, for containers, arrays and spans (kernels/ranges.hpp): the
// contracts are there. Input and output have one element type, which the compiler checks.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/ranges.hpp>

#pragma GCC visibility push(default)
namespace tutti {

template <WritableRange Data>
void broadcast(const Communicator& comm, Data&& data, int root, const CollectiveOptions& options = {}) {
  broadcast(comm, detail::writable(data), root, options);
}

template <WritableRange Data>
[[nodiscard]] Request ibroadcast(const Communicator& comm, Data&& data, int root,
                                 const CollectiveOptions& options = {}) {
  return ibroadcast(comm, detail::writable(data), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void all_gather(const Communicator& comm, In&& input, Out&& output, const CollectiveOptions& options = {}) {
  all_gather(comm, detail::readable(input), detail::writable(output), options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request iall_gather(const Communicator& comm, In&& input, Out&& output,
                                  const CollectiveOptions& options = {}) {
  return iall_gather(comm, detail::readable(input), detail::writable(output), options);
}

template <WritableRange Out, ReadableLike<Out> In>
void gather(const Communicator& comm, In&& input, Out&& output, int root, const CollectiveOptions& options = {}) {
  gather(comm, detail::readable(input), detail::writable(output), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request igather(const Communicator& comm, In&& input, Out&& output, int root,
                              const CollectiveOptions& options = {}) {
  return igather(comm, detail::readable(input), detail::writable(output), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void scatter(const Communicator& comm, In&& input, Out&& output, int root, const CollectiveOptions& options = {}) {
  scatter(comm, detail::readable(input), detail::writable(output), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request iscatter(const Communicator& comm, In&& input, Out&& output, int root,
                               const CollectiveOptions& options = {}) {
  return iscatter(comm, detail::readable(input), detail::writable(output), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void reduce_scatter(const Communicator& comm, In&& input, Out&& output, ReduceOp op,
                    const CollectiveOptions& options = {}) {
  reduce_scatter(comm, detail::readable(input), detail::writable(output), op, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request ireduce_scatter(const Communicator& comm, In&& input, Out&& output, ReduceOp op,
                                      const CollectiveOptions& options = {}) {
  return ireduce_scatter(comm, detail::readable(input), detail::writable(output), op, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void reduce(const Communicator& comm, In&& input, Out&& output, ReduceOp op, int root,
            const CollectiveOptions& options = {}) {
  reduce(comm, detail::readable(input), detail::writable(output), op, root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request ireduce(const Communicator& comm, In&& input, Out&& output, ReduceOp op, int root,
                              const CollectiveOptions& options = {}) {
  return ireduce(comm, detail::readable(input), detail::writable(output), op, root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void all_to_all(const Communicator& comm, In&& input, Out&& output, const CollectiveOptions& options = {}) {
  all_to_all(comm, detail::readable(input), detail::writable(output), options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request iall_to_all(const Communicator& comm, In&& input, Out&& output,
                                  const CollectiveOptions& options = {}) {
  return iall_to_all(comm, detail::readable(input), detail::writable(output), options);
}

// ---- By a function of the program's

template <WritableRange Out, ReadableLike<Out> In>
void reduce_scatter(const Communicator& comm, In&& input, Out&& output, std::shared_ptr<const UserOperator> function,
                    const CollectiveOptions& options = {}) {
  reduce_scatter(comm, detail::readable(input), detail::writable(output), std::move(function), options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request ireduce_scatter(const Communicator& comm, In&& input, Out&& output,
                                      std::shared_ptr<const UserOperator> function,
                                      const CollectiveOptions& options = {}) {
  return ireduce_scatter(comm, detail::readable(input), detail::writable(output), std::move(function), options);
}

template <WritableRange Out, ReadableLike<Out> In>
void reduce(const Communicator& comm, In&& input, Out&& output, std::shared_ptr<const UserOperator> function, int root,
            const CollectiveOptions& options = {}) {
  reduce(comm, detail::readable(input), detail::writable(output), std::move(function), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request ireduce(const Communicator& comm, In&& input, Out&& output,
                              std::shared_ptr<const UserOperator> function, int root,
                              const CollectiveOptions& options = {}) {
  return ireduce(comm, detail::readable(input), detail::writable(output), std::move(function), root, options);
}

// ---- Every rank its own count

template <WritableRange Out, ReadableLike<Out> In>
void all_gather_v(const Communicator& comm, In&& input, Out&& output, std::span<const std::size_t> counts,
                  const CollectiveOptions& options = {}) {
  all_gather_v(comm, detail::readable(input), detail::writable(output), counts, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request iall_gather_v(const Communicator& comm, In&& input, Out&& output,
                                    std::span<const std::size_t> counts, const CollectiveOptions& options = {}) {
  return iall_gather_v(comm, detail::readable(input), detail::writable(output), counts, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void gather_v(const Communicator& comm, In&& input, Out&& output, std::span<const std::size_t> counts, int root,
              const CollectiveOptions& options = {}) {
  gather_v(comm, detail::readable(input), detail::writable(output), counts, root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request igather_v(const Communicator& comm, In&& input, Out&& output, std::span<const std::size_t> counts,
                                int root, const CollectiveOptions& options = {}) {
  return igather_v(comm, detail::readable(input), detail::writable(output), counts, root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void scatter_v(const Communicator& comm, In&& input, Out&& output, std::span<const std::size_t> counts, int root,
               const CollectiveOptions& options = {}) {
  scatter_v(comm, detail::readable(input), detail::writable(output), counts, root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request iscatter_v(const Communicator& comm, In&& input, Out&& output,
                                 std::span<const std::size_t> counts, int root, const CollectiveOptions& options = {}) {
  return iscatter_v(comm, detail::readable(input), detail::writable(output), counts, root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void reduce_scatter_v(const Communicator& comm, In&& input, Out&& output, std::span<const std::size_t> counts,
                      ReduceOp op, const CollectiveOptions& options = {}) {
  reduce_scatter_v(comm, detail::readable(input), detail::writable(output), counts, op, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request ireduce_scatter_v(const Communicator& comm, In&& input, Out&& output,
                                        std::span<const std::size_t> counts, ReduceOp op,
                                        const CollectiveOptions& options = {}) {
  return ireduce_scatter_v(comm, detail::readable(input), detail::writable(output), counts, op, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void all_to_all_v(const Communicator& comm, In&& input, std::span<const std::size_t> input_counts, Out&& output,
                  std::span<const std::size_t> output_counts, const CollectiveOptions& options = {}) {
  all_to_all_v(comm, detail::readable(input), input_counts, detail::writable(output), output_counts, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request iall_to_all_v(const Communicator& comm, In&& input, std::span<const std::size_t> input_counts,
                                    Out&& output, std::span<const std::size_t> output_counts,
                                    const CollectiveOptions& options = {}) {
  return iall_to_all_v(comm, detail::readable(input), input_counts, detail::writable(output), output_counts, options);
}

}  // namespace tutti
#pragma GCC visibility pop
