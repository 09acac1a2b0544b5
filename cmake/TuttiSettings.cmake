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
foreach(umbrella tutti.hpp tutti.h)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/allreduce/${umbrella} ${TUTTI_INCLUDE_DIR}/tutti/${umbrella} SYMBOLIC)
endforeach()
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

# tutti_library(NAME SOURCES file... [DEPENDS target...] [PRIVATE_DEPENDS target...])
# Makes target tutti_<NAME>, alias tutti::<NAME>.
function(tutti_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS")
  add_library(tutti_${name} ${arg_SOURCES})
  add_library(tutti::${name} ALIAS tutti_${name})
  set_target_properties(tutti_${name} PROPERTIES EXPORT_NAME ${name} OUTPUT_NAME ${TUTTI_LIBRARY_NAME}_${name})
  target_compile_features(tutti_${name} PUBLIC cxx_std_20)
  target_include_directories(tutti_${name} PUBLIC $<BUILD_INTERFACE:${TUTTI_INCLUDE_DIR}> $<INSTALL_INTERFACE:${TUTTI_INSTALL_INCLUDEDIR}>)
  target_link_libraries(
    tutti_${name}
    PUBLIC ${arg_DEPENDS}
    PRIVATE ${arg_PRIVATE_DEPENDS} $<BUILD_INTERFACE:tutti_settings>)
endfunction()
