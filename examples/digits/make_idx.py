#!/usr/bin/env python3
"""Writes the digits that scikit-learn bundles as IDX files, split into training and test parts.

    pip install scikit-learn
    python3 make_idx.py IDX
    tutti data import idx --images IDX/train-images.idx --labels IDX/train-labels.idx --out train --shards 2 --name digits-train
    tutti data import idx --images IDX/test-images.idx --labels IDX/test-labels.idx --out test --shards 1 --name digits-test

The split is the same wherever it is made: samples are ordered by the SHA-256 of their number, the first 360 are the test part,
and both parts keep that order.
"""
import hashlib
import pathlib
import struct
import sys

from sklearn.datasets import load_digits

TEST_SAMPLES = 360


def write_idx(file, extents, elements):
    unsigned_byte = 0x08
    header = struct.pack(">BBBB", 0, 0, unsigned_byte, len(extents)) + struct.pack(f">{len(extents)}I", *extents)
    file.write_bytes(header + bytes(elements))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images = digits.images.astype("uint8").reshape(-1, 64)
    order = sorted(range(len(images)), key=lambda sample: hashlib.sha256(b"%d" % sample).digest())
    for part, samples in (("test", order[:TEST_SAMPLES]), ("train", order[TEST_SAMPLES:])):
        pixels = b"".join(images[sample].tobytes() for sample in samples)
        write_idx(folder / f"{part}-images.idx", (len(samples), 8, 8), pixels)
        write_idx(folder / f"{part}-labels.idx", (len(samples),), (int(digits.target[sample]) for sample in samples))


main()
