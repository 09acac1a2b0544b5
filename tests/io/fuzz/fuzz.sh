#!/usr/bin/env bash
# fuzz.sh SOURCE BUILD RUNS [READER...]: builds the readers of io with clang, libFuzzer and AddressSanitizer in BUILD, and
# gives each RUNS files. TUTTI_FUZZ_PROGRAM: another program of this kind than tutti_fuzz. Memory is limited to 1 GiB a process,
# and one allocation to 256 MiB: files of a few KiB need neither.
set -euo pipefail
source=$1
build=$2
runs=$3
program=${TUTTI_FUZZ_PROGRAM:-tutti_fuzz}
shift 3
if ! command -v clang++ >/dev/null; then
  echo "clang++ is not here; skipped"
  exit 77
fi
cd "$source"
cmake --preset fuzz -B "$build" >/dev/null
cmake --build "$build" --target "$program" --parallel 2 | tail -n 1
if [[ $# -eq 0 ]]; then
  # shellcheck disable=SC2046
  set -- $("$build/bin/$program" 2>&1 | sed -n 's/.*known are //p' || true)
fi
[[ $# -gt 0 ]]
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
for reader in "$@"; do
  mkdir -p "$corpus/$reader"
  # HDF5 keeps parts of damaged files, which would count as leaks; leaks of the other readers show in the tests under AddressSanitizer.
  if ! ASAN_OPTIONS=detect_leaks=0 TUTTI_FUZZ_TARGET=$reader TUTTI_FUZZ_SEEDS=$corpus/$reader "$build/bin/$program" -runs="$runs" -seed=1 -max_len=65536 \
    -rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=20 -print_final_stats=1 -artifact_prefix="$build/$reader-" \
    "$corpus/$reader" >"$build/$reader.log" 2>&1; then
    tail -n 60 "$build/$reader.log"
    echo "$reader: FAILED; the file is beside $build/$reader.log"
    exit 1
  fi
  echo "$reader: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$reader.log") files, $(sed -n 's/^stat::peak_rss_mb: *//p' "$build/$reader.log") MiB at most"
done
