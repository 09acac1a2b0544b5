// The C interface over the C++ one: collectives; see tutti.h.
#include <cstdint>
#include <span>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/c_api.hpp>
#include <tutti/collectives/communicator_state.hpp>

namespace tutti {
namespace {

using c_api::dtype_of;
using c_api::guarded;
using c_api::op_of;
using c_api::require;

/// size * count; what does not fit is the largest count, which is refused for not being that.
std::size_t all_blocks(const Communicator& comm, std::size_t count) noexcept {
  const auto size = static_cast<std::size_t>(comm.size());
  return count > SIZE_MAX / size ? SIZE_MAX : size * count;
}

/// None if there are no counts, which is then refused as too few.
std::span<const std::size_t> counts_of(const Communicator& comm, const std::size_t* counts) noexcept {
  if (counts == nullptr) return {};
  return {counts, static_cast<std::size_t>(comm.size())};
}

std::size_t own_count(const Communicator& comm, const std::size_t* counts) noexcept {
  return counts == nullptr ? 0 : counts[comm.rank()];
}

std::size_t sum_of(const Communicator& comm, const std::size_t* counts) noexcept {
  std::size_t sum = 0;
  for (const std::size_t count : counts_of(comm, counts)) sum = count > SIZE_MAX - sum ? SIZE_MAX : sum + count;
  return sum;
}

/// Nothing is where a collective needs a place for its operation: refused under its number, as wrong arguments are.
void refuse_placeless(const Communicator& comm) {
  const std::uint64_t sequence = comm.state().take_sequence();
  comm.state().refuse(sequence, text("collective #", sequence, ": the place for the operation is NULL"));
}

template <class Start>
tutti_result started(tutti_comm* comm, tutti_operation** operation, Start start) noexcept {
  return c_api::started(comm, operation, refuse_placeless, start);
}

template <class Start>
tutti_result run(tutti_comm* comm, Start start) noexcept {
  return guarded([&] { start(require(comm).comm).wait(); });
}

// What each starts, for both of its forms. Numbers from C have become DType and ReduceOp.

auto start_allreduce(void* data, std::size_t count, DType dtype, ReduceOp op) noexcept {
  return [=](const Communicator& c) { return iallreduce(c, Buffer(data, count, dtype), op); };
}

auto start_broadcast(void* data, std::size_t count, DType dtype, int root) noexcept {
  return [=](const Communicator& c) { return ibroadcast(c, Buffer(data, count, dtype), root); };
}

auto start_all_gather(const void* input, void* output, std::size_t count, DType dtype) noexcept {
  return [=](const Communicator& c) {
    return iall_gather(c, ConstBuffer(input, count, dtype), Buffer(output, all_blocks(c, count), dtype));
  };
}

auto start_gather(const void* input, void* output, std::size_t count, DType dtype, int root) noexcept {
  return [=](const Communicator& c) {
    return igather(c, ConstBuffer(input, count, dtype), Buffer(output, all_blocks(c, count), dtype), root);
  };
}

auto start_scatter(const void* input, void* output, std::size_t count, DType dtype, int root) noexcept {
  return [=](const Communicator& c) {
    return iscatter(c, ConstBuffer(input, all_blocks(c, count), dtype), Buffer(output, count, dtype), root);
  };
}

auto start_reduce_scatter(const void* input, void* output, std::size_t count, DType dtype, ReduceOp op) noexcept {
  return [=](const Communicator& c) {
    return ireduce_scatter(c, ConstBuffer(input, all_blocks(c, count), dtype), Buffer(output, count, dtype), op);
  };
}

auto start_reduce(const void* input, void* output, std::size_t count, DType dtype, ReduceOp op, int root) noexcept {
  return [=](const Communicator& c) {
    return ireduce(c, ConstBuffer(input, count, dtype), Buffer(output, count, dtype), op, root);
  };
}

auto start_all_to_all(const void* input, void* output, std::size_t count, DType dtype) noexcept {
  return [=](const Communicator& c) {
    return iall_to_all(c, ConstBuffer(input, all_blocks(c, count), dtype), Buffer(output, all_blocks(c, count), dtype));
  };
}

auto start_barrier() noexcept {
  return [=](const Communicator& c) { return ibarrier(c); };
}

auto start_all_gather_v(const void* input, void* output, const std::size_t* counts, DType dtype) noexcept {
  return [=](const Communicator& c) {
    return iall_gather_v(c, ConstBuffer(input, own_count(c, counts), dtype), Buffer(output, sum_of(c, counts), dtype),
                         counts_of(c, counts));
  };
}

auto start_gather_v(const void* input, void* output, const std::size_t* counts, DType dtype, int root) noexcept {
  return [=](const Communicator& c) {
    return igather_v(c, ConstBuffer(input, own_count(c, counts), dtype), Buffer(output, sum_of(c, counts), dtype),
                     counts_of(c, counts), root);
  };
}

auto start_scatter_v(const void* input, void* output, const std::size_t* counts, DType dtype, int root) noexcept {
  return [=](const Communicator& c) {
    return iscatter_v(c, ConstBuffer(input, sum_of(c, counts), dtype), Buffer(output, own_count(c, counts), dtype),
                      counts_of(c, counts), root);
  };
}

auto start_reduce_scatter_v(const void* input, void* output, const std::size_t* counts, DType dtype,
                            ReduceOp op) noexcept {
  return [=](const Communicator& c) {
    return ireduce_scatter_v(c, ConstBuffer(input, sum_of(c, counts), dtype),
                             Buffer(output, own_count(c, counts), dtype), counts_of(c, counts), op);
  };
}

auto start_all_to_all_v(const void* input, const std::size_t* input_counts, void* output,
                        const std::size_t* output_counts, DType dtype) noexcept {
  return [=](const Communicator& c) {
    return iall_to_all_v(c, ConstBuffer(input, sum_of(c, input_counts), dtype), counts_of(c, input_counts),
                         Buffer(output, sum_of(c, output_counts), dtype), counts_of(c, output_counts));
  };
}

}  // namespace
}  // namespace tutti

