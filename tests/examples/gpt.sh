#!/usr/bin/env bash
# gpt.sh EXAMPLES TUTTI MPIRUN...: the commands of examples/gpt/README.md, for a few steps. Skipped (status 77) where there is no such text.
set -euo pipefail
examples=$1 tutti=$2
shift 2
text=/usr/share/common-licenses/GPL-3
[[ -r $text ]] || { echo "skipped, there is no $text"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$examples"/gpt/{make_idx.py,gpl.toml} "$work"
cd "$work"
/usr/bin/python3 -B make_idx.py "$text" idx
for part in train test; do
  "$tutti" data import idx --images idx/$part-text.idx --labels idx/$part-labels.idx --out $part --shards 2 --name gpl-$part
done
"$@" 2 "$tutti" train gpl.toml --set train.max_steps=30 --set train.threads=1 --set run.progress=none
# What the frequencies of bytes alone say is about 3.1.
python3 - <<'END'
import json
result = json.load(open("runs/gpl/result.json"))
assert result["model"] == "gpt" and result["test_loss"] < 3.3, result
assert 0.1 < result["test_accuracy"] < result["test_top5_accuracy"] < 1, result
END
