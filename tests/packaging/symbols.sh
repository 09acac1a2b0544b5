#!/usr/bin/env bash
# symbols.sh LIBRARY SONAME HEADER...: the shared library as a linker sees it. HEADER: those that are installed. It exports
# the C interface, whole, what the C++ headers declare outside tutti::detail, and nothing of other libraries; and it
# needs at run time nothing but MPI, Highway, UCX, hwloc and the compiler's libraries.
set -euo pipefail
export LC_ALL=C

library=$1 soname=$2
shift 2
headers=("$@")
problems=0
# none WHAT: the lines of standard input, if there are any, are a problem.
none() {
  local lines
  lines=$(cat)
  if [[ -z $lines ]]; then return; fi
  printf 'symbols: %s:\n%s\n' "$1" "$lines" >&2
  problems=$((problems + 1))
}

exported=$(nm -D --defined-only --demangle --without-symbol-versions "$library" | sed -n 's/^[0-9a-f]* [^A] //p')
[[ -n $exported ]] || { echo "symbols: nothing is exported" >&2; exit 1; }

c_headers=()
for header in "${headers[@]}"; do
  if [[ $header == *.h ]]; then c_headers+=("$header"); fi
done
declared=$(grep -ohE '\btutti_[a-z_]+\(' "${c_headers[@]}" | tr -d '(' | sort -u)
c_exported=$(grep -E '^tutti_' <<<"$exported" | sort -u)
none "declared in a C header and not exported" < <(comm -23 <(echo "$declared") <(echo "$c_exported"))
none "exported and not declared in a C header" < <(comm -13 <(echo "$declared") <(echo "$c_exported"))

cpp_exported=$(grep -vE '^tutti_' <<<"$exported" | sed -E 's/^(typeinfo|typeinfo name|vtable) for //')
none "exported, and not of namespace tutti" < <(grep -vE '^tutti::' <<<"$cpp_exported" || true)
none "exported, and of namespace tutti::detail" < <(grep -E '^tutti::detail::' <<<"$cpp_exported" || true)
# What is public must also be known by name to those who include the headers.
none "exported, and in no header that is installed" < <(
  sed -E 's/^tutti::([A-Za-z0-9_]+).*/\1/' <<<"$cpp_exported" | sort -u |
    while read -r name; do grep -qw -- "$name" "${headers[@]}" || echo "$name"; done
)
none "headers that declare functions and do not export them (#pragma GCC visibility push(default))" < <(
  grep -lE '^namespace tutti \{' "${headers[@]}" | xargs -r grep -LE '^#pragma GCC visibility push\(default\)$'
)

dynamic=$(readelf -dW "$library")
none "soname other than $soname" < <(sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p' <<<"$dynamic" | grep -vFx "$soname" || true)
none "libraries needed that it should do without" < <(
  sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic" |
    grep -vE '^(libmpi|libmpich|libhwy|libucp|libucs|libuct|libucm|libhwloc|libstdc\+\+|libgcc_s|libatomic|libm|libc|libpthread|ld-linux.*)\.so' || true
)
[[ $problems -eq 0 ]]
