#!/usr/bin/env bash
# with_small_shm.sh COMMAND...: the command where /dev/shm holds 64 KiB and is full. MPI keeps its own memory in /tmp.
set -euo pipefail

if [[ ${1-} != --inside ]]; then
  unshare --mount true 2>/dev/null || { echo "no mount namespaces here: skipped" && exit 77; }
  exec unshare --mount "$0" --inside "$@"
fi
shift
mount -t tmpfs -o size=64k tutti-test /dev/shm
head -c 65536 /dev/zero >/dev/shm/full
if head -c 1 /dev/zero >/dev/shm/more 2>/dev/null; then echo "/dev/shm is not full" >&2 && exit 1; fi
exec env OMPI_MCA_btl_vader_backing_directory=/tmp "$@"
