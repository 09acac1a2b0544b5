#!/bin/sh
# commands.sh PROGRAM [LEAVE_OUT...]: what `PROGRAM COMMAND --help` says of each command, as a part of a manual page in mdoc. Commands that
# are in LEAVE_OUT are not asked: they need a program that was not built.
set -eu

program=$1
shift
leave_out=" $* "

# Options that a command cannot do without, with their values.
required_options() { awk '/^ *(-[a-zA-Z],)?--/ && / REQUIRED/ { sub(/^-[a-zA-Z],/, "", $1); printf "%s%s %s", n++ ? " " : "", $1, $2 }' "$1"; }

# Help of a command, as mdoc: descriptions become paragraphs, options and arguments list items. The commands below it go to the file
# `commands`, and `required` options into the usage.
to_mdoc() {
  awk -v commands="$1" -v required="$2" '
    function escaped(text) {
      gsub(/\\/, "\\e", text)
      gsub(/`/, "\\(oq", text)
      gsub(/-/, "\\-", text)
      gsub(/\.\.\. /, "...\001", text)
      gsub(/\. +/, ".\n", text) # a sentence begins a line
      gsub(/\001/, " ", text)
      return text ~ /^[.\047]/ ? "\\&" text : text
    }
    function end_list() { if (in_list) print ".El"; in_list = 0 }
    NR == 1 { print escaped($0); next }
    /^Usage: / {
      if (required != "") sub(/ \[OPTIONS\]/, " " required " [OPTIONS]")
      print ".Pp\n.Dl " escaped(substr($0, 8))
      next
    }
    /^[A-Z][a-z]+:$/ {
      end_list()
      section = $1
      if (section != "Subcommands:") { print ".Bl -tag -width 6n"; in_list = 1 }
      next
    }
    section == "Subcommands:" && /^  [a-z]/ { print $1 > commands; next }
    in_list && /^  [^ ]/ {
      name = $0
      text = ""
      if (match($0, /[^ ]  +[^ ]/)) { name = substr($0, 1, RSTART); text = substr($0, RSTART + RLENGTH - 1) }
      sub(/^ +/, "", name)
      print ".It " escaped(name)
      if (text != "") print escaped(text)
      next
    }
    in_list && NF { sub(/^ +/, ""); print escaped($0) }
    END { end_list() }'
}

# section COMMAND...: the section of a command, and those of the commands below it.
section() {
  if [ $# -gt 0 ]; then printf '.Ss tutti %s\n' "$*"; fi
  below=$work/$#
  : >"$below"
  "$program" "$@" --help >"$work/help"
  required=$(required_options "$work/help")
  if [ $# -gt 0 ]; then to_mdoc "$below" "$required" <"$work/help"; else to_mdoc "$below" "" <"$work/help" >/dev/null; fi
  while read -r command <&3; do
    case $leave_out in
      *" $command "*) ;;
      *) (section "$@" "$command") ;;
    esac
  done 3<"$below"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
section
