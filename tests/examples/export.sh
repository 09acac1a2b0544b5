#!/usr/bin/env bash
# export.sh EXAMPLES TUTTI MPIRUN...: the commands of examples/export/README.md. Skipped (status 77) without python3-torch or python3-h5py.
set -euo pipefail
examples=$1 tutti=$2
shift 2
python=/usr/bin/python3 # the packages are the system's, whatever else is in PATH
if ! why=$("$python" -c 'import torch, h5py' 2>&1); then
  printf 'skipped, packages python3-torch and python3-h5py are needed: %s\n' "${why##*$'\n'}"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$examples"/export "$examples"/digits "$work"
cd "$work"/export
"$@" 2 "$tutti" train digits.toml --set train.epochs=3 --set train.threads=1 --set run.progress=none
"$tutti" export runs/digits --to digits.pt
"$tutti" export runs/digits --to digits.safetensors
"$python" -B load.py | tee printed
"$python" - <<'END_OF_PROGRAM'
import json
result = json.load(open("runs/digits/result.json"))
printed = [float(line) for line in open("printed")]
assert result["test_accuracy"] > 0.9 and len(printed) == 2, result
assert all(abs(accuracy - result["test_accuracy"]) < 1e-6 for accuracy in printed), printed
END_OF_PROGRAM
