// The Fortran names of the functions in which MPI begins and ends, and communicators come and go; see fortran.hpp.
#include <mpi.h>

#include <vector>

#include "allreduce/preload/fortran.hpp"

using namespace tutti::preload::fortran;  // NOLINT(google-build-using-namespace): all of it is for here

namespace {

std::vector<int> truths(const MPI_Fint* logicals, int count) {
  std::vector<int> values(count > 0 ? static_cast<std::size_t>(count) : 0);
  for (int& value : values) value = truth(*logicals++);
  return values;
}

int dimensions(MPI_Fint cartesian) {
  int count = 0;
  PMPI_Cartdim_get(PMPI_Comm_f2c(cartesian), &count);
  return count;
}

/// Hands a communicator to Fortran that `make` makes.
template <class Make>
void put_communicator(MPI_Fint* newcomm, MPI_Fint* ierror, const Make& make) {
  MPI_Comm made = MPI_COMM_NULL;
  const int code = make(&made);
  if (code == MPI_SUCCESS) *newcomm = PMPI_Comm_c2f(made);
  put(ierror, code);
}

/// Frees a communicator of Fortran's by `free`.
void free_by(int (*free)(MPI_Comm*), MPI_Fint* comm, MPI_Fint* ierror) {
  MPI_Comm freed = PMPI_Comm_f2c(*comm);
  const int code = free(&freed);
  if (code == MPI_SUCCESS) *comm = PMPI_Comm_c2f(freed);
  put(ierror, code);
}

}  // namespace

extern "C" {

void mpi_init_f08_(MPI_Fint* ierror) { put(ierror, MPI_Init(nullptr, nullptr)); }

void mpi_init_thread_f08_(const MPI_Fint* required, MPI_Fint* provided, MPI_Fint* ierror) {
  put(ierror, MPI_Init_thread(nullptr, nullptr, *required, provided));
}

void mpi_finalize_f08_(MPI_Fint* ierror) { put(ierror, MPI_Finalize()); }

void mpi_abort_f08_(const MPI_Fint* comm, const MPI_Fint* errorcode, MPI_Fint* ierror) {
  put(ierror, MPI_Abort(PMPI_Comm_f2c(*comm), *errorcode));
}

void mpi_comm_dup_f08_(const MPI_Fint* comm, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) { return MPI_Comm_dup(PMPI_Comm_f2c(*comm), made); });
}

void mpi_comm_dup_with_info_f08_(const MPI_Fint* comm, const MPI_Fint* info, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) {
    return MPI_Comm_dup_with_info(PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made);
  });
}

void mpi_comm_split_f08_(const MPI_Fint* comm, const MPI_Fint* color, const MPI_Fint* key, MPI_Fint* newcomm,
                         MPI_Fint* ierror) {
  put_communicator(newcomm, ierror,
                   [&](MPI_Comm* made) { return MPI_Comm_split(PMPI_Comm_f2c(*comm), *color, *key, made); });
}

void mpi_comm_split_type_f08_(const MPI_Fint* comm, const MPI_Fint* split_type, const MPI_Fint* key,
                              const MPI_Fint* info, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) {
    return MPI_Comm_split_type(PMPI_Comm_f2c(*comm), *split_type, *key, PMPI_Info_f2c(*info), made);
  });
}

void mpi_comm_create_f08_(const MPI_Fint* comm, const MPI_Fint* group, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror,
                   [&](MPI_Comm* made) { return MPI_Comm_create(PMPI_Comm_f2c(*comm), PMPI_Group_f2c(*group), made); });
}

void mpi_comm_create_group_f08_(const MPI_Fint* comm, const MPI_Fint* group, const MPI_Fint* tag, MPI_Fint* newcomm,
                                MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) {
    return MPI_Comm_create_group(PMPI_Comm_f2c(*comm), PMPI_Group_f2c(*group), *tag, made);
  });
}

void mpi_intercomm_merge_f08_(const MPI_Fint* comm, const MPI_Fint* high, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror,
                   [&](MPI_Comm* made) { return MPI_Intercomm_merge(PMPI_Comm_f2c(*comm), truth(*high), made); });
}

void mpi_cart_create_f08_(const MPI_Fint* comm, const MPI_Fint* ndims, const MPI_Fint* dims, const MPI_Fint* periods,
                          const MPI_Fint* reorder, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) {
    return MPI_Cart_create(PMPI_Comm_f2c(*comm), *ndims, dims, truths(periods, *ndims).data(), truth(*reorder), made);
  });
}

void mpi_cart_sub_f08_(const MPI_Fint* comm, const MPI_Fint* remain_dims, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) {
    return MPI_Cart_sub(PMPI_Comm_f2c(*comm), truths(remain_dims, dimensions(*comm)).data(), made);
  });
}

