// The persistent forms of the collectives: they pass, and are counted when they are set up.
#include <mpi.h>

#if MPI_VERSION < 4 && defined(OPEN_MPI)
#include <mpi-ext.h>
#endif

#if MPI_VERSION >= 4 || defined(OMPI_HAVE_MPI_EXT_PCOLLREQ)

#include "allreduce/preload/counts.hpp"

using tutti::preload::Operation;

#if MPI_VERSION < 4  // Open MPI 4 has them under the names of an extension
#define MPI_Allreduce_init MPIX_Allreduce_init
#define PMPI_Allreduce_init PMPIX_Allreduce_init
#define MPI_Bcast_init MPIX_Bcast_init
#define PMPI_Bcast_init PMPIX_Bcast_init
#define MPI_Reduce_init MPIX_Reduce_init
#define PMPI_Reduce_init PMPIX_Reduce_init
#define MPI_Allgather_init MPIX_Allgather_init
#define PMPI_Allgather_init PMPIX_Allgather_init
#define MPI_Allgatherv_init MPIX_Allgatherv_init
#define PMPI_Allgatherv_init PMPIX_Allgatherv_init
#define MPI_Reduce_scatter_init MPIX_Reduce_scatter_init
#define PMPI_Reduce_scatter_init PMPIX_Reduce_scatter_init
#define MPI_Reduce_scatter_block_init MPIX_Reduce_scatter_block_init
#define PMPI_Reduce_scatter_block_init PMPIX_Reduce_scatter_block_init
#define MPI_Alltoall_init MPIX_Alltoall_init
#define PMPI_Alltoall_init PMPIX_Alltoall_init
#define MPI_Barrier_init MPIX_Barrier_init
#define PMPI_Barrier_init PMPIX_Barrier_init
#endif

extern "C" {

int MPI_Allreduce_init(const void* sendbuf, void* recvbuf, int count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm,
                       MPI_Info info, MPI_Request* request) {
  tutti::preload::count_started(Operation::allreduce);
  return PMPI_Allreduce_init(sendbuf, recvbuf, count, datatype, op, comm, info, request);
}

int MPI_Bcast_init(void* buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm, MPI_Info info,
                   MPI_Request* request) {
  tutti::preload::count_started(Operation::bcast);
  return PMPI_Bcast_init(buffer, count, datatype, root, comm, info, request);
}

int MPI_Reduce_init(const void* sendbuf, void* recvbuf, int count, MPI_Datatype datatype, MPI_Op op, int root,
                    MPI_Comm comm, MPI_Info info, MPI_Request* request) {
  tutti::preload::count_started(Operation::reduce);
  return PMPI_Reduce_init(sendbuf, recvbuf, count, datatype, op, root, comm, info, request);
}

int MPI_Allgather_init(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf, int recvcount,
                       MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info, MPI_Request* request) {
  tutti::preload::count_started(Operation::allgather);
  return PMPI_Allgather_init(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info, request);
}

int MPI_Allgatherv_init(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf,
                        const int recvcounts[], const int displs[], MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info,
                        MPI_Request* request) {
  tutti::preload::count_started(Operation::allgatherv);
  return PMPI_Allgatherv_init(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm, info, request);
}

int MPI_Reduce_scatter_init(const void* sendbuf, void* recvbuf, const int recvcounts[], MPI_Datatype datatype,
                            MPI_Op op, MPI_Comm comm, MPI_Info info, MPI_Request* request) {
  tutti::preload::count_started(Operation::reduce_scatter);
  return PMPI_Reduce_scatter_init(sendbuf, recvbuf, recvcounts, datatype, op, comm, info, request);
}

int MPI_Reduce_scatter_block_init(const void* sendbuf, void* recvbuf, int recvcount, MPI_Datatype datatype, MPI_Op op,
                                  MPI_Comm comm, MPI_Info info, MPI_Request* request) {
  tutti::preload::count_started(Operation::reduce_scatter_block);
  return PMPI_Reduce_scatter_block_init(sendbuf, recvbuf, recvcount, datatype, op, comm, info, request);
}

int MPI_Alltoall_init(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf, int recvcount,
                      MPI_Datatype recvtype, MPI_Comm comm, MPI_Info info, MPI_Request* request) {
  tutti::preload::count_started(Operation::alltoall);
  return PMPI_Alltoall_init(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, info, request);
}

int MPI_Barrier_init(MPI_Comm comm, MPI_Info info, MPI_Request* request) {
  tutti::preload::count_started(Operation::barrier);
  return PMPI_Barrier_init(comm, info, request);
}

}  // extern "C"

#endif
