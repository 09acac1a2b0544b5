#!/usr/bin/env bash
# uncaught_error.sh RANKS PROGRAM MPIRUN...: an exception that nothing catches ends all ranks with a failure, and one line for all of them.
set -euo pipefail

ranks=$1 program=$2
shift 2

# run HOW PATTERN: with argument HOW the program says a line that begins as PATTERN, and nothing else of its own.
run() {
  local how=$1 pattern=$2 output status=0 lines
  output=$("${mpirun[@]}" "$ranks" "$program" "$how" 2>&1) || status=$?
  lines=$(grep -c '^tutti: error: ' <<<"$output" || true)
  if ((status == 0)) || ((lines != 1)) || ! grep -qE "^tutti: error: $pattern" <<<"$output" ||
    grep -qE 'terminate called|core dumped' <<<"$output"; then
    echo "uncaught_error $how: status $status, $lines lines; wanted '$pattern':" >&2
    echo "$output" >&2
    exit 1
  fi
}
mpirun=("$@")
run mismatch 'rank 0: .*calls differ'
run last "rank $((ranks - 1)): the last rank has no data"
run number "rank $((ranks - 1)): an exception that is no std::exception"
run all 'rank 0: no rank has data'
"${mpirun[@]}" "$ranks" "$program" none # and no error ends none
