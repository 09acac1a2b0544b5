#!/usr/bin/env bash
# mixed.sh LIBRARY WITHOUT RANKS WHO LAUNCHER FLAG PROGRAM: an MPI program of which some ranks are not preloaded has to fail, and
# one line has to say WHO they are. WITHOUT is `first` or `last`: the RANKS ranks that have not the preload; two others have it.
set -euo pipefail

library=$1
without=$2
ranks=$3
who=$4
launcher=$5
flag=$6
program=$7

plain=("$flag" "$ranks" "$program")
preloaded=("$flag" 2 env "LD_PRELOAD=$library" "$program")
if [[ $without == first ]]; then
  command=("$launcher" "${plain[@]}" : "${preloaded[@]}")
else
  command=("$launcher" "${preloaded[@]}" : "${plain[@]}")
fi
status=0
said=$(timeout 60 "${command[@]}" 2>&1 </dev/null) || status=$?
words="$who of MPI_COMM_WORLD did not answer within 1 s in MPI_Init: all ranks of a job must have the preload, or none"
if ((status == 0)); then
  echo "mixed.sh: the program does not fail"
elif ((status == 124)); then
  echo "mixed.sh: the program does not end"
elif [[ $said != *"$words"* ]]; then
  echo "mixed.sh: the program fails, but does not say '$words'"
else
  exit 0
fi
printf '%s\n' "$said"
exit 1
