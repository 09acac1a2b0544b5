#!/usr/bin/env bash
# table.sh times|shares HOSTS FILE TRANSPORT: the median over rounds of what round.sh printed to FILE.
#   times   time of Open MPI's allreduce over tutti's
#   shares  bus bandwidth over what a TCP stream carried in the same round
set -euo pipefail

what=$1 hosts=$2 transport=$4
awk -v what="$what" -v hosts="$hosts" -v transport="$transport" '
  function median(list,   values, n, i, j, swap) {
    n = split(list, values, " ")
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && values[j] + 0 < values[j - 1] + 0; --j) { swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap }
    return (values[int((n + 1) / 2)] + values[int(n / 2) + 1]) / 2
  }
  # What is said about the rows of a round needs the stream after them, too.
  function close_round(   i, stream) {
    stream = (before + $2) / 2
    streams = streams " " stream
    for (i = 1; i <= rows; ++i) {
      tutti_share[size[i]] = tutti_share[size[i]] " " bus[i] * 1e9 / stream
      mpi_share[size[i]] = mpi_share[size[i]] " " bus[i] * 1e9 / stream * own[i] / theirs[i]
    }
    rows = before = 0
  }
  $1 == "stream" && before { close_round(); next }
  $1 == "stream" { before = $2; next }
  /^#/ || NF < 14 { next }
  {
    if (!($1 in seen)) { seen[$1] = 1; order[++sizes] = $1 }
    size[++rows] = $1; own[rows] = $6; bus[rows] = $9; theirs[rows] = $12
    time[$1] = time[$1] " " $6; mpi_time[$1] = mpi_time[$1] " " $12; ratio[$1] = ratio[$1] " " $12 / $6
  }
  END {
    if (!sizes) exit 1
    if (what == "times") {
      printf "\n%d hosts, tutti by %s: times in us, Open MPI / tutti; a TCP stream carries %.1f MB/s each way\n%12s %12s %12s %9s\n", hosts,
        transport, median(streams) / 1e6, "bytes", "tutti", "Open MPI", "ratio"
      for (i = 1; i <= sizes; ++i)
        printf "%12d %12.1f %12.1f %9.2f\n", order[i], median(time[order[i]]), median(mpi_time[order[i]]), median(ratio[order[i]])
    } else {
      printf "\n%d hosts, 1 Gbit/s: share of a TCP stream, which carries %.1f MB/s each way\n%12s %12s %12s\n", hosts,
        median(streams) / 1e6, "bytes", "tutti", "Open MPI"
      for (i = 1; i <= sizes; ++i)
        printf "%12d %12.2f %12.2f\n", order[i], median(tutti_share[order[i]]), median(mpi_share[order[i]])
    }
  }' "$3"
