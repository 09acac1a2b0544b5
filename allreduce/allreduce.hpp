// Allreduce: every rank gets the element-wise reduction of all ranks' data.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <memory>
#include <utility>

#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/persistent.hpp>
#include <tutti/kernels/ranges.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Replaces `data` on every rank by the element-wise `op` over all ranks, in place.
///
/// Collective: every rank of `comm` calls it with the same count, type, op and options.
/// Bits: contract level of `comm`. Costs per algorithm: allreduce/README.md.
///
/// \throws InvalidArgument     wrong arguments; on every rank when they are wrong alike.
/// \throws CommunicationError  a peer failed, is missing or called otherwise; `data` must not be reused, `comm` is
/// unusable.
void allreduce(const Communicator& comm, Buffer data, ReduceOp op, const CollectiveOptions& options = {});

/// The same out of place: `output` (same count and dtype, no overlap) receives the result, `input` is only read.
void allreduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
               const CollectiveOptions& options = {});

/// The same in place, started: the result is in `data` once the operation is complete. Operations are started in the
/// same order on all ranks; several may be in flight.
[[nodiscard]] Request iallreduce(const Communicator& comm, Buffer data, ReduceOp op,
                                 const CollectiveOptions& options = {});
[[nodiscard]] Request iallreduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                 const CollectiveOptions& options = {});

/// The same, set up once to be started many times (collectives/persistent.hpp). `input` may be exactly `output`.
[[nodiscard]] PersistentRequest allreduce_init(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                               const CollectiveOptions& options = {});

/// The same by a function of the program's (collectives/user_operator.hpp), counted in bytes.
void allreduce(const Communicator& comm, Buffer data, std::shared_ptr<const UserOperator> function,
               const CollectiveOptions& options = {});
[[nodiscard]] Request iallreduce(const Communicator& comm, Buffer data, std::shared_ptr<const UserOperator> function,
                                 const CollectiveOptions& options = {});

// ---- For containers, arrays and spans (kernels/ranges.hpp)

template <WritableRange Data>
void allreduce(const Communicator& comm, Data&& data, ReduceOp op, const CollectiveOptions& options = {}) {
  allreduce(comm, detail::writable(data), op, options);
}

template <WritableRange Data>
[[nodiscard]] Request iallreduce(const Communicator& comm, Data&& data, ReduceOp op,
                                 const CollectiveOptions& options = {}) {
  return iallreduce(comm, detail::writable(data), op, options);
}

template <WritableRange Out, ReadableLike<Out> In>
void allreduce(const Communicator& comm, In&& input, Out&& output, ReduceOp op, const CollectiveOptions& options = {}) {
  allreduce(comm, detail::readable(input), detail::writable(output), op, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] Request iallreduce(const Communicator& comm, In&& input, Out&& output, ReduceOp op,
                                 const CollectiveOptions& options = {}) {
  return iallreduce(comm, detail::readable(input), detail::writable(output), op, options);
}

template <WritableRange Out, ReadableLike<Out> In>
[[nodiscard]] PersistentRequest allreduce_init(const Communicator& comm, In&& input, Out&& output, ReduceOp op,
                                               const CollectiveOptions& options = {}) {
  return allreduce_init(comm, detail::readable(input), detail::writable(output), op, options);
}

template <WritableRange Data>
void allreduce(const Communicator& comm, Data&& data, std::shared_ptr<const UserOperator> function,
               const CollectiveOptions& options = {}) {
  allreduce(comm, detail::writable(data), std::move(function), options);
}

template <WritableRange Data>
[[nodiscard]] Request iallreduce(const Communicator& comm, Data&& data, std::shared_ptr<const UserOperator> function,
                                 const CollectiveOptions& options = {}) {
  return iallreduce(comm, detail::writable(data), std::move(function), options);
}

}  // namespace tutti
#pragma GCC visibility pop
