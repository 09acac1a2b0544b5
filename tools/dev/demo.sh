# shellcheck shell=bash
# ./run demo: trains a small convnet on pictures of clothes.

demo_command() {
  local data_set=/usr/share/datasets/fashion-mnist
  phase packages need build demo
  say "Building what the demo runs: without CUDA, tests, benchmarks and the commands that measure. ./run build builds everything."
  configure_without TESTS BENCH CUDA MEASURE
  phase build compile tutti tutti-train
  prepare_mpi
  mkdir -p build/demo
  if [[ -e $data_set/train-images-idx3-ubyte.gz ]]; then
    phase "import Fashion-MNIST" import_fashion_mnist "$data_set"
    train examples/fashion_mnist.toml --set data.train=build/demo/train --set data.test=build/demo/test
  else
    say "Fashion-MNIST is not installed (package dataset-fashion-mnist): training on the 8x8 digits of examples/digits instead."
    train examples/digits.toml
  fi
}

import_fashion_mnist() {
  local data_set=$1 part files out shards
  for part in train test; do
    files=$data_set/train out=build/demo/$part shards=8
    if [[ $part == test ]]; then files=$data_set/t10k shards=2; fi
    if build/bin/tutti data check "$out" >/dev/null 2>&1; then
      say "$out is there already"
      continue
    fi
    rm -rf "$out"
    build/bin/tutti data import idx --images "$files-images-idx3-ubyte.gz" --labels "$files-labels-idx1-ubyte.gz" \
      --out "$out" --shards "$shards" || return
  done
}

train() {
  local config=$1 run_dir number=1
  shift
  while [[ -e build/demo/run-$number ]]; do number=$((number + 1)); done
  run_dir=build/demo/run-$number
  ranks=${ranks:-$(cores)}
  phase "training on $ranks ranks" "$(launcher)" -n "$ranks" build/bin/tutti train "$config" --out "$run_dir" "$@"
  local accuracy
  accuracy=$(sed -n 's/.*"test_accuracy": *\([0-9.]*\).*/\1/p' "$run_dir/result.json")
  [[ -n $accuracy ]] || fail "no test accuracy in $run_dir/result.json"
  say "Test accuracy: $accuracy"
  say "Report: $root/$run_dir/report.html"
  say "Next: $run_dir/config.toml has every setting of this run; $(launcher) -n $ranks build/bin/tutti train FILE.toml trains with your"
  say "own (README.md, \"Training your own\"). ./run test checks this build, ./run help lists what else there is."
}
