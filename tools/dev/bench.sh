# shellcheck shell=bash
# ./run bench: measures this machine, or simulated ranks.

bench_command() {
  if [[ -n $scale ]]; then
    need scale
    bench/scale/run.sh ${quick:+--quick} "$build_dir"
    return
  fi
  need build bench
  configure_without TESTS CUDA
  phase build compile tutti bench_kernels bench_summary
  prepare_mpi
  bench/run.sh "$build_dir"
}
