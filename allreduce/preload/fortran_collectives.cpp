// The Fortran names of the collectives that are served; see fortran.hpp.
#include <mpi.h>

#include "allreduce/preload/fortran.hpp"

using namespace tutti::preload::fortran;  // NOLINT(google-build-using-namespace): all of it is for here

extern "C" {

#if defined(OPEN_MPI)

void mpi_allreduce_(void* sendbuf, void* recvbuf, const MPI_Fint* count, const MPI_Fint* datatype, const MPI_Fint* op,
                    const MPI_Fint* comm, MPI_Fint* ierror) {
  put(ierror, MPI_Allreduce(input(sendbuf), buffer(recvbuf), *count, PMPI_Type_f2c(*datatype), PMPI_Op_f2c(*op),
                            PMPI_Comm_f2c(*comm)));
}
decltype(mpi_allreduce_) mpi_allreduce_f08_ __attribute__((alias("mpi_allreduce_")));

void mpi_bcast_(void* buf, const MPI_Fint* count, const MPI_Fint* datatype, const MPI_Fint* root, const MPI_Fint* comm,
                MPI_Fint* ierror) {
  put(ierror, MPI_Bcast(buffer(buf), *count, PMPI_Type_f2c(*datatype), *root, PMPI_Comm_f2c(*comm)));
}
decltype(mpi_bcast_) mpi_bcast_f08_ __attribute__((alias("mpi_bcast_")));

void mpi_reduce_(void* sendbuf, void* recvbuf, const MPI_Fint* count, const MPI_Fint* datatype, const MPI_Fint* op,
                 const MPI_Fint* root, const MPI_Fint* comm, MPI_Fint* ierror) {
  put(ierror, MPI_Reduce(input(sendbuf), buffer(recvbuf), *count, PMPI_Type_f2c(*datatype), PMPI_Op_f2c(*op), *root,
                         PMPI_Comm_f2c(*comm)));
}
decltype(mpi_reduce_) mpi_reduce_f08_ __attribute__((alias("mpi_reduce_")));

void mpi_allgather_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                    const MPI_Fint* recvcount, const MPI_Fint* recvtype, const MPI_Fint* comm, MPI_Fint* ierror) {
  put(ierror, MPI_Allgather(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), *recvcount,
                            PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm)));
}
decltype(mpi_allgather_) mpi_allgather_f08_ __attribute__((alias("mpi_allgather_")));

void mpi_allgatherv_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                     const MPI_Fint* recvcounts, const MPI_Fint* displs, const MPI_Fint* recvtype, const MPI_Fint* comm,
                     MPI_Fint* ierror) {
  put(ierror, MPI_Allgatherv(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), recvcounts, displs,
                             PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm)));
}
decltype(mpi_allgatherv_) mpi_allgatherv_f08_ __attribute__((alias("mpi_allgatherv_")));

void mpi_reduce_scatter_(void* sendbuf, void* recvbuf, const MPI_Fint* recvcounts, const MPI_Fint* datatype,
                         const MPI_Fint* op, const MPI_Fint* comm, MPI_Fint* ierror) {
  put(ierror, MPI_Reduce_scatter(input(sendbuf), buffer(recvbuf), recvcounts, PMPI_Type_f2c(*datatype),
                                 PMPI_Op_f2c(*op), PMPI_Comm_f2c(*comm)));
}
decltype(mpi_reduce_scatter_) mpi_reduce_scatter_f08_ __attribute__((alias("mpi_reduce_scatter_")));

void mpi_reduce_scatter_block_(void* sendbuf, void* recvbuf, const MPI_Fint* recvcount, const MPI_Fint* datatype,
                               const MPI_Fint* op, const MPI_Fint* comm, MPI_Fint* ierror) {
  put(ierror, MPI_Reduce_scatter_block(input(sendbuf), buffer(recvbuf), *recvcount, PMPI_Type_f2c(*datatype),
                                       PMPI_Op_f2c(*op), PMPI_Comm_f2c(*comm)));
}
decltype(mpi_reduce_scatter_block_) mpi_reduce_scatter_block_f08_ __attribute__((alias("mpi_reduce_scatter_block_")));

void mpi_alltoall_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                   const MPI_Fint* recvcount, const MPI_Fint* recvtype, const MPI_Fint* comm, MPI_Fint* ierror) {
  put(ierror, MPI_Alltoall(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), *recvcount,
                           PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm)));
}
decltype(mpi_alltoall_) mpi_alltoall_f08_ __attribute__((alias("mpi_alltoall_")));

void mpi_barrier_(const MPI_Fint* comm, MPI_Fint* ierror) { put(ierror, MPI_Barrier(PMPI_Comm_f2c(*comm))); }
decltype(mpi_barrier_) mpi_barrier_f08_ __attribute__((alias("mpi_barrier_")));

#else

void mpi_barrier_f08_(const MPI_Fint* comm, MPI_Fint* ierror) { put(ierror, MPI_Barrier(PMPI_Comm_f2c(*comm))); }

#endif

}  // extern "C"
