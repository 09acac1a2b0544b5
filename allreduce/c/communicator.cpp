// The C interface over the C++ one: errors, communicators, memory, operations; see tutti.h.
#include <chrono>

#include <tutti/allreduce/c/handles.hpp>
#include <tutti/allreduce/version.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/kernels/text.hpp>

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
    if (made) *part = new tutti_comm{*made};
  });
}

/// What `options` are to the C++ interface. What is wrong with them goes along, for all ranks to hear of.
CommunicatorOptions translate(const tutti_comm_options* options) {
  CommunicatorOptions to;
  if (options == nullptr) return to;
  if (options->struct_bytes != sizeof(tutti_comm_options)) {
    to.problem = text("tutti_comm_options: struct_bytes is ", options->struct_bytes, ", not the ",
                      sizeof(tutti_comm_options), " that sizeof gives");
    return to;
  }
  to.reproducibility = static_cast<Reproducibility>(number_of(options->reproducibility));
  if (options->timeout_s != 0) to.timeout = std::chrono::duration<double>(options->timeout_s);
  if (options->stall_warning_s != 0) {
    to.stall_warning = std::chrono::duration<double>(std::max(options->stall_warning_s, 0.0));
  }
  if (options->tuning_file != nullptr) to.tuning_file = options->tuning_file;
  to.ranks_per_node = options->ranks_per_node;
  const unsigned shared_memory = number_of(options->shared_memory);
  if (shared_memory > TUTTI_SHARED_MEMORY_OFF) {
    to.problem = text("tutti_comm_options: there is no shared_memory ", shared_memory);
  } else if (shared_memory != TUTTI_SHARED_MEMORY_DEFAULT) {
    to.shared_memory = shared_memory == TUTTI_SHARED_MEMORY_ON;
  }
  const unsigned transport = number_of(options->transport);
  if (transport > TUTTI_TRANSPORT_UCX) {
    to.problem = text("tutti_comm_options: there is no transport ", transport);
  } else if (transport != TUTTI_TRANSPORT_DEFAULT) {
    to.transport = transport == TUTTI_TRANSPORT_MPI ? TransportKind::mpi : TransportKind::ucx;
  }
  if (options->network == nullptr) return to;
  try {
    to.network = parse_network(options->network);
  } catch (const InvalidArgument& error) {
    to.problem = text("tutti_comm_options: network: ", error.what());
  }
  return to;
}

