// A call of MPI's as tutti makes it.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include <tutti/collectives/call/call.hpp>

#include "allreduce/preload/operations.hpp"
#include "allreduce/preload/shadow.hpp"

namespace tutti::preload {

/// One number for each rank, as a program hands them to MPI.
class PerRank {
 public:
  PerRank() = default;
  template <class Integer>
  explicit PerRank(const Integer* values) noexcept
      : values_(values), is_wide_(sizeof(Integer) == sizeof(std::int64_t)) {
    static_assert(is_one_of_two<Integer>);
  }

  bool empty() const noexcept { return values_ == nullptr; }
  std::int64_t operator[](std::size_t rank) const noexcept {
    return is_wide_ ? load<std::int64_t>(rank) : load<std::int32_t>(rank);
  }

 private:
  template <class Integer>
  static constexpr bool is_one_of_two = sizeof(Integer) == sizeof(std::int32_t) ||
                                        sizeof(Integer) == sizeof(std::int64_t);

  /// int64_t and MPI_Count may be different types of one size.
  template <class Integer>
  Integer load(std::size_t rank) const noexcept {
    Integer value;
    std::memcpy(&value, static_cast<const std::byte*>(values_) + rank * sizeof(Integer), sizeof(Integer));
    return value;
  }
  const void* values_ = nullptr;
  bool is_wide_ = false;
};

/// The arguments of any of MPI's functions that are served. `count` and `type` are those of the output, or the only
/// ones; a broadcast has its buffer as output.
struct Arguments {
  const void* input = nullptr;
  std::int64_t input_count = 0;
  MPI_Datatype input_type = MPI_DATATYPE_NULL;
  void* output = nullptr;
  std::int64_t count = 0;
  MPI_Datatype type = MPI_DATATYPE_NULL;
  PerRank counts = {};
  PerRank displacements = {};
  MPI_Op op = MPI_OP_NULL;
  int root = 0;
};

/// Bytes of data that the call is about, the same on all ranks of a call that is right, whatever datatypes they use;
/// nothing if the arguments are wrong.
std::optional<std::size_t> data_bytes(Operation operation, const Arguments& arguments, int size) noexcept;

/// The call for tutti, or nothing if this rank cannot make it: MPI shall say what is wrong, or serve it. Of data that
/// are only moved it counts bytes, since ranks may call them by different types.
std::optional<detail::Call> make_call(Shadow& shadow, Operation operation, const Arguments& arguments);

/// After the call was served: puts results where MPI would.
void finish_call(const Shadow& shadow, Operation operation, const Arguments& arguments, const detail::Call& call);

}  // namespace tutti::preload
