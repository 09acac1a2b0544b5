#!/usr/bin/env bash
# The tables of bench/node, of rounds that are made up.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/rounds.csv" <<'END'
round,library,collective,ranks,buffers,size_bytes,time_us,floor_fraction,iterations,batch
1,tutti,allreduce,2,allocated,8,1.0,,15,64
1,open-mpi,allreduce,2,allocated,8,3.0,,15,64
1,tutti,allreduce,2,any,8,2.0,,15,64
1,open-mpi,allreduce,2,any,8,1.8,,15,64
1,open-mpi-sm,allreduce,2,any,8,9.0,,15,64
2,tutti,allreduce,2,allocated,8,2.0,,15,64
2,open-mpi,allreduce,2,allocated,8,3.0,,15,64
2,tutti,allreduce,2,any,8,2.0,,15,64
2,open-mpi,allreduce,2,any,8,2.0,,15,64
2,open-mpi-sm,allreduce,2,any,8,1.0,,15,64
3,tutti,allreduce,2,allocated,8,1.0,,15,64
3,open-mpi,allreduce,2,allocated,8,3.0,,15,64
3,tutti,allreduce,2,any,8,2.0,,15,64
3,open-mpi,allreduce,2,any,8,1.8,,15,64
3,open-mpi-sm,allreduce,2,any,8,9.0,,15,64
1,tutti,allreduce,2,allocated,134217728,100,0.8,3,1
1,open-mpi,allreduce,2,allocated,134217728,900,0.1,3,1
1,mpich,allreduce,2,any,134217728,349.9,,3,1
1,tutti,allreduce,2,any,134217728,100,0.8,3,1
1,open-mpi,allreduce,2,any,134217728,900,0.1,3,1
1,tutti,reduce,4,any,64,5,,15,64
1,open-mpi,reduce,4,any,64,1,,15,64
1,tutti,broadcast,4,any,64,5,,15,64
END
# 8 B, allocated: of Open MPI's medians 3.0 and 1.8 the smaller counts, whatever tutti was given; 1.8, 1.0 and 1.8 rounds. coll/sm's best
# round counts no more than its worst. 128 MiB: 3.499 is not 3.5, and the floor is missed too, but of nobody else's memory. Nothing is wanted of
# reduce, and broadcast has no peer.
cat >"$folder/expected" <<'END'

**allreduce**: time of the best peer over that of tutti

| size | 2, allocated | 2, any | 4, allocated | 4, any |
| --- | --- | --- | --- | --- |
| 8 B | 1.80 o | **0.90** (0.952) o |  |  |
| 128 MiB | **3.49** (3.5) m, floor **0.80** (0.85) | 3.49 m, floor 0.80 |  |  |

allreduce: microseconds, tutti / the best peer

| size | 2, allocated | 2, any | 4, allocated | 4, any |
| --- | --- | --- | --- | --- |
| 8 B | 1.00 / 1.80 | 2.00 / 1.80 |  |  |
| 128 MiB | 100 / 350 | 100 / 350 |  |  |

**reduce**: time of the best peer over that of tutti

| size | 2, allocated | 2, any | 4, allocated | 4, any |
| --- | --- | --- | --- | --- |
| 64 B |  |  |  | 0.20 o |

reduce: microseconds, tutti / the best peer

| size | 2, allocated | 2, any | 4, allocated | 4, any |
| --- | --- | --- | --- | --- |
| 64 B |  |  |  | 5.00 / 1.00 |

**broadcast**: time of the best peer over that of tutti

| size | 2, allocated | 2, any | 4, allocated | 4, any |
| --- | --- | --- | --- | --- |
| 64 B |  |  |  | n/a |

broadcast: microseconds, tutti / the best peer

| size | 2, allocated | 2, any | 4, allocated | 4, any |
| --- | --- | --- | --- | --- |
| 64 B |  |  |  | 5.00 / n/a |

4 of 6 wanted figures are missed; medians of 3 rounds. Best peer: o Open MPI, s Open MPI with coll/sm, m MPICH.
END
"$root/bench/node/table.sh" "$folder/rounds.csv" >"$folder/tables"
diff "$folder/expected" "$folder/tables"

head -n 1 "$folder/rounds.csv" >"$folder/nothing.csv"
if "$root/bench/node/table.sh" "$folder/nothing.csv" 2>/dev/null; then
  echo "a table of nothing was made"
  exit 1
fi
