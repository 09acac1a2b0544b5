#!/usr/bin/env bash
# bench/training/levels.sh BUILD_DIR [ROUNDS]: what a step costs at the reproducibility level `ranks`, over one of level `run` with the
# same micro-batches: 2 ranks, 8 shards of 16 samples, against train.accumulate = 4 with as many. Whole runs of 60 epochs of the digits, in
# turns; a line for each model with the median of the ratios and all of them. About 2 minutes.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 1 && $# -le 2 && -x $1/bin/tutti-train ]] || {
  echo "usage: bench/training/levels.sh BUILD_DIR [ROUNDS], with tutti-train built" >&2
  exit 1
}
program=$(realpath "$1")/bin/tutti-train
rounds=${2:-7}
mpirun=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$1/CMakeCache.txt")
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
if [[ $EUID -eq 0 ]]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# seconds LEVEL-SETTINGS...: of a step.
seconds() {
  rm -rf "$folder/run"
  timeout 120 "$mpirun" -n 2 "$program" "$here/../../examples/digits.toml" --out "$folder/run" --set run.progress=none \
    --set run.evaluate_every=0 --set run.checkpoint_every=1000000 --set train.threads=1 --set train.epochs=60 "$@" >/dev/null
  sed -n 's/^ *"samples_per_s": \([0-9.e+]*\),*$/\1/p' "$folder/run/result.json" | awk '{print 1 / $1}'
}

for model in "--set model.name=mlp --set model.hidden=512" "--set model.name=mlp --set model.hidden=2048" "--set model.name=convnet"; do
  read -ra settings <<<"$model"
  ratios=()
  for ((round = 0; round < rounds; ++round)); do
    plain=$(seconds "${settings[@]}" --set train.batch_size=32 --set train.accumulate=4)
    ranks=$(seconds "${settings[@]}" --set train.batch_size=128 --set numerics.reproducible=ranks --set numerics.shards=8)
    ratios+=("$(awk -v a="$ranks" -v b="$plain" 'BEGIN {printf "%.3f", a / b}')")
  done
  mapfile -t sorted < <(printf '%s\n' "${ratios[@]}" | sort -n)
  printf '%-52s median %s of %s\n' "${model//--set /}" "${sorted[rounds / 2]}" "${sorted[*]}"
done
