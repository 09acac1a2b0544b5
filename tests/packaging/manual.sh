#!/usr/bin/env bash
# manual.sh SOURCES PAGE...: the manual pages are sound mdoc, tutti(3) names every environment variable that the library reads, tutti-c++(3)
# shows every collective, and usages in tutti(1) show what a command cannot do without.
set -euo pipefail
sources=$1
shift
mandoc -T lint -W warning "$@"
for page in "$@"; do
  if [[ $page == */tutti.3 ]]; then interface=$page; fi
  if [[ $page == *c++.3 ]]; then cpp=$page; fi
  if [[ $page == *.1 ]]; then program=$page; fi
done
for name in 'class Communicator {' 'class Session {' 'class Request {' 'class MessageGroup {' 'void allreduce(' 'Request iall_to_all_v(' \
  'PersistentRequest reduce_scatter_init(' 'int receive('; do
  grep -qF "$name" "$cpp" || { echo "manual: tutti-c++(3) does not show $name" >&2; exit 1; }
done
if grep -nE '^ private:|namespace detail|return ' "$cpp"; then echo "manual: tutti-c++(3) shows what is nobody's business" >&2 && exit 1; fi
if [[ -n ${program-} ]]; then
  grep -q '^\.Dl tutti trace .*\\-\\-out FILE PART' "$program" || { echo "manual: the usage of trace lacks --out" >&2; exit 1; }
fi
variables=$(cd "$sources" && grep -rhoE --exclude-dir=preload '"TUTTI_[A-Z_]+"' kernels collectives allreduce compression | tr -d '"' | sort -u)
[[ -n $variables ]]
for variable in $variables; do
  grep -q "^\.It Ev $variable\$" "$interface" || { echo "manual: tutti(3) does not name $variable" >&2; exit 1; }
done
