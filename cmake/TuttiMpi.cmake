# Finds the MPI library. Its binary interface is part of the names of what is installed, so that builds for several can lie
# side by side: for Open MPI there is no addition, others are called by it (libtutti_mpich.so, package tutti-mpich).
#
#   TUTTI_MPI                  openmpi or mpich (and all with its interface: Intel MPI, MVAPICH), or what was given
#   TUTTI_LIBRARY_NAME         tutti, tutti_mpich, ...
#   TUTTI_PACKAGE_NAME         tutti, tutti-mpich, ...
#   TUTTI_INSTALL_INCLUDEDIR   include, include/tutti-mpich, ...: the same headers, but packages cannot share files
set(TUTTI_MPI "" CACHE STRING "The MPI library: openmpi, mpich or another's name; empty for Open MPI, or for that of MPI_CXX_COMPILER")

# Open MPI and MPICH may both be installed, with their names behind those of their programs.
if(NOT MPI_CXX_COMPILER AND NOT MPI_C_COMPILER)
  set(suffix .openmpi)
  if(TUTTI_MPI)
    set(suffix .${TUTTI_MPI})
  endif()
  find_program(TUTTI_MPICXX NAMES mpicxx${suffix} mpicxx)
  find_program(TUTTI_MPICC NAMES mpicc${suffix} mpicc)
  find_program(TUTTI_MPIEXEC NAMES mpirun${suffix} mpirun mpiexec)
  mark_as_advanced(TUTTI_MPICXX TUTTI_MPICC TUTTI_MPIEXEC)
  set(MPI_CXX_COMPILER ${TUTTI_MPICXX})
  set(MPI_C_COMPILER ${TUTTI_MPICC})
  set(MPIEXEC_EXECUTABLE ${TUTTI_MPIEXEC} CACHE FILEPATH "The MPI launcher that the tests use")
endif()
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI 3.1 REQUIRED COMPONENTS C CXX)

include(CheckCXXSymbolExists)
set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_CXX)
check_cxx_symbol_exists(OMPI_MAJOR_VERSION mpi.h TUTTI_MPI_IS_OPENMPI)
check_cxx_symbol_exists(MPICH_VERSION mpi.h TUTTI_MPI_IS_MPICH)
unset(CMAKE_REQUIRED_LIBRARIES)
set(asked ${TUTTI_MPI})
if(TUTTI_MPI_IS_OPENMPI)
  set(TUTTI_MPI openmpi)
elseif(TUTTI_MPI_IS_MPICH)
  set(TUTTI_MPI mpich)
endif()
if(NOT TUTTI_MPI)
  message(FATAL_ERROR "This MPI library is neither Open MPI nor like MPICH: -DTUTTI_MPI=NAME says what to call it in names of files")
elseif(asked AND NOT asked STREQUAL TUTTI_MPI)
  message(FATAL_ERROR "TUTTI_MPI is ${asked}, but ${MPI_CXX_COMPILER} compiles for ${TUTTI_MPI}")
endif()

set(TUTTI_LIBRARY_NAME tutti)
set(TUTTI_PACKAGE_NAME tutti)
set(TUTTI_INSTALL_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
if(NOT TUTTI_MPI STREQUAL openmpi)
  string(APPEND TUTTI_LIBRARY_NAME _${TUTTI_MPI})
  string(APPEND TUTTI_PACKAGE_NAME -${TUTTI_MPI})
  string(APPEND TUTTI_INSTALL_INCLUDEDIR /${TUTTI_PACKAGE_NAME})
endif()
message(STATUS "MPI: ${TUTTI_MPI}; the library is lib${TUTTI_LIBRARY_NAME}.so")
