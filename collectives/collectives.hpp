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

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/options.hpp>
#include <tutti/collectives/request.hpp>
#include <tutti/collectives/user_operator.hpp>
#include <tutti/kernels/reduce.hpp>

#pragma GCC visibility push(default)
namespace tutti {

// Each has a form that only starts it and returns a Request, named with an i in front: the same contract, and the
// buffers belong to the operation until it is complete. Several may be under way on one communicator.

/// Copies `data` of rank `root` to `data` of every rank. Count, dtype, root and options agree.
void broadcast(const Communicator& comm, Buffer data, int root, const CollectiveOptions& options = {});
[[nodiscard]] Request ibroadcast(const Communicator& comm, Buffer data, int root,
                                 const CollectiveOptions& options = {});

/// Concatenates the ranks' `input` in rank order into `output` on every rank; output.count = size * input.count. Count,
/// dtype and options agree. In place: `input` is exactly elements [rank * n, (rank + 1) * n) of `output`; other overlap
/// is not allowed.
void all_gather(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options = {});
[[nodiscard]] Request iall_gather(const Communicator& comm, ConstBuffer input, Buffer output,
                                  const CollectiveOptions& options = {});

/// Concatenates the ranks' `input` in rank order into `output` of rank `root`; there output.count = size * input.count,
/// elsewhere `output` is not touched and may be empty. Count, dtype, root and options agree. In place at the root: as
/// all_gather.
void gather(const Communicator& comm, ConstBuffer input, Buffer output, int root,
            const CollectiveOptions& options = {});
[[nodiscard]] Request igather(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                              const CollectiveOptions& options = {});

/// Slice r of `input` of rank `root` goes to `output` of rank r; there input.count = size * output.count, elsewhere
/// `input` is not touched and may be empty. Count, dtype, root and options agree. In place at the root: `output` is
/// exactly elements [root * n, (root + 1) * n) of `input`.
void scatter(const Communicator& comm, ConstBuffer input, Buffer output, int root,
             const CollectiveOptions& options = {});
[[nodiscard]] Request iscatter(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                               const CollectiveOptions& options = {});

/// Reduces the ranks' `input` and leaves slice `rank` of the result in `output`; input.count = size * output.count.
/// Count, dtype, op and options agree. In place: `output` is exactly elements [rank * n, (rank + 1) * n) of `input`;
/// other overlap is not allowed.
void reduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                    const CollectiveOptions& options = {});
[[nodiscard]] Request ireduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                      const CollectiveOptions& options = {});

/// Reduces the ranks' `input` into `output` of rank `root`; `output` of other ranks is not touched and may be empty.
/// Count, dtype, op, root and options agree. In place at the root: `output` is exactly `input`; other overlap is not
/// allowed.
void reduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
            const CollectiveOptions& options = {});
[[nodiscard]] Request ireduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
                              const CollectiveOptions& options = {});

/// reduce() and reduce_scatter() by a function of the program's. Buffers of any dtype are taken for the function's
/// elements: counts agree in bytes. One that is not commutative is applied in rank order, by algorithms that can:
/// reduce_scatter by exchanging P-1 messages at once.
void reduce(const Communicator& comm, ConstBuffer input, Buffer output, std::shared_ptr<const UserOperator> function,
            int root, const CollectiveOptions& options = {});
[[nodiscard]] Request ireduce(const Communicator& comm, ConstBuffer input, Buffer output,
                              std::shared_ptr<const UserOperator> function, int root,
                              const CollectiveOptions& options = {});
void reduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output,
                    std::shared_ptr<const UserOperator> function, const CollectiveOptions& options = {});
[[nodiscard]] Request ireduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output,
                                      std::shared_ptr<const UserOperator> function,
                                      const CollectiveOptions& options = {});

/// Block j of `input` goes to rank j, and block i of `output` comes from rank i; both have size * n elements. Count,
/// dtype and options agree; no overlap.
void all_to_all(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options = {});
[[nodiscard]] Request iall_to_all(const Communicator& comm, ConstBuffer input, Buffer output,
                                  const CollectiveOptions& options = {});

/// Returns once every rank has called it.
void barrier(const Communicator& comm, const CollectiveOptions& options = {});
[[nodiscard]] Request ibarrier(const Communicator& comm, const CollectiveOptions& options = {});

// ---- Every rank its own count
//
// `counts` has an element for each rank, 0 allowed: how many elements of the data are its. It agrees on all ranks,
// unless said otherwise; like the options it may be forgotten once the call returns. Algorithms that need blocks of one
// size (bruck, pat) are an InvalidArgument here.

/// all_gather() of counts[r] elements from rank r; input.count = counts[rank], output.count = their sum. In place:
/// `input` is exactly its part of `output`.
void all_gather_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
                  const CollectiveOptions& options = {});
[[nodiscard]] Request iall_gather_v(const Communicator& comm, ConstBuffer input, Buffer output,
                                    std::span<const std::size_t> counts, const CollectiveOptions& options = {});

/// gather() of counts[r] elements from rank r. `counts` is wanted on every rank: others than the root pass blocks on.
void gather_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts, int root,
              const CollectiveOptions& options = {});
[[nodiscard]] Request igather_v(const Communicator& comm, ConstBuffer input, Buffer output,
                                std::span<const std::size_t> counts, int root, const CollectiveOptions& options = {});

/// scatter() of counts[r] elements to rank r. `counts` is wanted on every rank.
void scatter_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
               int root, const CollectiveOptions& options = {});
[[nodiscard]] Request iscatter_v(const Communicator& comm, ConstBuffer input, Buffer output,
                                 std::span<const std::size_t> counts, int root, const CollectiveOptions& options = {});

/// reduce_scatter() that leaves counts[r] elements of the result on rank r.
void reduce_scatter_v(const Communicator& comm, ConstBuffer input, Buffer output, std::span<const std::size_t> counts,
                      ReduceOp op, const CollectiveOptions& options = {});
[[nodiscard]] Request ireduce_scatter_v(const Communicator& comm, ConstBuffer input, Buffer output,
                                        std::span<const std::size_t> counts, ReduceOp op,
                                        const CollectiveOptions& options = {});

/// all_to_all() of which input_counts[r] elements go to rank r and output_counts[r] come from it: each pair of ranks
/// agrees on what it exchanges, dtype and options agree on all. Blocks follow each other in rank order. Planned as if
/// each pair exchanged 4 KiB, since no rank knows all counts: segment_bytes is relative to that.
void all_to_all_v(const Communicator& comm, ConstBuffer input, std::span<const std::size_t> input_counts, Buffer output,
                  std::span<const std::size_t> output_counts, const CollectiveOptions& options = {});
[[nodiscard]] Request iall_to_all_v(const Communicator& comm, ConstBuffer input,
                                    std::span<const std::size_t> input_counts, Buffer output,
                                    std::span<const std::size_t> output_counts, const CollectiveOptions& options = {});

}  // namespace tutti
#pragma GCC visibility pop

#include <tutti/collectives/collectives_of_ranges.hpp>  // the same for containers, arrays and spans
