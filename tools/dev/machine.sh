# shellcheck shell=bash
# ./run: what this machine has, and the environment that mpirun needs on it.

# Processors this shell may use: affinity and, in containers, the quota of the control group.
processors() {
  local count quota period
  count=$(nproc)
  if [[ -r /sys/fs/cgroup/cpu.max ]] && read -r quota period </sys/fs/cgroup/cpu.max && [[ $quota != max ]]; then
    local allowed=$(((quota + period - 1) / period))
    ((allowed < count)) && count=$allowed
  fi
  echo "$count"
}

# Physical cores among them: hardware threads of one core share its arithmetic units.
cores() {
  local count physical
  count=$(processors)
  physical=$(lscpu -p=CORE,SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l || true)
  ((physical > 0 && physical < count)) && count=$physical
  echo "$count"
}

# Compile jobs: a source that includes libtorch takes 1.2 GB.
build_jobs() {
  local count memory_kb
  count=$(processors)
  memory_kb=$(awk '/MemAvailable/ {print $2}' /proc/meminfo)
  ((memory_kb / 1500000 < count)) && count=$((memory_kb / 1500000))
  echo $((count > 0 ? count : 1))
}

# Environment for mpirun, explained in README.md, "As root".
prepare_mpi() {
  if [[ $EUID -eq 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  export OMPI_MCA_rmaps_base_oversubscribe=${OMPI_MCA_rmaps_base_oversubscribe:-1}
  export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}
  if [[ -e /.dockerenv || -e /run/.containerenv || $EUID -eq 0 ]]; then
    export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}
  fi
}

# The mpirun that belongs to the MPI library tutti was built with.
launcher() { sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' build/CMakeCache.txt; }