tutti_result create(MPI_Comm parent, const CommunicatorOptions& options, tutti_comm** comm) noexcept {
  return guarded([&] {
    const Communicator made(parent, options);  // first: the other ranks take part
    if (comm == nullptr) throw InvalidArgument("tutti_comm_create: comm is NULL");
    *comm = new tutti_comm{made};
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
  if (comm.unusable()) tutti::detail::leak_until_exit(std::move(block));
}

}  // namespace

extern "C" {

const char* tutti_version(void) { return tutti::version(); }

const char* tutti_error_text(void) { return tutti::c_api::last_error().c_str(); }

size_t tutti_dtype_size(tutti_dtype dtype) { return tutti::size_of(dtype_of(dtype)); }

tutti_result tutti_comm_create(MPI_Comm parent, double timeout_s, tutti_comm** comm) {
  tutti_comm_options options{};
  options.struct_bytes = sizeof options;
  options.timeout_s = timeout_s;
  return tutti_comm_create_with(parent, &options, comm);
}

tutti_result tutti_comm_create_with(MPI_Comm parent, const tutti_comm_options* options, tutti_comm** comm) {
  return tutti::c_api::create(parent, tutti::c_api::translate(options), comm);
}

tutti_result tutti_comm_create_f(MPI_Fint parent, const tutti_comm_options* options, tutti_comm** comm) {
  return tutti_comm_create_with(MPI_Comm_f2c(parent), options, comm);
}

void tutti_comm_free(tutti_comm* comm) {
  if (comm == nullptr) return;
  for (auto& [address, block] : comm->memory) keep_if_failed(comm->comm, std::move(block));
  delete comm;
}

int tutti_comm_rank(const tutti_comm* comm) { return comm == nullptr ? -1 : comm->comm.rank(); }
int tutti_comm_size(const tutti_comm* comm) { return comm == nullptr ? 0 : comm->comm.size(); }

tutti_result tutti_comm_topology(const tutti_comm* comm, tutti_topology* place) {
  return guarded([&] {
    const tutti::Topology& found = require(comm).comm.topology();
    if (place == nullptr) throw tutti::InvalidArgument("tutti_comm_topology: place is NULL");
    *place = {found.node, found.nodes, found.local_rank, found.local_size};
  });
}

int tutti_comm_shares_memory(const tutti_comm* comm) {
  return comm != nullptr && comm->comm.selection_facts().shared_memory ? 1 : 0;
}

uint64_t tutti_comm_choice_digest(const tutti_comm* comm) {
  return comm == nullptr ? 0 : comm->comm.selection_facts().digest;
}

MPI_Comm tutti_comm_mpi(const tutti_comm* comm) { return comm == nullptr ? MPI_COMM_NULL : comm->comm.mpi(); }

tutti_result tutti_comm_set_algorithm(tutti_comm* comm, const char* algorithm, int radix, size_t segment_bytes) {
  return guarded([&] {
    tutti_comm& of = require(comm);
    of.algorithm = algorithm == nullptr ? "" : algorithm;
    of.radix = radix;
    of.segment_bytes = segment_bytes;
  });
}

tutti_result tutti_allocate(tutti_comm* comm, size_t count, tutti_dtype dtype, void** memory) {
  return guarded([&] {
    if (memory == nullptr) throw tutti::InvalidArgument("tutti_allocate: memory is NULL");
    const std::size_t element = tutti::size_of(dtype_of(dtype));
    if (element == 0) throw tutti::InvalidArgument(tutti::text("there is no dtype ", number_of(dtype)));
    std::shared_ptr<void> block = require(comm).comm.allocate_elements(count, element);
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

tutti_result tutti_comm_local(tutti_comm* comm, tutti_comm** part) {
  return tutti::c_api::make_part(comm, part,
                                 [](const tutti::Communicator& whole) { return whole.local_communicator(); });
}

tutti_result tutti_comm_cross(tutti_comm* comm, tutti_comm** part) {
  return tutti::c_api::make_part(comm, part,
                                 [](const tutti::Communicator& whole) { return whole.cross_communicator(); });
}

tutti_result tutti_comm_abandon(tutti_comm* comm, const char* reason) {
  return guarded([&] { require(comm).comm.abandon(reason != nullptr ? reason : "no reason was given"); });
}

int tutti_comm_unusable(const tutti_comm* comm) { return comm != nullptr && comm->comm.unusable() ? 1 : 0; }

tutti_result tutti_test(tutti_request* operation, int* complete) {
  return guarded([&] {
    if (operation == nullptr) throw tutti::InvalidArgument("tutti_test: the operation is NULL");
    if (complete == nullptr) throw tutti::InvalidArgument("tutti_test: complete is NULL");
    *complete = 0;
    *complete = std::visit([](auto& its) { return its.test(); }, operation->operation) ? 1 : 0;
  });
}

tutti_result tutti_wait(tutti_request* operation) {
  return guarded([&] {
    if (operation == nullptr) throw tutti::InvalidArgument("tutti_wait: the operation is NULL");
    std::visit([](auto& its) { its.wait(); }, operation->operation);
  });
}

tutti_result tutti_start(tutti_request* operation) {
  return guarded([&] {
    if (operation == nullptr) throw tutti::InvalidArgument("tutti_start: the operation is NULL");
    auto* const persistent = std::get_if<tutti::PersistentRequest>(&operation->operation);
    if (persistent == nullptr) throw tutti::InvalidArgument("tutti_start: the operation is not a persistent one");
    persistent->start();
  });
}

void tutti_request_free(tutti_request* operation) { delete operation; }

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
