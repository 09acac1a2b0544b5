// The operations that the preload serves, by the names that MPI has for them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tutti::preload {

enum class Operation : std::uint8_t {
  allreduce,
  bcast,
  reduce,
  allgather,
  allgatherv,
  reduce_scatter,
  reduce_scatter_block,
  alltoall,
  barrier,
};

/// As in MPI_<name>, in lower case.
inline constexpr std::array<std::string_view, 9> kNames = {
    "allreduce", "bcast",  "reduce", "allgather", "allgatherv", "reduce_scatter", "reduce_scatter_block",
    "alltoall",  "barrier"};

inline constexpr std::size_t kOperations = kNames.size();

constexpr std::size_t index(Operation operation) noexcept { return static_cast<std::size_t>(operation); }
constexpr std::string_view name(Operation operation) noexcept { return kNames[index(operation)]; }

/// A set of operations, one bit each.
using OperationSet = std::uint32_t;
inline constexpr OperationSet kAllOperations = (OperationSet{1} << kOperations) - 1;
constexpr OperationSet set_of(Operation operation) noexcept { return OperationSet{1} << index(operation); }

}  // namespace tutti::preload
