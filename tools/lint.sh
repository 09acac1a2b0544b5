#!/usr/bin/env bash
# tools/lint.sh BUILD_DIR JOBS: shellcheck, clang-format and clang-tidy over the project, changing nothing. BUILD_DIR is configured: clang-tidy
# reads how its sources are compiled. tools/lint.sh --format rewrites the C++ sources as clang-format wants them.
set -euo pipefail
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
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

check_scripts() { script_files | xargs shellcheck; }
check_format() { cpp_files | xargs clang-format --dry-run -Werror; }

# clang-tidy over one source; silent when it is clean. The static analyzer follows no more paths per function than clang bounds its own shallow
# mode by: the rest took 15 of 30 s for one source, and of four mistakes put into it the same one was found. A tenth was seen to miss a finding.
# Tests do without it (tests/.clang-tidy), so do the programs of tools, a quarter to a third of whose time it takes in JSON and options, and the source
# that is instantiated for each type, operator and instruction set: 95 s of the same lines again.
tidy_one() {
  local log options=()
  case $2 in
    tests/*) options=(--extra-arg=-Wno-error) ;; # which the analyzer does by itself
    tools/*) options=('--checks=-clang-analyzer-*' --extra-arg=-Wno-error) ;;
    kernels/reduce_simd.cpp) options=('--checks=-clang-analyzer-*' --extra-arg=-Wno-error --extra-arg=-DHWY_COMPILE_ONLY_STATIC) ;;
    *) for word in -Xclang -analyzer-config -Xclang max-nodes=75000; do options+=("--extra-arg=$word"); done ;;
  esac
  log=$(clang-tidy -p "$1" --quiet "${options[@]}" "$2" 2>&1) && return 0
  printf '%s\n' "$log" | grep -vE '^([0-9]+ warnings? |Suppressed |Use -)' >&2
  return 1
}

# The largest sources first, so that no long one is left alone at the end.
tidy() {
  # Sources this build compiles, but for CUDA's and those that include libtorch: clang-tidy 14 cannot parse its headers as
  # C++20.
  local sources
  sources=$(comm -12 <(sed -n "s|^ *\"file\": \"$root/\(.*\)\",\{0,1\}$|\1|p" "$build_dir/compile_commands.json" | sort -u) \
    <(project_files '*.cpp' '*.c' | xargs grep -LE '#include <(torch/|ATen/|tutti/trainer/model\.hpp)' | sort))
  if [[ -z $sources ]]; then
    echo "lint.sh: $build_dir/compile_commands.json lists no source of this project" >&2
    return 1
  fi
  xargs wc -c <<<"$sources" | grep -v ' total$' | sort -rn | awk '{print $2}' |
    xargs -P "$jobs" -I '{}' bash -c 'tidy_one "$@"' tidy "$build_dir" '{}'
}

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
  build_dir=$1 jobs=$2 status=0
  export -f tidy_one
  step shellcheck check_scripts
  step clang-format check_format
  step clang-tidy tidy
  if [[ $status -eq 0 ]]; then echo "lint: clean"; else echo "lint: FAILED"; fi
  [[ $status -eq 0 ]]
fi
