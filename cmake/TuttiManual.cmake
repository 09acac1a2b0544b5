# The manual pages: tutti(3) of the headers of the C interface and tutti-c++(3) of the C++ headers, with a link for each function and
# class, and tutti(1) of what the program says with --help. All are in mdoc, made at build time: TUTTI_MAN3 and TUTTI_MAN1.
find_program(TUTTI_AWK NAMES awk gawk mawk REQUIRED)
mark_as_advanced(TUTTI_AWK)
set(man_sources ${PROJECT_SOURCE_DIR}/cmake/man)
set(man_dir ${PROJECT_BINARY_DIR}/man)
set(c_headers ${PROJECT_SOURCE_DIR}/allreduce/c/tutti.h ${PROJECT_SOURCE_DIR}/compression/c/compression.h)
set(example ${PROJECT_SOURCE_DIR}/examples/allreduce_hello/main.c)
set(TUTTI_MAN1 "")
set(page ${CMAKE_COMMAND} -DPROJECT_VERSION=${PROJECT_VERSION})

add_custom_command(
  OUTPUT ${man_dir}/tutti.3
  COMMAND ${TUTTI_AWK} -f ${man_sources}/interface.awk ${c_headers} > ${man_dir}/interface
  COMMAND ${page} -DTEMPLATE=${man_sources}/tutti.3.in -DINTERFACE=${man_dir}/interface -DEXAMPLE=${example} -DPAGE=${man_dir}/tutti.3 -P
          ${man_sources}/page.cmake
  DEPENDS ${man_sources}/interface.awk ${man_sources}/page.cmake ${man_sources}/tutti.3.in ${c_headers} ${example}
  VERBATIM)
set(cpp_headers "")
foreach(name collectives/session collectives/communicator collectives/options collectives/costs collectives/network kernels/dtype kernels/buffer kernels/ranges kernels/error kernels/reduce
             allreduce/allreduce allreduce/allreduce_group allreduce/fused_buffer collectives/collectives collectives/collectives_of_ranges
             collectives/point_to_point collectives/request collectives/persistent collectives/user_operator collectives/flight_recorder
             compression/codecs compression/compressed_allreduce allreduce/version)
  list(APPEND cpp_headers ${PROJECT_SOURCE_DIR}/${name}.hpp)
endforeach()
set(cpp_example ${PROJECT_SOURCE_DIR}/examples/allreduce_hello/main.cpp)
add_custom_command(
  OUTPUT ${man_dir}/tutti-c++.3
  COMMAND ${TUTTI_AWK} -f ${man_sources}/cpp_interface.awk ${cpp_headers} > ${man_dir}/cpp_interface
  COMMAND ${page} -DTEMPLATE=${man_sources}/tutti-c++.3.in -DINTERFACE=${man_dir}/cpp_interface -DEXAMPLE=${cpp_example}
          -DPAGE=${man_dir}/tutti-c++.3 -P ${man_sources}/page.cmake
  DEPENDS ${man_sources}/cpp_interface.awk ${man_sources}/page.cmake ${man_sources}/tutti-c++.3.in ${cpp_headers} ${cpp_example}
  VERBATIM)

set(TUTTI_MAN3 ${man_dir}/tutti.3 ${man_dir}/tutti-c++.3)
add_custom_target(tutti_manual ALL DEPENDS ${TUTTI_MAN3})

# man finds it by the name of each function.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${c_headers} ${cpp_headers})
set(functions "")
foreach(header ${c_headers})
  file(READ ${header} text)
  string(REGEX MATCHALL "tutti_[a-z_]+\\(" found "${text}")
  list(APPEND functions ${found})
endforeach()
list(TRANSFORM functions REPLACE "\\(" "")
list(REMOVE_DUPLICATES functions)
foreach(function ${functions})
  file(WRITE ${man_dir}/${function}.3 ".so man3/tutti.3\n")
  list(APPEND TUTTI_MAN3 ${man_dir}/${function}.3)
endforeach()
execute_process(COMMAND ${TUTTI_AWK} -v names=1 -f ${man_sources}/cpp_interface.awk ${cpp_headers} OUTPUT_VARIABLE names
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" names "${names}")
list(REMOVE_DUPLICATES names)
foreach(name ${names})
  file(WRITE ${man_dir}/tutti::${name}.3 ".so man3/tutti-c++.3\n")
  list(APPEND TUTTI_MAN3 ${man_dir}/tutti::${name}.3)
endforeach()

if(TUTTI_TOOLS AND NOT TUTTI_SANITIZE AND NOT CMAKE_CROSSCOMPILING) # it runs the program
  set(left_out "")
  set(programs tutti)
  if(TARGET tutti-train)
    list(APPEND programs tutti-train)
  else()
    set(left_out train models export)
  endif()
  add_custom_command(
    OUTPUT ${man_dir}/tutti.1
    COMMAND ${man_sources}/commands.sh $<TARGET_FILE:tutti> ${left_out} > ${man_dir}/commands
    COMMAND ${page} -DTEMPLATE=${man_sources}/tutti.1.in -DCOMMANDS=${man_dir}/commands -DPAGE=${man_dir}/tutti.1 -P ${man_sources}/page.cmake
    DEPENDS ${man_sources}/commands.sh ${man_sources}/page.cmake ${man_sources}/tutti.1.in ${programs}
    VERBATIM)
  set(TUTTI_MAN1 ${man_dir}/tutti.1)
  add_custom_target(tutti_program_manual ALL DEPENDS ${man_dir}/tutti.1)
endif()
