#!/usr/bin/env bash
# bench/data/import.sh [--megabytes N] [--rounds N] BUILD_DIR: makes a CSV and a LIBSVM file of N MB (1,000), imports them with 1 and with
# 2 ranks, and prints MB/s of text by the clock, the same by the processor time of all ranks, and the peak memory of a rank.
# Needs, built, tutti, and mpirun, python3 and GNU time; in TMPDIR three times the size of a file. README.md tells what to read from it.
set -euo pipefail

megabytes=1000
rounds=3
while [[ $# -gt 1 ]]; do
  case $1 in
    --megabytes) megabytes=$2 ;;
    --rounds) rounds=$2 ;;
    *) printf 'bench/data: error: unknown option %s\n' "$1" >&2 && exit 1 ;;
  esac
  shift 2
done
tutti=$(realpath "${1:?folder of the build}")/bin/tutti

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# 20 numbers of about 9 characters and a label a line; for LIBSVM with indices below 10,000. 2,000 different lines.
make_files() {
  python3 - "$folder" "$megabytes" <<'END'
import random
import sys

folder, megabytes = sys.argv[1], int(sys.argv[2])
random.seed(1)


def number():
    return "%.6f" % random.gauss(0, 1)


def write(name, lines):
    block = "".join(lines)
    with open(f"{folder}/{name}", "w") as file:
        for _ in range(max(1, megabytes * 10**6 // len(block))):
            file.write(block)


write("t.csv", [",".join([number() for _ in range(20)] + [str(i % 10)]) + "\n" for i in range(2000)])
write("t.svm", [" ".join([str(i % 10)] + [f"{k}:{number()}" for k in sorted(random.sample(range(1, 10000), 20))]) + "\n"
                for i in range(2000)])
END
}

# measure FORMAT RANKS FILE OPTION...: a line "FORMAT RANKS MB/s MB/s_of_processor MB_peak".
measure() {
  local format=$1 ranks=$2 file=$3
  shift 3
  local run=(/usr/bin/time -o "$folder/time-%" -f '%U %S %M' "$tutti" data import "$format" --file "$file" --out "$folder/set" --shards 8 --force)
  local begin end
  rm -f "$folder"/time-*
  begin=$(date +%s%N)
  # Each rank writes its own time; the shell that starts it puts its rank in the name.
  # shellcheck disable=SC2016
  mpirun --oversubscribe -n "$ranks" bash -c 'exec "${@/time-%/time-${OMPI_COMM_WORLD_RANK:-$PMI_RANK}}"' - "${run[@]}" "$@" >"$folder/said" 2>&1 ||
    { cat "$folder/said" >&2 && exit 1; }
  end=$(date +%s%N)
  cat "$folder"/time-* | awk -v format="$format" -v ranks="$ranks" -v bytes="$(stat -c %s "$file")" -v ns=$((end - begin)) '
    { cpu += $1 + $2; if ($3 > peak) peak = $3 }
    END { printf "%s %d %.0f %.0f %.0f\n", format, ranks, bytes / ns * 1000, bytes / cpu / 1e6, peak / 1000 }'
}

make_files
for ((round = 0; round < rounds; ++round)); do
  for ranks in 1 2; do
    measure csv $ranks "$folder/t.csv" --header no --label 21
    measure libsvm $ranks "$folder/t.svm" --base 1
  done
done | sort | awk '
  { key = $1 " " $2; n[key]++; clock[key, n[key]] = $3; cpu[key, n[key]] = $4; if ($5 > peak[key]) peak[key] = $5 }
  function median(values, key, count,  i, j, t) {
    for (i = 1; i <= count; ++i) t[i] = values[key, i]
    for (i = 1; i <= count; ++i) for (j = i + 1; j <= count; ++j) if (t[j] < t[i]) { s = t[i]; t[i] = t[j]; t[j] = s }
    return t[int((count + 1) / 2)]
  }
  END {
    printf "%-8s %5s %8s %22s %14s\n", "format", "ranks", "MB/s", "MB/s of processor time", "peak MB a rank"
    for (key in n) {
      split(key, part, " ")
      printf "%-8s %5d %8.0f %22.0f %14.0f\n", part[1], part[2], median(clock, key, n[key]), median(cpu, key, n[key]), peak[key] | "sort"
    }
  }'
