#!/usr/bin/env bash
# hosts.sh ps|kill WATCH_RANKS TUTTI: two hosts with two ranks each. ps: the last rank stays away from an allreduce; `tutti ps` under mpirun, one
# rank to each host, shows the ranks of both hosts and names it. kill: rank 1 is killed; the other host learns it from rank 0, its node-peer, long
# before the timeout. Run by `cluster.sh with 2 -- ...`.
set -euo pipefail

what=$1 watch_ranks=$2 tutti=$3
cluster=$(dirname -- "$0")/../../hosts/cluster.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'hosts: %s\n' "$1" >&2
  tail -n +1 "$work"/[0-9] "$work"/out* >&2
  exit 1
}

# shellcheck source=/dev/null
source "$(dirname -- "$0")/../../hosts/waiting.sh"
process_of() { awk '$1 == "process" { print $2 }' "$work/$1"; }

# start SCENARIO...: the ranks, until they are where the scenario wants them.
start() {
  SLOTS=2 timeout 60 "$cluster" mpirun --enable-recovery -n 4 "$watch_ranks" "$work" "$@" >"$work/out" 2>&1 &
  mpirun=$!
  wait_for 20 "all ranks run" told '^running$' 4
}

# `tutti ps` of the job, from both hosts, until it says so.
says() {
  timeout 30 "$cluster" mpirun -n 2 "$tutti" ps "$(process_of 0)" >"$work/out.ps" 2>&1 || return 1
  local line
  for line in "$@"; do grep -qE "$line" "$work/out.ps" || return 1; done
}

case $what in
  ps)
    start outside
    wait_for 30 "tutti ps names rank 3" says '4 of 4 ranks seen$' \
      "^ +0 +[^ ]+-h1 +$(process_of 0) .* rank 2$" \
      "^ +2 +[^ ]+-h2 +$(process_of 2) .* rank 3$" \
      "^suspect: rank 3 \(pid $(process_of 3) on [^ ]+-h2\) is in no tutti call since .* ended, .*; ranks 1, 2 wait for it in hierarchical allreduce #[0-9]+, and rank 0 through them$"
    cat "$work/out.ps"
    touch "$work/go"
    wait
    ;;
  kill)
    start together allreduce
    kill -KILL "$(process_of 1)"
    wait_for 10 "all others fail" told '^[0-9.]+ ' 3
    for rank in 0 2 3; do
      read -r seconds message < <(sed -n 3p "$work/$rank")
      printf 'rank %d after %s s: %s\n' "$rank" "$seconds" "$message"
      [[ $message == *"rank 1 (pid $(process_of 1) on "*"-h1) has died"* ]] || fail "rank $rank does not name rank 1: $message"
      awk -v seconds="$seconds" 'BEGIN { exit !(seconds < 2) }' || fail "rank $rank took $seconds s"
    done
    touch "$work/go"
    kill "$mpirun"  # it need not end by itself after the loss of a rank
    ;;
esac
