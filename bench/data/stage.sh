#!/usr/bin/env bash
# bench/data/stage.sh [--megabytes N] [--rounds N] BUILD_DIR: `tutti data stage` from host 1 to 4 hosts on one machine, over links of
# 1 Gbit/s, beside what a plain TCP stream carries in the same round, by each algorithm. Prints the tool's figures and a table of shares;
# README.md tells what they mean. The other hosts are given a source that does not exist, so that whatever they have came over the links.
# Needs root, iproute2 and, built, tutti and bench_stream; in TMPDIR five times the size of the data set (2,000 MB).
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cluster=$here/../../tests/hosts/cluster.sh
hosts=4

fail() {
  printf 'bench/data: error: %s\n' "$1" >&2
  exit 1
}

# Both ways at once, as the hosts in the middle of a chain use their links; the mean of the ways.
stream() {
  local seconds=3 port=7777 output
  output=$(
    timeout 30 "$cluster" exec 1 "$1/bench_stream" $seconds $port &
    timeout 30 "$cluster" exec 2 "$1/bench_stream" $seconds $port 10.77.0.1
    wait $!
  )
  awk '{ sum += $1 } END { if (NR != 2) exit 1; print sum / 2 }' <<<"$output"
}

# One round, run by `cluster.sh with`: lines "stream BYTES_PER_SECOND" and "ALGORITHM SECONDS BYTES BYTES_READ".
round() {
  local bin=$1 folder=$2 algorithm host
  echo "stream $(stream "$bin")"
  for algorithm in chain tree scatter_allgather; do
    # shellcheck disable=SC2054  # commas of mpirun
    stage=("$bin/tutti" data stage --to "$folder/host-{node}" --algorithm "$algorithm" --json)
    timeout 240 "$cluster" mpirun -n 1 "${stage[@]}" "$folder/set" : -n $((hosts - 1)) "${stage[@]}" /nonexistent >"$folder/result"
    for ((host = 0; host < hosts; ++host)); do
      diff -rq --exclude .staged "$folder/set" "$folder/host-$host" >&2 || fail "the copy of host $host differs"
    done
    rm -rf "$folder"/host-*
    awk -v algorithm=$algorithm -F '[:,]' '
      /"seconds"/ { seconds = $2 } /^  "bytes"/ { bytes = $2 } /"read_bytes"/ { read = $2 }
      END { print algorithm, seconds, bytes, read }' "$folder/result"
  done
  echo "stream $(stream "$bin")"
}

if [[ ${1:-} == --round ]]; then
  round "$2" "$3"
  exit
fi

megabytes=2000 rounds=3 build=
while [[ $# -gt 0 ]]; do
  case $1 in
    --megabytes | --rounds)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "$1 wants a positive number"
      if [[ $1 == --rounds ]]; then rounds=$2; else megabytes=$2; fi
      shift
      ;;
    -*) fail "no option $1" ;;
    *) build=$(realpath -m -- "$1") ;;
  esac
  shift
done
[[ -n $build ]] || fail "usage: bench/data/stage.sh [--megabytes N] [--rounds N] BUILD_DIR"
for program in tutti bench_stream; do
  [[ -x $build/bin/$program ]] || fail "$build/bin/$program is not there: ./run build --target $program"
done
MPIRUN=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt")
[[ -n $MPIRUN ]] || fail "$build/CMakeCache.txt names no MPI launcher"
export MPIRUN

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
load=$(cut -d ' ' -f 1-3 /proc/loadavg)

# Images of 1,000 x 1,000 random bytes: IDX files with a header of 16 and 8 bytes.
bytes_of() { printf '%b' "$(printf '\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)))"; }
{
  bytes_of 0x803 && bytes_of "$megabytes" && bytes_of 1000 && bytes_of 1000
  head -c "${megabytes}000000" /dev/urandom
} >"$folder/images"
{
  bytes_of 0x801 && bytes_of "$megabytes"
  head -c "$megabytes" /dev/zero
} >"$folder/labels"
"$build/bin/tutti" data import idx --images "$folder/images" --labels "$folder/labels" --out "$folder/set" --shards 8 >&2
rm "$folder/images" "$folder/labels"

for ((round = 0; round < rounds; ++round)); do
  printf 'round %d of %d\n' $((round + 1)) "$rounds" >&2
  timeout --kill-after 20 900 "$cluster" with "$hosts" 1gbit -- "$here/stage.sh" --round "$build/bin" "$folder" | tee -a "$folder/rows" >&2
done

printf 'tutti data stage to %d hosts at 1 Gbit/s; %s; load before %s; %s\n' "$hosts" \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | uniq -c | xargs)" "$load" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
awk '
  function median(list,   values, n, i, j, swap) {
    n = split(list, values, " ")
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && values[j] + 0 < values[j - 1] + 0; --j) { swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap }
    return (values[int((n + 1) / 2)] + values[int(n / 2) + 1]) / 2
  }
  $1 == "stream" { streams = streams " " $2; next }
  { if (!($1 in rates)) order[++rows] = $1
    rates[$1] = rates[$1] " " $3 / $2; seconds[$1] = seconds[$1] " " $2; read[$1] = read[$1] " " $4 / $3 }
  END {
    if (!rows) exit 1
    stream = median(streams)
    printf "a TCP stream carries %.1f MB/s each way\n%-18s %9s %9s %7s %12s\n", stream / 1e6, "algorithm", "seconds", "MB/s", "share", "times read"
    for (i = 1; i <= rows; ++i)
      printf "%-18s %9.2f %9.1f %7.2f %12.3f\n", order[i], median(seconds[order[i]]), median(rates[order[i]]) / 1e6,
        median(rates[order[i]]) / stream, median(read[order[i]])
  }' "$folder/rows"
