// The interposed collectives, in the order of their names in operations.hpp.
#include <mpi.h>

#include "allreduce/preload/serve.hpp"

using tutti::preload::Operation;
using tutti::preload::PerRank;
using tutti::preload::serve;

extern "C" {

int MPI_Allreduce(const void* sendbuf, void* recvbuf, int count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm) {
  return serve(Operation::allreduce, comm,
               {.input = sendbuf, .output = recvbuf, .count = count, .type = datatype, .op = op},
               [&] { return PMPI_Allreduce(sendbuf, recvbuf, count, datatype, op, comm); });
}

int MPI_Bcast(void* buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm) {
  return serve(Operation::bcast, comm, {.output = buffer, .count = count, .type = datatype, .root = root},
               [&] { return PMPI_Bcast(buffer, count, datatype, root, comm); });
}

int MPI_Reduce(const void* sendbuf, void* recvbuf, int count, MPI_Datatype datatype, MPI_Op op, int root,
               MPI_Comm comm) {
  return serve(Operation::reduce, comm,
               {.input = sendbuf, .output = recvbuf, .count = count, .type = datatype, .op = op, .root = root},
               [&] { return PMPI_Reduce(sendbuf, recvbuf, count, datatype, op, root, comm); });
}

int MPI_Allgather(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf, int recvcount,
                  MPI_Datatype recvtype, MPI_Comm comm) {
  return serve(Operation::allgather, comm,
               {.input = sendbuf,
                .input_count = sendcount,
                .input_type = sendtype,
                .output = recvbuf,
                .count = recvcount,
                .type = recvtype},
               [&] { return PMPI_Allgather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm); });
}

int MPI_Allgatherv(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf, const int recvcounts[],
                   const int displs[], MPI_Datatype recvtype, MPI_Comm comm) {
  return serve(
      Operation::allgatherv, comm,
      {.input = sendbuf,
       .input_count = sendcount,
       .input_type = sendtype,
       .output = recvbuf,
       .type = recvtype,
       .counts = PerRank(recvcounts),
       .displacements = PerRank(displs)},
      [&] { return PMPI_Allgatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm); });
}

int MPI_Reduce_scatter(const void* sendbuf, void* recvbuf, const int recvcounts[], MPI_Datatype datatype, MPI_Op op,
                       MPI_Comm comm) {
  return serve(Operation::reduce_scatter, comm,
               {.input = sendbuf, .output = recvbuf, .type = datatype, .counts = PerRank(recvcounts), .op = op},
               [&] { return PMPI_Reduce_scatter(sendbuf, recvbuf, recvcounts, datatype, op, comm); });
}

int MPI_Reduce_scatter_block(const void* sendbuf, void* recvbuf, int recvcount, MPI_Datatype datatype, MPI_Op op,
                             MPI_Comm comm) {
  return serve(Operation::reduce_scatter_block, comm,
               {.input = sendbuf, .output = recvbuf, .count = recvcount, .type = datatype, .op = op},
               [&] { return PMPI_Reduce_scatter_block(sendbuf, recvbuf, recvcount, datatype, op, comm); });
}

int MPI_Alltoall(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf, int recvcount,
                 MPI_Datatype recvtype, MPI_Comm comm) {
  return serve(Operation::alltoall, comm,
               {.input = sendbuf,
                .input_count = sendcount,
                .input_type = sendtype,
                .output = recvbuf,
                .count = recvcount,
                .type = recvtype},
               [&] { return PMPI_Alltoall(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm); });
}

int MPI_Barrier(MPI_Comm comm) {
  return serve(Operation::barrier, comm, {}, [&] { return PMPI_Barrier(comm); });
}

}  // extern "C"
