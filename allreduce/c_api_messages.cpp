// The C interface over the C++ one: messages between two ranks; see tutti.h.
#include <tutti/allreduce/c_api.hpp>
#include <tutti/collectives/point_to_point.hpp>

namespace {

using tutti::Communicator;
using tutti::c_api::dtype_of;
using tutti::c_api::guarded;
using tutti::c_api::require;

static_assert(TUTTI_ANY_SOURCE == tutti::kAnySource);

/// The peer may wait already: the communicator is lost, as with other wrong arguments of a message.
void refuse_placeless(const Communicator& comm) {
  const char* const why = "send or receive: the place for the operation is NULL";
  comm.abandon(why);
  throw tutti::InvalidArgument(why);
}

}  // namespace

extern "C" {

tutti_result tutti_send(tutti_comm* comm, const void* data, size_t count, tutti_dtype dtype, int to) {
  return guarded([&] { tutti::send(require(comm).comm, tutti::ConstBuffer(data, count, dtype_of(dtype)), to); });
}

tutti_result tutti_isend(tutti_comm* comm, const void* data, size_t count, tutti_dtype dtype, int to,
                         tutti_operation** operation) {
  return tutti::c_api::started(comm, operation, refuse_placeless, [&](const Communicator& of) {
    return tutti::isend(of, tutti::ConstBuffer(data, count, dtype_of(dtype)), to);
  });
}

tutti_result tutti_receive(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int from, int* source) {
  return guarded([&] {
    const int came_from = tutti::receive(require(comm).comm, tutti::Buffer(data, count, dtype_of(dtype)), from);
    if (source != nullptr) *source = came_from;
  });
}

tutti_result tutti_ireceive(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int from, int* source,
                            tutti_operation** operation) {
  return tutti::c_api::started(comm, operation, refuse_placeless, [&](const Communicator& of) {
    return tutti::ireceive(of, tutti::Buffer(data, count, dtype_of(dtype)), from, source);
  });
}

}  // extern "C"
