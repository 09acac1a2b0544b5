# shellcheck shell=bash
# ./run: what it tells people.

say() { printf '%s\n' "$*"; }
fail() { printf 'run: %s\n' "$*" >&2; exit 1; }

# phase TITLE COMMAND...: runs the command, says how long it took and passes its status on.
phase() {
  local title=$1 start=$SECONDS status=0
  shift
  say "== $title"
  "$@" || status=$?
  say "== $title: $((SECONDS - start)) s"
  return $status
}
