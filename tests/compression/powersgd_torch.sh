#!/usr/bin/env bash
# powersgd_torch.sh SCRIPT COMMAND...: writes what PyTorch's PowerSGD does, and runs the command that repeats it. Skipped
# (status 77) without python3-torch.
set -euo pipefail
script=$1
shift
python=/usr/bin/python3 # the package is the system's, whatever else is in PATH
if ! why=$("$python" -c 'import torch.distributed.algorithms.ddp_comm_hooks' 2>&1); then
  printf 'skipped, package python3-torch is needed: %s\n' "${why##*$'\n'}"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -B "$script" "$work"/steps
TUTTI_TEST_POWERSGD=$work/steps "$@"
