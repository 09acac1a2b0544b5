// What the parts of the C interface share; not installed.
#pragma once

#include <tutti/tutti.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>
#include <variant>

#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/request.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>

struct tutti_comm {
  tutti::Communicator comm;
  std::unordered_map<void*, std::shared_ptr<void>> memory = {};  // by address, until tutti_free

  // How collectives run: tutti_comm_set_algorithm().
  std::string algorithm = {};
  int radix = 0;
  std::size_t segment_bytes = 0;

  tutti::CollectiveOptions options() const noexcept {
    return {.algorithm = algorithm, .radix = radix, .segment_bytes = segment_bytes};
  }
};

struct tutti_request {
  std::variant<tutti::Request, tutti::PersistentRequest> operation;
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
  } catch (const OutOfMemory& error) {
    return failed(TUTTI_ERROR_OUT_OF_MEMORY, error.what());
  } catch (const std::bad_alloc&) {
    return failed(TUTTI_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(TUTTI_ERROR_OTHER, error.what());
  }
}

template <class Comm>
Comm& require(Comm* comm) {
  if (comm == nullptr) throw InvalidArgument("the communicator is NULL");
  return *comm;
}

template <class RankGroup>
RankGroup& require_group(RankGroup* group) {
  if (group == nullptr) throw InvalidArgument("the group is NULL");
  return *group;
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

/// What `start` gives becomes `*operation`. Without a place for it nothing is started, and `refuse` tells the other
/// ranks and throws InvalidArgument.
template <class Refuse, class Start>
tutti_result started(tutti_request** operation, Refuse refuse, Start start) noexcept {
  if (operation != nullptr) *operation = nullptr;
  return guarded([&] {
    if (operation == nullptr) refuse();
    auto handle = std::make_unique<tutti_request>();
    handle->operation = start();
    *operation = handle.release();
  });
}

/// Nothing is where a collective needs a place for its operation: refused under its number, as wrong arguments are.
[[noreturn]] void refuse_placeless_collective(const Communicator& comm);

/// The same of messages. The peer may wait already: the communicator is lost.
[[noreturn]] void refuse_placeless_message(const Communicator& comm);

/// `*place` becomes what `make` gives. \throws InvalidArgument if there is no place.
template <class Thing, class Make>
tutti_result created(Thing** place, Make make) noexcept {
  if (place != nullptr) *place = nullptr;
  return guarded([&] {
    if (place == nullptr) throw InvalidArgument("the place for what is created is NULL");
    *place = new Thing(make());
  });
}

}  // namespace tutti::c_api
