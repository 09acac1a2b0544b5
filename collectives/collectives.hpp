// Every collective but allreduce (which is <tutti/allreduce/allreduce.hpp>).
//
// All are collective: every rank of `comm` calls them in the same order with arguments that match as each says. Common
// to all:
//
// \throws InvalidArgument     wrong arguments; on every rank when they are wrong alike. A rank that is wrong alone
// throws it,
//                             the others get CommunicationError naming that rank.
// \throws CommunicationError  a peer failed, is missing or called otherwise; buffers must not be reused, `comm` is
// unusable.
//
// Host memory only, for now: a Buffer in device memory is an InvalidArgument. Costs per algorithm:
// collectives/README.md.
#pragma once

#include <cstddef>
#include <string_view>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/operation.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti {

struct CollectiveOptions {
  // ---- How fast; nothing here changes what is computed, but reductions may round differently

  /// Name of the algorithm, from the table in the folder's README; empty: chosen by size and ranks. Must agree.
  std::string_view algorithm = {};

  /// Messages are cut into pieces of about so many bytes, which are pipelined; 0: chosen. Must agree.
  std::size_t segment_bytes = 0;
};

/// Copies `data` of rank `root` to `data` of every rank. Count, dtype, root and options agree.
void broadcast(const Communicator& comm, Buffer data, int root, const CollectiveOptions& options = {});

/// Concatenates the ranks' `input` in rank order into `output` on every rank; output.count = size * input.count. Count,
/// dtype and options agree. In place: `input` is exactly elements [rank * n, (rank + 1) * n) of `output`; other overlap
/// is not allowed.
void all_gather(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options = {});

/// Combines the ranks' `input` and leaves slice `rank` of the result in `output`; input.count = size * output.count.
/// Count, dtype, op and options agree. In place: `output` is exactly elements [rank * n, (rank + 1) * n) of `input`;
/// other overlap is not allowed.
void reduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                    const CollectiveOptions& options = {});

/// Combines the ranks' `input` into `output` of rank `root`; `output` of other ranks is not touched and may be empty.
/// Count, dtype, op, root and options agree. In place at the root: `output` is exactly `input`; other overlap is not
/// allowed.
void reduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
            const CollectiveOptions& options = {});

/// Block j of `input` goes to rank j, and block i of `output` comes from rank i; both have size * n elements. Count,
/// dtype and options agree; no overlap.
void all_to_all(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options = {});

/// Returns once every rank has called it.
void barrier(const Communicator& comm);

// ---- Typed doors

template <Element T>
void broadcast(const Communicator& comm, std::span<T> data, int root, const CollectiveOptions& options = {}) {
  broadcast(comm, Buffer(data), root, options);
}

template <Element T>
void all_gather(const Communicator& comm, std::span<const std::type_identity_t<T>> input, std::span<T> output,
                const CollectiveOptions& options = {}) {
  all_gather(comm, ConstBuffer(input), Buffer(output), options);
}

template <Element T>
void reduce_scatter(const Communicator& comm, std::span<const std::type_identity_t<T>> input, std::span<T> output,
                    ReduceOp op, const CollectiveOptions& options = {}) {
  reduce_scatter(comm, ConstBuffer(input), Buffer(output), op, options);
}

template <Element T>
void reduce(const Communicator& comm, std::span<const std::type_identity_t<T>> input, std::span<T> output, ReduceOp op,
            int root, const CollectiveOptions& options = {}) {
  reduce(comm, ConstBuffer(input), Buffer(output), op, root, options);
}

}  // namespace tutti
