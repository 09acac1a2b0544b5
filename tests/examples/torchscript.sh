#!/usr/bin/env bash
# torchscript.sh EXAMPLES TUTTI MPIRUN...: the commands of examples/torchscript/README.md. Skipped (status 77) without python3-torch.
set -euo pipefail
examples=$1 tutti=$2
shift 2
python=/usr/bin/python3 # the package is the system's, whatever else is in PATH
if ! why=$("$python" -c 'import torch' 2>&1); then
  printf 'skipped, package python3-torch is needed: %s\n' "${why##*$'\n'}"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$examples"/torchscript "$examples"/digits "$work"
cd "$work"/torchscript
"$python" -B make_net.py
"$@" 2 "$tutti" train net.toml --set train.epochs=3 --set train.threads=1 --set run.progress=none
"$python" - <<'END'
import json
result = json.load(open("runs/net/result.json"))
assert result["model"] == "net.pt" and result["test_accuracy"] > 0.85, result
END
