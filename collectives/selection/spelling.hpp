// Names of collectives, types and operators as MPI, NCCL and others spell them, where people write them: on command
// lines, in rules and in variables. Files keep to tutti's own names.
#pragma once

#include <string>
#include <string_view>

namespace tutti {

// Each is tutti's name for what the word means, or the word itself if it is not known.

/// "bcast", "MPI_Bcast": "broadcast"; "allgatherv": "all_gather_v"; "reduce_scatter_block": "reduce_scatter". MPI's own
/// MPI_Reduce_scatter, which has a count for every rank, is "reduce_scatter_v".
std::string spelled_collective(std::string_view word);

/// "float", "fp32", "MPI_FLOAT": "f32".
std::string spelled_dtype(std::string_view word);

/// "MPI_SUM": "sum"; "band": "bit_and"; "mean": "avg".
std::string spelled_op(std::string_view word);

}  // namespace tutti
