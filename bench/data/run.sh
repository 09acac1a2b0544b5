#!/usr/bin/env bash
# bench/data/run.sh [--quick] BUILD_DIR: how fast the loader reads beside plain loops and h5py, as a table in Markdown, and how well
# orders mix; README.md tells what it means. Needs bench_data and bench_mixing, built, and 300 MB in TMPDIR; h5py stands beside them
# where python3 has it (Debian package python3-h5py). Takes about a minute on 2 idle cores; --quick, of few rounds, less.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

fail() {
  printf 'bench/data: error: %s\n' "$1" >&2
  exit 1
}

rounds=15 build=
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) rounds=3 ;;
    -*) fail "no option $1" ;;
    *) build=$(realpath -m -- "$1") ;;
  esac
  shift
done
[[ -n $build ]] || fail "usage: bench/data/run.sh [--quick] BUILD_DIR"
for program in bench_data bench_mixing; do
  [[ -x $build/bin/$program ]] || fail "$build/bin/$program is not there: ./run build --target $program"
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '%s; load before %s; %s\n\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | uniq -c | xargs)" \
  "$(cut -d ' ' -f 1-3 /proc/loadavg)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
timeout 500 "$build/bin/bench_data" "$folder" "$rounds" >"$folder/table" || fail "bench_data failed or took more than 500 s"
cat "$folder/table"
python=$(command -v /usr/bin/python3 || command -v python3 || true)
if [[ -n $python ]] && "$python" -c 'import h5py' 2>/dev/null; then
  read -r one_by_one at_once version < <(timeout 200 "$python" "$here/h5py_rows.py" "$folder/plain")
  ours=$(awk -F '|' '/fits the cache, 1 thread/ { print $3 + 0 }' "$folder/table")
  for row in "one by one:$one_by_one" "256 at once:$at_once"; do
    awk -v what="${row%%:*}" -v theirs="${row##*:}" -v ours="$ours" -v version="$version" 'BEGIN {
      printf "| shuffled, fits the cache, 1 thread; h5py %s, %s | %.0f | %s | %.0f | | 50 |\n", version, what, ours, theirs, ours / theirs }'
  done
else
  echo "bench/data: without h5py (Debian package python3-h5py)" >&2
fi
printf '\n'
"$build/bin/bench_mixing"
