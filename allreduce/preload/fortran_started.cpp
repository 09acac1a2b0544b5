// The Fortran names of non-blocking and persistent collectives, which pass and are counted; see fortran.hpp.
#include <mpi.h>

#if defined(OPEN_MPI)
#include <mpi-ext.h>
#endif

#include "allreduce/preload/fortran.hpp"

using namespace tutti::preload::fortran;  // NOLINT(google-build-using-namespace): all of it is for here

namespace {

/// Hands a request to Fortran that `make` makes.
template <class Make>
void put_request(MPI_Fint* request, MPI_Fint* ierror, const Make& make) {
  MPI_Request made = MPI_REQUEST_NULL;
  const int code = make(&made);
  if (code == MPI_SUCCESS) *request = PMPI_Request_c2f(made);
  put(ierror, code);
}

}  // namespace

extern "C" {

#if defined(OPEN_MPI)

void mpi_iallreduce_(void* sendbuf, void* recvbuf, const MPI_Fint* count, const MPI_Fint* datatype, const MPI_Fint* op,
                     const MPI_Fint* comm, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPI_Iallreduce(input(sendbuf), buffer(recvbuf), *count, PMPI_Type_f2c(*datatype), PMPI_Op_f2c(*op),
                          PMPI_Comm_f2c(*comm), made);
  });
}
decltype(mpi_iallreduce_) mpi_iallreduce_f08_ __attribute__((alias("mpi_iallreduce_")));

void mpi_ibcast_(void* buf, const MPI_Fint* count, const MPI_Fint* datatype, const MPI_Fint* root, const MPI_Fint* comm,
                 MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPI_Ibcast(buffer(buf), *count, PMPI_Type_f2c(*datatype), *root, PMPI_Comm_f2c(*comm), made);
  });
}
decltype(mpi_ibcast_) mpi_ibcast_f08_ __attribute__((alias("mpi_ibcast_")));

void mpi_ireduce_(void* sendbuf, void* recvbuf, const MPI_Fint* count, const MPI_Fint* datatype, const MPI_Fint* op,
                  const MPI_Fint* root, const MPI_Fint* comm, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPI_Ireduce(input(sendbuf), buffer(recvbuf), *count, PMPI_Type_f2c(*datatype), PMPI_Op_f2c(*op), *root,
                       PMPI_Comm_f2c(*comm), made);
  });
}
decltype(mpi_ireduce_) mpi_ireduce_f08_ __attribute__((alias("mpi_ireduce_")));

void mpi_iallgather_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                     const MPI_Fint* recvcount, const MPI_Fint* recvtype, const MPI_Fint* comm, MPI_Fint* request,
                     MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPI_Iallgather(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), *recvcount,
                          PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm), made);
  });
}
decltype(mpi_iallgather_) mpi_iallgather_f08_ __attribute__((alias("mpi_iallgather_")));

void mpi_iallgatherv_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                      const MPI_Fint* recvcounts, const MPI_Fint* displs, const MPI_Fint* recvtype,
                      const MPI_Fint* comm, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPI_Iallgatherv(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), recvcounts, displs,
                           PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm), made);
  });
}
decltype(mpi_iallgatherv_) mpi_iallgatherv_f08_ __attribute__((alias("mpi_iallgatherv_")));

void mpi_ireduce_scatter_(void* sendbuf, void* recvbuf, const MPI_Fint* recvcounts, const MPI_Fint* datatype,
                          const MPI_Fint* op, const MPI_Fint* comm, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPI_Ireduce_scatter(input(sendbuf), buffer(recvbuf), recvcounts, PMPI_Type_f2c(*datatype), PMPI_Op_f2c(*op),
                               PMPI_Comm_f2c(*comm), made);
  });
}
decltype(mpi_ireduce_scatter_) mpi_ireduce_scatter_f08_ __attribute__((alias("mpi_ireduce_scatter_")));

void mpi_ireduce_scatter_block_(void* sendbuf, void* recvbuf, const MPI_Fint* recvcount, const MPI_Fint* datatype,
                                const MPI_Fint* op, const MPI_Fint* comm, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPI_Ireduce_scatter_block(input(sendbuf), buffer(recvbuf), *recvcount, PMPI_Type_f2c(*datatype),
                                     PMPI_Op_f2c(*op), PMPI_Comm_f2c(*comm), made);
  });
}
decltype(mpi_ireduce_scatter_block_) mpi_ireduce_scatter_block_f08_
    __attribute__((alias("mpi_ireduce_scatter_block_")));

void mpi_ialltoall_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                    const MPI_Fint* recvcount, const MPI_Fint* recvtype, const MPI_Fint* comm, MPI_Fint* request,
                    MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPI_Ialltoall(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), *recvcount,
                         PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm), made);
  });
}
decltype(mpi_ialltoall_) mpi_ialltoall_f08_ __attribute__((alias("mpi_ialltoall_")));

void mpi_ibarrier_(const MPI_Fint* comm, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) { return MPI_Ibarrier(PMPI_Comm_f2c(*comm), made); });
}
decltype(mpi_ibarrier_) mpi_ibarrier_f08_ __attribute__((alias("mpi_ibarrier_")));

#if defined(OMPI_HAVE_MPI_EXT_PCOLLREQ)

