#!/usr/bin/env bash
# bench/run.sh BUILD_DIR: measures kernels and collectives on this machine, prints one table and writes BUILD_DIR/bench/<date>.json.
# Takes some minutes on 2 cores. The programs must have been built (tutti, bench_kernels, bench_summary); `./run bench` does that.
set -euo pipefail

fail() {
  printf 'bench: error: %s\n' "$1" >&2
  exit 1
}

[[ $# -eq 1 ]] || fail "usage: bench/run.sh BUILD_DIR"
bin=$1/bin
for program in tutti bench_kernels bench_summary; do
  [[ -x $bin/$program ]] || fail "$bin/$program is not there: build it first (./run bench does)"
done
launcher=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$1/CMakeCache.txt")
[[ -n $launcher ]] || fail "$1/CMakeCache.txt names no MPI launcher"

# More ranks than cores, no binding, and root allowed, unless the caller says otherwise.
export OMPI_MCA_rmaps_base_oversubscribe=${OMPI_MCA_rmaps_base_oversubscribe:-1}
export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}
if [[ $EUID -eq 0 ]]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

# Every measurement is quiet unless it fails, and has a time limit.
measure() {
  local seconds=$1 what=$2
  shift 2
  printf 'measuring %s\n' "$what"
  timeout "$seconds" "$@" >"$parts/output" 2>&1 || {
    cat "$parts/output" >&2
    fail "$what: the measurement failed or took more than $seconds s"
  }
}

measure 120 "kernels" "$bin/bench_kernels" --benchmark_min_time=0.03 --benchmark_out="$parts/kernels.json" \
  --benchmark_out_format=json

rows=()
for ranks in 2 4; do
  for what in allreduce broadcast reduce all_gather reduce_scatter gather scatter all_to_all all_gather_v reduce_scatter_v \
    gather_v scatter_v all_to_all_v barrier "allreduce --nonblocking"; do
    row=$parts/${what// /}.$ranks.json
    read -ra options <<<"$what"
    measure 60 "$what, $ranks ranks" "$launcher" -n "$ranks" "$bin/tutti" perf "${options[@]}" --min 8 --max 8M \
      --factor 32 --iterations 100 --json "$row"
    rows+=("$row")
  done
done

mkdir -p "$1/bench"
"$bin/bench_summary" "$1/bench/$(date -u +%Y-%m-%dT%H-%M-%SZ).json" "$parts/kernels.json" "${rows[@]}"
