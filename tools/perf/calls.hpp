// The collectives on a Call, by name: tutti's (tutti_calls.cpp) and the MPI library's (mpi_calls.cpp).
#pragma once

#include "tools/perf/collective.hpp"

namespace tutti::tools {

namespace tutti_calls {
extern const Calls allreduce, broadcast, all_gather, reduce_scatter, reduce, gather, scatter, all_to_all, barrier;
extern const Calls all_gather_v, reduce_scatter_v, gather_v, scatter_v, all_to_all_v;
}  // namespace tutti_calls

/// In place, MPI's reduce_scatter leaves the result at the start of the buffer; it is moved from there to its block,
/// which is part of the same work.
namespace mpi_calls {
extern const Calls allreduce, broadcast, all_gather, reduce_scatter, reduce, gather, scatter, all_to_all, barrier;
extern const Calls all_gather_v, reduce_scatter_v, gather_v, scatter_v, all_to_all_v;
}  // namespace mpi_calls

}  // namespace tutti::tools
