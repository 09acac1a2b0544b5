#!/usr/bin/env bash
# tools/dev/check_sources.sh [--cached] JOBS PLAIN UNITS: shellcheck, clang-format and clang-tidy over the project, changing
# nothing. PLAIN and UNITS are configured build folders below the root, without TUTTI_UNITY and with it: clang-tidy reads
# how sources are compiled there. With --cached it leaves out sources that passed before, if neither they, nor what they
# include, nor how they are compiled and checked has changed since.
# tools/dev/check_sources.sh --format rewrites the C++ sources as clang-format wants them.
set -euo pipefail
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)
cd "$root"

# Files of the project, tracked or new, that exist and match the patterns.
project_files() {
  git -c safe.directory="$root" ls-files --cached --others --exclude-standard -- "$@" |
    while read -r file; do if [[ -e $file ]]; then printf '%s\n' "$file"; fi; done | sort -u
}

cpp_files() { project_files '*.cpp' '*.hpp' '*.h' '*.c' '*.cu' '*.cuh' '*.inl'; }

script_files() {
  local file
  project_files | while read -r file; do
    if [[ -f $file ]] && head -c 64 "$file" | head -n 1 | tr -d '\0' | grep -qE '^#!.*\b(ba)?sh\b'; then echo "$file"; fi
  done
}

check_scripts() { script_files | xargs shellcheck --external-sources --check-sourced; }
check_format() { cpp_files | xargs clang-format --dry-run -Werror; }

# ---- clang-tidy ----------------------------------------------------------------------------------------------------------------

# tidy_options BUILD_DIR SOURCE. The static analyzer follows each source by itself, in PLAIN; all other checks see the units of UNITS, where
# headers cost a fifth as much. The analyzer follows no more paths per function than clang bounds its own shallow mode by: the rest took
# 15 of 30 s for one source, and of four mistakes put into it the same one was found. A tenth was seen to miss a finding.
tidy_options() {
  if [[ $1 == "$plain" ]]; then
    printf '%s\n' '--checks=-bugprone-*,-misc-*,-modernize-*,-performance-*,-readability-*' --extra-arg={-Xclang,-analyzer-config,-Xclang,max-nodes=75000}
    return
  fi
  # Units include sources by intention; warnings are the compiler's.
  printf '%s\n' '--checks=-clang-analyzer-*,-bugprone-suspicious-include' --extra-arg=-Wno-error
  # What is instantiated for each type, operator and instruction set: for one.
  if [[ $2 == kernels/reduce_* ]]; then echo --extra-arg=-DHWY_COMPILE_ONLY_STATIC; fi
}

# Tests are not analyzed (tests/.clang-tidy), nor are the programs of tools, a quarter to a third of whose time it takes in JSON and options, nor
# is what is instantiated for each instruction set: 95 s of the same lines again.
is_analyzed() { grep -vE "^(build-|tests/|tools/|kernels/reduce_)"; }

# compile_command BUILD_DIR SOURCE: how it is compiled there.
compile_command() {
  awk -v "file=\"file\": \"$root/$2\"" '/^ *"command": / {command = $0} index($0, file) {print command; exit}' \
    "$1/compile_commands.json" | sed 's/^ *"command": "\(.*\)",$/\1/; s/\\"/"/g; s/\\\\/\\/g'
}

# content_of LIST: one checksum of all the files on the list; fails if one is missing.
content_of() {
  local sums
  sums=$(xargs -d '\n' sha256sum <"$1") && sha256sum <<<"$sums" | cut -c -64
}

# list_of BUILD_DIR SOURCE COMMAND: what the compiler reads for the source, one file a line, relative to the root.
list_of() {
  local rule
  rule=$(cd "$1" && eval "${3% -o *} -M ${3##* -c }") || return
  tr -s ' \\\n' '\n' <<<"$rule" | sed "1d; /^$/d; s|^$root/||" | sort -u
}

