// What the parts of the C interface share; not installed.
#pragma once

#include <tutti/tutti.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/operation.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>

struct tutti_comm {
  tutti::Communicator comm;
  std::unordered_map<void*, std::shared_ptr<void>> memory;  // by address, until tutti_free
};

struct tutti_operation {
  tutti::Operation operation;
};

namespace tutti::c_api {

/// Keeps the text for tutti_error_text().
tutti_result failed(tutti_result result, const char* what) noexcept;

/// Runs the body and turns what it throws into a result.
template <class Body>
tutti_result guarded(Body body) noexcept {
  try {
    body();
    return TUTTI_SUCCESS;
  } catch (const InvalidArgument& error) {
    return failed(TUTTI_ERROR_INVALID_ARGUMENT, error.what());
  } catch (const CommunicationError& error) {
    return failed(TUTTI_ERROR_COMMUNICATION, error.what());
  } catch (const std::bad_alloc&) {
    return failed(TUTTI_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(TUTTI_ERROR_OTHER, error.what());
  }
}

inline tutti_comm& require(tutti_comm* comm) {
  if (comm == nullptr) throw InvalidArgument("the communicator is NULL");
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
inline DType dtype_of(const tutti_dtype& dtype) noexcept { return static_cast<DType>(number_of(dtype)); }
inline ReduceOp op_of(const tutti_op& op) noexcept { return static_cast<ReduceOp>(number_of(op)); }

/// What is started on `comm` becomes `*operation`. Without a place for it nothing is started, and `refuse` tells the
/// other ranks and throws InvalidArgument.
template <class Refuse, class Start>
tutti_result started(tutti_comm* comm, tutti_operation** operation, Refuse refuse, Start start) noexcept {
  if (operation != nullptr) *operation = nullptr;
  return guarded([&] {
    const Communicator& of = require(comm).comm;
    if (operation == nullptr) refuse(of);
    auto handle = std::make_unique<tutti_operation>();
    handle->operation = start(of);
    *operation = handle.release();
  });
}

}  // namespace tutti::c_api
