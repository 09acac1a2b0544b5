# Install rules and the packages that find_package() and pkg-config find.
#
#   runtime   libtutti.so.0.1: kernels, collectives, allreduce, compression
#   library   their headers and static libraries, libtutti.so, CMake package, pkg-config, manual
#   preload   libtutti_mpi.so, for MPI programs as they are, where built
#   io        HDF5 shards and checkpoints, where built
#   cuda      kernels on device memory, where built
#   programs  tutti and its manual, where built
#   trainer   tutti-train, where built
#   documents READMEs, examples and batch scripts, as they lie in the sources: what messages, headers and manual name
#
# `cmake --install BUILD --component NAME` installs one of them; io and cuda build on library, which without runtime has the
# static libraries only.
include(CMakePackageConfigHelpers)

set(tutti_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/${TUTTI_PACKAGE_NAME})
set(tutti_header_dir ${TUTTI_INSTALL_INCLUDEDIR}/tutti)
set(TUTTI_PUBLIC_HEADERS "") # of component library, where they lie in the sources
set(TUTTI_OTHER_PUBLIC_HEADERS "") # of the others

# tutti_install_target(TARGET COMPONENT EXPORT HEADERS folder/name...): the static library and the public headers. Headers that are
# not listed are for the project's own sources.
function(tutti_install_target target component export)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "HEADERS")
  install(
    TARGETS tutti_${target}
    EXPORT ${export}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component})
  foreach(header ${arg_HEADERS})
    get_filename_component(folder ${header} DIRECTORY)
    install(
      FILES ${PROJECT_SOURCE_DIR}/${header}
      DESTINATION ${tutti_header_dir}/${folder}
      COMPONENT ${component})
    if(component STREQUAL library)
      list(APPEND TUTTI_PUBLIC_HEADERS ${PROJECT_SOURCE_DIR}/${header})
    else()
      list(APPEND TUTTI_OTHER_PUBLIC_HEADERS ${PROJECT_SOURCE_DIR}/${header})
    endif()
  endforeach()
  set(TUTTI_PUBLIC_HEADERS ${TUTTI_PUBLIC_HEADERS} PARENT_SCOPE)
  set(TUTTI_OTHER_PUBLIC_HEADERS ${TUTTI_OTHER_PUBLIC_HEADERS} PARENT_SCOPE)
endfunction()

function(tutti_install_export component export)
  install(
    EXPORT ${export}
    NAMESPACE tutti::
    DESTINATION ${tutti_package_dir}
    COMPONENT ${component})
endfunction()

tutti_install_target(
  kernels library tuttiTargets
  HEADERS kernels/buffer.hpp kernels/cast.hpp kernels/copy.hpp kernels/cpp20.hpp kernels/crc32c.hpp kernels/dtype.hpp kernels/error.hpp kernels/pack.hpp
          kernels/philox.hpp kernels/ranges.hpp kernels/reduce.hpp kernels/sgd.hpp)
tutti_install_target(
  collectives library tuttiTargets
  HEADERS collectives/collectives.hpp collectives/collectives_of_ranges.hpp collectives/communicator.hpp collectives/costs.hpp
          collectives/flight_recorder.hpp collectives/network.hpp collectives/options.hpp collectives/persistent.hpp
          collectives/point_to_point.hpp collectives/request.hpp collectives/selection_facts.hpp collectives/session.hpp
          collectives/user_operator.hpp)
tutti_install_target(allreduce library tuttiTargets HEADERS allreduce/allreduce.hpp allreduce/allreduce_group.hpp allreduce/fused_buffer.hpp
                     allreduce/version.hpp)
tutti_install_target(compression library tuttiTargets HEADERS compression/codecs.hpp compression/compressed_allreduce.hpp)
tutti_install_export(library tuttiTargets)

install(
  TARGETS tutti_shared
  EXPORT tuttiSharedTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT library)
tutti_install_export(library tuttiSharedTargets)
if(TUTTI_PRELOAD)
  install(TARGETS tutti_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT preload)
endif()

if(TUTTI_IO)
  tutti_install_target(io io tuttiIoTargets HEADERS io/augment.hpp io/buffer_pool.hpp io/checkpoint.hpp io/compression.hpp io/dataset.hpp
                       io/loader.hpp io/sampler.hpp)
  tutti_install_export(io tuttiIoTargets)
endif()

