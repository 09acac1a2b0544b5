# Installs the build, then configures, builds and runs a project that finds it with find_package(tutti).
file(REMOVE_RECURSE ${WORK_DIR})
set(prefix ${WORK_DIR}/prefix)
string(REPLACE "," ";" components ${COMPONENTS})
foreach(component ${components})
  execute_process(
    COMMAND ${CMAKE_COMMAND} --install ${BUILD_DIR} --config ${CONFIG} --prefix ${prefix} --component ${component}
    TIMEOUT 60 OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()

execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${WORK_DIR}/consumer -G Ninja -DCMAKE_BUILD_TYPE=${CONFIG}
          -DCMAKE_PREFIX_PATH=${prefix} -DCOMPONENTS=${COMPONENTS} -DEXAMPLE_DIR=${SOURCE_DIR}/examples/allreduce_hello
  TIMEOUT 60 COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK_DIR}/consumer TIMEOUT 120 COMMAND_ERROR_IS_FATAL ANY)

foreach(program hello hello_c)
  execute_process(
    COMMAND ${MPIRUN} -n 2 ${WORK_DIR}/consumer/hello/${program}
    TIMEOUT 60 OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  if(NOT output STREQUAL "2 ranks, average 0.5\n")
    message(FATAL_ERROR "${program} printed '${output}'")
  endif()
endforeach()
execute_process(COMMAND ${WORK_DIR}/consumer/headers TIMEOUT 60 COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE_RECURSE ${WORK_DIR})