# clang-tidy over one source; silent when it is clean. Below $cache lie lists of what sources include, and marks of what has passed: named by
# how the source is compiled and checked, and by the contents of all that is on the list.
tidy_one() {
  local build_dir=$1 source=$2 options key command log mark=""
  mapfile -t options < <(tidy_options "$build_dir" "$source")
  command=$(compile_command "$build_dir" "$source")
  key=$cache/$(printf '%s\n' "$tidy_settings" "${options[@]}" "$source" "${command//"$root"/.}" | sha256sum | cut -c -64)
  if [[ $cached == yes && -e $key.list ]] && mark=$(content_of "$key.list" 2>/dev/null) && [[ -e $key.$mark ]]; then
    printf '.\n' >&3
    return 0
  fi
  # Before clang-tidy reads it: what changes meanwhile has not passed.
  mark=""
  if list_of "$build_dir" "$source" "$command" >"$key.list.$$" && grep -qxF "$source" "$key.list.$$"; then
    mark=$(content_of "$key.list.$$") || mark=""
  fi
  if log=$(clang-tidy -p "$build_dir" --quiet "${options[@]}" "$source" 2>&1); then
    if [[ -n $mark ]]; then
      rm -f "$key".????????????????????????????????*
      mv "$key.list.$$" "$key.list" && : >"$key.$mark"
    else
      rm -f "$key.list.$$"
    fi
    return 0
  fi
  rm -f "$key.list.$$"
  printf '%s\n' "$log" | grep -vE '^([0-9]+ warnings? |Suppressed |Use -)' >&2
  return 1
}

# What a build folder compiles of the project: not CUDA's, not what spin writes, and not what includes libtorch, whose headers clang-tidy 14
# cannot parse as C++20.
sources_of() {
  sed -n "s|^ *\"file\": \"$root/\(.*\)\",\{0,1\}$|\1|p" "$1/compile_commands.json" | grep -vE '(\.cu|\.F90|/pan\.c)$' | sort -u |
    xargs grep -LE '#include (<(torch/|ATen/|tutti/trainer/(models/(model|layers|loss|script_module|torchscript)|network/tensors)\.hpp)|"trainer/models/)'
}

# The largest sources first, so that no long one is left alone at the end.
tidy() {
  local file left_out=$work/left_out
  mkdir -p "$cache"
  find "$units" -name .clang-tidy -delete
  while read -r file; do cp "$file" "$units/$file"; done < <(project_files '*/.clang-tidy') # which hold for the units of their folders
  {
    sources_of "$plain" | is_analyzed | sed "s|^|$plain |"
    sources_of "$units" | sed "s|^|$units |"
  } >"$work/sources"
  if [[ $(wc -l <"$work/sources") -lt 100 ]]; then
    echo "check_sources.sh: $plain and $units compile too few sources of this project: $(wc -l <"$work/sources")" >&2
    return 1
  fi
  local status=0
  while read -r build_dir source; do
    printf '%s %s %s\n' "$(sed -n 's/^#include "\(.*\)"$/\1/p' "$source" | xargs -r cat 2>/dev/null | cat - "$source" | wc -c)" "$build_dir" "$source"
  done <"$work/sources" | sort -rn | cut -d ' ' -f 2- |
    xargs -P "$jobs" -L 1 bash -o pipefail -c 'tidy_one "$@"' tidy 3>"$left_out" || status=1
  echo "$(wc -l <"$work/sources") sources and units, of which $(wc -l <"$left_out") passed before and have not changed"
  return $status
}

# ---------------------------------------------------------------------------------------------------------------------------------

# step NAME COMMAND: runs the command and says how long it took.
step() {
  local start=$SECONDS
  echo "== $1"
  "$2" || status=1
  echo "== $1: $((SECONDS - start)) s"
}

if [[ ${1-} == --format ]]; then
  cpp_files | xargs clang-format -i
else
  cached=no
  if [[ $1 == --cached ]]; then cached=yes && shift; fi
  jobs=$1 plain=$2 units=$3 status=0
  export plain
  cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tutti/clang-tidy
  tidy_settings=$(clang-tidy --version && project_files '.clang-tidy' '*/.clang-tidy' | xargs sha256sum)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  export root cached cache tidy_settings
  export -f tidy_one tidy_options compile_command content_of list_of
  step shellcheck check_scripts
  step clang-format check_format
  step clang-tidy tidy
  if [[ $status -eq 0 ]]; then echo "lint: clean"; else echo "lint: FAILED"; fi
  [[ $status -eq 0 ]]
fi
