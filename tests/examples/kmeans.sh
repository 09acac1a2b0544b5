#!/usr/bin/env bash
# kmeans.sh PROGRAM DATA MPIRUN...: k-means finds the same to the bit on 1, 2 and 3 ranks, most digits lie with their like, and what
# cannot be done is one line.
set -euo pipefail
program=$1 data=$2
shift 2
fail() { printf 'kmeans.sh: %s\n' "$*" >&2; exit 1; }

first=""
for ranks in 1 2 3; do
  line=$("$@" "$ranks" "$program" "$data")
  printf '%s ranks: %s\n' "$ranks" "$line"
  first=${first:-$line}
  [[ $line == "$first" ]] || fail "$ranks ranks find something else"
done
[[ $first =~ ^1437\ samples,\ 10\ clusters,\ ([0-9]+)\ rounds:\ 0\.([0-9]{4})\ have\ the\ label\ of\ their\ cluster,\ checksum\ of\ centers\ [0-9a-f]{8}$ ]] ||
  fail "what is printed is not understood"
rounds=${BASH_REMATCH[1]} right=${BASH_REMATCH[2]}
((10#$rounds > 5 && 10#$rounds < 100)) || fail "it ended after $rounds rounds"
# Of ten kinds of digits that are dealt to clusters by chance little more than a tenth is right.
((10#$right > 6500)) || fail "only 0.$right are right"

status=0
error=$("$@" 2 "$program" "$data" 2000 2>&1) || status=$?
[[ $status -ne 0 && $error == *"kmeans: there are 1437 samples, not enough for 2000 clusters"* ]] || fail "2000 clusters: $error"
