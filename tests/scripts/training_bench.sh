#!/usr/bin/env bash
# training_bench.sh PROGRAM MPIRUN [all]: a short run of bench_training on a tiny model; all: other kinds of models, and misuse of it.
set -euo pipefail

program=$1 mpirun=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tiny=(--set train.threads=1 --per-rank 4 --rounds 2 --steps 2)
run() { timeout --kill-after 5 50 "$mpirun" -n 2 "$program" "$@" >"$folder/table" 2>"$folder/errors"; }

measures() {
  run "${tiny[@]}" "$@" || { cat "$folder/errors"; exit 1; }
}
# refuses STATUS MESSAGE OPTION...
refuses() {
  local wanted=$1 message=$2 status=0
  shift 2
  run "$@" || status=$?
  [[ $status == "$wanted" ]] || { echo "$*: status $status, not $wanted"; cat "$folder/errors"; exit 1; }
  grep -qF -- "$message" "$folder/errors" || { cat "$folder/errors"; exit 1; }
}

measures --set model.hidden=8 --against "exchange.bucket_bytes=64 optimizer.momentum=0" --gigabits 1 --json "$folder/json"
# Three rows of a name, six figures and buckets; 6,370 parameters of 4 bytes take 0.2 ms on such links.
awk '
  /^#/ { if (/mlp of 6370 parameters .*; 2 ranks on 1 node\(s\), 1 thread\(s\) each; 8 samples a step; 2 rounds of 2 step/) ++right
         if (/BLAS [^ ]*blas.*; oneDNN [0-9]/ || /at least 0\.2 ms on links of 1 Gbit/) ++right; next }
  /^(no communication|as configured|exchange.bucket_bytes=64 optimizer.momentum=0) / && $(NF - 6) > 0 && $(NF - 5) > 0 { ++rows }
  END { if (right != 3 || rows != 3) { print right, rows; exit 1 } }' "$folder/table" || { cat "$folder/table"; exit 1; }
python3 - "$folder/json" <<'END'
import json, sys
result = json.load(open(sys.argv[1]))
assert [turns["name"] for turns in result["turns"]] == ["no communication", "as configured", "exchange.bucket_bytes=64 optimizer.momentum=0"]
alone, configured, cut = [turns["buckets"] for turns in result["turns"]]
assert alone == 1 and configured == 1 and cut > 1, result
assert result["parameters"] == 6370 and result["ranks"] == 2 and abs(result["link_s"] - 6370 * 4 * 8 / 1e9) < 1e-12
for turns in result["turns"]:
    low, high = turns["ratio"]["quartiles"]
    assert 0 < low <= turns["ratio"]["median"] <= high and len(turns["rounds_step_s"]) == 2
END
if [[ ${3:-} != all ]]; then exit 0; fi

measures --set model.name=gpt --set model.layers=1 --set model.width=8 --set model.heads=1 --input 16 --set schedule.kind=one_cycle
measures --set model.name=linear --set model.loss=mse --outputs 3

refuses 1 "'28xx' is no shape" --input 28xx
refuses 1 "did you mean 'exchange.bucket_bytes'?" --against exchange.bucket_byte=1
refuses 1 "fewer samples than ranks" --set train.batch_size=1
refuses 1 'model.name = "mpl" is out of range' --set model.name=mpl
refuses 2 "unknown option '--round'" --round 3
refuses 1 "/nonexistent/file cannot be written" "${tiny[@]}" --set model.hidden=8 --json /nonexistent/file
