# Install rules and the package that find_package(tutti) finds.
#
#   library   kernels, collectives, allreduce, compression: headers, archives, CMake package
#   io        HDF5 shards and checkpoints, where built
#   cuda      kernels on device memory, where built
#   programs  tutti and the trainer, where built
#
# `cmake --install BUILD --component NAME` installs one of them; io and cuda build on library.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(tutti_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tutti)
set(tutti_header_dir ${CMAKE_INSTALL_INCLUDEDIR}/tutti)

# tutti_install_target(TARGET COMPONENT EXPORT HEADERS folder/name...): the archive and the public headers. Headers that are
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
  endforeach()
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
  HEADERS kernels/buffer.hpp kernels/cast.hpp kernels/copy.hpp kernels/crc32c.hpp kernels/dtype.hpp kernels/error.hpp kernels/pack.hpp
          kernels/philox.hpp kernels/reduce.hpp kernels/sgd.hpp)
tutti_install_target(
  collectives library tuttiTargets
  HEADERS collectives/choice_facts.hpp collectives/collectives.hpp collectives/communicator.hpp collectives/cost_model.hpp
          collectives/flight_recorder.hpp collectives/network_class.hpp collectives/operation.hpp collectives/persistent.hpp collectives/point_to_point.hpp
          collectives/reduce_function.hpp collectives/schedule.hpp collectives/session.hpp
          collectives/torus.hpp)
tutti_install_target(allreduce library tuttiTargets HEADERS allreduce/allreduce.hpp allreduce/allreduce_group.hpp allreduce/fused_buffer.hpp
                     allreduce/version.hpp)
tutti_install_target(compression library tuttiTargets HEADERS compression/compression.hpp)
tutti_install_export(library tuttiTargets)

if(TUTTI_IO)
  tutti_install_target(io io tuttiIoTargets HEADERS io/checkpoint.hpp io/dataset.hpp io/loader.hpp io/sampler.hpp)
  tutti_install_export(io tuttiIoTargets)
endif()

if(TUTTI_HAVE_CUDA)
  tutti_install_target(kernels_cuda cuda tuttiCudaTargets HEADERS kernels/cuda/sgd.hpp)
  tutti_install_export(cuda tuttiCudaTargets)
endif()

install(
  FILES ${PROJECT_SOURCE_DIR}/allreduce/tutti.hpp ${PROJECT_SOURCE_DIR}/allreduce/tutti.h ${TUTTI_INCLUDE_DIR}/tutti/version.h
  DESTINATION ${tutti_header_dir}
  COMPONENT library)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tuttiConfig.cmake.in ${PROJECT_BINARY_DIR}/tuttiConfig.cmake
                              INSTALL_DESTINATION ${tutti_package_dir})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tuttiConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES ${PROJECT_BINARY_DIR}/tuttiConfig.cmake ${PROJECT_BINARY_DIR}/tuttiConfigVersion.cmake
  DESTINATION ${tutti_package_dir}
  COMPONENT library)
install(
  FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
  DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT library)

foreach(program tutti tutti-train)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
  endif()
endforeach()