if(TUTTI_HAVE_CUDA)
  tutti_install_target(kernels_cuda cuda tuttiCudaTargets HEADERS kernels/cuda/sgd.hpp)
  tutti_install_export(cuda tuttiCudaTargets)
endif()

set(umbrella ${PROJECT_SOURCE_DIR}/allreduce/tutti.hpp ${PROJECT_SOURCE_DIR}/allreduce/c/tutti.h ${PROJECT_SOURCE_DIR}/compression/c/compression.h
             ${TUTTI_INCLUDE_DIR}/tutti/version.h)
list(APPEND TUTTI_PUBLIC_HEADERS ${umbrella})
install(FILES ${umbrella} DESTINATION ${tutti_header_dir} COMPONENT library)

set(config ${PROJECT_BINARY_DIR}/${TUTTI_PACKAGE_NAME}Config)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/tuttiConfig.cmake.in ${config}.cmake
  INSTALL_DESTINATION ${tutti_package_dir}
  PATH_VARS CMAKE_INSTALL_LIBDIR)
configure_file(${PROJECT_SOURCE_DIR}/cmake/tuttiArchives.cmake.in ${PROJECT_BINARY_DIR}/tuttiArchives.cmake @ONLY)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${config}Version.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES ${config}.cmake ${config}Version.cmake ${PROJECT_BINARY_DIR}/tuttiArchives.cmake
  DESTINATION ${tutti_package_dir}
  COMPONENT library)

# For pkg-config, with the module of the MPI library, if that is the one that is used. Its compilers know without.
set(module_of_openmpi ompi-c)
set(module_of_mpich mpich)
set(mpi_module "")
pkg_check_modules(TUTTI_MPI_MODULE QUIET ${module_of_${TUTTI_MPI}})
if(MPI_C_HEADER_DIR IN_LIST TUTTI_MPI_MODULE_INCLUDE_DIRS)
  set(mpi_module ${module_of_${TUTTI_MPI}})
endif()
file(RELATIVE_PATH include_from_pkgconfig /${CMAKE_INSTALL_LIBDIR}/pkgconfig /${TUTTI_INSTALL_INCLUDEDIR})
configure_file(${PROJECT_SOURCE_DIR}/cmake/tutti.pc.in ${PROJECT_BINARY_DIR}/${TUTTI_PACKAGE_NAME}.pc @ONLY)
install(
  FILES ${PROJECT_BINARY_DIR}/${TUTTI_PACKAGE_NAME}.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT library)

# The manual of the interface is the same for every MPI library.
if(TUTTI_MPI STREQUAL openmpi)
  install(
    FILES ${TUTTI_MAN3}
    DESTINATION ${CMAKE_INSTALL_MANDIR}/man3
    COMPONENT library)
endif()
install(
  FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
  DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT library)

# What messages, headers and manual name, with all that it links to but the sources.
set(TUTTI_DOCUMENTS
    README.md
    allreduce/README.md
    allreduce/preload/README.md
    bench/README.md
    bench/cluster/README.md
    bench/data/README.md
    bench/node/README.md
    bench/scale/README.md
    bench/scale/allreduce.svg
    bench/training/README.md
    collectives/GUIDE.md
    collectives/README.md
    collectives/api/README.md
    collectives/call/README.md
    collectives/communicator/README.md
    collectives/engine/README.md
    collectives/messages/README.md
    collectives/node/DESIGN.md
    collectives/node/README.md
    collectives/schedule/README.md
    collectives/selection/README.md
    collectives/system/README.md
    collectives/transport/README.md
    collectives/watch/README.md
    compression/README.md
    io/FORMAT.md
    io/README.md
    kernels/README.md
    tests/README.md
    tests/hosts/README.md
    tools/README.md
    trainer/README.md)
foreach(document ${TUTTI_DOCUMENTS})
  get_filename_component(folder ${document} DIRECTORY)
  install(
    FILES ${PROJECT_SOURCE_DIR}/${document}
    DESTINATION ${CMAKE_INSTALL_DOCDIR}/${folder}
    COMPONENT documents)
endforeach()
install(
  DIRECTORY ${PROJECT_SOURCE_DIR}/examples ${PROJECT_SOURCE_DIR}/slurm
  DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT documents
  PATTERN __pycache__ EXCLUDE)

if(TARGET tutti)
  install(TARGETS tutti RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
  install(FILES ${TUTTI_MAN1} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT programs)
endif()
if(TARGET tutti-train)
  install(TARGETS tutti-train RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT trainer)
endif()
