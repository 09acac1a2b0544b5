#!/usr/bin/env bash
# library.sh LIBRARY: libtutti_mpi.so needs none of what the trainer and the tools need, shows functions of MPI's alone, and calls
# MPI by PMPI_ names.
set -euo pipefail

library=$1
needed=$(ldd "$library")
if grep -E '^[[:space:]]*lib(torch|c10|hdf5|fmt)|not found' <<<"$needed"; then
  echo "library.sh: $library needs these"
  exit 1
fi
grep -q libmpi <<<"$needed" || { echo "library.sh: $library does not need the MPI library"; exit 1; }

called=$(nm -D --undefined-only "$library" | awk '{ print $2 }')
if grep -E '^MPIX?_[A-Z][a-z]' <<<"$called"; then
  echo "library.sh: $library calls these"
  exit 1
fi

shown=$(nm -D --defined-only "$library" | awk '{ print $3 }')
if grep -vE '^(MPIX?_|mpix?_)' <<<"$shown"; then
  echo "library.sh: $library shows these names"
  exit 1
fi
for name in MPI_Allreduce MPI_Comm_free mpi_barrier_f08_; do
  grep -qx "$name" <<<"$shown" || { echo "library.sh: $library does not show $name"; exit 1; }
done
