#!/usr/bin/env bash
# bench/node/run.sh [OPTION...] BUILD_DIR [MPICH_BUILD_DIR]: collectives among the ranks of one node beside those of Open MPI, Open MPI with
# coll/sm, and MPICH, round by round. Writes BUILD_DIR/node/rounds.csv and prints Markdown tables (table.sh). BUILD_DIR has tutti built with
# Open MPI, MPICH_BUILD_DIR, by default BUILD_DIR-mpich, with MPICH. README.md tells the rules.
#
#   --quick              three rounds of a few sizes on two ranks
#   --rounds N           instead of 11
#   --ranks LIST         instead of 2,4,8
#   --collectives LIST   instead of allreduce,broadcast,all_gather,reduce_scatter,reduce
#   --buffers LIST       instead of allocated,any: memory that tutti is given
#   --peers LIST         instead of open-mpi,open-mpi-sm,mpich
#   --max BYTES          no larger sizes than this
#   --seconds S          for a size in a launch, instead of 0.5
#   --out DIR            for rounds.csv, instead of BUILD_DIR/node
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

fail() {
  printf 'bench/node: error: %s\n' "$1" >&2
  exit 1
}
say() { printf 'bench/node: %s\n' "$1" >&2; }

rounds=11 ranks=2,4,8 buffers=allocated,any peers=open-mpi,open-mpi-sm,mpich max=128M seconds=0.5
collectives=allreduce,broadcast,all_gather,reduce_scatter,reduce
sizes=(8 64 512 4K 32K 256K 1M 2M 16M 128M)
build="" mpich="" out=""
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) rounds=3 ranks=2 sizes=(8 4K 256K 2M) ;;
    --rounds | --ranks | --collectives | --buffers | --peers | --max | --seconds | --out)
      [[ $# -ge 2 && $2 != -* ]] || fail "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    -*) fail "no option $1" ;;
    *)
      [[ -z $mpich ]] || fail "more than two build directories"
      [[ -z $build ]] && build=${1%/} || mpich=${1%/}
      ;;
  esac
  shift
done
[[ -n $build ]] || fail "usage: bench/node/run.sh [OPTION...] BUILD_DIR [MPICH_BUILD_DIR]"
mpich=${mpich:-$build-mpich}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "--rounds wants a positive number, got $rounds"
[[ $ranks =~ ^[1-9][0-9]*(,[1-9][0-9]*)*$ ]] || fail "--ranks wants numbers separated by commas, got $ranks"
[[ $seconds =~ ^[0-9]*\.?[0-9]+$ ]] || fail "--seconds wants a number, got $seconds"
[[ $max =~ ^[1-9][0-9]*[KM]?$ ]] || fail "--max wants bytes, or so many K or M, got $max"

# among WORD WORD...: whether the first is one of the others.
among() {
  local word=$1 one
  shift
  for one in "$@"; do if [[ $one == "$word" ]]; then return 0; fi; done
  return 1
}
for one in ${buffers//,/ }; do among "$one" allocated any || fail "--buffers knows allocated and any, not $one"; done
for one in ${peers//,/ }; do among "$one" open-mpi open-mpi-sm mpich || fail "--peers knows open-mpi, open-mpi-sm and mpich, not $one"; done

# What is not said about Open MPI is as it is installed: no binding, or the ranks of two jobs would sit on the same cores; root allowed.
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
if [[ $EUID -eq 0 ]]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

# cached DIR NAME: a value of the configuration of a build.
cached() { sed -n "s/^$2:[A-Z]*=//p" "$1/CMakeCache.txt"; }

# launcher DIR HOW_TO_BUILD: the launcher of a build whose program is there.
launcher() {
  [[ -x $1/bin/tutti ]] || fail "$1/bin/tutti is not there: $2"
  local found
  found=$(cached "$1" MPIEXEC_EXECUTABLE)
  [[ -n $found ]] || fail "$1/CMakeCache.txt names no MPI launcher"
  printf '%s\n' "$found"
}
open_mpi_run=$(launcher "$build" "./run build --target tutti")
[[ $("$open_mpi_run" --version 2>&1) == *open-mpi.org* ]] || fail "$build is not built with Open MPI"
if among mpich ${peers//,/ }; then
  mpich_run=$(launcher "$mpich" "./run build --mpi mpich --target tutti, or leave MPICH out: --peers open-mpi,open-mpi-sm")
fi

bytes_of() {
  case $1 in
    *K) echo $((${1%K} << 10)) ;;
    *M) echo $((${1%M} << 20)) ;;
    *) echo "$1" ;;
  esac
}

# sizes_up_to_max: those that are not too large.
sizes_up_to_max() {
  local list=() size most
  most=$(bytes_of "$max")
  for size in "${sizes[@]}"; do if (($(bytes_of "$size") <= most)); then list+=("$size"); fi; done
  [[ ${#list[@]} -gt 0 ]] || fail "--max $max leaves no size"
  (IFS=, && echo "${list[*]}")
}

cores=$(nproc)
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

# launch WHO RANKS PERF_OPTION...: one run of tutti perf, whose rows are in $parts/rows.csv then.
launch() {
  local who=$1 count=$2 command=("$open_mpi_run") program=$build/bin/tutti yield=0
  shift 2
  if [[ $who == mpich ]]; then command=("$mpich_run") program=$mpich/bin/tutti; fi
  if [[ $who == open-mpi-sm ]]; then command+=(--mca coll_sm_priority 90); fi
  if ((count > cores)); then yield=1; fi
  rm -f "$parts/rows.csv"
  OMPI_MCA_mpi_yield_when_idle=$yield timeout --kill-after 10 180 "${command[@]}" -n "$count" "$program" perf "$@" --warmup 10 --batch 0 \
    --seconds "$seconds" --csv "$parts/rows.csv" >"$parts/output" 2>&1
}

# Where containers forbid it, Open MPI's cross-memory attach fails, and it has to be told.
cma() {
  if [[ -n ${OMPI_MCA_btl_vader_single_copy_mechanism:-} ]]; then
    echo "CMA: $OMPI_MCA_btl_vader_single_copy_mechanism, as the environment says"
  elif launch open-mpi 2 broadcast --sizes 1M --iterations 3 --compare mpi-only --limits none && ! grep -q "errno = 1" "$parts/output"; then
    echo "CMA as by default"
  else
    echo "CMA is forbidden here: none"
  fi
}

# record ROUND WHO RANKS COLLECTIVE SIZES: the rows of a launch, with the size that was asked for where counts were rounded.
record() {
  awk -F, -v round="$1" -v who="$2" -v ranks="$3" -v collective="$4" -v sizes="$5" '
    function bytes_of(size,   number) { number = size + 0; return size ~ /K$/ ? number * 1024 : size ~ /M$/ ? number * 1048576 : number }
    function rounded(bytes,   unit) { unit = collective ~ /^(all_gather|reduce_scatter)$/ ? 4 * ranks : 4; return bytes < unit ? unit : bytes - bytes % unit }
    FNR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; count = split(sizes, asked, ","); next }
    function line(library, time, floor) {
      if ($column[time] == "") return
      printf "%d,%s,%s,%d,%s,%d,%s,%s,%d,%d\n", round, library, collective, ranks, $column["buffers"], size, $column[time], $column[floor], $column["iterations"],
        $column["batch"]
    }
    {
      size = 0
      for (i = count; i >= 1; --i) if (rounded(bytes_of(asked[i])) == $column["size_bytes"]) size = bytes_of(asked[i])
      if (!size) exit 1
      line("tutti", "time_us_median", "floor_fraction")
      line(who, "mpi_time_us_median", "mpi_floor_fraction")
    }' "$parts/rows.csv" >>"$csv"
}

# measure ROUND COLLECTIVE RANKS LAUNCH: LAUNCH is a kind of memory, measured by tutti and Open MPI in turn, or another peer.
failures=0
measure() {
  local round=$1 collective=$2 count=$3 launch=$4 who=open-mpi options list
  list=$(sizes_up_to_max)
  options=("$collective" --sizes "$list")
  case $launch in
    allocated | any)
      options+=(--buffers "$launch" --limits memory)
      if ! among open-mpi ${peers//,/ }; then options+=(--compare none); fi
      ;;
    *)
      who=$launch
      options+=(--buffers any --compare mpi-only --limits none)
      ;;
  esac
  if launch "$who" "$count" "${options[@]}" && record "$round" "$who" "$count" "$collective" "$list"; then
    sed -n 's/^# MPI library: //p' "$parts/output" >"$parts/library-$who"
    return 0
  fi
  say "round $round, $collective, $count ranks, $launch: failed, or not done in 180 s"
  cat "$parts/output" >&2
  failures=$((failures + 1))
}

out=${out:-$build/node}
mkdir -p "$out"
csv=$out/rounds.csv
printf 'round,library,collective,ranks,buffers,size_bytes,time_us,floor_fraction,iterations,batch\n' >"$csv"
load=$(cut -d ' ' -f 1-3 /proc/loadavg)
how=$(cma)
if [[ $how == *forbidden* ]]; then export OMPI_MCA_btl_vader_single_copy_mechanism=none; fi

launches=()
for one in ${buffers//,/ } ${peers//,/ }; do if [[ $one != open-mpi ]]; then launches+=("$one"); fi; done
start=$SECONDS
for ((round = 1; round <= rounds; ++round)); do
  for count in ${ranks//,/ }; do
    for collective in ${collectives//,/ }; do
      # Who is first changes from round to round.
      for ((i = 0; i < ${#launches[@]}; ++i)); do
        measure "$round" "$collective" "$count" "${launches[$(((round + i) % ${#launches[@]}))]}"
      done
    done
  done
  say "round $round of $rounds is done, $((SECONDS - start)) s"
done

libraries=$(cat "$parts"/library-* 2>/dev/null | sort -u | paste -s -d ',' | sed 's/,/, /g')
printf 'tutti %s in one node, f32 sum; %s; %s; %s; %s; load before %s; %s\n' "$("$build/bin/tutti" --version | awk '{ print $NF }')" \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | uniq -c | xargs)" "$(uname -sr)" "$libraries" "$how" "$load" \
  "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
"$here/table.sh" "$csv"
[[ $failures -eq 0 ]] || fail "$failures launches failed, see above: their cells have fewer rounds"
