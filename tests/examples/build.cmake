# Installs the build, then configures and builds each example as a project of its own.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${WORK_DIR})
string(REPLACE "," ";" examples ${EXAMPLES})
set(components runtime library)
if(kmeans IN_LIST examples)
  list(APPEND components io)
endif()
foreach(component ${components})
  execute_process(
    COMMAND ${CMAKE_COMMAND} --install ${BUILD_DIR} --config ${CONFIG} --prefix ${WORK_DIR}/prefix --component ${component}
    TIMEOUT 60 OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
foreach(example ${examples})
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${SOURCE_DIR}/examples/${example} -B ${WORK_DIR}/${example} -G Ninja -DCMAKE_BUILD_TYPE=Release
            -DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
    TIMEOUT 60 COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK_DIR}/${example} TIMEOUT 120 COMMAND_ERROR_IS_FATAL ANY)
endforeach()
