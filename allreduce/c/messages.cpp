// The C interface over the C++ one: messages between two ranks, alone and in groups; see tutti.h.
#include <tutti/allreduce/c/handles.hpp>
#include <tutti/collectives/point_to_point.hpp>

using tutti::c_api::created;
using tutti::c_api::dtype_of;
using tutti::c_api::guarded;
using tutti::c_api::refuse_placeless_message;
using tutti::c_api::require;
using tutti::c_api::require_group;

static_assert(TUTTI_ANY_SOURCE == tutti::kAnySource);

struct tutti_message_group {
  tutti::Communicator comm;
  tutti::MessageGroup group;
};

namespace tutti::c_api {

void refuse_placeless_message(const Communicator& comm) {
  const char* const why = "send or receive: the place for the operation is NULL";
  comm.abandon(why);
  throw InvalidArgument(why);
}

}  // namespace tutti::c_api

extern "C" {

tutti_result tutti_send(tutti_comm* comm, const void* data, size_t count, tutti_dtype dtype, int to) {
  return guarded([&] { tutti::send(require(comm).comm, tutti::ConstBuffer(data, count, dtype_of(dtype)), to); });
}

tutti_result tutti_isend(tutti_comm* comm, const void* data, size_t count, tutti_dtype dtype, int to,
                         tutti_request** operation) {
  return tutti::c_api::started(
      operation, [&] { refuse_placeless_message(require(comm).comm); },
      [&] { return tutti::isend(require(comm).comm, tutti::ConstBuffer(data, count, dtype_of(dtype)), to); });
}

tutti_result tutti_receive(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int from, int* source) {
  return guarded([&] {
    const int came_from = tutti::receive(require(comm).comm, tutti::Buffer(data, count, dtype_of(dtype)), from);
    if (source != nullptr) *source = came_from;
  });
}

tutti_result tutti_ireceive(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int from, int* source,
                            tutti_request** operation) {
  return tutti::c_api::started(
      operation, [&] { refuse_placeless_message(require(comm).comm); },
      [&] { return tutti::ireceive(require(comm).comm, tutti::Buffer(data, count, dtype_of(dtype)), from, source); });
}

tutti_result tutti_message_group_create(tutti_comm* comm, tutti_message_group** group) {
  return created(group, [&] {
    const tutti::Communicator& of = require(comm).comm;
    return tutti_message_group{of, tutti::MessageGroup(of)};
  });
}

tutti_result tutti_message_group_send(tutti_message_group* group, const void* data, size_t count, tutti_dtype dtype,
                                      int to) {
  return guarded([&] { require_group(group).group.send(tutti::ConstBuffer(data, count, dtype_of(dtype)), to); });
}

tutti_result tutti_message_group_receive(tutti_message_group* group, void* data, size_t count, tutti_dtype dtype,
                                         int from, int* source) {
  return guarded(
      [&] { require_group(group).group.receive(tutti::Buffer(data, count, dtype_of(dtype)), from, source); });
}

tutti_result tutti_message_group_start(tutti_message_group* group, tutti_request** operation) {
  return tutti::c_api::started(
      operation, [&] { refuse_placeless_message(require_group(group).comm); },
      [&] { return require_group(group).group.start(); });
}

void tutti_message_group_free(tutti_message_group* group) { delete group; }

}  // extern "C"
