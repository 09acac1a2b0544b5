#!/usr/bin/env bash
# bench/cluster/run.sh [--rounds N] BUILD_DIR: allreduce over TCP between 2 and 4 hosts of one machine, beside Open MPI's, and on
# links of 1 Gbit/s beside what a plain TCP stream reaches. Prints tables; README.md tells what they mean. Needs root, iproute2 and,
# built, tutti and bench_stream. Links of 1 Gbit/s, whose times vary little, and UCX, where tutti has it, are measured in every
# third round only.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cluster=$here/../../tests/hosts/cluster.sh

fail() {
  printf 'bench/cluster: error: %s\n' "$1" >&2
  exit 1
}

rounds=11 build=
while [[ $# -gt 0 ]]; do
  case $1 in
    --rounds)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "--rounds wants a positive number"
      rounds=$2
      shift
      ;;
    -*) fail "no option $1" ;;
    *) build=$(realpath -m -- "$1") ;;
  esac
  shift
done
[[ -n $build ]] || fail "usage: bench/cluster/run.sh [--rounds N] BUILD_DIR"
for program in tutti bench_stream; do
  [[ -x $build/bin/$program ]] || fail "$build/bin/$program is not there: ./run build --target $program"
done
MPIRUN=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt")
[[ -n $MPIRUN ]] || fail "$build/CMakeCache.txt names no MPI launcher"
export MPIRUN

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
load=$(cut -d ' ' -f 1-3 /proc/loadavg)

# on_hosts HOSTS RATE TRANSPORT PERF_OPTION...: one round on hosts of its own, for at most five minutes.
on_hosts() {
  local hosts=$1 rate=$2 transport=$3
  shift 3
  printf 'measuring %d hosts%s by %s\n' "$hosts" "${rate:+, $rate,}" "$transport" >&2
  timeout --kill-after 20 300 "$cluster" with "$hosts" ${rate:+"$rate"} -- "$here/round.sh" --transport "$transport" "$@" "$build/bin" \
    >>"$parts/$hosts$rate-$transport"
}

transports=mpi
if grep -qiE '^TUTTI_UCX:BOOL=(ON|TRUE|YES|1)$' "$build/CMakeCache.txt"; then transports="mpi ucx"; fi
all_sizes=(--min 8 --max 16M --factor 8)
for ((round = 0; round < rounds; ++round)); do
  for hosts in 2 4; do
    on_hosts "$hosts" "" mpi "${all_sizes[@]}"
    ((round % 3 == 0)) || continue
    if [[ $transports == *ucx* ]]; then on_hosts "$hosts" "" ucx "${all_sizes[@]}"; fi
    on_hosts "$hosts" 1gbit mpi --min 2M --max 16M --iterations 15
  done
done

printf 'tutti allreduce over TCP, f32 sum; %s; %s; load before %s; %s\n' "$("$MPIRUN" --version 2>&1 | head -n 1)" \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | uniq -c | xargs)" "$load" \
  "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
for transport in $transports; do
  for hosts in 2 4; do "$here/table.sh" times "$hosts" "$parts/$hosts-$transport" "$transport"; done
done
for hosts in 2 4; do "$here/table.sh" shares "$hosts" "$parts/${hosts}1gbit-mpi" mpi; done
