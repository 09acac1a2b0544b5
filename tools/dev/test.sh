# shellcheck shell=bash
# ./run test: which tests run, and what is said of them.

test_command() {
  case $preset in
    asan | tsan) need build test "$mpi" sanitize ;;
    *) need build test "$mpi" ;;
  esac
  phase configure configure
  case $label in quick | mpi) targets=("${label}_tests") ;; esac
  phase build compile ${targets[@]+"${targets[@]}"}
  prepare_mpi
  local status=0
  phase tests run_ctest || status=$?
  if [[ -e $build_dir/tests.xml ]]; then print_slowest || true; fi
  say "$left_out_note"
  print_totals || status=1
  return $status
}

# Tests with the label exhaustive run with --all. Otherwise one in ten of them does, drawn by the seed: the commit's, unless told.
# names LABEL_OPTION...: the tests that these options of ctest select, without what prepares for them (fixtures), which others need too.
names() { ctest --test-dir "$build_dir" -N -FA '.*' "$@" ${label:+-L "$label"} | sed -n 's/^ *Test *#[0-9]*: //p'; }

run_ctest() {
  local left_out="" exhaustive=() drawn
  if [[ -z $all ]]; then
    seed=${seed:-$((16#$(git rev-parse --short=7 HEAD 2>/dev/null || echo 1)))}
    mapfile -t exhaustive < <(names -L '^exhaustive$' | while read -r name; do
      printf '%s %s\n' "$(cksum <<<"$seed $name" | cut -d ' ' -f 1)" "$name"
    done | sort -n | cut -d ' ' -f 2)
    drawn=$(((${#exhaustive[@]} + 9) / 10))
    exhaustive=("${exhaustive[@]:drawn}")
    export TUTTI_TEST_SEED=$seed
    left_out=$(printf '|%s' "${exhaustive[@]//./\\.}")
    tier="the default tier"
    left_out_note="Drawn by seed $seed: $drawn of $((drawn + ${#exhaustive[@]})) exhaustive tests. Left out: ${#exhaustive[@]}, and cases within others; ./run test --all runs everything."
  else
    export TUTTI_TEST_ALL=1
    tier="all tests" left_out_note=""
  fi
  rm -f "$build_dir/tests.xml"
  ctest --test-dir "$build_dir" --parallel "$(processors)" --output-on-failure --no-tests=error --timeout 300 \
    --output-junit "$root/$build_dir/tests.xml" ${label:+-L "$label"} ${exhaustive[0]:+-E "^(${left_out#|})\$"}
}

# The tests that took longest, with their seconds.
print_slowest() {
  say "The slowest of $tier:"
  tr '\n' ' ' <"$build_dir/tests.xml" | grep -o '<testcase [^>]*' |
    sed 's/.*name="\([^"]*\)".*time="\([0-9.]*\)".*/\2 \1/' | sort -rn | sed -n 1,10p | while read -r seconds name; do
    printf '%8.1f s  %s\n' "$seconds" "$name"
  done
}

# The last line of a test run: how many tests ran. Skipped are those that say so: kernels on a GPU where there is none.
print_totals() {
  [[ -e $build_dir/tests.xml ]] || fail "no test ran"
  local total failed skipped
  total=$(suite_attribute tests)
  failed=$(($(suite_attribute failures) + $(suite_attribute disabled)))
  skipped=$(suite_attribute skipped)
  say "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
}

suite_attribute() { tr '\n' ' ' <"$build_dir/tests.xml" | sed -n "s/.*<testsuite[^>]*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p"; }
