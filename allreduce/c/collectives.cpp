// The C interface over the C++ one: collectives, called, started and set up; see tutti.h.
#include <tutti/allreduce/c/calls.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::c_api {

void refuse_placeless_collective(const Communicator& comm) {
  const std::uint64_t sequence = comm.state().take_sequence();
  comm.state().failures().refuse(sequence, text("collective #", sequence, ": the place for the operation is NULL"));
}

namespace {

template <class Collective>
tutti_result called(tutti_comm* comm, Collective collective) noexcept {
  return guarded([&] {
    const tutti_comm& of = require(comm);
    collective(FormOf<Form::call>(), of.comm, of.options());
  });
}

template <Form form, class Collective>
tutti_result made(tutti_comm* comm, tutti_request** operation, Collective collective) noexcept {
  return started(
      operation, [&] { refuse_placeless_collective(require(comm).comm); },
      [&] {
        const tutti_comm& of = require(comm);
        return collective(FormOf<form>(), of.comm, of.options());
      });
}

template <class Collective>
tutti_result begun(tutti_comm* comm, tutti_request** operation, Collective collective) noexcept {
  return made<Form::start>(comm, operation, collective);
}

template <class Collective>
tutti_result set_up(tutti_comm* comm, tutti_request** operation, Collective collective) noexcept {
  return made<Form::init>(comm, operation, collective);
}

}  // namespace
}  // namespace tutti::c_api

using namespace tutti::c_api;  // NOLINT(google-build-using-namespace): nothing else is here

extern "C" {

tutti_result tutti_allreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op) {
  return called(comm, allreduce_of(data, count, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_iallreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op,
                              tutti_request** operation) {
  return begun(comm, operation, allreduce_of(data, count, dtype_of(dtype), op_of(op)));
}

tutti_result tutti_allreduce_into(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op) {
  return called(comm, allreduce_of(input, output, count, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_iallreduce_into(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_op op, tutti_request** operation) {
  return begun(comm, operation, allreduce_of(input, output, count, dtype_of(dtype), op_of(op)));
}

tutti_result tutti_broadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root) {
  return called(comm, broadcast_of(data, count, dtype_of(dtype), root));
}
tutti_result tutti_ibroadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root,
                              tutti_request** operation) {
  return begun(comm, operation, broadcast_of(data, count, dtype_of(dtype), root));
}

tutti_result tutti_all_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype) {
  return called(comm, all_gather_of(input, output, count, dtype_of(dtype)));
}
tutti_result tutti_iall_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_request** operation) {
  return begun(comm, operation, all_gather_of(input, output, count, dtype_of(dtype)));
}

tutti_result tutti_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                          int root) {
  return called(comm, gather_of(input, output, count, dtype_of(dtype), root));
}
tutti_result tutti_igather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype, int root,
                           tutti_request** operation) {
  return begun(comm, operation, gather_of(input, output, count, dtype_of(dtype), root));
}

tutti_result tutti_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                           int root) {
  return called(comm, scatter_of(input, output, count, dtype_of(dtype), root));
}
tutti_result tutti_iscatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                            int root, tutti_request** operation) {
  return begun(comm, operation, scatter_of(input, output, count, dtype_of(dtype), root));
}

tutti_result tutti_reduce_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op) {
  return called(comm, reduce_scatter_of(input, output, count, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_ireduce_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_op op, tutti_request** operation) {
  return begun(comm, operation, reduce_scatter_of(input, output, count, dtype_of(dtype), op_of(op)));
}

tutti_result tutti_reduce(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                          tutti_op op, int root) {
  return called(comm, reduce_of(input, output, count, dtype_of(dtype), op_of(op), root));
}
tutti_result tutti_ireduce(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                           tutti_op op, int root, tutti_request** operation) {
  return begun(comm, operation, reduce_of(input, output, count, dtype_of(dtype), op_of(op), root));
}

tutti_result tutti_all_to_all(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype) {
  return called(comm, all_to_all_of(input, output, count, dtype_of(dtype)));
}
tutti_result tutti_iall_to_all(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_request** operation) {
  return begun(comm, operation, all_to_all_of(input, output, count, dtype_of(dtype)));
}

tutti_result tutti_barrier(tutti_comm* comm) { return called(comm, barrier_of()); }
tutti_result tutti_ibarrier(tutti_comm* comm, tutti_request** operation) {
  return begun(comm, operation, barrier_of());
}

tutti_result tutti_all_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                tutti_dtype dtype) {
  return called(comm, all_gather_v_of(input, output, counts, dtype_of(dtype)));
}
tutti_result tutti_iall_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                 tutti_dtype dtype, tutti_request** operation) {
  return begun(comm, operation, all_gather_v_of(input, output, counts, dtype_of(dtype)));
}

