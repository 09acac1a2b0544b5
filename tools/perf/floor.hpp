// What the memory of this node allows, measured, and what that means for a collective among its ranks: the least time
// that it could take where ranks load and store in each other's memory (bench/README.md, "Percent of the memory
// floor").
#pragma once

#include <cstddef>
#include <optional>

#include "tools/perf/collective.hpp"
#include "tools/perf/machine.hpp"

namespace tutti::tools {

/// Rates in GB/s (10^9 bytes). A copy of n bytes loads n and stores n.
struct MemoryFloor {
  double node_gb_s = 0.0;  ///< loaded and stored by all ranks together while all copy
  double core_gb_s = 0.0;  ///< loaded and stored by a rank that copies alone; at least its part of node_gb_s
  std::optional<double> reduce_gb_s = std::nullopt;  ///< reduced by a rank, in cache; if it reduces
  std::size_t cache_bytes = 0;                       ///< of all last-level caches that so many ranks can use at a time
};

/// As MemoryFloor has it; 0 where caches are not known.
std::size_t cache_bytes_of(const LastLevelCaches& caches, int ranks);

/// Whether caches of so many bytes can hold but little of what is moved, at most a quarter: for less there is no floor.
bool exceeds_caches(double moved_bytes, std::size_t cache_bytes);

/// Collective; alike on all ranks. Nothing for a single rank, over several nodes, where caches are not known, and where
/// not even `largest`, the work of the largest row, exceeds them. `op` and `dtype` are what that row reduces.
std::optional<MemoryFloor> measure_floor(const Communicator& comm, const NodeWork& largest, ReduceOp op, DType dtype);

/// Bytes per rank, on the average, that measure_floor() allocates meanwhile.
std::size_t floor_memory(const Communicator& comm, const NodeWork& largest);

/// The least microseconds for `work` on `ranks` ranks: the largest of the times of all bytes through the node's memory,
/// of a rank's part of them through its core, and of its part of the reducing. Nothing where caches could hold them.
std::optional<double> floor_time(const MemoryFloor& floor, int ranks, const NodeWork& work);

}  // namespace tutti::tools
