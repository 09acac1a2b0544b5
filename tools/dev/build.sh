# shellcheck shell=bash
# ./run build: configures and compiles.

# A cache of compiled sources. Paths below the root are the same for every clone; what the precompiled header of the tests is made
# from is compared as any other header. Tests that compile use it too, by the environment.
use_ccache() {
  unset CMAKE_{C,CXX,CUDA}_COMPILER_LAUNCHER
  if [[ ${TUTTI_CCACHE-1} == 0 ]] || ! command -v ccache >/dev/null || [[ ! -w ${CCACHE_DIR:-${HOME:-/nowhere}} ]]; then return; fi
  export CMAKE_{C,CXX,CUDA}_COMPILER_LAUNCHER=ccache
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
}

configure() {
  local program
  for program in cmake ninja c++; do
    command -v $program >/dev/null || fail "$program is not installed; see the list of packages above or in README.md"
  done
  use_ccache
  if [[ $mpi != openmpi ]]; then set -- "-DTUTTI_MPI=$mpi" "$@"; fi
  # Said each time: CMake remembers what it was told first.
  set -- -DCMAKE_{C,CXX,CUDA}_COMPILER_LAUNCHER="${CMAKE_CXX_COMPILER_LAUNCHER-}" "$@"
  cmake --preset "$preset" -B "$build_dir" "$@" ${cmake_options[@]+"${cmake_options[@]}"}
}

is_on() { grep -q "^$1:BOOL=ON$" "$build_dir/CMakeCache.txt" 2>/dev/null; }

# configure_without PART...: configures, unless the build directory is configured for what is wanted. Parts that a build directory
# has already stay in it.
configure_without() {
  local part lacking="" off=()
  for part in TESTS BENCH CUDA MEASURE; do
    if is_on "TUTTI_$part"; then continue; fi
    if [[ " $* " == *" $part "* ]]; then off+=("-DTUTTI_$part=OFF"); else lacking=yes; fi
  done
  if [[ -e $build_dir/build.ninja && -z $lacking && ${#cmake_options[@]} -eq 0 ]]; then
    use_ccache
    return
  fi
  phase configure configure ${off[@]+"${off[@]}"}
}

compile() { cmake --build "$build_dir" --parallel "$jobs" ${1:+--target "$@"}; }

build_command() {
  need build test "$mpi"
  phase configure configure
  phase build compile ${targets[@]+"${targets[@]}"}
  say "Programs are in $build_dir/bin"
}

clean_command() { rm -rf build{,-debug,-asan,-tsan}{,-mpich} build-lint; }
