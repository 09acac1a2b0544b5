# Configures the library alone, with every package hidden or switched off that it must not need. (Of nlohmann-json it needs the headers.)
file(REMOVE_RECURSE ${WORK_DIR})
set(hidden "")
foreach(package HDF5 ZLIB Torch OpenSSL fmt tomlplusplus CLI11 GTest benchmark spdlog CUDAToolkit)
  list(APPEND hidden -DCMAKE_DISABLE_FIND_PACKAGE_${package}=ON)
endforeach()
execute_process(
  COMMAND
    ${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${WORK_DIR} -G Ninja ${hidden} -DTUTTI_IO=OFF -DTUTTI_TRAINER=OFF -DTUTTI_TOOLS=OFF
    -DTUTTI_TESTS=OFF -DTUTTI_BENCH=OFF -DTUTTI_CUDA=OFF -DTUTTI_UCX=OFF -DTUTTI_HWLOC=OFF -DMPI_CXX_COMPILER=${MPI_CXX_COMPILER} -DMPI_C_COMPILER=${MPI_C_COMPILER}
  TIMEOUT 100 COMMAND_ERROR_IS_FATAL ANY)

# What was configured must be the four folders of the library and nothing else.
execute_process(COMMAND ninja -C ${WORK_DIR} -t targets all OUTPUT_VARIABLE targets TIMEOUT 20 COMMAND_ERROR_IS_FATAL ANY)
foreach(folder kernels collectives allreduce compression)
  if(NOT targets MATCHES "lib${LIBRARY_NAME}_${folder}\\.a")
    message(FATAL_ERROR "tutti_${folder} is not built")
  endif()
endforeach()
if(NOT targets MATCHES "lib${LIBRARY_NAME}\\.so")
  message(FATAL_ERROR "the shared library is not built")
endif()
if(targets MATCHES "(lib${LIBRARY_NAME}_(io|trainer)|bin/tutti)")
  message(FATAL_ERROR "more than the library is built: ${CMAKE_MATCH_1}")
endif()
file(REMOVE_RECURSE ${WORK_DIR})
