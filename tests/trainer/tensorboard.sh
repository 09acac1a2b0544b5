#!/usr/bin/env bash
# tensorboard.sh FOLDER TUTTI_TRAIN OPTION MPIRUN...: event files of a run that dies and is resumed hold what its metrics.jsonl holds.
# FOLDER is this one. OPTION is one of read_events.py, or --alone; with --tensorboard the test is skipped (status 77) without that package.
set -euo pipefail
here=$1 train=$2 option=$3
shift 3
if [[ $option == --tensorboard ]] && ! why=$(python3 -c 'import tensorboard' 2>&1); then
  printf 'skipped, the Python package tensorboard is needed: %s\n' "${why##*$'\n'}"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
  "${mpirun[@]}" 2 "$train" "$here/../../examples/digits.toml" --out "$work/run" --set run.tensorboard=true --set train.threads=1 \
    --set run.progress=none --set run.checkpoint_every=20 --set run.log_gradient_norm=true "$@"
}
mpirun=("$@")
run --set train.max_steps=60
# As if it had died after the checkpoint of step 40: steps 41 to 60, and the evaluation after 45, come twice.
rm "$work"/run/checkpoints/step-000000000060.h5
run --set train.max_steps=70 --resume
python3 -B "$here/read_events.py" "$work/run" "$option"
