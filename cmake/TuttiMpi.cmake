# Which MPI library's binary interface this build has. It is part of the names of what is installed, so that builds for
# several can lie side by side: Open MPI's have none, others are called by it (libtutti_mpich.so, package tutti-mpich).
#
#   TUTTI_MPI            openmpi or mpich (and all with its interface: Intel MPI, MVAPICH), or what was given
#   TUTTI_LIBRARY_NAME   tutti, tutti_mpich, ...
#   TUTTI_PACKAGE_NAME   tutti, tutti-mpich, ...
include(CheckCXXSymbolExists)

set(TUTTI_MPI "" CACHE STRING "The MPI library's name in names of files, if it is neither Open MPI nor like MPICH")
if(NOT TUTTI_MPI)
  set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_CXX)
  check_cxx_symbol_exists(OMPI_MAJOR_VERSION mpi.h TUTTI_MPI_IS_OPENMPI)
  check_cxx_symbol_exists(MPICH_VERSION mpi.h TUTTI_MPI_IS_MPICH)
  unset(CMAKE_REQUIRED_LIBRARIES)
  if(TUTTI_MPI_IS_OPENMPI)
    set(TUTTI_MPI openmpi)
  elseif(TUTTI_MPI_IS_MPICH)
    set(TUTTI_MPI mpich)
  else()
    message(FATAL_ERROR "This MPI library is neither Open MPI nor like MPICH: -DTUTTI_MPI=NAME says what to call it in names of files")
  endif()
endif()
if(TUTTI_MPI STREQUAL openmpi)
  set(TUTTI_LIBRARY_NAME tutti)
  set(TUTTI_PACKAGE_NAME tutti)
else()
  set(TUTTI_LIBRARY_NAME tutti_${TUTTI_MPI})
  set(TUTTI_PACKAGE_NAME tutti-${TUTTI_MPI})
endif()
message(STATUS "MPI: ${TUTTI_MPI}; the library is lib${TUTTI_LIBRARY_NAME}.so")
