#!/usr/bin/env python3
"""Writes a text as IDX files, for `tutti data import idx`: samples of 65 bytes, of which each is foreseen from those before.

    python3 make_idx.py /usr/share/common-licenses/GPL-3 IDX

Every tenth sample is of the test part. Labels are there because the format wants them: all are 0.
"""
import pathlib
import struct
import sys

SAMPLE = 65


def write_idx(file, extents, elements):
    unsigned_byte = 0x08
    header = struct.pack(">BBBB", 0, 0, unsigned_byte, len(extents)) + struct.pack(f">{len(extents)}I", *extents)
    file.write_bytes(header + elements)


def main():
    text = pathlib.Path(sys.argv[1]).read_bytes()
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    # Neighbours share a byte: the last of one sample is where the next one begins.
    samples = [text[at:at + SAMPLE] for at in range(0, len(text) - SAMPLE + 1, SAMPLE - 1)]
    for part, chosen in (("test", samples[::10]), ("train", [s for i, s in enumerate(samples) if i % 10])):
        write_idx(folder / f"{part}-text.idx", (len(chosen), 1, SAMPLE), b"".join(chosen))
        write_idx(folder / f"{part}-labels.idx", (len(chosen),), bytes(len(chosen)))


main()
