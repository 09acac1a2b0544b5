#!/usr/bin/env bash
# bench/scale/chart.sh CSV SVG: a chart of what run.sh measured. A panel for each network: over bytes, the time of the
# fastest peer over tutti's, a line for each number of ranks. Above 1 tutti is faster. A line is broken where a cell is
# n/a, that is where one side has no figure. Needs gnuplot.
set -euo pipefail

fail() {
  printf 'chart: error: %s\n' "$1" >&2
  exit 1
}

[[ $# -eq 2 && -r $1 ]] || { printf 'usage: bench/scale/chart.sh CSV SVG\n' >&2; exit 2; }
csv=$1 svg=$2
command -v gnuplot >/dev/null || fail "gnuplot is not there: install gnuplot-nox"

# Writes the whole of gnuplot's input, or nothing if no cell has both sides. The CSV comes sorted by ranks and bytes;
# networks keep the order in which they were run.
script() {
  { cut -d, -f1 "$csv" | awk '!seen[$0]++ { print $0 "," 0 }' && sort -t, -k2,2n -k3,3n "$csv"; } |
    awk -F, -v title="$(basename "$csv" .csv)" '
    function short(bytes) {
      if (bytes >= 1048576 && bytes % 1048576 == 0) return bytes / 1048576 "M"
      if (bytes >= 1024 && bytes % 1024 == 0) return bytes / 1024 "K"
      return bytes
    }
    # Screen coordinates of pixels, y from above.
    function across(x) { return x / width }
    function up(y) { return 1 - y / height }
    function ticks(list, low, high,    all, i, n, text) {
      n = split(list, all, " ")
      for (i = 1; i <= n; ++i) {
        if (all[i] >= low && all[i] <= high) text = text (text == "" ? "" : ", ") "\"" all[i] "\" " all[i]
      }
      return text
    }
    $1 == "platform" { next }
    NF == 2 { order[++order_count] = $1; next }
    NF != 5 || $5 <= 0 { next }
    {
      if (!($2 in rank_known)) { rank_known[$2] = 1; ranks[++rank_count] = $2 }
      if (!($3 in size_known)) { size_known[$3] = 1; sizes[++size_count] = $3 }
      at = $1 "," $2 "," $3
      if ($4 == "chosen") own[at] = $5
      if ($4 ~ /^(ompi|mpich|mvapich2|impi)$/ && (!(at in peer) || $5 < peer[at])) peer[at] = $5
    }
    END {
      # Sizes of all numbers of ranks, in their order.
      for (i = 2; i <= size_count; ++i) {
        for (j = i; j > 1 && sizes[j - 1] + 0 > sizes[j] + 0; --j) { t = sizes[j]; sizes[j] = sizes[j - 1]; sizes[j - 1] = t }
      }
      low = high = 1
      for (n = 1; n <= order_count; ++n) {
        network = order[n]
        for (r = 1; r <= rank_count; ++r) {
          lines = ""; points = 0
          for (s = 1; s <= size_count; ++s) {
            at = network "," ranks[r] "," sizes[s]
            if (!(at in own) || !(at in peer)) { lines = lines "\n"; continue }
            ratio = peer[at] / own[at]
            lines = lines sizes[s] " " ratio "\n"; ++points
            if (ratio < low) low = ratio
            if (ratio > high) high = ratio
          }
          if (points == 0) continue
          print "$data_" n "_" r " << EOD\n" lines "EOD"
          has[n, r] = 1
          used[r] = 1
          if (!(n in panel_known)) { panel_known[n] = 1; panels[++panel_count] = n }
        }
      }
      if (panel_count == 0) exit

      columns = panel_count < 3 ? panel_count : panel_count == 4 ? 2 : 3
      rows = int((panel_count + columns - 1) / columns)
      head = 78; panel_width = 340; panel_height = 286; left = 46
      width = left + columns * panel_width + 10
      if (width < 590) width = 590  # of the heading
      height = head + rows * panel_height
      low /= 1.08; high *= 1.08
      y_ticks = high / low < 2 ? "0.5 0.6 0.7 0.8 0.9 1 1.1 1.2 1.3 1.4 1.5 1.6 1.7 1.8 1.9 2" \
              : high / low < 3.5 ? "0.3 0.4 0.5 0.6 0.7 0.8 0.9 1 1.2 1.4 1.6 1.8 2 2.5 3" \
              : high / low < 10 ? "0.1 0.2 0.3 0.5 0.7 1 1.5 2 3 4 5 7 10" \
              : "0.001 0.01 0.02 0.05 0.1 0.2 0.5 1 2 5 10 20 50 100 200 500 1000 10000"
      stride = int((size_count + 7) / 8)
      for (s = 1; s <= size_count; s += stride) x_ticks = x_ticks (s == 1 ? "" : ", ") "\"" short(sizes[s]) "\" " sizes[s]

      split("#2563eb #e4632b #0f9d77 #9333ea #b8860b #475569", colours, " ")
      split("7 5 9 11 13 15", marks, " ")
      print "set terminal svg size " width "," height " font \"sans-serif,12\" background \"#ffffff\""
      print "set encoding utf8\nset multiplot\nunset key"
      print "set border 1 lc rgb \"#98a2b3\"\nset tics scale 0 textcolor rgb \"#667085\""
      print "set grid ytics noxtics lt 1 lw 1 lc rgb \"#e6e9ef\""
      print "set logscale x 2\nset logscale y 10"
      print "set xrange [" sizes[1] / 1.4 ":" sizes[size_count] * 1.4 "]\nset yrange [" low ":" high "]"
      print "set xtics (" x_ticks ")\nset ytics (" ticks(y_ticks, low, high) ")"
      print "set label 1 \"" title "\" at screen " across(16) "," up(20) " font \",15\" tc rgb \"#171a21\" noenhanced"
      print "set label 2 \"time of the fastest of ompi, mpich, mvapich2, impi over that of tutti: above 1 tutti is faster\"" \
            " at screen " across(16) "," up(40) " tc rgb \"#667085\""

      # One legend for all panels: a stroke and a number each.
      x = 16
      print "set label 3 \"ranks\" at screen " across(x) "," up(62) " tc rgb \"#667085\""
      x += 46
      tag = 4
      for (r = 1; r <= rank_count; ++r) {
        if (!(r in used)) continue
        c = (r - 1) % 6 + 1
        print "set arrow " tag " from screen " across(x) "," up(62) " to screen " across(x + 24) "," up(62) \
              " nohead lw 2 lc rgb \"" colours[c] "\""
        print "set label " tag " \"" ranks[r] "\" at screen " across(x + 30) "," up(62) " tc rgb \"#171a21\""
        print "set label " tag + 100 " \"\" at screen " across(x + 12) "," up(62) " point pt " marks[c] " ps 0.6 lc rgb \"" colours[c] "\""
        x += 44 + 8 * length(ranks[r])
        ++tag
      }

      for (p = 1; p <= panel_count; ++p) {
        n = panels[p]
        column = (p - 1) % columns
        row = int((p - 1) / columns)
        print "set lmargin at screen " across(left + column * panel_width)
        print "set rmargin at screen " across(left + (column + 1) * panel_width - 44)
        print "set tmargin at screen " up(head + row * panel_height + 30)
        print "set bmargin at screen " up(head + (row + 1) * panel_height - 52)
        print "set title \"" order[n] "\" offset 0,-0.4 tc rgb \"#171a21\" noenhanced"
        print "set xlabel \"bytes\" offset 0,0.4 tc rgb \"#667085\""
        plot = "plot 1 with lines lw 1.2 dt (6,4) lc rgb \"#667085\" notitle"
        for (r = 1; r <= rank_count; ++r) {
          if (!((n, r) in has)) continue
          c = (r - 1) % 6 + 1
          plot = plot ", $data_" n "_" r " using 1:2 with linespoints lw 2 pt " marks[c] " ps 0.6 lc rgb \"" colours[c] "\" notitle"
        }
        print plot
        # Drawn once, with the first panel.
        if (p == 1) print "unset label\nunset arrow"
      }
      print "unset multiplot"
    }'
}

input=$(script)
[[ -n $input ]] || fail "no cell of $csv has a time of tutti (chosen) and one of a peer"
gnuplot - <<<"$input" >"$svg.part" || { rm -f "$svg.part"; fail "gnuplot failed"; }
mv "$svg.part" "$svg"
