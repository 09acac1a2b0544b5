#!/usr/bin/env bash
# check.sh PAN: the verifier that spin makes of node_protocol.pml, over all that the protocol promises; then with one rule
# broken after the other, which it has to find. Without TUTTI_TEST_ALL=1 only what takes seconds: one of the three larger searches, drawn
# by TUTTI_TEST_SEED, and not the rule that takes half a minute to be found broken.
set -euo pipefail
pan=$(readlink -f -- "$1")
folder=$(mktemp -d) # the verifier writes down how it came to an error
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failed=0

# verify RANKS CALLS POSTS BROKEN: the verifier's answer
verify() { RANKS=$1 CALLS=$2 POSTS=$3 BROKEN=$4 "$pan" -m100000 2>&1; }

# expect_right RANKS CALLS POSTS
expect_right() {
  local answer
  answer=$(verify "$@" 0)
  if [[ $answer == *"errors: 0"* && $answer != *"Search not completed"* && $answer != *"error: "* ]]; then
    printf '%s ranks, %s calls%s, %s posts: right in all of %s states\n' "$1" "$2" "${ONLY_SMALL:+, all small}" "$3" \
      "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' <<<"$answer")"
  else
    printf '%s ranks, %s calls, %s posts: WRONG\n%s\n' "$@" "$answer"
    failed=1
  fi
}

# expect_found BROKEN RULE WORDS: spin says these words when the rule is broken
expect_found() {
  local answer
  answer=$(verify 2 3 2 "$1")
  if [[ $answer == *"$3"* && $answer == *"errors: 1"* ]]; then
    printf 'found: %s\n' "$2"
  else
    printf 'NOT FOUND: %s\n%s\n' "$2" "$answer"
    failed=1
  fi
}

all=${TUTTI_TEST_ALL:-0}
drawn=$((${TUTTI_TEST_SEED:-1} % 3))
expect_right 2 2 1
if [[ $all == 1 || $drawn == 0 ]]; then expect_right 2 2 2; fi
if [[ $all == 1 || $drawn == 1 ]]; then expect_right 3 2 1; fi
if [[ $all == 1 || $drawn == 2 ]]; then ONLY_SMALL=1 expect_right 3 3 2; fi

expect_found 1 'an input is staged over one that is still read' 'rank[r].input'
expect_found 2 'a result is staged over one that is still read' 'rank[r].result'
expect_found 3 'an input is read before it is staged' 'rank[r].input'
expect_found 4 'a result is read before it is staged' 'rank[r].result'
expect_found 5 'a post is written over before all have left it' 'rank[r].body'
expect_found 6 'a post is left before it is read' 'rank[r].body'
expect_found 7 "a call is left while others use its memory" 'rank[r].in_call'
expect_found 8 'a chunk is counted before it is staged' 'rank[r].input'
expect_found 9 'chunks that a rank has nothing to do with are not counted' 'invalid end state'
[[ $all != 1 ]] || expect_found 10 'a collective begins before its turn' 'invalid end state'
expect_found 11 'a call is left while others read its result' 'rank[r].in_call'
expect_found 12 'calls that are left are told in more than there are posts' 'invalid end state'
exit $failed
