# Compiler settings, and the one function that makes a folder into a library.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

include(GNUInstallDirs)

# Headers are spelled <tutti/folder/name.hpp> in the tree as when installed: a folder of links in the build tree.
set(TUTTI_INCLUDE_DIR ${PROJECT_BINARY_DIR}/include)
foreach(folder kernels collectives allreduce compression io trainer)
  file(MAKE_DIRECTORY ${TUTTI_INCLUDE_DIR}/tutti)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${TUTTI_INCLUDE_DIR}/tutti/${folder} SYMBOLIC)
endforeach()
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/allreduce/tutti.hpp ${TUTTI_INCLUDE_DIR}/tutti/tutti.hpp SYMBOLIC)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/allreduce/c/tutti.h ${TUTTI_INCLUDE_DIR}/tutti/tutti.h SYMBOLIC)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/compression/c/compression.h ${TUTTI_INCLUDE_DIR}/tutti/compression.h SYMBOLIC)
configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in ${TUTTI_INCLUDE_DIR}/tutti/version.h @ONLY)

# Every target of the project links this one: warnings, sanitizers, and floating point without contraction, so that the
# same arithmetic gives the same bits in every translation unit.
add_library(tutti_settings INTERFACE)
target_compile_options(
  tutti_settings
  INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wshadow -ffp-contract=off> $<$<COMPILE_LANGUAGE:CXX>:-Wconversion
            -Wnon-virtual-dtor -Wredundant-decls -Wzero-as-null-pointer-constant> $<$<AND:$<BOOL:${TUTTI_WERROR}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>)
if(TUTTI_SANITIZE)
  target_compile_options(
    tutti_settings INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${TUTTI_SANITIZE} -fno-omit-frame-pointer
                             -fno-sanitize-recover=all>)
  target_link_options(tutti_settings INTERFACE -fsanitize=${TUTTI_SANITIZE})
  # ThreadSanitizer knows no fences, of which GCC warns. What they order here are atomics, which are no races without them either.
  if(TUTTI_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(tutti_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-tsan>)
  endif()
endif()

# tutti_units(VARIABLE SOURCE...): what to compile for these C++ sources of the current folder, which may lie in folders below.
# With TUTTI_UNITY these are units, files that include up to 20 sources each: the headers, which cost more than the sources, are read
# once for all. Units spell the sources from the root of the project, so that a compiler's cache knows them in another clone.
# A target whose sources are single files anyway, or that needs flags of its own for one of them, does without.
function(tutti_units variable)
  list(LENGTH ARGN count)
  if(NOT TUTTI_UNITY OR count LESS 2)
    set(${variable} ${ARGN} PARENT_SCOPE)
    return()
  endif()
  set(batch 20)
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  math(EXPR units "(${count} + ${batch} - 1) / ${batch}")
  math(EXPR batch "(${count} + ${units} - 1) / ${units}") # of equal length
  set(result "")
  foreach(first RANGE 0 ${count} ${batch})
    if(first EQUAL count)
      break()
    endif()
    list(SUBLIST ARGN ${first} ${batch} sources)
    list(TRANSFORM sources REPLACE "(.+)" "#include \"${folder}/\\1\"\n")
    list(JOIN sources "" content)
    list(GET ARGN ${first} name)
    string(REPLACE "/" "_" name ${name})
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/units/from_${name})
    file(CONFIGURE OUTPUT ${unit} CONTENT "${content}" @ONLY)
    list(APPEND result ${unit})
  endforeach()
  set(${variable} ${result} PARENT_SCOPE)
endfunction()

# tutti_library(NAME [SOURCES file...] [ALONE file...] [DEPENDS target...] [PRIVATE_DEPENDS target...])
# Makes target tutti_<NAME>, alias tutti::<NAME>. Sources that are ALONE are in no unit.
function(tutti_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;ALONE;DEPENDS;PRIVATE_DEPENDS")
  tutti_units(units ${arg_SOURCES})
  add_library(tutti_${name} ${units} ${arg_ALONE})
  add_library(tutti::${name} ALIAS tutti_${name})
  set_target_properties(tutti_${name} PROPERTIES EXPORT_NAME ${name} OUTPUT_NAME ${TUTTI_LIBRARY_NAME}_${name})
  target_compile_features(tutti_${name} PUBLIC cxx_std_20)
  target_include_directories(tutti_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_include_directories(tutti_${name} PUBLIC $<BUILD_INTERFACE:${TUTTI_INCLUDE_DIR}> $<INSTALL_INTERFACE:${TUTTI_INSTALL_INCLUDEDIR}>)
  target_link_libraries(
    tutti_${name}
    PUBLIC ${arg_DEPENDS}
    PRIVATE ${arg_PRIVATE_DEPENDS} $<BUILD_INTERFACE:tutti_settings>)
endfunction()
