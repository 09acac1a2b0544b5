#!/usr/bin/env bash
# bench/node/table.sh CSV: what run.sh measured, as Markdown: for each collective a table of the time of the best peer over tutti's, in which
# cells that miss what is wanted (goals) are bold and followed by it, and one of the times. README.md tells how a cell is made.
set -euo pipefail

[[ $# -eq 1 && -r $1 ]] || { printf 'usage: bench/node/table.sh CSV\n' >&2; exit 2; }

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
awk '
  function bytes_of(size,   number) {
    number = size + 0
    return size ~ /K$/ ? number * 1024 : size ~ /M$/ ? number * 1048576 : number
  }
  function short(bytes) {
    if (bytes >= 1048576 && bytes % 1048576 == 0) return bytes / 1048576 " MiB"
    if (bytes >= 1024 && bytes % 1024 == 0) return bytes / 1024 " KiB"
    return bytes " B"
  }
  function figure(value) { return value < 10 ? sprintf("%.2f", value) : value < 100 ? sprintf("%.1f", value) : sprintf("%.0f", value) }
  function median(list,   values, n, i, j, swap) {
    n = split(list, values, " ")
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && values[j] + 0 < values[j - 1] + 0; --j) { swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap }
    return (values[int((n + 1) / 2)] + values[int(n / 2) + 1]) / 2
  }
  function remember(list, known, count, value) {
    if (value in known) return count
    known[value] = 1
    list[++count] = value
    return count
  }

  # The row of goals for a cell, 0 if nothing is wanted.
  function goal_of(collective, ranks, buffers, bytes,   g) {
    for (g = 1; g <= goals; ++g)
      if (goal_collective[g] == collective && (goal_ranks[g] == "*" || goal_ranks[g] == ranks) && goal_buffers[g] == buffers &&
          bytes >= goal_from[g] && bytes <= goal_to[g]) return g
    return 0
  }

  # A peer on memory of either kind: plain memory is what its users have, whatever tutti is given. Sets best (of candidates, or 0).
  function find_best(collective, ranks, buffers, bytes,   c, at, time, least) {
    best = 0
    for (c = 1; c <= candidates; ++c) {
      if (split(candidate[c], part, "@") != 2 || part[1] == "tutti" || (part[2] != "any" && part[2] != buffers)) continue
      at = collective SUBSEP ranks SUBSEP bytes SUBSEP candidate[c]
      if (!(at in times)) continue
      time = median(times[at])
      if (!best || time < least) { best = c; least = time }
    }
    best_time = least
  }

  # The median over the rounds that have both.
  function median_ratio(at, peer_at,   r, list) {
    list = ""
    for (r = 1; r <= rounds; ++r)
      if ((at SUBSEP round[r]) in time_in && (peer_at SUBSEP round[r]) in time_in)
        list = list " " time_in[peer_at, round[r]] / time_in[at, round[r]]
    return list == "" ? 0 : median(list)
  }

  function ratio_cell(collective, ranks, buffers, bytes,   row, at, g, ratio, text, share) {
    row = collective SUBSEP ranks SUBSEP bytes
    at = row SUBSEP "tutti@" buffers
    if (!(at in times)) return ""
    find_best(collective, ranks, buffers, bytes)
    g = goal_of(collective, ranks, buffers, bytes)
    if (best) ratio = median_ratio(at, row SUBSEP candidate[best])
    if (!best || !ratio) { if (g) { ++wanted; ++missed }; return "n/a" }
    split(candidate[best], part, "@")
    text = figure(int(ratio * 100) / 100)  # not rounded up to what is wanted
    if (g) {
      ++wanted
      if (ratio < goal_ratio[g]) { ++missed; text = "**" text "** (" goal_ratio[g] ")" }
    }
    text = text " " letter[part[1]]
    if (!(at in floors)) return text
    share = median(floors[at])
    if (g && goal_floor[g]) {
      ++wanted
      if (share < goal_floor[g]) { ++missed; return text sprintf(", floor **%.2f** (%s)", share, goal_floor[g]) }
    }
    return text sprintf(", floor %.2f", share)
  }

  function time_cell(collective, ranks, buffers, bytes,   at) {
    at = collective SUBSEP ranks SUBSEP bytes SUBSEP "tutti@" buffers
    if (!(at in times)) return ""
    find_best(collective, ranks, buffers, bytes)
    return figure(median(times[at])) " / " (best ? figure(best_time) : "n/a")
  }

  function table(collective, what,   s, r, b, bytes, line, cell, filled) {
    line = "| size |"
    for (r = 1; r <= rank_counts; ++r) for (b = 1; b <= buffer_kinds; ++b) line = line " " rank_count[r] ", " buffer_kind[b] " |"
    print line
    gsub(/[^|]+/, " --- ", line)
    print line
    for (s = 1; s <= sizes; ++s) {
      bytes = size[s]
      line = "| " short(bytes) " |"
      filled = 0
      for (r = 1; r <= rank_counts; ++r)
        for (b = 1; b <= buffer_kinds; ++b) {
          cell = what == "ratio" ? ratio_cell(collective, rank_count[r], buffer_kind[b], bytes) : time_cell(collective, rank_count[r], buffer_kind[b], bytes)
          if (cell != "") filled = 1
          line = line " " cell " |"
        }
      if (filled) print line
    }
  }

  FNR == 1 { ++file }
  file == 1 && (/^#/ || NF < 6) { next }
  file == 1 {
    ++goals
    goal_collective[goals] = $1; goal_ranks[goals] = $2; goal_buffers[goals] = $3
    goal_from[goals] = bytes_of($4); goal_to[goals] = bytes_of($5); goal_ratio[goals] = $6; goal_floor[goals] = $7
    next
  }
  FNR == 1 { next }
  {
    split($0, field, ",")  # round,library,collective,ranks,buffers,size_bytes,time_us,floor_fraction,...
    if (!(field[7] > 0)) next
    rounds = remember(round, round_known, rounds, field[1])
    collectives = remember(collective, collective_known, collectives, field[3])
    rank_counts = remember(rank_count, rank_known, rank_counts, field[4])
    if (field[2] == "tutti") given[field[5]] = 1
    sizes = remember(size, size_known, sizes, field[6])
    candidates = remember(candidate, candidate_known, candidates, field[2] "@" field[5])
    at = field[3] SUBSEP field[4] SUBSEP field[6] SUBSEP field[2] "@" field[5]
    times[at] = times[at] " " field[7]
    time_in[at, field[1]] = field[7]
    if (field[8] != "") floors[at] = floors[at] " " field[8]
  }
  function sort(list, count,   i, j, swap) {
    for (i = 2; i <= count; ++i)
      for (j = i; j > 1 && list[j] + 0 < list[j - 1] + 0; --j) { swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap }
  }
  BEGIN { letter["open-mpi"] = "o"; letter["open-mpi-sm"] = "s"; letter["mpich"] = "m" }
  END {
    if (!rounds) { print "table.sh: no rows" >"/dev/stderr"; exit 1 }
    if ("allocated" in given) buffer_kind[++buffer_kinds] = "allocated"
    if ("any" in given) buffer_kind[++buffer_kinds] = "any"
    sort(rank_count, rank_counts)
    sort(size, sizes)
    for (c = 1; c <= collectives; ++c) {
      printf "\n**%s**: time of the best peer over that of tutti\n\n", collective[c]
      table(collective[c], "ratio")
      printf "\n%s: microseconds, tutti / the best peer\n\n", collective[c]
      table(collective[c], "time")
    }
    printf "\n%d of %d wanted figures are missed; medians of %d rounds. Best peer: o Open MPI, s Open MPI with coll/sm, m MPICH.\n", missed, wanted, rounds
  }' FS=' ' "$here/goals" "$1"
