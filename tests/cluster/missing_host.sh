#!/usr/bin/env bash
# missing_host.sh kill|stop|link VICTIM COUNT ALGORITHM SURVIVOR: of four ranks, each on a host of its own, rank VICTIM is
# killed, stopped, or cut off while all call allreduce. All others must fail with a CommunicationError, soon, that names it.
# Run by `cluster.sh with 4 -- ...`. TUTTI_TRANSPORT=ucx in the environment: over UCX, which tells of a killed rank at once.
set -euo pipefail

how=$1 victim=$2 count=$3 algorithm=$4 survivor=$5
deadline=3 soon=8
ranks=(0 1 2 3)
transport=${TUTTI_TRANSPORT:-mpi}
cluster=$(dirname -- "$0")/cluster.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'missing_host: %s\n' "$1" >&2
  tail -n +1 "$work"/* >&2
  exit 1
}

# shellcheck source=/dev/null
source "$(dirname -- "$0")/waiting.sh"

# mpirun would end the survivors at once, were it not for --enable-recovery.
timeout 60 "$cluster" mpirun --enable-recovery -x TUTTI_TRANSPORT="$transport" -n "${#ranks[@]}" "$survivor" "$work" "$count" "$algorithm" "$deadline" \
  >"$work/mpirun" 2>&1 &

wait_for 20 "all ranks run" told '^running$' "${#ranks[@]}"
process=$(awk '$1 == "process" { print $2 }' "$work/$victim")
case $how in
  kill) kill -KILL "$process" ;;
  stop) kill -STOP "$process" ;;
  link) "$cluster" link $((victim + 1)) down ;;
esac

# Open MPI 4.1's TCP ends a process whose connection breaks while bytes are on it, which no caller of MPI can prevent: one rank, the
# one that was sending to the killed one.
ended_by_mpi() { [[ $how == kill && ! -e /proc/$(awk '$1 == "process" { print $2 }' "$work/$1") ]]; }
settled() {
  local rank ended=0
  for rank in "${ranks[@]}"; do
    # Who is cut off finds out like the others.
    if [[ $rank == "$victim" && $how != link ]] || grep -qE '^[0-9.]+ |wrong' "$work/$rank"; then continue; fi
    ended_by_mpi "$rank" && ((++ended <= 1)) || return 1
  done
}
wait_for $((soon + 5)) "all ranks fail but the missing one" settled
for rank in "${ranks[@]}"; do
  read -r seconds message < <(sed -n 3p "$work/$rank") || true
  if [[ $rank != "$victim" && -z $seconds ]] && ended_by_mpi "$rank"; then
    printf 'rank %d was ended by MPI\n' "$rank"
    continue
  fi
  if ((rank == victim)); then  # can only name another
    [[ $how != link || $message == *"no progress for $deadline s"* ]] || fail "rank $rank, cut off, says: $message"
    continue
  fi
  printf 'rank %d after %s s: %s\n' "$rank" "$seconds" "$message"
  awk -v seconds="$seconds" -v soon="$soon" 'BEGIN { exit !(seconds > 0 && seconds < soon) }' ||
    fail "rank $rank took $seconds s, more than $soon"
  if [[ $how == kill && $transport == ucx ]]; then
    [[ $message =~ message\ (to|from)\ rank\ $victim: ]] || fail "rank $rank does not name rank $victim: $message"
    awk -v seconds="$seconds" -v deadline="$deadline" 'BEGIN { exit !(seconds < deadline) }' || fail "rank $rank waited for its deadline"
  else
    [[ $message == *"rank $victim gives no sign"* ]] || fail "rank $rank does not name rank $victim: $message"
  fi
done