void mpi_graph_create_f08_(const MPI_Fint* comm, const MPI_Fint* nnodes, const MPI_Fint* indx, const MPI_Fint* edges,
                           const MPI_Fint* reorder, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) {
    return MPI_Graph_create(PMPI_Comm_f2c(*comm), *nnodes, indx, edges, truth(*reorder), made);
  });
}

void mpi_dist_graph_create_f08_(const MPI_Fint* comm, const MPI_Fint* n, const MPI_Fint* sources,
                                const MPI_Fint* degrees, const MPI_Fint* destinations, const MPI_Fint* edge_weights,
                                const MPI_Fint* info, const MPI_Fint* reorder, MPI_Fint* newcomm, MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) {
    return MPI_Dist_graph_create(PMPI_Comm_f2c(*comm), *n, sources, degrees, destinations, weights(edge_weights),
                                 PMPI_Info_f2c(*info), truth(*reorder), made);
  });
}

void mpi_dist_graph_create_adjacent_f08_(const MPI_Fint* comm, const MPI_Fint* indegree, const MPI_Fint* sources,
                                         const MPI_Fint* source_weights, const MPI_Fint* outdegree,
                                         const MPI_Fint* destinations, const MPI_Fint* destination_weights,
                                         const MPI_Fint* info, const MPI_Fint* reorder, MPI_Fint* newcomm,
                                         MPI_Fint* ierror) {
  put_communicator(newcomm, ierror, [&](MPI_Comm* made) {
    return MPI_Dist_graph_create_adjacent(PMPI_Comm_f2c(*comm), *indegree, sources, weights(source_weights), *outdegree,
                                          destinations, weights(destination_weights), PMPI_Info_f2c(*info),
                                          truth(*reorder), made);
  });
}

void mpi_comm_free_f08_(MPI_Fint* comm, MPI_Fint* ierror) { free_by(MPI_Comm_free, comm, ierror); }

void mpi_comm_disconnect_f08_(MPI_Fint* comm, MPI_Fint* ierror) { free_by(MPI_Comm_disconnect, comm, ierror); }

#if defined(OPEN_MPI)
decltype(mpi_init_f08_) mpi_init_ __attribute__((alias("mpi_init_f08_")));
decltype(mpi_init_thread_f08_) mpi_init_thread_ __attribute__((alias("mpi_init_thread_f08_")));
decltype(mpi_finalize_f08_) mpi_finalize_ __attribute__((alias("mpi_finalize_f08_")));
decltype(mpi_abort_f08_) mpi_abort_ __attribute__((alias("mpi_abort_f08_")));
decltype(mpi_comm_dup_f08_) mpi_comm_dup_ __attribute__((alias("mpi_comm_dup_f08_")));
decltype(mpi_comm_dup_with_info_f08_) mpi_comm_dup_with_info_ __attribute__((alias("mpi_comm_dup_with_info_f08_")));
decltype(mpi_comm_split_f08_) mpi_comm_split_ __attribute__((alias("mpi_comm_split_f08_")));
decltype(mpi_comm_split_type_f08_) mpi_comm_split_type_ __attribute__((alias("mpi_comm_split_type_f08_")));
decltype(mpi_comm_create_f08_) mpi_comm_create_ __attribute__((alias("mpi_comm_create_f08_")));
decltype(mpi_comm_create_group_f08_) mpi_comm_create_group_ __attribute__((alias("mpi_comm_create_group_f08_")));
decltype(mpi_intercomm_merge_f08_) mpi_intercomm_merge_ __attribute__((alias("mpi_intercomm_merge_f08_")));
decltype(mpi_cart_create_f08_) mpi_cart_create_ __attribute__((alias("mpi_cart_create_f08_")));
decltype(mpi_cart_sub_f08_) mpi_cart_sub_ __attribute__((alias("mpi_cart_sub_f08_")));
decltype(mpi_graph_create_f08_) mpi_graph_create_ __attribute__((alias("mpi_graph_create_f08_")));
decltype(mpi_dist_graph_create_f08_) mpi_dist_graph_create_ __attribute__((alias("mpi_dist_graph_create_f08_")));
decltype(mpi_dist_graph_create_adjacent_f08_) mpi_dist_graph_create_adjacent_
    __attribute__((alias("mpi_dist_graph_create_adjacent_f08_")));
decltype(mpi_comm_free_f08_) mpi_comm_free_ __attribute__((alias("mpi_comm_free_f08_")));
decltype(mpi_comm_disconnect_f08_) mpi_comm_disconnect_ __attribute__((alias("mpi_comm_disconnect_f08_")));
#endif

}  // extern "C"
