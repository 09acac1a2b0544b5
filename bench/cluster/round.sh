#!/usr/bin/env bash
# round.sh PERF_OPTION... BIN: what a TCP stream between hosts 1 and 2 carries, before and after `tutti perf` over all hosts. Run by
# `cluster.sh with`; prints lines "stream BYTES_PER_SECOND" and the rows of perf, which is what table.sh reads.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cluster=$here/../../tests/hosts/cluster.sh
bin=${*: -1}
options=("${@:1:$#-1}")

# Both ways at once; the mean of the ways.
stream() {
  local seconds=2 port=7777 output
  output=$(
    timeout 30 "$cluster" exec 1 "$bin/bench_stream" $seconds $port &
    timeout 30 "$cluster" exec 2 "$bin/bench_stream" $seconds $port 10.77.0.1
    wait $!
  )
  awk '{ sum += $1 } END { if (NR != 2) exit 1; print "stream", sum / 2 }' <<<"$output"
}

hosts=$("$cluster" hosts)
stream
timeout 240 "$cluster" mpirun -n "$hosts" "$bin/tutti" perf allreduce "${options[@]}"
stream
