"""make_cifar.py FOLDER TRAIN TEST: files of CIFAR-10's binary format, made of Fashion-MNIST.

TRAIN and TEST samples in data_batch_1.bin, data_batch_2.bin and test_batch.bin. A sample is a picture of clothes in a
random tint, at a random place of 32 x 32 pixels; the label is that of the clothes.
"""
import gzip
import pathlib
import random
import sys

SOURCE = pathlib.Path("/usr/share/datasets/fashion-mnist")
SIDE, LARGE = 28, 32
TINTS = [bytes(value * tint // 255 for value in range(256)) for tint in range(96, 256, 20)]


def read(name, skip):
    with gzip.open(SOURCE / name) as file:
        return file.read()[skip:]


def record(label, picture, choose):
    down, right = choose.randrange(LARGE - SIDE + 1), choose.randrange(LARGE - SIDE + 1)
    left, behind = bytes(right), bytes(LARGE - SIDE - right)
    plane = bytes(down * LARGE)
    plane += b"".join(left + picture[row * SIDE : (row + 1) * SIDE] + behind for row in range(SIDE))
    plane += bytes((LARGE - SIDE - down) * LARGE)
    return bytes([label]) + b"".join(plane.translate(choose.choice(TINTS)) for _ in range(3))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for part, count, files in ("train", int(sys.argv[2]), ["data_batch_1.bin", "data_batch_2.bin"]), (
        "t10k",
        int(sys.argv[3]),
        ["test_batch.bin"],
    ):
        pictures = read(f"{part}-images-idx3-ubyte.gz", 16)
        labels = read(f"{part}-labels-idx1-ubyte.gz", 8)
        choose = random.Random(part)
        size = SIDE * SIDE
        records = [record(labels[i], pictures[i * size : (i + 1) * size], choose) for i in range(count)]
        each = -(-count // len(files))
        for number, name in enumerate(files):
            (folder / name).write_bytes(b"".join(records[number * each : (number + 1) * each]))


main()
