# interface.awk: C headers as a part of a manual page in mdoc: comments become paragraphs, declarations displays, and comments that
# begin with ---- headings. What is for the compiler alone is left out.
BEGIN { after_heading = 1 }

# Text of a line that roff takes as it is: words in backquotes in the font of arguments, and a sentence begins a line.
function escaped(line) {
  gsub(/\\/, "\\e", line)
  while (match(line, /`[^`]*`/))
    line = substr(line, 1, RSTART - 1) "\\fI" substr(line, RSTART + 1, RLENGTH - 2) "\\fR" substr(line, RSTART + RLENGTH)
  gsub(/\. +/, ".\n", line)
  if (line ~ /^[.']/) line = "\\&" line
  return line
}

function literal(line) {
  gsub(/\\/, "\\e", line)
  return line ~ /^[.']/ ? "\\&" line : line
}

function paragraph() {
  if (!after_heading) print ".Pp"
}

function end_display() {
  if (in_display) print ".Ed"
  in_display = 0
}

function comment(line) {
  if (line ~ /\*\/$/) in_comment = 0
  sub(/^\/\* /, "", line)
  sub(/ *\*\/$/, "", line)
  sub(/^ \* ?/, "", line)
  if (line == "") {
    paragraph()
  } else if (line ~ /^    /) {
    sub(/^ +/, "", line)
    print ".Dl " escaped(line)
  } else {
    is_heading = sub(/^---- /, "", line)
    print is_heading ? ".Ss " line : escaped(line)
    after_heading = is_heading
  }
}

in_comment { comment($0); next }
/^\/\*/ {
  end_display()
  in_comment = 1
  if ($0 !~ /^\/\* ----/) paragraph()
  comment($0)
  next
}
/^(#(if|el|endif|include|pragma|define TUTTI_[A-Z]+_H$)|extern "C"|}$)/ { next }
# A blank line ends a declaration, but not within braces.
/^$/ && depth == 0 { end_display(); next }
{
  depth += gsub(/{/, "{") - gsub(/}/, "}")
  if (!in_display) print ".Bd -literal -offset 2n"
  in_display = 1
  after_heading = 0
  print literal($0)
}
END { end_display() }
