// The C interface over the C++ one: errors, communicators, memory, operations; see tutti.h.
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/c_api.hpp>
#include <tutti/allreduce/version.hpp>
#include <tutti/collectives/communicator_state.hpp>
#include <tutti/collectives/flight_recorder.hpp>

namespace tutti::c_api {
namespace {

std::string& last_error() noexcept {
  thread_local std::string message;
  return message;
}

/// `make` gives the communicator of a part, or none.
template <class Make>
tutti_result make_part(tutti_comm* comm, tutti_comm** part, Make make) noexcept {
  return guarded([&] {
    const Communicator& whole = require(comm).comm;
    if (part != nullptr) *part = nullptr;
    const std::optional<Communicator> made = make(whole);  // first: the other ranks take part
    if (part == nullptr) throw InvalidArgument("the place for the new communicator is NULL");
    if (made) *part = new tutti_comm{*made, {}};
  });
}

}  // namespace

tutti_result failed(tutti_result result, const char* what) noexcept {
  try {
    last_error() = what;
  } catch (const std::bad_alloc&) {
    last_error().clear();
  }
  return result;
}

}  // namespace tutti::c_api

using tutti::c_api::dtype_of;
using tutti::c_api::guarded;
using tutti::c_api::number_of;
using tutti::c_api::require;

namespace {

/// After a failure MPI may still write what operations received into.
void keep_if_failed(const tutti::Communicator& comm, std::shared_ptr<void> block) {
  if (comm.unusable()) tutti::detail::keep_until_exit(std::move(block));
}

}  // namespace

extern "C" {

const char* tutti_version(void) { return tutti::version(); }

const char* tutti_error_text(void) { return tutti::c_api::last_error().c_str(); }

tutti_result tutti_comm_create(MPI_Comm parent, double deadline_s, tutti_comm** comm) {
  return guarded([&] {
    tutti::CommunicatorOptions options;
    if (deadline_s != 0) options.deadline = std::chrono::duration<double>(deadline_s);
    const tutti::Communicator made(parent, options);  // first: the other ranks take part
    if (comm == nullptr) throw tutti::InvalidArgument("tutti_comm_create: comm is NULL");
    *comm = new tutti_comm{made, {}};
  });
}

void tutti_comm_free(tutti_comm* comm) {
  if (comm == nullptr) return;
  for (auto& [address, block] : comm->memory) keep_if_failed(comm->comm, std::move(block));
  delete comm;
}

int tutti_comm_rank(const tutti_comm* comm) { return comm->comm.rank(); }
int tutti_comm_size(const tutti_comm* comm) { return comm->comm.size(); }

tutti_result tutti_allocate(tutti_comm* comm, size_t count, tutti_dtype dtype, void** memory) {
  return guarded([&] {
    if (memory == nullptr) throw tutti::InvalidArgument("tutti_allocate: memory is NULL");
    const std::size_t element = tutti::size_of(dtype_of(dtype));
    if (element == 0) throw tutti::InvalidArgument(tutti::text("there is no dtype ", number_of(dtype)));
    if (count > SIZE_MAX / element) throw std::bad_alloc();
    std::shared_ptr<void> block = require(comm).comm.allocate_bytes(count * element);
    *memory = block.get();
    comm->memory.emplace(block.get(), std::move(block));
  });
}

tutti_result tutti_free(tutti_comm* comm, void* memory) {
  return guarded([&] {
    tutti_comm& owner = require(comm);
    if (memory == nullptr) return;
    const auto found = owner.memory.find(memory);
    if (found == owner.memory.end()) {
      throw tutti::InvalidArgument("tutti_free: this memory is not from tutti_allocate on this communicator");
    }
    keep_if_failed(owner.comm, std::move(found->second));
    owner.memory.erase(found);
  });
}

tutti_result tutti_comm_split(tutti_comm* comm, int color, int key, tutti_comm** part) {
  return tutti::c_api::make_part(comm, part, [&](const tutti::Communicator& whole) { return whole.split(color, key); });
}

tutti_result tutti_comm_node_group(tutti_comm* comm, tutti_comm** part) {
  return tutti::c_api::make_part(comm, part, [](const tutti::Communicator& whole) { return whole.node_group(); });
}

tutti_result tutti_comm_cross_group(tutti_comm* comm, tutti_comm** part) {
  return tutti::c_api::make_part(comm, part, [](const tutti::Communicator& whole) { return whole.cross_group(); });
}

tutti_result tutti_comm_abandon(tutti_comm* comm, const char* reason) {
  return guarded([&] { require(comm).comm.abandon(reason != nullptr ? reason : "no reason was given"); });
}

int tutti_comm_unusable(const tutti_comm* comm) { return comm->comm.unusable() ? 1 : 0; }

tutti_result tutti_test(tutti_operation* operation, int* complete) {
  return guarded([&] {
    if (operation == nullptr) throw tutti::InvalidArgument("tutti_test: the operation is NULL");
    if (complete == nullptr) throw tutti::InvalidArgument("tutti_test: complete is NULL");
    *complete = 0;
    *complete = operation->operation.test() ? 1 : 0;
  });
}

tutti_result tutti_wait(tutti_operation* operation) {
  return guarded([&] {
    if (operation == nullptr) throw tutti::InvalidArgument("tutti_wait: the operation is NULL");
    operation->operation.wait();
  });
}

void tutti_operation_free(tutti_operation* operation) { delete operation; }

tutti_result tutti_write_flight_record(const char* path) {
  return guarded([&] {
    if (path == nullptr) throw tutti::InvalidArgument("tutti_write_flight_record: the path is NULL");
    tutti::write_flight_record(path);
  });
}

tutti_result tutti_write_trace(tutti_comm* comm, const char* path) {
  return guarded([&] {
    const tutti::Communicator& of = tutti::c_api::require(comm).comm;
    if (path == nullptr && of.rank() == 0) of.abandon("tutti_write_trace: the path is NULL");
    tutti::write_trace(of, path == nullptr ? "" : path);
  });
}

}  // extern "C"
