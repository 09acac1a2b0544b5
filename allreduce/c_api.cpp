// The C interface over the C++ one; see tutti.h.
#include <tutti/tutti.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <unordered_map>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/version.hpp>
#include <tutti/kernels/error.hpp>

struct tutti_comm {
  tutti::Communicator comm;
  std::unordered_map<void*, std::shared_ptr<void>> memory;  // by address, until tutti_free
};

namespace {

std::string& last_error() noexcept {
  thread_local std::string message;
  return message;
}

tutti_result failed(tutti_result result, const char* what) noexcept {
  try {
    last_error() = what;
  } catch (const std::bad_alloc&) {
    last_error().clear();
  }
  return result;
}

template <class Body>
tutti_result guarded(Body body) noexcept {
  try {
    body();
    return TUTTI_SUCCESS;
  } catch (const tutti::InvalidArgument& error) {
    return failed(TUTTI_ERROR_INVALID_ARGUMENT, error.what());
  } catch (const tutti::CommunicationError& error) {
    return failed(TUTTI_ERROR_COMMUNICATION, error.what());
  } catch (const std::bad_alloc&) {
    return failed(TUTTI_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(TUTTI_ERROR_OTHER, error.what());
  }
}

tutti_comm& require(tutti_comm* comm) {
  if (comm == nullptr) throw tutti::InvalidArgument("the communicator is NULL");
  return *comm;
}

// A C program can pass any number. Those that stand for nothing go on as such: the call that finds them tells the other
// ranks. They must not be loaded as the enumerations that they are no values of.
template <class Enum>
unsigned number_of(const Enum& value) noexcept {
  unsigned number = 0;
  static_assert(sizeof(number) == sizeof(value));
  std::memcpy(&number, &value, sizeof(number));
  return std::min(number, 255U);
}
tutti::DType dtype_of(const tutti_dtype& dtype) noexcept { return static_cast<tutti::DType>(number_of(dtype)); }
tutti::ReduceOp op_of(const tutti_op& op) noexcept { return static_cast<tutti::ReduceOp>(number_of(op)); }

}  // namespace

extern "C" {

const char* tutti_version(void) { return tutti::version(); }

const char* tutti_error_text(void) { return last_error().c_str(); }

tutti_result tutti_comm_create(MPI_Comm parent, double deadline_s, tutti_comm** comm) {
  return guarded([&] {
    if (comm == nullptr) throw tutti::InvalidArgument("tutti_comm_create: comm is NULL");
    tutti::CommunicatorOptions options;
    if (deadline_s != 0) options.deadline = std::chrono::duration<double>(deadline_s);
    *comm = new tutti_comm{tutti::Communicator(parent, options), {}};
  });
}

void tutti_comm_free(tutti_comm* comm) { delete comm; }

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
    if (memory != nullptr && require(comm).memory.erase(memory) == 0) {
      throw tutti::InvalidArgument("tutti_free: this memory is not from tutti_allocate on this communicator");
    }
  });
}

tutti_result tutti_allreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op) {
  return guarded([&] { tutti::allreduce(require(comm).comm, tutti::Buffer(data, count, dtype_of(dtype)), op_of(op)); });
}

tutti_result tutti_broadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root) {
  return guarded([&] { tutti::broadcast(require(comm).comm, tutti::Buffer(data, count, dtype_of(dtype)), root); });
}

}  // extern "C"
