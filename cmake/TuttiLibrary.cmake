# The library in one piece: libtutti.so, of the same object files as the static libraries of the four folders.
#
# Exported are the C interface and what installed headers declare between `#pragma GCC visibility push(default)` and its
# pop; tutti.map keeps back what remains of namespace tutti::detail there, and templates of other libraries.
# Before 1.0 a minor version may change the interface, so it is part of the soname.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(TUTTI_ABI_VERSION 0.${PROJECT_VERSION_MINOR})
else()
  set(TUTTI_ABI_VERSION ${PROJECT_VERSION_MAJOR})
endif()
set(symbol_map ${PROJECT_BINARY_DIR}/tutti.map)
configure_file(${PROJECT_SOURCE_DIR}/cmake/tutti.map.in ${symbol_map} @ONLY)

add_library(tutti_shared SHARED)
add_library(tutti::tutti ALIAS tutti_shared)
foreach(folder kernels collectives allreduce compression)
  set_target_properties(tutti_${folder} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_sources(tutti_shared PRIVATE $<TARGET_OBJECTS:tutti_${folder}>)
endforeach()
set_target_properties(
  tutti_shared
  PROPERTIES EXPORT_NAME tutti
             OUTPUT_NAME ${TUTTI_LIBRARY_NAME}
             VERSION ${PROJECT_VERSION}
             SOVERSION ${TUTTI_ABI_VERSION}
             LINKER_LANGUAGE CXX
             LINK_DEPENDS ${symbol_map})
target_include_directories(tutti_shared INTERFACE $<BUILD_INTERFACE:${TUTTI_INCLUDE_DIR}> $<INSTALL_INTERFACE:${TUTTI_INSTALL_INCLUDEDIR}>)
# What users link and compile with, where it is installed, follows from their languages: tuttiConfig.cmake.in.
target_compile_features(tutti_shared INTERFACE $<BUILD_INTERFACE:cxx_std_20>)
target_link_options(tutti_shared PRIVATE LINKER:--version-script=${symbol_map})
target_link_libraries(
  tutti_shared
  PUBLIC $<BUILD_INTERFACE:MPI::MPI_CXX>
  PRIVATE Threads::Threads PkgConfig::hwy $<$<BOOL:${TUTTI_UCX}>:PkgConfig::ucx>
          $<$<BOOL:${TUTTI_HWLOC}>:PkgConfig::hwloc> $<BUILD_INTERFACE:tutti_settings>)
