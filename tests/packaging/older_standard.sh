#!/usr/bin/env bash
# older_standard.sh COMPILER INCLUDE_FLAGS HEADER...: of each public header, named as in <tutti/...>, the first error of a compiler that is
# told C++17 says that tutti needs C++20.
set -euo pipefail

compiler=$1
read -ra flags <<<"$2"
shift 2
for header in "$@"; do
  if output=$(echo "#include <tutti/$header>" | "$compiler" -x c++ -std=c++17 -fsyntax-only -Wfatal-errors "${flags[@]}" - 2>&1); then
    echo "older_standard: $header compiles as C++17" >&2
    exit 1
  fi
  first=$(grep -m 1 'error: ' <<<"$output")
  [[ $first == *"tutti needs C++20"* ]] || { echo "older_standard: the first error of $header is: $first" >&2; exit 1; }
done
echo "$# headers say it"
