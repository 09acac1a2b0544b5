#!/usr/bin/env bash
# bench/scale/table.sh CSV: tables of what run.sh measured. A ratio is a peer's time over tutti's: above 1 tutti is faster.
set -euo pipefail

[[ $# -eq 1 && -r $1 ]] || { printf 'usage: bench/scale/table.sh CSV\n' >&2; exit 2; }

# table TITLE PEERS OURS CSV: PEERS and OURS are regular expressions of candidates; the fastest of each counts.
table() {
  awk -F, -v title="$1" -v peers="^($2)\$" -v ours="^($3)\$" '
    function short(bytes) {
      if (bytes >= 1048576 && bytes % 1048576 == 0) return bytes / 1048576 "M"
      if (bytes >= 1024 && bytes % 1024 == 0) return bytes / 1024 "K"
      return bytes
    }
    FNR == 1 || NF != 5 { next }
    {
      row = $1 "," $2
      if (!(row in known)) { known[row] = 1; rows[++row_count] = row }
      if (!($3 in size_known)) { size_known[$3] = 1; sizes[++size_count] = $3 }
      at = row "," $3
      if ($4 ~ peers && (!(at in peer) || $5 < peer[at])) peer[at] = $5
      if ($4 ~ ours && (!(at in own) || $5 < own[at])) own[at] = $5
    }
    END {
      printf "\n%s\n%-20s", title, "network, ranks"
      for (s = 1; s <= size_count; ++s) printf "%7s", short(sizes[s])
      printf "%7s\n", "min"
      for (r = 1; r <= row_count; ++r) {
        split(rows[r], field, ",")
        network = field[1]
        if (!(network in seen)) { seen[network] = 1; networks[++network_count] = network }
        printf "%-20s", network ", " field[2]
        least = 0
        for (s = 1; s <= size_count; ++s) {
          at = rows[r] "," sizes[s]
          if (!(at in peer) || !(at in own)) { printf "%7s", "n/a"; continue }
          ratio = peer[at] / own[at]
          printf "%7.2f", ratio
          if (least == 0 || ratio < least) least = ratio
          sum[network] += log(ratio); ++count[network]
          sum["all"] += log(ratio); ++count["all"]
          if (ratio < 0.9995) ++lost
        }
        printf "%7s\n", (least > 0 ? sprintf("%.2f", least) : "n/a")
      }
      networks[++network_count] = "all"
      printf "geometric mean:"
      for (n = 1; n <= network_count; ++n) {
        if (count[networks[n]]) printf " %s %.3f", networks[n], exp(sum[networks[n]] / count[networks[n]])
      }
      printf "; slower in %d of %d cells\n", lost, count["all"]
    }' "$4"
}

table 'fastest of ompi, mpich, mvapich2, impi / tutti' 'ompi|mpich|mvapich2|impi' chosen "$1"
table 'ompi / tutti' ompi chosen "$1"
if grep -q '[a-z]:[0-9]' "$1"; then
  table 'fastest of ompi, mpich, mvapich2, impi / fastest algorithm of tutti' 'ompi|mpich|mvapich2|impi' '.*:.*' "$1"
fi
