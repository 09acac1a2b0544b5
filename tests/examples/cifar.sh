#!/usr/bin/env bash
# cifar.sh EXAMPLES TUTTI TRAIN TEST EPOCHS LEAST MPIRUN...: the commands of README.md for CIFAR-10, with files of its binary format made of
# Fashion-MNIST (TRAIN and TEST samples), and examples/cifar10_resnet18.toml with a small model and EPOCHS epochs, after which the accuracy
# must be above LEAST. Skipped (status 77) without the package of Fashion-MNIST.
set -euo pipefail
examples=$1 tutti=$2 train=$3 test=$4 epochs=$5 least=$6
shift 6
here=$(cd -- "$(dirname -- "$0")" && pwd)
[[ -r /usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz ]] || { echo "skipped, package dataset-fashion-mnist is needed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work"/examples
cp "$examples"/cifar10_resnet18.toml "$work"/examples
cd "$work"
/usr/bin/python3 -B "$here"/make_cifar.py cifar-10-batches-bin "$train" "$test"
# A file with --file: any number of them.
"$tutti" data import cifar --file cifar-10-batches-bin/data_batch_*.bin --out build/cifar10/train --shards 5
"$tutti" data import cifar --file cifar-10-batches-bin/test_batch.bin --out build/cifar10/test --shards 2
small=(--set model.name=convnet --set model.channels=8 --set model.hidden=64 --set train.epochs="$epochs" --set optimizer.learning_rate=0.02
       --set schedule.warmup_steps=20 --set "schedule.milestone_epochs=$((epochs - 1))" --set train.threads=1 --set run.progress=none)
"$@" 2 "$tutti" train examples/cifar10_resnet18.toml "${small[@]}" --out two
# The pictures that a sample becomes do not depend on the ranks: at that level of reproducibility all bits are equal.
for ranks in 1 2; do
  "$@" $ranks "$tutti" train examples/cifar10_resnet18.toml "${small[@]}" --set numerics.reproducible=ranks --set train.max_steps=3 --out bits-$ranks
done
/usr/bin/python3 - "$least" <<'END'
import json
import sys

result = json.load(open("two/result.json"))
assert float(sys.argv[1]) < result["test_accuracy"] < result["test_top5_accuracy"] <= 1, result
print("accuracy", result["test_accuracy"], "top 5", result["test_top5_accuracy"])
one, two = (json.load(open(f"bits-{ranks}/result.json"))["parameter_hash"] for ranks in (1, 2))
assert one == two, (one, two)
END
