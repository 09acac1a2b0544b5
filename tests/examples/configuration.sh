#!/usr/bin/env bash
# configuration.sh CONFIG TUTTI MPIRUN...: two steps of examples/CONFIG.toml as it is, with the data set it names. Skipped (status 77)
# without the package that the data set is made of.
set -euo pipefail
config=$1 tutti=$2
shift 2
here=$(cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/examples
cp "$config" "$work"/examples
cd "$work"/examples
few=() # what makes two steps of a large model seconds
name=${config##*/}
case $name in
  digits.toml) ln -s "${config%/*}"/digits digits ;;
  fashion_*.toml)
    source=/usr/share/datasets/fashion-mnist
    [[ -r $source/t10k-images-idx3-ubyte.gz ]] || { echo "skipped, package dataset-fashion-mnist is needed"; exit 77; }
    # The test set alone, for both: the other is six times as large and of the same shape.
    for part in train test; do
      "$tutti" data import idx --images $source/t10k-images-idx3-ubyte.gz --labels $source/t10k-labels-idx1-ubyte.gz \
        --out ../build/demo/$part --shards 2
    done
    if [[ $name != fashion_mnist.toml ]]; then few=(--set data.test= --set train.batch_size=16); fi
    ;;
  cifar10_*.toml)
    [[ -r /usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz ]] || { echo "skipped, package dataset-fashion-mnist is needed"; exit 77; }
    /usr/bin/python3 -B "$here"/make_cifar.py bin 200 50
    "$tutti" data import cifar --file bin/data_batch_*.bin --out ../build/cifar10/train --shards 2
    "$tutti" data import cifar --file bin/test_batch.bin --out ../build/cifar10/test --shards 2
    few=(--set data.test= --set run.keep_best=false --set train.batch_size=16)
    ;;
  *) echo "$name is not known here: how is its data set made?" && exit 1 ;;
esac
"$@" 2 "$tutti" train "$name" --set train.max_steps=2 --set train.threads=1 --set run.progress=none "${few[@]}"
grep -q '"steps": 2,' runs/"${name%.toml}"/result.json
