#!/usr/bin/env bash
# manual.sh SOURCES PAGE...: the manual pages are sound mdoc, and tutti(3) names every environment variable that the library reads.
set -euo pipefail
sources=$1
shift
mandoc -T lint -W warning "$@"
for page in "$@"; do
  if [[ $page == *.3 ]]; then interface=$page; fi
done
variables=$(cd "$sources" && grep -rhoE --exclude-dir=preload '"TUTTI_[A-Z_]+"' kernels collectives allreduce compression | tr -d '"' | sort -u)
[[ -n $variables ]]
for variable in $variables; do
  grep -q "^\.It Ev $variable\$" "$interface" || { echo "manual: tutti(3) does not name $variable" >&2; exit 1; }
done
