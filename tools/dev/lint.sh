# shellcheck shell=bash
# ./run lint and ./run format.

lint_command() {
  need build test format lint
  build_dir=build-lint/plain
  phase "configure without units" configure -DTUTTI_UNITY=OFF
  build_dir=build-lint/units
  phase "configure with units" configure
  tools/dev/check_sources.sh ${cached:+--cached} "$jobs" build-lint/plain build-lint/units
}

format_command() {
  need format
  tools/dev/check_sources.sh --format
}
