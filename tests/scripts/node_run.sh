#!/usr/bin/env bash
# node_run.sh BUILD_DIR MPIRUN: a short run of bench/node, without MPICH, and misuse of it.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
build=$1
if [[ $("$2" --version 2>&1) != *open-mpi.org* ]]; then
  echo "the MPI is not Open MPI"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
run() { timeout --kill-after 5 100 "$root/bench/node/run.sh" --out "$folder" "$@" "$build" >"$folder/tables" 2>"$folder/errors"; }

refuses() {
  local message=$1
  shift
  if run "$@"; then
    echo "it took $*"
    exit 1
  fi
  grep -qF -- "$message" "$folder/errors" || { cat "$folder/errors"; exit 1; }
}
refuses "bench/node: error: --ranks wants numbers separated by commas, got 2,x" --ranks 2,x
refuses "bench/node: error: --peers knows open-mpi, open-mpi-sm and mpich, not gloo" --peers gloo
refuses "bench/node: error: --max 4 leaves no size" --max 4 --peers open-mpi
refuses "bench/node: error: no option --fast" --fast
refuses "bench/node: error: --rounds needs a value" --rounds --quick
refuses "/nonexistent/bin/tutti is not there" /nonexistent

run --rounds 1 --ranks 2,3 --collectives all_gather,reduce --peers open-mpi,open-mpi-sm --max 512 --seconds 0.02 ||
  { cat "$folder/errors"; exit 1; }
# Sizes 8, 64 and 512; tutti and Open MPI on two kinds of memory, coll/sm on one; the size asked for, where counts are rounded (12 B on 3 ranks).
awk -F, '
  FNR == 1 { next }
  !($7 > 0) || $8 != "" || $9 < 1 || $10 != 64 { print "wrong: " $0; bad = 1 }
  { ++rows; ++of[$2 "," $5]; ++size[$6] }
  END {
    if (rows != 60 || size[8] != 20 || size[64] != 20 || size[512] != 20 || of["tutti,allocated"] != 12 || of["tutti,any"] != 12 ||
        of["open-mpi,allocated"] != 12 || of["open-mpi,any"] != 12 || of["open-mpi-sm,any"] != 12) { print rows " rows"; bad = 1 }
    exit bad
  }' "$folder/rounds.csv"
grep -qF '| size | 2, allocated | 2, any | 3, allocated | 3, any |' "$folder/tables"
grep -qE '^\| 512 B \|( [0-9.]+ [os] \|){4}$' "$folder/tables" || grep -qE '^\| 512 B \|.*\*\*' "$folder/tables"
