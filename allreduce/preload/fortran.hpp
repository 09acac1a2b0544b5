// What Fortran programs hand over, and how C sees it. Their compilers add an underscore to names, and pass addresses.
//
// Open MPI's Fortran functions call PMPI_..., so those that matter are interposed themselves, under both their names:
// of mpif.h and `use mpi` (mpi_bcast_), and of `use mpi_f08` (mpi_bcast_f08_). MPICH's call MPI_..., which is
// interposed already, but for those of mpi_f08 that take no buffer. All end in the C functions of this folder.
#pragma once

#include <mpi.h>

// The addresses of these variables are Fortran's MPI_IN_PLACE and its like. A program has them as common blocks of its
// own, where it has them at all.
extern "C" {
#if defined(OPEN_MPI)
extern MPI_Fint mpi_fortran_bottom_;
extern MPI_Fint mpi_fortran_in_place_;
extern MPI_Fint mpi_fortran_unweighted_;
extern MPI_Fint mpi_fortran_weights_empty_;
#else
extern MPI_Fint unweighted asm("__mpi_f08_link_constants_MOD_mpi_unweighted") __attribute__((weak));
extern MPI_Fint weights_empty asm("__mpi_f08_link_constants_MOD_mpi_weights_empty") __attribute__((weak));
#endif
}

namespace tutti::preload::fortran {

static_assert(sizeof(MPI_Fint) == sizeof(int));  // arrays are handed on as they are

/// Sets what a procedure returns, if the program asks: in mpi_f08 it need not.
inline void put(MPI_Fint* ierror, int code) noexcept {
  if (ierror != nullptr) *ierror = code;
}

inline int truth(MPI_Fint logical) noexcept { return logical == 0 ? 0 : 1; }

#if defined(OPEN_MPI)
inline void* buffer(void* data) noexcept {
  return data == static_cast<void*>(&mpi_fortran_bottom_) ? MPI_BOTTOM : data;
}
inline void* input(void* data) noexcept {
  return data == static_cast<void*>(&mpi_fortran_in_place_) ? MPI_IN_PLACE : buffer(data);
}
inline const int* weights(const MPI_Fint* values) noexcept {
  if (values == &mpi_fortran_unweighted_) return MPI_UNWEIGHTED;
  return values == &mpi_fortran_weights_empty_ ? MPI_WEIGHTS_EMPTY : values;
}
#else
inline const int* weights(const MPI_Fint* values) noexcept {
  if (values != nullptr && values == &unweighted) return MPI_UNWEIGHTED;
  return values != nullptr && values == &weights_empty ? MPI_WEIGHTS_EMPTY : values;
}
#endif

}  // namespace tutti::preload::fortran