void mpix_allreduce_init_(void* sendbuf, void* recvbuf, const MPI_Fint* count, const MPI_Fint* datatype,
                          const MPI_Fint* op, const MPI_Fint* comm, const MPI_Fint* info, MPI_Fint* request,
                          MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPIX_Allreduce_init(input(sendbuf), buffer(recvbuf), *count, PMPI_Type_f2c(*datatype), PMPI_Op_f2c(*op),
                               PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made);
  });
}
decltype(mpix_allreduce_init_) mpix_allreduce_init_f08_ __attribute__((alias("mpix_allreduce_init_")));

void mpix_bcast_init_(void* buf, const MPI_Fint* count, const MPI_Fint* datatype, const MPI_Fint* root,
                      const MPI_Fint* comm, const MPI_Fint* info, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPIX_Bcast_init(buffer(buf), *count, PMPI_Type_f2c(*datatype), *root, PMPI_Comm_f2c(*comm),
                           PMPI_Info_f2c(*info), made);
  });
}
decltype(mpix_bcast_init_) mpix_bcast_init_f08_ __attribute__((alias("mpix_bcast_init_")));

void mpix_reduce_init_(void* sendbuf, void* recvbuf, const MPI_Fint* count, const MPI_Fint* datatype,
                       const MPI_Fint* op, const MPI_Fint* root, const MPI_Fint* comm, const MPI_Fint* info,
                       MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPIX_Reduce_init(input(sendbuf), buffer(recvbuf), *count, PMPI_Type_f2c(*datatype), PMPI_Op_f2c(*op), *root,
                            PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made);
  });
}
decltype(mpix_reduce_init_) mpix_reduce_init_f08_ __attribute__((alias("mpix_reduce_init_")));

void mpix_allgather_init_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                          const MPI_Fint* recvcount, const MPI_Fint* recvtype, const MPI_Fint* comm,
                          const MPI_Fint* info, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPIX_Allgather_init(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), *recvcount,
                               PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made);
  });
}
decltype(mpix_allgather_init_) mpix_allgather_init_f08_ __attribute__((alias("mpix_allgather_init_")));

void mpix_allgatherv_init_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                           const MPI_Fint* recvcounts, const MPI_Fint* displs, const MPI_Fint* recvtype,
                           const MPI_Fint* comm, const MPI_Fint* info, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPIX_Allgatherv_init(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), recvcounts,
                                displs, PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made);
  });
}
decltype(mpix_allgatherv_init_) mpix_allgatherv_init_f08_ __attribute__((alias("mpix_allgatherv_init_")));

void mpix_reduce_scatter_init_(void* sendbuf, void* recvbuf, const MPI_Fint* recvcounts, const MPI_Fint* datatype,
                               const MPI_Fint* op, const MPI_Fint* comm, const MPI_Fint* info, MPI_Fint* request,
                               MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPIX_Reduce_scatter_init(input(sendbuf), buffer(recvbuf), recvcounts, PMPI_Type_f2c(*datatype),
                                    PMPI_Op_f2c(*op), PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made);
  });
}
decltype(mpix_reduce_scatter_init_) mpix_reduce_scatter_init_f08_ __attribute__((alias("mpix_reduce_scatter_init_")));

void mpix_reduce_scatter_block_init_(void* sendbuf, void* recvbuf, const MPI_Fint* recvcount, const MPI_Fint* datatype,
                                     const MPI_Fint* op, const MPI_Fint* comm, const MPI_Fint* info, MPI_Fint* request,
                                     MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPIX_Reduce_scatter_block_init(input(sendbuf), buffer(recvbuf), *recvcount, PMPI_Type_f2c(*datatype),
                                          PMPI_Op_f2c(*op), PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made);
  });
}
decltype(mpix_reduce_scatter_block_init_) mpix_reduce_scatter_block_init_f08_
    __attribute__((alias("mpix_reduce_scatter_block_init_")));

void mpix_alltoall_init_(void* sendbuf, const MPI_Fint* sendcount, const MPI_Fint* sendtype, void* recvbuf,
                         const MPI_Fint* recvcount, const MPI_Fint* recvtype, const MPI_Fint* comm,
                         const MPI_Fint* info, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) {
    return MPIX_Alltoall_init(input(sendbuf), *sendcount, PMPI_Type_f2c(*sendtype), buffer(recvbuf), *recvcount,
                              PMPI_Type_f2c(*recvtype), PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made);
  });
}
decltype(mpix_alltoall_init_) mpix_alltoall_init_f08_ __attribute__((alias("mpix_alltoall_init_")));

void mpix_barrier_init_(const MPI_Fint* comm, const MPI_Fint* info, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror,
              [&](MPI_Request* made) { return MPIX_Barrier_init(PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made); });
}
decltype(mpix_barrier_init_) mpix_barrier_init_f08_ __attribute__((alias("mpix_barrier_init_")));

#endif

#else

void mpi_ibarrier_f08_(const MPI_Fint* comm, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror, [&](MPI_Request* made) { return MPI_Ibarrier(PMPI_Comm_f2c(*comm), made); });
}

#if MPI_VERSION >= 4
void mpi_barrier_init_f08_(const MPI_Fint* comm, const MPI_Fint* info, MPI_Fint* request, MPI_Fint* ierror) {
  put_request(request, ierror,
              [&](MPI_Request* made) { return MPI_Barrier_init(PMPI_Comm_f2c(*comm), PMPI_Info_f2c(*info), made); });
}
#endif

#endif

}  // extern "C"
