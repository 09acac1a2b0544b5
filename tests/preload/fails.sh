#!/usr/bin/env bash
# fails.sh LIBRARY WORDS LAUNCHER... -- PROGRAM [ARGUMENT...]: the MPI program has to fail with the preload, and to say WORDS on
# standard error.
set -euo pipefail

library=$1
words=$2
shift 2
launcher=()
while [[ $1 != -- ]]; do
  launcher+=("$1")
  shift
done
shift

status=0
said=$("${launcher[@]}" env LD_PRELOAD="$library" "$@" 2>&1 >/dev/null </dev/null) || status=$?
if ((status == 0)); then
  echo "fails.sh: the program does not fail"
elif [[ $said != *"$words"* ]]; then
  echo "fails.sh: the program fails, but does not say '$words'"
else
  exit 0
fi
printf '%s\n' "$said"
exit 1
