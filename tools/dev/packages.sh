# shellcheck shell=bash
# ./run: the packages that its commands need, and how they are installed.

# Debian package, who needs it (build: all that compile), what for.
packages() {
  cat <<'END'
g++                    build       C++20 compiler
cmake                  build       configures the build
ninja-build            build       runs the build
pkg-config             build       finds Highway, UCX and hwloc
openmpi-bin            build       mpirun
libopenmpi-dev         build       MPI
mpich                  mpich       mpirun of MPICH
libmpich-dev           mpich       MPICH
libhwy-dev             build       Highway: SIMD kernels
libucx-dev             build       UCX: messages between nodes
libhwloc-dev           build       hwloc: NUMA domains of ranks
libhdf5-dev            build       HDF5: data shards and checkpoints
libdeflate-dev         build       deflate: chunks of shards
liblz4-dev             build       lz4: chunks of shards
libzstd-dev            build       zstd: chunks of shards
zlib1g-dev             build       reads gzipped data sets
libpng-dev             build       PNG pictures to data sets
libjpeg62-turbo-dev    build       JPEG pictures to data sets
nlohmann-json3-dev     build       JSON: tuning files, manifests, metrics, results
libfmt-dev             build       text formatting in io, tools and trainer
libcli11-dev           build       command lines
libtomlplusplus-dev    build       TOML: training configurations
libssl-dev             build       SHA-256 of trained parameters
libtorch-dev           build       libtorch: the models' arithmetic
dataset-fashion-mnist  demo        60,000 + 10,000 pictures of clothes
gnuplot-nox            demo,test,scale charts of the report and of bench scale
ccache                 test        keeps what was compiled, for other clones too
libgtest-dev           test        GoogleTest
gfortran               test        Fortran programs under the preload; an example
python3-mpi4py         test        MPI for Python: an example
python3-numpy          test        NumPy: the same example
iproute2               test        ip and tc: hosts with a network between them
python3-h5py           test        reads data sets in Python: an example
python3                test        checks which headers the folders include
shellcheck             test        checks the scripts
mandoc                 test        checks the manual pages
dpkg-dev               test        makes Debian packages
spin                   test        tries every order of steps of the protocol of shared memory
libc6-dbg              sanitize    names libc functions in stacks: known leaks of the MPI library are told by them
libbenchmark-dev       test,bench  Google Benchmark
libsimgrid-dev         test,scale  SimGrid: many ranks in simulated time
clang-format           format      layout of the sources
clang-tidy             lint        static analysis
END
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]; }

# wanted GROUPS GROUP...: whether one of the groups is among GROUPS, which are separated by commas.
wanted() {
  local groups=$1 group
  shift
  for group in "$@"; do
    if [[ ",$groups," == *",$group,"* ]]; then return 0; fi
  done
  return 1
}

# need GROUP...: installs the packages of these groups that are missing, or says what to install and goes on.
need() {
  local name groups purpose missing=() listing=""
  while read -r name groups purpose; do
    wanted "$groups" "$@" || continue
    if command -v dpkg-query >/dev/null && installed "$name"; then continue; fi
    missing+=("$name")
    listing+=$(printf '  %-22s %s' "$name" "$purpose")$'\n'
  done < <(packages)
  [[ ${#missing[@]} -gt 0 ]] || return 0

  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "No apt here. What ./run needs, by the names of the Debian packages (other systems: README.md); going on with what is found:"
    printf '%s' "$listing"
    return 0
  fi
  say "Missing packages, and what they are for:"
  printf '%s' "$listing"
  install_packages "${missing[@]}" || say "Not everything could be installed; going on with what is found."
}

install_packages() {
  local as_root=() name known=()
  if [[ $EUID -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
      say "Not root and no sudo. As root: apt-get install --no-install-recommends $*"
      return 1
    fi
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)
  local install=("${apt[@]}" install -y --no-install-recommends)
  if ! apt-cache show "$@" >/dev/null 2>&1; then
    say "+ ${as_root[*]:+sudo }apt-get update"
    "${apt[@]}" update || true
  fi
  for name in "$@"; do
    if apt-cache show "$name" >/dev/null 2>&1; then known+=("$name"); else say "apt does not know $name; going on without it."; fi
  done
  [[ ${#known[@]} -gt 0 ]] || return 0
  say "+ ${as_root[*]:+sudo }apt-get install --no-install-recommends ${known[*]}"
  # A failure is often a package list that has aged: refresh it once.
  "${install[@]}" "${known[@]}" || { "${apt[@]}" update && "${install[@]}" "${known[@]}"; }
}
