#!/usr/bin/env bash
# bench/training/run.sh [--quick] [--only local|hosts] BUILD_DIR: what a training step costs over its arithmetic, as a table in
# Markdown; README.md tells what it means. Needs bench_training, built. PyTorch stands beside it where python3 has it, 4 hosts where
# this user can have them (root). Takes about 3 minutes on 2 idle cores; --quick, of few steps, one.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cluster=$here/../../tests/hosts/cluster.sh

fail() {
  printf 'bench/training: error: %s\n' "$1" >&2
  exit 1
}

quick='' only='' build=
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) quick=1 ;;
    --only)
      [[ ${2:-} == local || ${2:-} == hosts ]] || fail "--only wants local or hosts"
      only=$2
      shift
      ;;
    -*) fail "no option $1" ;;
    *) build=$(realpath -m -- "$1") ;;
  esac
  shift
done
[[ -n $build ]] || fail "usage: bench/training/run.sh [--quick] [--only local|hosts] BUILD_DIR"
program=$build/bin/bench_training
[[ -x $program ]] || fail "$program is not there: ./run build --target bench_training"
MPIRUN=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt")
[[ -n $MPIRUN ]] || fail "$build/CMakeCache.txt names no MPI launcher"
export MPIRUN
# No binding, since each rank has one thread, and root allowed, unless the caller says otherwise.
export OMPI_MCA_rmaps_base_oversubscribe=${OMPI_MCA_rmaps_base_oversubscribe:-1}
export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}
export OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}  # where PyTorch computes with OpenBLAS
if [[ $EUID -eq 0 ]]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
load=$(cut -d ' ' -f 1-3 /proc/loadavg)
python=$(command -v /usr/bin/python3 || command -v python3 || true)
if [[ -z $python ]] || ! "$python" -c 'import torch.distributed' 2>/dev/null; then
  echo "bench/training: without PyTorch (Debian package python3-torch)" >&2
  python=
fi

# start HOSTS COMMAND...: on 2 ranks of this machine (HOSTS 1), or a rank on each of so many hosts on links of 1 Gbit/s.
start() {
  local hosts=$1
  shift
  if [[ $hosts == 1 ]]; then
    timeout --kill-after 5 150 "$MPIRUN" -n 2 "$@"
  else
    timeout --kill-after 20 150 "$cluster" with "$hosts" 1gbit -- "$cluster" mpirun -n "$hosts" -x MASTER_ADDR=10.77.0.1 \
      -x GLOO_SOCKET_IFNAME=eth0 -x OPENBLAS_NUM_THREADS ${LD_LIBRARY_PATH:+-x LD_LIBRARY_PATH} "$@"
  fi
}

# row_of FILE: "alone step ratio (quartiles)" of the table that both programs print.
row_of() {
  awk '/^no communication/ { alone = $3 } /^(as configured|DistributedDataParallel)/ { sub(/^as configured/, "own"); step = $2; ratio = $3; low = $4; high = $5 }
    END { if (!step) exit 1; printf "%s | %s | %s (%s to %s)", alone, step, ratio, low, high }' "$1"
}

# cell TITLE WANTED HOSTS ROUNDS DDP_ROUNDS OPTION...: a row, and the one of PyTorch below it if DDP_ROUNDS is not 0.
cell() {
  local title=$1 wanted=$2 hosts=$3 rounds=$4 ddp_rounds=$5 status=0 link=()
  shift 5
  case $only in
    local) [[ $hosts == 1 ]] || return 0 ;;
    hosts) [[ $hosts != 1 ]] || return 0 ;;
  esac
  if [[ $hosts != 1 ]]; then link=(--gigabits 1); fi
  if [[ -n $quick ]]; then rounds=$(((rounds + 9) / 10)) ddp_rounds=$(((ddp_rounds + 9) / 10)); fi
  printf 'measuring %s\n' "$title" >&2
  start "$hosts" "$program" --set train.threads=1 "$@" --steps 1 --rounds "$rounds" ${link[@]+"${link[@]}"} >"$parts/tutti" || status=$?
  if [[ $status == 77 && $hosts != 1 ]]; then
    printf '| %s | not measured: no hosts here | | | %s |\n' "$title" "$wanted"
    return
  fi
  [[ $status == 0 ]] || fail "$title: the measurement failed or took more than 150 s (status $status)"
  printf '| %s | %s | %s |\n' "$title" "$(row_of "$parts/tutti")" "$wanted"
  if [[ $ddp_rounds == 0 || -z $python ]]; then return; fi
  printf 'measuring PyTorch\n' >&2
  start "$hosts" "$python" "$here/ddp.py" --steps 1 --rounds "$ddp_rounds" ${link[@]+"${link[@]}"} >"$parts/ddp" ||
    fail "PyTorch: the measurement failed or took more than 150 s"
  printf '| the same in PyTorch, DDP over Gloo | %s | |\n' "$(row_of "$parts/ddp")"
}

printf '%s; %s; load before %s; %s\n\n' "$("$MPIRUN" --version 2>&1 | head -n 1)" \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | uniq -c | xargs)" "$load" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
printf '| | without communication, ms | step, ms | ratio (quartiles) | wanted |\n| --- | --- | --- | --- | --- |\n'
mlp=(--set model.name=mlp --set model.depth=2 --set model.hidden=4096 --per-rank 32)
cell "MLP of 20.0 M parameters, 2 ranks" 1.04 1 61 11 "${mlp[@]}"
cell "convnet of 1.7 M, 2 ranks" 1.02 1 101 0 --set model.name=convnet --set model.channels=64 --set model.hidden=256 --per-rank 16
cell "ResNet-18 on 32 x 32, 2 ranks" 1.02 1 21 0 --set model.name=resnet18 --input 3x32x32 --per-rank 16
cell "MLP, 4 hosts, 1 Gbit/s" 1.1 4 7 3 "${mlp[@]}"
printf '\n'
sed -n 's/^# [^;]*; \(BLAS.*\); [0-9TZ:-]*$/tutti: \1/p' "$parts/tutti"
if [[ -e $parts/ddp ]]; then sed -n 's/^# \(PyTorch [^;]*\);.*/\1/p; s/^# \(BLAS.*\)/\1/p' "$parts/ddp" | paste -sd ';' | sed 's/;/; /'; fi
