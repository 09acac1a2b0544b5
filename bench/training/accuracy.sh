#!/usr/bin/env bash
# bench/training/accuracy.sh [--ranks N] [--epochs N] [--seeds N] [--reach ACCURACY] [--set SECTION.KEY=VALUE]... [--codec SETTINGS]...
# BUILD_DIR: what codecs do to accuracy: an MLP of 20.0 M parameters on Fashion-MNIST, trained by each codec with each seed on ranks of
# this machine. Prints a table in Markdown: test accuracy at the end, and the steps until the one to be reached (looked at after each
# epoch), as medians and extremes over seeds. README.md tells more. Needs Debian's dataset-fashion-mnist and, built, tutti and
# tutti-train; in TMPDIR 2 GB.
set -euo pipefail

fail() {
  printf 'bench/training: error: %s\n' "$1" >&2
  exit 1
}

ranks=4 epochs=3 seeds=3 reach=0.86 build='' codecs=() settings=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --ranks | --epochs | --seeds | --reach | --codec | --set)
      [[ -n ${2:-} ]] || fail "$1 wants a value"
      case $1 in
        --ranks) ranks=$2 ;;
        --epochs) epochs=$2 ;;
        --seeds) seeds=$2 ;;
        --reach) reach=$2 ;;
        --codec) codecs+=("$2") ;;
        --set) settings+=(--set "$2") ;;
      esac
      shift
      ;;
    -*) fail "no option $1" ;;
    *) build=$(realpath -m -- "$1") ;;
  esac
  shift
done
[[ -n $build ]] || fail "usage: bench/training/accuracy.sh [OPTION...] BUILD_DIR"
for program in tutti tutti-train; do
  [[ -x $build/bin/$program ]] || fail "$build/bin/$program is not there: ./run build --target $program"
done
pictures=/usr/share/datasets/fashion-mnist
[[ -e $pictures/train-images-idx3-ubyte.gz ]] || fail "Fashion-MNIST is not there (Debian package dataset-fashion-mnist)"
mpirun=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt")
[[ -n $mpirun ]] || fail "$build/CMakeCache.txt names no MPI launcher"
export OMPI_MCA_rmaps_base_oversubscribe=${OMPI_MCA_rmaps_base_oversubscribe:-1}
export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}
if [[ $EUID -eq 0 ]]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
((${#codecs[@]})) || codecs=(none bf16 int8 block4 sign "topk:density=0.01,select=sampled" powersgd:rank=4)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
load=$(cut -d ' ' -f 1-3 /proc/loadavg)
for part in train test; do
  files=$pictures/train
  [[ $part == train ]] || files=$pictures/t10k
  "$build/bin/tutti" data import idx --images "$files-images-idx3-ubyte.gz" --labels "$files-labels-idx1-ubyte.gz" --out "$folder/$part" --shards 4 >&2
done
cat >"$folder/mlp.toml" <<TOML
[data]
train = "train"
test = "test"
scale = 255
mean = 0.2860
std = 0.3530
[model]
name = "mlp"
depth = 2
hidden = 4096
[train]
epochs = $epochs
batch_size = 256
threads = 1
[optimizer]
learning_rate = 0.05
momentum = 0.9
[run]
keep = 1
progress = "none"
TOML

for codec in "${codecs[@]}"; do
  for ((seed = 1; seed <= seeds; ++seed)); do
    printf 'training by %s, seed %d\n' "$codec" "$seed" >&2
    rm -rf "$folder/run"
    timeout 3600 "$mpirun" -n "$ranks" "$build/bin/tutti" train "$folder/mlp.toml" --out "$folder/run" --set "exchange.compression=$codec" \
      --set train.seed="$seed" ${settings[@]+"${settings[@]}"} >&2
    awk -v codec="$codec" -v reach="$reach" '
      function number(key) { match($0, "\"" key "\":[-+0-9.e]+"); return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 }
      /"kind":"evaluation"/ { last = number("test_accuracy"); if (!step && last >= reach) step = number("step") }
      /"kind":"step"/ { bytes += number("payload_bytes"); ++steps }
      END { print codec, last, step ? step : "-", bytes / steps / 1e6 }' "$folder/run/metrics.jsonl" >>"$folder/rows"
    tail -n 1 "$folder/rows" >&2
  done
done
printf '%s; load before %s; %s; %d ranks, %d epochs, %d seeds\n\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | uniq -c | xargs)" \
  "$load" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$ranks" "$epochs" "$seeds"
awk -v reach="$reach" '
  function sorted(list, values,   n, i, j, swap) {
    n = split(list, values, " ")
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && values[j] + 0 < values[j - 1] + 0; --j) { swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap }
    return n
  }
  { if (!($1 in all)) order[++rows] = $1; all[$1] = all[$1] " " $2; steps[$1] = steps[$1] " " $3; bytes[$1] = $4 }
  END {
    printf "| gradients travel as | test accuracy | lowest, highest | steps to %s, each seed | payload, MB a step |\n", reach
    print "| --- | --- | --- | --- | --- |"
    for (r = 1; r <= rows; ++r) {
      n = sorted(all[order[r]], values)
      printf "| `%s` | %.4f | %.4f, %.4f |%s | %.2f |\n", order[r], values[int((n + 1) / 2)], values[1], values[n], steps[order[r]], bytes[order[r]]
    }
  }' "$folder/rows"
