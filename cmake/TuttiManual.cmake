# The manual pages: tutti(3) of the header of the C interface, with a link for each function, and tutti(1) of what the program
# says with --help. Both are in mdoc, made at build time: TUTTI_MAN3 and TUTTI_MAN1.
find_program(TUTTI_AWK NAMES awk gawk mawk REQUIRED)
mark_as_advanced(TUTTI_AWK)
set(man_sources ${PROJECT_SOURCE_DIR}/cmake/man)
set(man_dir ${PROJECT_BINARY_DIR}/man)
set(header ${PROJECT_SOURCE_DIR}/allreduce/tutti.h)
set(example ${PROJECT_SOURCE_DIR}/examples/allreduce_hello/main.c)
set(TUTTI_MAN1 "")
set(page ${CMAKE_COMMAND} -DPROJECT_VERSION=${PROJECT_VERSION})

add_custom_command(
  OUTPUT ${man_dir}/tutti.3
  COMMAND ${TUTTI_AWK} -f ${man_sources}/interface.awk ${header} > ${man_dir}/interface
  COMMAND ${page} -DTEMPLATE=${man_sources}/tutti.3.in -DINTERFACE=${man_dir}/interface -DEXAMPLE=${example} -DPAGE=${man_dir}/tutti.3 -P
          ${man_sources}/page.cmake
  DEPENDS ${man_sources}/interface.awk ${man_sources}/page.cmake ${man_sources}/tutti.3.in ${header} ${example}
  VERBATIM)
set(TUTTI_MAN3 ${man_dir}/tutti.3)
add_custom_target(tutti_manual ALL DEPENDS ${man_dir}/tutti.3)

# man finds it by the name of each function.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
file(READ ${header} text)
string(REGEX MATCHALL "tutti_[a-z_]+\\(" functions "${text}")
list(TRANSFORM functions REPLACE "\\(" "")
list(REMOVE_DUPLICATES functions)
foreach(function ${functions})
  file(WRITE ${man_dir}/${function}.3 ".so man3/tutti.3\n")
  list(APPEND TUTTI_MAN3 ${man_dir}/${function}.3)
endforeach()

if(TUTTI_TOOLS AND NOT TUTTI_SANITIZE AND NOT CMAKE_CROSSCOMPILING) # it runs the program
  set(left_out "")
  set(programs tutti)
  if(TARGET tutti-train)
    list(APPEND programs tutti-train)
  else()
    set(left_out train)
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
