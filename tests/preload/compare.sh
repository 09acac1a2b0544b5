#!/usr/bin/env bash
# compare.sh LIBRARY LAUNCHER... -- PROGRAM [ARGUMENT...]: runs an MPI program without and with the preload, for which LIBRARY may also
# be the program tutti. Both runs have to succeed and to print the same lines, in any order, and the preload's report of all
# ranks has to be what the program expects of it: so a test fails too when calls pass that should be served.
# With TUTTI_TEST_ALONE=1 the program runs only with the preload, because MPI alone would not survive it.
set -euo pipefail

library=$1
shift
launcher=()
while [[ $1 != -- ]]; do
  launcher+=("$1")
  shift
done
shift

# By env, which launchers start as they start programs, so that only the ranks are preloaded.
if [[ $library == *.so ]]; then preloaded=(env "LD_PRELOAD=$library"); else preloaded=("$library" preload); fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
  echo "compare.sh: $1"
  local name
  for name in difference alone.err preloaded.err alone.out preloaded.out alone preloaded; do
    [[ -s $folder/$name ]] || continue
    echo "---- $name"
    head -n 50 "$folder/$name"
  done
  exit 1
}

# run NAME COMMAND...: what the ranks print becomes the sorted file NAME.
run() {
  local name=$1
  shift
  mkdir "$folder/ranks"
  PROGRAM_OUTPUT=$folder/ranks "$@" >"$folder/$name.out" 2>"$folder/$name.err" </dev/null || fail "the program fails, $name"
  sort "$folder/ranks"/* >"$folder/$name"
  rm -r "$folder/ranks"
  ! grep -q 'failed:' "$folder/$name" || fail "a check of the program fails, $name"
}

TUTTI_PRELOAD_REPORT=all run preloaded "${launcher[@]}" "${preloaded[@]}" "$@"
if [[ ${TUTTI_TEST_ALONE:-0} != 1 ]]; then
  run alone "${launcher[@]}" "$@"
  diff "$folder/alone" "$folder/preloaded" >"$folder/difference" || fail "results differ"
fi
sed -n 's/^tutti preload: //p' "$folder/preloaded.err" | grep -v ' communicators: ' | sort >"$folder/report" || true
sed -n 's/^expected: //p' "$folder/preloaded" | diff - "$folder/report" >"$folder/difference" ||
  fail "other calls were served than expected"
[[ -s $folder/report ]] || fail "nothing was counted"
