#!/usr/bin/env bash
# missing_host.sh kill|stop|link VICTIM COUNT ALGORITHM SURVIVOR: of four ranks, each on a host of its own, rank VICTIM is
# killed, stopped, or cut off while all call allreduce. All others must fail with a CommunicationError, soon, that names it.
# Run by `cluster.sh with 4 -- ...`. TUTTI_TRANSPORT=ucx in the environment: over UCX, which tells of a killed rank at once.
set -euo pipefail

how=$1 victim=$2 count=$3 algorithm=$4 survivor=$5
timeout=3 soon=8
ranks=(0 1 2 3)
transport=${TUTTI_TRANSPORT:-mpi}
cluster=$(dirname -- "$0")/cluster.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

process_of() { awk '$1 == "process" { print $2 }' "$work/$1"; }

fail() {
  printf 'missing_host: %s\n' "$1" >&2
  for rank in "${ranks[@]}"; do [[ -e /proc/$(process_of "$rank") ]] || printf 'the process of rank %d has ended\n' "$rank" >&2; done
  tail -n +1 "$work"/* >&2
  exit 1
}

# shellcheck source=/dev/null
source "$(dirname -- "$0")/waiting.sh"

# mpirun would end the survivors at once, were it not for --enable-recovery.
timeout 60 "$cluster" mpirun --enable-recovery -x TUTTI_TRANSPORT="$transport" -n "${#ranks[@]}" "$survivor" "$work" "$count" "$algorithm" "$timeout" \
  >"$work/mpirun" 2>&1 &

wait_for 20 "all ranks run" told '^running$' "${#ranks[@]}"
process=$(process_of "$victim")
case $how in
  kill) kill -KILL "$process" ;;
  stop) kill -STOP "$process" ;;
  link) "$cluster" link $((victim + 1)) down ;;
esac

# A connection that breaks while bytes are on it is more than Open MPI 4.1's TCP can take, which no caller of MPI can prevent: it ends
# the process, or it spoils its list of events and goes round it for ever (seen by a debugger, in libevent's evmap_io_active_). So a
# rank may be lost that was sending to the killed one, or to one that is lost.
ended_by_mpi() { [[ $how == kill && ! -e /proc/$(process_of "$1") ]]; }
switches_of() { sed -n 's/^voluntary_ctxt_switches:\s*//p' "/proc/$(process_of "$1")/status"; }
# kept_by_mpi RANK: MPI told of that connection, and the rank never once yields or sleeps in half a second, as it does every few
# microseconds when it waits in tutti.
kept_by_mpi() {
  [[ $how == kill && $transport == mpi ]] && grep -q "\],$1\].*writev failed: Connection reset by peer" "$work/mpirun" || return 1
  local before
  before=$(switches_of "$1")
  sleep 0.5
  [[ $(switches_of "$1") == "$before" ]]
}
receivers_of() {
  if [[ $algorithm == ring ]]; then
    echo $((($1 + 1) % ${#ranks[@]}))
  else
    echo $(($1 ^ 1)) $(($1 ^ 2))
  fi
}
lost=() # ranks that MPI ended or kept
is_lost() { [[ " ${lost[*]} " == *" $1 "* ]]; }
sent_to_the_lost() {
  local receiver
  for receiver in $(receivers_of "$1"); do if [[ $receiver == "$victim" ]] || is_lost "$receiver"; then return 0; fi; done
  return 1
}
settled() {
  local rank i
  lost=()
  for ((i = ${#ranks[@]} - 1; i >= 0; i--)); do # in a ring, who receives comes first
    rank=${ranks[i]}
    # Who is cut off finds out like the others.
    if [[ $rank == "$victim" && $how != link ]] || grep -qE '^[0-9.]+ |wrong' "$work/$rank"; then continue; fi
    sent_to_the_lost "$rank" && { ended_by_mpi "$rank" || kept_by_mpi "$rank"; } || return 1
    lost+=("$rank")
  done
  # One at least is left to tell.
  ((${#lost[@]} < ${#ranks[@]} - 1))
}
# names_the_lost MESSAGE
names_the_lost() {
  local rank
  for rank in "$victim" "${lost[@]}"; do if [[ $1 == *"rank $rank has not entered any collective"* ]]; then return 0; fi; done
  return 1
}
wait_for $((soon + 5)) "all ranks fail but the missing one" settled
for rank in "${ranks[@]}"; do
  read -r seconds message < <(sed -n 3p "$work/$rank") || true
  if is_lost "$rank"; then
    printf 'rank %d was ended, or never given back, by MPI\n' "$rank"
    continue
  fi
  if ((rank == victim)); then  # can only name another
    [[ $how != link || $message == *"no progress for $timeout s"* ]] || fail "rank $rank, cut off, says: $message"
    continue
  fi
  printf 'rank %d after %s s: %s\n' "$rank" "$seconds" "$message"
  awk -v seconds="$seconds" -v soon="$soon" 'BEGIN { exit !(seconds > 0 && seconds < soon) }' ||
    fail "rank $rank took $seconds s, more than $soon"
  if [[ $how == kill && $transport == ucx ]]; then
    [[ $message =~ message\ (to|from)\ rank\ $victim: ]] || fail "rank $rank does not name rank $victim: $message"
    awk -v seconds="$seconds" -v timeout="$timeout" 'BEGIN { exit !(seconds < timeout) }' || fail "rank $rank waited for its timeout"
  else
    names_the_lost "$message" || fail "rank $rank does not name rank $victim: $message"
  fi
done
