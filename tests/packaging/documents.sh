#!/usr/bin/env bash
# documents.sh CMAKE BUILD CONFIG WORK: installs the build, and looks for every document that an installed header, manual page, program,
# library or document names: it has to be installed below share/doc/tutti, under the name by which it is named.
set -euo pipefail

cmake=$1 build=$2 config=$3 work=$4
rm -rf "$work"
trap 'rm -rf "$work"' EXIT
"$cmake" --install "$build" --config "$config" --prefix "$work" >"$build/documents.log"
doc=$work/share/doc/tutti
bad=0
complain() {
  echo "documents: $1" >&2
  bad=1
}

# Everything but the documents themselves. A README without its folder could be any.
named=0
while read -r file; do
  while read -r name; do
    named=$((named + 1))
    [[ -f $doc/$name ]] || complain "${file#"$work/"} names $name, which is not installed"
  done < <(grep -aoE '[A-Za-z_/]*(README|[A-Z]{3,}\.md)[A-Za-z.]*' "$file" | sed 's/\.$//' | sort -u)
done < <(find "$work" -type f -not -path "$doc/*")
((named > 5)) || complain "only $named documents are named, so nothing was looked at"

# Links from document to document.
links=0
while read -r file; do
  while read -r link; do
    links=$((links + 1))
    [[ -e $(dirname "$file")/$link ]] || complain "${file#"$work/"} links to $link, which is not installed"
  done < <(grep -oE '\]\([^)#: ]+\.(md|svg)' "$file" | sed 's/^](//' | sort -u)
done < <(find "$doc" -name '*.md')
((links > 5)) || complain "only $links links were looked at"
exit "$bad"
