#!/usr/bin/env bash
# python.sh EXPECT RANKS MPIRUN...: the example in Python (EXAMPLE in the environment), with the shared library TUTTI_LIBRARY. Skipped
# (status 77) without mpi4py for the Open MPI that is installed, or without NumPy.
set -euo pipefail
expect=$1 ranks=$2
shift 2
python=/usr/bin/python3 # the packages are the system's, whatever else is in PATH
if ! why=$("$python" -c 'import numpy; from mpi4py import MPI; assert "Open MPI" in MPI.Get_library_version()' 2>&1); then
  printf 'skipped, packages python3-mpi4py and python3-numpy are needed: %s\n' "${why##*$'\n'}"
  exit 77
fi
"$expect" "$ranks ranks, 1001 samples: weights off by [0-9.]+e-[0-9]+, the same on all ranks: True" "$@" "$python" -B -m mpi4py "$EXAMPLE"
