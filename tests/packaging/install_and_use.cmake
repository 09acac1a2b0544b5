# Installs the build, then configures, builds and runs projects that find it with find_package(): one in C and C++, and one in
# C alone.
file(REMOVE_RECURSE ${WORK_DIR})
set(prefix ${WORK_DIR}/prefix)
string(REPLACE "," ";" components ${COMPONENTS})
foreach(component runtime ${components})
  execute_process(
    COMMAND ${CMAKE_COMMAND} --install ${BUILD_DIR} --config ${CONFIG} --prefix ${prefix} --component ${component}
    TIMEOUT 60 OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()

foreach(consumer consumer c_consumer)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/${consumer} -B ${WORK_DIR}/${consumer} -G Ninja -DCMAKE_BUILD_TYPE=Debug
            -DCMAKE_PREFIX_PATH=${prefix} -DPACKAGE=${PACKAGE} -DCOMPONENTS=${COMPONENTS} -DEXAMPLE_DIR=${SOURCE_DIR}/examples/allreduce_hello
    TIMEOUT 60 COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK_DIR}/${consumer} TIMEOUT 120 COMMAND_ERROR_IS_FATAL ANY)
endforeach()

# expect_hello(PROGRAM SHARED): it prints what it should, and runs with the shared library or without it.
function(expect_hello program shared)
  execute_process(
    COMMAND ${MPIRUN} -n 2 ${WORK_DIR}/${program}
    TIMEOUT 60 OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  if(NOT output STREQUAL "2 ranks, average 0.5\n")
    message(FATAL_ERROR "${program} printed '${output}'")
  endif()
  execute_process(COMMAND ldd ${WORK_DIR}/${program} OUTPUT_VARIABLE libraries COMMAND_ERROR_IS_FATAL ANY)
  string(FIND "${libraries}" "${prefix}/lib" position)
  if(shared AND position EQUAL -1 OR NOT shared AND NOT position EQUAL -1)
    message(FATAL_ERROR "${program}, shared ${shared}, runs with\n${libraries}")
  endif()
endfunction()
foreach(program consumer/hello/hello consumer/hello/hello_c c_consumer/hello_c)
  expect_hello(${program} ON)
endforeach()
foreach(program hello_static hello_c_static)
  expect_hello(consumer/${program} OFF)
endforeach()
execute_process(COMMAND ${WORK_DIR}/consumer/headers TIMEOUT 60 COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE_RECURSE ${WORK_DIR})
