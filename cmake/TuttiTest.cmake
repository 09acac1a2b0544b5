# tutti_test(NAME SOURCES file... [ALONE file...] [DEPENDS target...] [RANKS n...] [QUICK_RANKS n...] [MPI_RANKS n...] [TIMEOUT s]
#            [LABELS label...] [PROCESSORS n] [OPTIMISED] [OWN_HEADERS])
#
# A GoogleTest program. Without RANKS it runs alone; with RANKS it runs under the MPI launcher once for each n, as test NAME.nK, with the
# main of tests/support (the worst result of any rank is the result; no test run is a failure). With QUICK_RANKS those have the label `quick`:
# what runs under the sanitizers as well. With MPI_RANKS those have the label `mpi`: what runs with each MPI library, because it depends on how
# that behaves. The targets `quick_tests` and `mpi_tests` build the programs of these, and no others.
# Sources that are ALONE are in no unit (TuttiSettings.cmake). OPTIMISED are those that compute much themselves. OWN_HEADERS cannot use
# the precompiled ones, because other flags are asked for by what they link.
# Every test has a time limit, says how many processors it takes, and leaves the launcher's own limit a little below ctest's.
include_guard()

add_custom_target(quick_tests)
add_custom_target(mpi_tests)

function(tutti_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "OPTIMISED;OWN_HEADERS" "TIMEOUT;PROCESSORS" "SOURCES;ALONE;DEPENDS;RANKS;QUICK_RANKS;MPI_RANKS;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  if(TUTTI_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 5")
  endif()
  set(sources ${arg_SOURCES})
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  list(FILTER arg_SOURCES EXCLUDE REGEX "\\.cpp$")
  tutti_units(units ${sources})
  add_executable(${name} ${units} ${arg_ALONE} ${arg_SOURCES})
  if(arg_OPTIMISED)
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  elseif(TUTTI_UNITY AND units AND NOT arg_SOURCES AND NOT arg_OWN_HEADERS) # C has no use for them
    target_precompile_headers(${name} REUSE_FROM tutti_test_headers)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} tutti_settings GTest::gtest)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(NOT arg_RANKS)
    target_link_libraries(${name} PRIVATE GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name})
    set(tests ${name})
    set(processors 1)
  else()
    target_link_libraries(${name} PRIVATE tutti_test_support)
    set(tests "")
    set(processors 2)
    foreach(ranks ${arg_RANKS})
      add_test(NAME ${name}.n${ranks} COMMAND ${TUTTI_MPIRUN} ${ranks} $<TARGET_FILE:${name}>)
      list(APPEND tests ${name}.n${ranks})
    endforeach()
  endif()
  if(arg_PROCESSORS)
    set(processors ${arg_PROCESSORS})
  endif()
  set_tests_properties(${tests} PROPERTIES TIMEOUT ${arg_TIMEOUT} PROCESSORS ${processors} LABELS "${arg_LABELS}"
                                           ENVIRONMENT "${TUTTI_TEST_ENVIRONMENT}")
  foreach(label quick mpi)
    string(TOUPPER ${label} upper)
    if(arg_${upper}_RANKS OR label IN_LIST arg_LABELS)
      add_dependencies(${label}_tests ${name})
    endif()
    foreach(ranks ${arg_${upper}_RANKS})
      set_property(TEST ${name}.n${ranks} APPEND PROPERTY LABELS ${label})
    endforeach()
  endforeach()
endfunction()

# tutti_exhaustive(TEST...): these run with `./run test --all` only, but for a few that each `./run test` draws by a seed. They say the same as
# tests that always run, on more ranks, with larger data or in another place. Those of UCX and of the Debian packages may be named where
# they are not made.
function(tutti_exhaustive)
  foreach(test ${ARGN})
    if(TEST ${test})
      set_property(TEST ${test} APPEND PROPERTY LABELS exhaustive)
    elseif(NOT test MATCHES "[.]ucx[.]" AND NOT test STREQUAL "packaging.debian")
      message(FATAL_ERROR "tutti_exhaustive: there is no test ${test}")
    endif()
  endforeach()
endfunction()
