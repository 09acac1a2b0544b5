#!/usr/bin/env bash
# with_memory_limit.sh MIB COMMAND...: the command in a control group of its own, which may use MIB MiB of memory.
# 77 where control groups cannot be made: not root, or in a container that does not let them be.
set -euo pipefail

limit=$(($1 * 1024 * 1024))
shift
skip() {
  echo "$1: skipped"
  exit 77
}

# Version 1 where the memory controller is there, otherwise version 2, whose groups with processes hold no others: beside
# our own then, below the one that we are in only if that is the first.
own=$(sed -n 's/^[0-9]*:\([^:]*,\)\?memory\(,[^:]*\)\?:\(.*\)$/\3/p' /proc/self/cgroup)
if [[ -n $own ]]; then
  top=$(awk '$(NF-2) == "cgroup" && $NF ~ /(^|,)memory(,|$)/ { print $5; exit }' /proc/self/mountinfo)
  above=$top$own
  file=memory.limit_in_bytes
else
  own=$(sed -n 's/^0:://p' /proc/self/cgroup)
  top=$(awk '$(NF-2) == "cgroup2" { print $5; exit }' /proc/self/mountinfo)
  above=$top$own
  [[ $own == / ]] || above=$(dirname "$above")
  file=memory.max
fi
[[ -n $top && -d $above ]] || skip "no control groups of memory here"
if [[ $file == memory.max ]]; then
  { echo +memory >"$above/cgroup.subtree_control"; } 2>/dev/null || true
fi
group=$above/tutti-test-$$
mkdir "$group" 2>/dev/null || skip "control groups cannot be made here"
trap 'rmdir "$group"' EXIT
{ echo "$limit" >"$group/$file"; } 2>/dev/null || skip "control groups of memory cannot be limited here"

status=0
(
  echo "$BASHPID" >"$group/cgroup.procs"
  exec "$@"
) || status=$?
for _ in {1..50}; do # what the launcher leaves ends a little later
  [[ -s $group/cgroup.procs ]] || break
  sleep 0.1
done
exit "$status"
