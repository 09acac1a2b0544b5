# cpp_interface.awk: C++ headers as a part of a manual page in mdoc. A header becomes a section; comments before declarations become
# paragraphs, declarations displays. Left out are bodies of functions, private members, namespace detail and what is for the compiler alone.
# With -v names=1: only the names of classes and functions, one a line.
function escaped(line) {
  gsub(/\\throws/, "Throws", line)
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

function say(line) { if (!names) print line }

function end_display() {
  if (in_display) say(".Ed")
  in_display = in_text = 0
}

function display(line) {
  if (!in_display) say(".Bd -literal -offset 2n")
  in_display = 1
  in_text = 0
  say(literal(line))
}

function paragraph(line) {
  sub(/^ *\/\/\/? ?/, "", line)
  if (!in_text) { end_display(); say(".Pp") }
  in_text = 1
  if (line == "") say(".Pp")
  else if (line ~ /^    /) { sub(/^ +/, "", line); say(".Dl " escaped(line)) }
  else if (sub(/^---- /, "", line)) say(".Em " line)
  else { sub(/^ +/, "", line); say(escaped(line)) }
}

function note_names(line,    name) {
  if (!names) return
  if (match(line, /^(class|struct|enum class) [A-Za-z0-9]+/)) {
    name = substr(line, RSTART, RLENGTH)
    sub(/.* /, "", name)
    print name
  } else if (line !~ /^(template|requires|concept|using|inline|  )/ && match(line, /[a-z0-9_]+\(/)) {
    print substr(line, RSTART, RLENGTH - 1)
  }
}

FNR == 1 {
  end_display()
  state = "code"
  depth = 0
  header = FILENAME
  sub(/^.*\/(tutti\/)?(kernels|collectives|allreduce|compression)\//, "&", header)
  match(header, /(kernels|collectives|allreduce|compression)\/[a-z_]+\.hpp$/)
  say(".Ss <tutti/" substr(header, RSTART) ">")
  in_text = 1
}
state == "detail" { depth += gsub(/{/, "{") - gsub(/}/, "}"); if (depth == 0) state = "code"; next }
/^namespace detail/ { end_display(); state = "detail"; depth = 1; next }
# The body of a function, up to the brace that closes it.
state == "body" { if ($0 ~ "^" indent "}") state = back; next }
state == "private" {
  if ($0 ~ /^ public:/) state = "class"
  else if ($0 ~ /^};/) { display($0); state = "code" }
  next
}
/^(#|namespace|}  \/\/ namespace)/ { next }
state == "class" && /^ private:/ { state = "private"; next }
state == "code" && /^\/\// { paragraph($0); next }
state == "code" && /^$/ { end_display(); next }
{
  line = $0
  if (!continues) begin = match(line, /[^ ]/) ? substr(line, 1, RSTART - 1) : "" # where the declaration begins, and its last brace stands
  continues = line !~ /[;{}:]$/ && line !~ /^ *\/\// && line != ""
  opens = line ~ /\{$/
  if (state == "code" && line ~ /^(class|struct|enum class) .*\{$/) {
    note_names(line)
    display(line)
    state = "class"
    next
  }
  if (state == "class" && line ~ /^};/) { display(line); state = "code"; next }
  # The body on the same line, of a function only.
  if (line ~ /\).*\{.*\}$/ && line !~ /= \{\}/) sub(/ *(: [^{]*(\{[^}]*\}[^{]*)*)?\{.*\}$/, ";", line)
  if (opens && line ~ /\)/ && line !~ /^ *(enum|struct|class)/) {
    sub(/ \{$/, ";", line)
    indent = begin
    back = state
    state = "body"
  }
  if (state == "code" || (state == "body" && back == "code")) note_names(line)
  display(line)
}
END { end_display() }
