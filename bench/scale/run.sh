#!/usr/bin/env bash
# bench/scale/run.sh [--quick] [--all] [--simgrid-defaults] [--collective NAME] BUILD_DIR: tutti against the MPI libraries that SimGrid knows,
# in simulated time, on up to 1,024 ranks. Builds BUILD_DIR/scale/scale, writes BUILD_DIR/scale/NAME.csv
# (platform,ranks,bytes,candidate,seconds), prints tables and, with gnuplot, draws BUILD_DIR/scale/NAME.svg. Needs
# smpicxx and smpirun (Debian package libsimgrid-dev).
#
#   --quick            a few cells, a quarter of a minute
#   --all              moreover every algorithm and radix of tutti that might be worth it
#   --simgrid-defaults messages as SimGrid prices them by default: they cost processors nothing, and TCP's factors apply
#   --collective NAME  allreduce (default), broadcast, all_gather, reduce_scatter, reduce, all_to_all
#   --networks LIST, --ranks LIST, --sizes LIST
#                      comma-separated, instead of the default
set -euo pipefail

fail() {
  printf 'scale: error: %s\n' "$1" >&2
  exit 1
}

collective=allreduce
networks=flat,fat-tree,torus,torus-limited,dragonfly
ranks=16,60,64,100,256
sizes=8,64,512,4096,32768,262144,2097152,16777216
candidates=(chosen)
build=
defaults=
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) networks=flat,torus ranks=16,60 sizes=8,4096,262144,2097152 ;;
    --all) candidates=(chosen all) ;;
    --simgrid-defaults) defaults=1 ;;
    --collective | --networks | --ranks | --sizes)
      [[ $# -ge 2 ]] || fail "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    -*) fail "no option $1" ;;
    *) build=$1 ;;
  esac
  shift
done
[[ -n $build ]] || fail "usage: bench/scale/run.sh [--quick] [--all] [--simgrid-defaults] [--collective NAME] BUILD_DIR"
for program in smpicxx smpirun; do
  command -v "$program" >/dev/null || fail "$program is not there: install libsimgrid-dev"
done

cd "$(dirname "$0")/../.."
out=$(realpath -m "$build")/scale
mkdir -p "$out"
make -s -j2 -f bench/scale/Makefile OUT="$out" || fail "the build failed"
csv=$out/$collective.csv
printf 'platform,ranks,bytes,candidate,seconds\n' >"$csv"

# The network carries bytes as its links say, without TCP's factors and acknowledgements. A message costs its sender
# 0.4 us, and its receiver another 0.4 us if it is buffered (below 64 KiB); computing costs nothing.
settings=(
  --cfg=network/latency-factor:1 --cfg=network/bandwidth-factor:1 --cfg=smpi/lat-factor:0:1 --cfg=smpi/bw-factor:0:1
  --cfg=network/crosstraffic:0 --cfg=smpi/os:0:4e-7:0 --cfg=smpi/ois:0:4e-7:0 --cfg=smpi/or:0:4e-7:0
  --cfg=smpi/simulate-computation:no --cfg=surf/precision:1e-12 --log=root.thres:error
)

[[ -z $defaults ]] || settings=(--cfg=smpi/simulate-computation:no --log=root.thres:error)

# simulate RANKS OPTION... PROGRAM ARGUMENT...: on the first hosts of the platform, for at most ten minutes
simulate() {
  local size=$1
  shift
  seq -f 'host-%g' 0 $((size - 1)) >"$out/hosts"
  timeout 600 smpirun -no-privatize -np "$size" -platform "$out/platform.xml" -hostfile "$out/hosts" "${settings[@]}" "$@"
}

# cell NETWORK RANKS SELECTOR NAME_OF_MPI CANDIDATE...: the sizes in one run. Some selectors choose algorithms that refuse
# a number of ranks: the size at which a run ends early is not available, and another run goes on after it.
cell() {
  local network=$1 size=$2 selector=$3 name=$4 left=$sizes
  shift 4
  while [[ -n $left ]]; do
    if simulate "$size" --cfg=smpi/coll-selector:"$selector" "$out/scale" "$collective" --sizes "$left" "$@" \
      >"$out/cell" 2>>"$out/errors"; then
      left=
    else
      while [[ -n $left ]] && grep -q "^${left%%,*}," "$out/cell"; do
        left=$(cut -s -d, -f2- <<<"$left")
      done
      printf '%s, %s ranks, %s bytes, %s: n/a\n' "$network" "$size" "${left%%,*}" "$name" | tee -a "$out/errors" >&2
      left=$(cut -s -d, -f2- <<<"$left")
    fi
    sed -n "s/,mpi,/,$name,/; s/^[0-9]*,/$network,$size,&/p" "$out/cell" >>"$csv"  # smpirun has its say there too
  done
}

# The simulated build computes what the real one does, where ranks share no memory.
: >"$out/errors"
if [[ $collective == allreduce ]]; then
  bench/scale/platform.sh torus 16 >"$out/platform.xml"
  simulate 13 --cfg=smpi/shared-malloc:off "$out/scale" allreduce --check --sizes 8,40000,300004 chosen all \
    >"$out/cell" 2>>"$out/errors" || fail "wrong results, see $out/errors"
fi

for size in ${ranks//,/ }; do
  for network in ${networks//,/ }; do
    bench/scale/platform.sh "$network" "$size" >"$out/platform.xml"
    TUTTI_NETWORK=$(bench/scale/platform.sh --describe "$network" "$size")
    export TUTTI_NETWORK
    cell "$network" "$size" ompi tutti "${candidates[@]}"
    for selector in ompi mpich mvapich2 impi; do
      cell "$network" "$size" "$selector" "$selector" mpi
    done
  done
done
bench/scale/table.sh "$csv"
if command -v gnuplot >/dev/null; then bench/scale/chart.sh "$csv" "${csv%.csv}.svg"; fi
