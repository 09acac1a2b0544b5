# shellcheck shell=bash disable=SC2154
# Sourced by tests that wait for what ranks write to files of the folder `work`, named by their numbers. They have a function `fail` too.

# wait_for SECONDS WHAT COMMAND...
wait_for() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < limit)) || fail "not in time: $what"
    sleep 0.1
  done
}

# told REGEX COUNT: whether so many lines of all ranks match.
told() { [[ $(cat "$work"/[0-9] 2>/dev/null | grep -cE "$1") -ge $2 ]]; }
