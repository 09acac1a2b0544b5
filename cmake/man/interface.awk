# interface.awk: a C header as a part of a manual page in mdoc: comments become paragraphs, declarations displays, and comments that
# begin with ---- headings. Blocks of the header are separated by blank lines; what is for the compiler alone is left out.
BEGIN { RS = ""; after_heading = 1 }

function paragraph() {
  if (!after_heading) print ".Pp"
}

# Text of a line that roff takes as it is, with words in backquotes in the font of arguments.
function escaped(line) {
  gsub(/\\/, "\\e", line)
  while (match(line, /`[^`]*`/))
    line = substr(line, 1, RSTART - 1) "\\fI" substr(line, RSTART + 1, RLENGTH - 2) "\\fR" substr(line, RSTART + RLENGTH)
  gsub(/\. +/, ".\n", line)  # a sentence begins a line
  if (line ~ /^[.']/) line = "\\&" line
  return line
}

function display(code) {
  if (code != "") print ".Bd -literal -offset 2n\n" code ".Ed"
}

{
  code = ""
  is_comment = 0
  count = split($0, lines, "\n")
  for (i = 1; i <= count; ++i) {
    line = lines[i]
    if (line ~ /^\/\*/) {
      is_comment = 1
      if (line !~ /^\/\* ----/) paragraph()
    }
    if (is_comment) {
      if (line ~ /\*\/$/) is_comment = 0
      sub(/^\/\* /, "", line)
      sub(/ *\*\/$/, "", line)
      sub(/^ \* ?/, "", line)
      if (line == "") {
        paragraph()
      } else {
        is_heading = sub(/^---- /, "", line)
        print is_heading ? ".Ss " line : escaped(line)
        after_heading = is_heading
      }
    } else if (line !~ /^(#(if|el|endif|include|pragma|define TUTTI_TUTTI_H)|extern "C"|}$)/) {
      gsub(/\\/, "\\e", line)
      code = code line "\n"
    }
  }
  display(code)
}
