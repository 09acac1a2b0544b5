#!/usr/bin/env bash
# bench/training/compression.sh [--rounds N] [--link RATE]... [--codec SETTINGS]... BUILD_DIR: what a step of an MLP of 20.0 M
# parameters costs beyond its arithmetic on 4 hosts, a rank each, for each codec and each link (as tc takes it, or "none": not shaped;
# default: none, 1gbit, 100mbit), beside DistributedDataParallel over Gloo, plain and with its PowerSGD hook. Prints a table in
# Markdown; README.md tells what it means. Needs root, iproute2 and, built, bench_training; PyTorch where python3 has it.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cluster=$here/../../tests/hosts/cluster.sh
hosts=4

fail() {
  printf 'bench/training: error: %s\n' "$1" >&2
  exit 1
}

rounds=5 build='' links=() codecs=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --rounds | --link | --codec)
      [[ -n ${2:-} ]] || fail "$1 wants a value"
      case $1 in
        --rounds) rounds=$2 ;;
        --link) links+=("$2") ;;
        --codec) codecs+=("$2") ;;
      esac
      shift
      ;;
    -*) fail "no option $1" ;;
    *) build=$(realpath -m -- "$1") ;;
  esac
  shift
done
[[ -n $build ]] || fail "usage: bench/training/compression.sh [--rounds N] [--link RATE]... [--codec SETTINGS]... BUILD_DIR"
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "--rounds wants a positive number"
program=$build/bin/bench_training
[[ -x $program ]] || fail "$program is not there: ./run build --target bench_training"
MPIRUN=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt")
[[ -n $MPIRUN ]] || fail "$build/CMakeCache.txt names no MPI launcher"
export MPIRUN OPENBLAS_NUM_THREADS=1
((${#links[@]})) || links=(none 1gbit 100mbit)
((${#codecs[@]})) || codecs=(bf16 int8 block4 sign "topk:density=0.01,select=sampled" powersgd:rank=4)
python=$(command -v /usr/bin/python3 || command -v python3 || true)
if [[ -z $python ]] || ! "$python" -c 'import torch.distributed' 2>/dev/null; then
  echo "bench/training: without PyTorch (Debian package python3-torch)" >&2
  python=
fi

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
load=$(cut -d ' ' -f 1-3 /proc/loadavg)

# on_hosts RATE COMMAND...: a rank on each host.
on_hosts() {
  local rate=$1
  shift
  [[ $rate != none ]] || rate=
  timeout --kill-after 20 580 "$cluster" with "$hosts" ${rate:+"$rate"} -- "$cluster" mpirun -n "$hosts" -x MASTER_ADDR=10.77.0.1 \
    -x GLOO_SOCKET_IFNAME=eth0 -x OPENBLAS_NUM_THREADS ${LD_LIBRARY_PATH:+-x LD_LIBRARY_PATH} "$@"
}

against=()
for codec in "${codecs[@]}"; do
  against+=(--against "exchange.compression=$codec exchange.guard_every=0")
done
mlp=(--set train.threads=1 --set model.depth=2 --set model.hidden=4096 --per-rank 32)
for link in "${links[@]}"; do
  printf 'measuring links of %s\n' "$link" >&2
  on_hosts "$link" "$program" "${mlp[@]}" --steps 1 --rounds "$rounds" "${against[@]}" >"$parts/own"
  awk -v link="$link" '
    /^no communication/ { alone = $3; next }
    /^as configured/ { name = "none"; step = $3; payload = $9 }
    /^exchange.compression=/ { name = substr($1, 22); step = $3; payload = $9 }
    /^(as configured|exchange.compression=)/ {
      if (name == "none") base = step - alone
      printf "| %s | `%s` | %.0f | %.0f | %.3f | %.2f |\n", link, name, step, step - alone, (step - alone) / base, payload
    }' "$parts/own" | tee -a "$parts/rows" >&2
  [[ -n $python ]] || continue
  for hook in "" powersgd; do
    on_hosts "$link" "$python" "$here/ddp.py" --per-rank 32 --steps 1 --rounds "$rounds" ${hook:+--hook "$hook"} >"$parts/ddp"
    base=$(awk -F '|' -v link=" $link " '$2 == link && $3 ~ /`none`/ { print $5 + 0; exit }' "$parts/rows")
    awk -v link="$link" -v name="PyTorch DDP, Gloo${hook:+, $hook}" -v base="$base" '
      /^no communication/ { alone = $3 }
      /^DistributedDataParallel/ { printf "| %s | %s | %.0f | %.0f | %.3f | |\n", link, name, $2, $2 - alone, ($2 - alone) / base }' \
      "$parts/ddp" | tee -a "$parts/rows" >&2
  done
done
printf '%s; load before %s; %s; %d rounds\n\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | uniq -c | xargs)" "$load" \
  "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$rounds"
echo '| link | gradients travel as | step, ms | communication, ms | of none | payload, MB |'
echo '| --- | --- | --- | --- | --- | --- |'
cat "$parts/rows"
