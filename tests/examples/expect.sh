#!/usr/bin/env bash
# expect.sh REGEX COMMAND...: the command ends well and prints one line, which matches as a whole.
set -euo pipefail
regex=$1
shift
status=0
output=$("$@") || status=$?
printf '%s\n' "$output"
[[ $status -eq 0 ]] || { echo "expect: exit status $status" >&2; exit 1; }
[[ $output =~ ^($regex)$ ]] || { echo "expect: the output does not match $regex" >&2; exit 1; }
