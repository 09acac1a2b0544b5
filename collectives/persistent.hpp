// Collectives that are set up once and started many times: argument checks and the choice of algorithm are done ahead.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/ranges.hpp>

#pragma GCC visibility push(default)
namespace tutti {

// Each has the contract of the collective of the same name. Setting one up is local, but is done by all ranks in the
// same order among their calls: a rank whose arguments are wrong tells the others. Buffers stay where they are for the
// life of the handle; what they hold is read at start().

[[nodiscard]] PersistentRequest broadcast_init(const Communicator& comm, Buffer data, int root,
                                               const CollectiveOptions& options = {});
[[nodiscard]] PersistentRequest all_gather_init(const Communicator& comm, ConstBuffer input, Buffer output,
                                                const CollectiveOptions& options = {});
[[nodiscard]] PersistentRequest gather_init(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                                            const CollectiveOptions& options = {});
[[nodiscard]] PersistentRequest scatter_init(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                                             const CollectiveOptions& options = {});
[[nodiscard]] PersistentRequest reduce_scatter_init(const Communicator& comm, ConstBuffer input, Buffer output,
                                                    ReduceOp op, const CollectiveOptions& options = {});
[[nodiscard]] PersistentRequest reduce_init(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                            int root, const CollectiveOptions& options = {});
[[nodiscard]] PersistentRequest all_to_all_init(const Communicator& comm, ConstBuffer input, Buffer output,
                                                const CollectiveOptions& options = {});
[[nodiscard]] PersistentRequest barrier_init(const Communicator& comm, const CollectiveOptions& options = {});

// ---- For containers, arrays and spans, which stay where they are

template <WritableRange Data>
[[nodiscard]] PersistentRequest broadcast_init(const Communicator& comm, Data&& data, int root,
                                               const CollectiveOptions& options = {}) {
  return broadcast_init(comm, detail::writable(data), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] PersistentRequest all_gather_init(const Communicator& comm, In&& input, Out&& output,
                                                const CollectiveOptions& options = {}) {
  return all_gather_init(comm, detail::readable(input), detail::writable(output), options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] PersistentRequest gather_init(const Communicator& comm, In&& input, Out&& output, int root,
                                            const CollectiveOptions& options = {}) {
  return gather_init(comm, detail::readable(input), detail::writable(output), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] PersistentRequest scatter_init(const Communicator& comm, In&& input, Out&& output, int root,
                                             const CollectiveOptions& options = {}) {
  return scatter_init(comm, detail::readable(input), detail::writable(output), root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] PersistentRequest reduce_scatter_init(const Communicator& comm, In&& input, Out&& output, ReduceOp op,
                                                    const CollectiveOptions& options = {}) {
  return reduce_scatter_init(comm, detail::readable(input), detail::writable(output), op, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] PersistentRequest reduce_init(const Communicator& comm, In&& input, Out&& output, ReduceOp op, int root,
                                            const CollectiveOptions& options = {}) {
  return reduce_init(comm, detail::readable(input), detail::writable(output), op, root, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] PersistentRequest all_to_all_init(const Communicator& comm, In&& input, Out&& output,
                                                const CollectiveOptions& options = {}) {
  return all_to_all_init(comm, detail::readable(input), detail::writable(output), options);
}

}  // namespace tutti
#pragma GCC visibility pop
