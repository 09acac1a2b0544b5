// The C interface over the C++ one: allreduces started together, and reductions by functions of the program; see
// tutti.h.
#include <cstdint>
#include <utility>

#include <tutti/allreduce/allreduce_group.hpp>
#include <tutti/allreduce/c/calls.hpp>

using tutti::c_api::all_blocks;
using tutti::c_api::created;
using tutti::c_api::dtype_of;
using tutti::c_api::guarded;
using tutti::c_api::op_of;
using tutti::c_api::refuse_placeless_collective;
using tutti::c_api::require;
using tutti::c_api::require_group;

struct tutti_allreduce_group {
  tutti_comm* comm;
  tutti::AllreduceGroup group;
};

struct tutti_user_op {
  std::shared_ptr<const tutti::UserOperator> function;
};

namespace {

std::shared_ptr<const tutti::UserOperator> function_of(const tutti_user_op* function) noexcept {
  return function == nullptr ? nullptr : function->function;  // what is null is refused by the call
}

/// `count` elements of the function, in bytes. What does not fit is the largest number, which no memory has.
std::size_t bytes_of(const tutti_user_op* function, std::size_t count) noexcept {
  const std::size_t element = function == nullptr ? 1 : function->function->element_bytes;
  return count > SIZE_MAX / element ? SIZE_MAX : count * element;
}

tutti::ConstBuffer bytes(const void* data, std::size_t count) noexcept { return {data, count, tutti::DType::u8}; }
tutti::Buffer bytes(void* data, std::size_t count) noexcept { return {data, count, tutti::DType::u8}; }

tutti::UserOperator translate(const char* name, size_t element_bytes, bool commutative, tutti_user_function reduce,
                              void* context) {
  if (name == nullptr) throw tutti::InvalidArgument("tutti_user_op_create: name is NULL");
  if (reduce == nullptr) throw tutti::InvalidArgument("tutti_user_op_create: reduce is NULL");
  if (element_bytes == 0) throw tutti::InvalidArgument("tutti_user_op_create: elements have 0 bytes");
  return {.name = name,
          .element_bytes = element_bytes,
          .commutative = commutative,
          .function = [=](const std::byte* left, const std::byte* right, std::byte* out, std::size_t count) {
            reduce(left, right, out, count, context);
          }};
}

template <class Start>
tutti_result started_by(tutti_comm* comm, tutti_request** operation, Start start) noexcept {
  return tutti::c_api::started(
      operation, [&] { refuse_placeless_collective(require(comm).comm); },
      [&] { return start(require(comm).comm, require(comm).options()); });
}

template <class Start>
tutti_result waited_for(tutti_comm* comm, Start start) noexcept {
  return guarded([&] { start(require(comm).comm, require(comm).options()).wait(); });
}

auto allreduce_op(void* data, std::size_t count, const tutti_user_op* function) noexcept {
  return [=](const tutti::Communicator& c, const tutti::CollectiveOptions& o) {
    return tutti::iallreduce(c, bytes(data, bytes_of(function, count)), function_of(function), o);
  };
}

auto reduce_op(const void* input, void* output, std::size_t count, const tutti_user_op* function, int root) noexcept {
  return [=](const tutti::Communicator& c, const tutti::CollectiveOptions& o) {
    const std::size_t n = bytes_of(function, count);
    return tutti::ireduce(c, bytes(input, n), bytes(output, n), function_of(function), root, o);
  };
}

auto reduce_scatter_op(const void* input, void* output, std::size_t count, const tutti_user_op* function) noexcept {
  return [=](const tutti::Communicator& c, const tutti::CollectiveOptions& o) {
    const std::size_t n = bytes_of(function, count);
    return tutti::ireduce_scatter(c, bytes(input, all_blocks(c, n)), bytes(output, n), function_of(function), o);
  };
}

}  // namespace

extern "C" {

tutti_result tutti_allreduce_group_create(tutti_comm* comm, size_t fused_bytes, size_t piece_bytes,
                                          tutti_allreduce_group** group) {
  return created(group, [&] {
    tutti::AllreduceGroupOptions options;
    if (fused_bytes != TUTTI_DEFAULT_BYTES) options.fused_bytes = fused_bytes;
    if (piece_bytes != TUTTI_DEFAULT_BYTES) options.piece_bytes = piece_bytes;
    return tutti_allreduce_group{comm, tutti::AllreduceGroup(require(comm).comm, options)};
  });
}

tutti_result tutti_allreduce_group_add(tutti_allreduce_group* group, void* data, size_t count, tutti_dtype dtype,
                                       tutti_op op) {
  return guarded([&] { require_group(group).group.add(tutti::Buffer(data, count, dtype_of(dtype)), op_of(op)); });
}

tutti_result tutti_allreduce_group_start(tutti_allreduce_group* group, tutti_request** operation) {
  return tutti::c_api::started(
      operation, [&] { refuse_placeless_collective(require_group(group).comm->comm); },
      [&] { return require_group(group).group.start(group->comm->options()); });
}

void tutti_allreduce_group_free(tutti_allreduce_group* group) { delete group; }

tutti_result tutti_user_op_create(const char* name, size_t element_bytes, int commutative, tutti_user_function reduce,
                                  void* context, tutti_user_op** function) {
  return created(function, [&] {
    return tutti_user_op{
        std::make_shared<const tutti::UserOperator>(translate(name, element_bytes, commutative != 0, reduce, context))};
  });
}

void tutti_user_op_free(tutti_user_op* function) { delete function; }

tutti_result tutti_allreduce_op(tutti_comm* comm, void* data, size_t count, const tutti_user_op* function) {
  return waited_for(comm, allreduce_op(data, count, function));
}
tutti_result tutti_iallreduce_op(tutti_comm* comm, void* data, size_t count, const tutti_user_op* function,
                                 tutti_request** operation) {
  return started_by(comm, operation, allreduce_op(data, count, function));
}

tutti_result tutti_reduce_op(tutti_comm* comm, const void* input, void* output, size_t count,
                             const tutti_user_op* function, int root) {
  return waited_for(comm, reduce_op(input, output, count, function, root));
}
tutti_result tutti_ireduce_op(tutti_comm* comm, const void* input, void* output, size_t count,
                              const tutti_user_op* function, int root, tutti_request** operation) {
  return started_by(comm, operation, reduce_op(input, output, count, function, root));
}

tutti_result tutti_reduce_scatter_op(tutti_comm* comm, const void* input, void* output, size_t count,
                                     const tutti_user_op* function) {
  return waited_for(comm, reduce_scatter_op(input, output, count, function));
}
tutti_result tutti_ireduce_scatter_op(tutti_comm* comm, const void* input, void* output, size_t count,
                                      const tutti_user_op* function, tutti_request** operation) {
  return started_by(comm, operation, reduce_scatter_op(input, output, count, function));
}

}  // extern "C"
