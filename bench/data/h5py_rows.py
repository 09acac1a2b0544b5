#!/usr/bin/env python3
"""h5py_rows.py FOLDER: MB/s at which h5py reads random rows of the field "image" of a data set's first shard, in batches of
256: rows one by one, and a batch at once by a sorted list of indices. The dataset and its file stay open."""
import glob
import random
import statistics
import sys
import time

import h5py

BATCH = 256
BATCHES = 8


def rate(images, read):
    rates = []
    for _ in range(BATCHES):
        rows = random.sample(range(images.shape[0]), BATCH)
        begin = time.perf_counter()
        size = read(rows)
        rates.append(size / (time.perf_counter() - begin) / 1e6)
    return statistics.median(rates)


def main():
    random.seed(1)
    with h5py.File(sorted(glob.glob(sys.argv[1] + "/*.h5"))[0], "r", locking=False) as file:
        images = file["fields/image"]
        one_by_one = rate(images, lambda rows: sum(images[row].nbytes for row in rows))
        at_once = rate(images, lambda rows: images[sorted(rows)].nbytes)
        print(f"{one_by_one:.1f} {at_once:.1f} {h5py.__version__}")


main()
