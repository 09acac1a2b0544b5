#!/usr/bin/env bash
# cluster.sh itself: hosts reach each other while their links are up, clusters keep apart, and nothing is left of them, however
# they end.
# shellcheck disable=SC2317  # the functions are called through expect
set -euo pipefail

cluster=$(dirname -- "$0")/cluster.sh
work=$(mktemp -d)
names=()
clean_up() {
  local name
  for name in "${names[@]}"; do
    if [[ -e /run/netns/$name ]]; then TUTTI_CLUSTER=$name "$cluster" down || true; fi
  done
  rm -rf "$work"
}
trap clean_up EXIT

problems=0
# expect WHAT COMMAND...: the command must succeed.
expect() {
  local what=$1
  shift
  if ! "$@"; then
    printf 'cluster_test: not so: %s\n' "$what" >&2
    problems=$((problems + 1))
  fi
}
not() { ! "$@"; }
# soon COMMAND...: the command succeeds within 10 s.
soon() {
  local limit=$((SECONDS + 10))
  until "$@"; do
    ((SECONDS < limit)) || return 1
    sleep 0.1
  done
}
ends_with() {
  local wanted=$1 status=0
  shift
  "$@" >"$work/output" 2>&1 || status=$?
  [[ $status -eq $wanted ]] || { printf 'status %d: %s\n' "$status" "$(<"$work/output")" >&2 && return 1; }
}
on() { TUTTI_CLUSTER=$1 "$cluster" "${@:2}"; }
# Nobody listens, so a host that is reached refuses.
reaches() { [[ $(on "$1" exec "$2" timeout 1 bash -c "</dev/tcp/10.77.0.$3/9" 2>&1) == *refused* ]]; }
is_gone() { [[ ! -e /run/$1 ]] && ! ip netns list | grep -qE "^$1(-h|\$| )"; }
is_running() { kill -0 "$1" 2>/dev/null; }
is_shaped() { ip netns exec "$1" tc qdisc show dev "$2" | grep -q 'tbf .* rate 1Gbit'; }

status=0
first=$(timeout 60 "$cluster" up 2) || status=$?
if ((status != 0)); then exit $status; fi  # 77: cannot be had here
names+=("$first")
second=$(timeout 60 "$cluster" up 3 1gbit)
names+=("$second")
PATH=$PATH:/usr/sbin:/sbin

expect "clusters have names of their own" test "$first" != "$second"
expect "both are listed" test "$("$cluster" list | grep -cxE "$first|$second")" -eq 2
expect "a host has a name" test "$(on "$second" exec 3 hostname)" == "$second-h3"
expect "hosts reach each other" reaches "$first" 1 2
expect "a host that is not there is not reached" not reaches "$first" 1 3
expect "what leaves a host is shaped" is_shaped "$second-h3" eth0
expect "what comes to a host is shaped" is_shaped "$second" v3
expect "without a rate nothing is shaped" not is_shaped "$first-h1" eth0

on "$first" link 2 down
expect "a host that is cut off is not reached" not reaches "$first" 1 2
expect "the other cluster's is" reaches "$second" 1 2
on "$first" link 2 up
expect "a host that is back is reached" soon reaches "$first" 1 2

on "$first" exec 2 sleep 300 &
sleeper=$!
runs_on() { [[ -n $(ip netns pids "$1") ]]; }
expect "a command runs on a host" soon runs_on "$first-h2"
on "$first" down
names=("$second")
expect "down ends what runs on a host" soon not is_running "$sleeper"
expect "down leaves nothing" is_gone "$first"
expect "down leaves other clusters alone" reaches "$second" 1 2

expect "with passes the status on" ends_with 3 timeout 60 "$cluster" with 2 -- sh -c "echo \$TUTTI_CLUSTER >$work/name; exit 3"
expect "with leaves nothing" is_gone "$(<"$work/name")"

# A rate that tc refuses, when half of the cluster is up. `owner` tells which was its.
refused() {
  local with status=0
  "$cluster" with 2 swift -- true 2>/dev/null &
  with=$!
  wait "$with" || status=$?
  ((status == 1)) && ! grep -qxs "$with" /run/tutti-*/owner
}
expect "a step that fails is an error, and undone" refused
expect "no hosts are an error of usage" ends_with 2 "$cluster" up 0

# interrupted SIGNAL: `with` gets it while its command runs.
interrupted() {
  rm -f "$work/name"
  set -m  # or it would start with SIGINT ignored
  # shellcheck disable=SC2016  # expanded by the inner shell
  "$cluster" with 2 -- bash -c 'echo "$TUTTI_CLUSTER" >"$2" && "$1" exec 1 sleep 300' _ "$cluster" "$work/name" &
  local with=$! name
  set +m
  soon test -s "$work/name" || return 1
  name=$(<"$work/name")
  kill "-$1" "$with"
  wait "$with" 2>/dev/null || true
  # What is left by SIGKILL goes with the next cluster.
  [[ $1 != KILL ]] || "$cluster" with 1 -- true
  soon is_gone "$name"
}
for signal in INT TERM HUP KILL; do expect "SIG$signal leaves nothing" interrupted $signal; done

if [[ $EUID -eq 0 ]] && command -v setpriv >/dev/null &&
  setpriv --reuid 65534 --clear-groups test -x "$cluster"; then
  expect "without rights it says so" ends_with 77 setpriv --reuid 65534 --clear-groups "$cluster" up 2
  expect "in one line" test "$(wc -l <"$work/output")" -eq 1
fi
exit $((problems > 0))