tutti_result tutti_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                            int root) {
  return called(comm, gather_v_of(input, output, counts, dtype_of(dtype), root));
}
tutti_result tutti_igather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                             int root, tutti_request** operation) {
  return begun(comm, operation, gather_v_of(input, output, counts, dtype_of(dtype), root));
}

tutti_result tutti_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                             int root) {
  return called(comm, scatter_v_of(input, output, counts, dtype_of(dtype), root));
}
tutti_result tutti_iscatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                              tutti_dtype dtype, int root, tutti_request** operation) {
  return begun(comm, operation, scatter_v_of(input, output, counts, dtype_of(dtype), root));
}

tutti_result tutti_reduce_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                    tutti_dtype dtype, tutti_op op) {
  return called(comm, reduce_scatter_v_of(input, output, counts, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_ireduce_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                     tutti_dtype dtype, tutti_op op, tutti_request** operation) {
  return begun(comm, operation, reduce_scatter_v_of(input, output, counts, dtype_of(dtype), op_of(op)));
}

tutti_result tutti_all_to_all_v(tutti_comm* comm, const void* input, const size_t* input_counts, void* output,
                                const size_t* output_counts, tutti_dtype dtype) {
  return called(comm, all_to_all_v_of(input, input_counts, output, output_counts, dtype_of(dtype)));
}
tutti_result tutti_iall_to_all_v(tutti_comm* comm, const void* input, const size_t* input_counts, void* output,
                                 const size_t* output_counts, tutti_dtype dtype, tutti_request** operation) {
  return begun(comm, operation, all_to_all_v_of(input, input_counts, output, output_counts, dtype_of(dtype)));
}

// ---- Set up

tutti_result tutti_allreduce_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op, tutti_request** operation) {
  return set_up(comm, operation, allreduce_of(input, output, count, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_broadcast_init(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root,
                                  tutti_request** operation) {
  return set_up(comm, operation, broadcast_of(data, count, dtype_of(dtype), root));
}
tutti_result tutti_all_gather_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_request** operation) {
  return set_up(comm, operation, all_gather_of(input, output, count, dtype_of(dtype)));
}
tutti_result tutti_gather_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               int root, tutti_request** operation) {
  return set_up(comm, operation, gather_of(input, output, count, dtype_of(dtype), root));
}
tutti_result tutti_scatter_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                int root, tutti_request** operation) {
  return set_up(comm, operation, scatter_of(input, output, count, dtype_of(dtype), root));
}
tutti_result tutti_reduce_scatter_init(tutti_comm* comm, const void* input, void* output, size_t count,
                                       tutti_dtype dtype, tutti_op op, tutti_request** operation) {
  return set_up(comm, operation, reduce_scatter_of(input, output, count, dtype_of(dtype), op_of(op)));
}
tutti_result tutti_reduce_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_op op, int root, tutti_request** operation) {
  return set_up(comm, operation, reduce_of(input, output, count, dtype_of(dtype), op_of(op), root));
}
tutti_result tutti_all_to_all_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_request** operation) {
  return set_up(comm, operation, all_to_all_of(input, output, count, dtype_of(dtype)));
}
tutti_result tutti_barrier_init(tutti_comm* comm, tutti_request** operation) {
  return set_up(comm, operation, barrier_of());
}

}  // extern "C"
