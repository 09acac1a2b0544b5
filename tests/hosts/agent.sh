#!/usr/bin/env bash
# What mpirun starts instead of ssh: agent.sh ADDRESS COMMAND..., with the command for a shell, in pieces, as ssh takes it.
set -euo pipefail

address=$1
shift
exec "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/cluster.sh" exec "${address##*.}" sh -c "$*"