using tutti::c_api::dtype_of;
using tutti::c_api::op_of;

extern "C" {

tutti_result tutti_allreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op) {
  return tutti::run(comm, tutti::start_allreduce(data, count, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_iallreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op,
                              tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_allreduce(data, count, dtype_of(dtype), op_of(op)));
}

tutti_result tutti_broadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root) {
  return tutti::run(comm, tutti::start_broadcast(data, count, dtype_of(dtype), root));
}
tutti_result tutti_ibroadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root,
                              tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_broadcast(data, count, dtype_of(dtype), root));
}

tutti_result tutti_all_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype) {
  return tutti::run(comm, tutti::start_all_gather(input, output, count, dtype_of(dtype)));
}
tutti_result tutti_iall_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_all_gather(input, output, count, dtype_of(dtype)));
}

tutti_result tutti_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                          int root) {
  return tutti::run(comm, tutti::start_gather(input, output, count, dtype_of(dtype), root));
}
tutti_result tutti_igather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype, int root,
                           tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_gather(input, output, count, dtype_of(dtype), root));
}

tutti_result tutti_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                           int root) {
  return tutti::run(comm, tutti::start_scatter(input, output, count, dtype_of(dtype), root));
}
tutti_result tutti_iscatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                            int root, tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_scatter(input, output, count, dtype_of(dtype), root));
}

tutti_result tutti_reduce_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op) {
  return tutti::run(comm, tutti::start_reduce_scatter(input, output, count, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_ireduce_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_op op, tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_reduce_scatter(input, output, count, dtype_of(dtype), op_of(op)));
}

tutti_result tutti_reduce(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                          tutti_op op, int root) {
  return tutti::run(comm, tutti::start_reduce(input, output, count, dtype_of(dtype), op_of(op), root));
}
tutti_result tutti_ireduce(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                           tutti_op op, int root, tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_reduce(input, output, count, dtype_of(dtype), op_of(op), root));
}

tutti_result tutti_all_to_all(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype) {
  return tutti::run(comm, tutti::start_all_to_all(input, output, count, dtype_of(dtype)));
}
tutti_result tutti_iall_to_all(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_all_to_all(input, output, count, dtype_of(dtype)));
}

tutti_result tutti_barrier(tutti_comm* comm) { return tutti::run(comm, tutti::start_barrier()); }
tutti_result tutti_ibarrier(tutti_comm* comm, tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_barrier());
}

tutti_result tutti_all_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                tutti_dtype dtype) {
  return tutti::run(comm, tutti::start_all_gather_v(input, output, counts, dtype_of(dtype)));
}
tutti_result tutti_iall_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                 tutti_dtype dtype, tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_all_gather_v(input, output, counts, dtype_of(dtype)));
}

tutti_result tutti_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                            int root) {
  return tutti::run(comm, tutti::start_gather_v(input, output, counts, dtype_of(dtype), root));
}
tutti_result tutti_igather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                             int root, tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_gather_v(input, output, counts, dtype_of(dtype), root));
}

tutti_result tutti_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                             int root) {
  return tutti::run(comm, tutti::start_scatter_v(input, output, counts, dtype_of(dtype), root));
}
tutti_result tutti_iscatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                              tutti_dtype dtype, int root, tutti_operation** operation) {
  return tutti::started(comm, operation, tutti::start_scatter_v(input, output, counts, dtype_of(dtype), root));
}

tutti_result tutti_reduce_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                    tutti_dtype dtype, tutti_op op) {
  return tutti::run(comm, tutti::start_reduce_scatter_v(input, output, counts, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_ireduce_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                     tutti_dtype dtype, tutti_op op, tutti_operation** operation) {
  return tutti::started(comm, operation,
                        tutti::start_reduce_scatter_v(input, output, counts, dtype_of(dtype), op_of(op)));
}

tutti_result tutti_all_to_all_v(tutti_comm* comm, const void* input, const size_t* input_counts, void* output,
                                const size_t* output_counts, tutti_dtype dtype) {
  return tutti::run(comm, tutti::start_all_to_all_v(input, input_counts, output, output_counts, dtype_of(dtype)));
}
tutti_result tutti_iall_to_all_v(tutti_comm* comm, const void* input, const size_t* input_counts, void* output,
                                 const size_t* output_counts, tutti_dtype dtype, tutti_operation** operation) {
  return tutti::started(comm, operation,
                        tutti::start_all_to_all_v(input, input_counts, output, output_counts, dtype_of(dtype)));
}

tutti_result tutti_allreduce_into(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op) {
  return tutti::c_api::guarded([&] {
    tutti::allreduce(tutti::c_api::require(comm).comm, tutti::ConstBuffer(input, count, dtype_of(dtype)),
                     tutti::Buffer(output, count, dtype_of(dtype)), op_of(op));
  });
}

}  // extern "C"
