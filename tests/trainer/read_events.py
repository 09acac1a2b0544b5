#!/usr/bin/env python3
"""read_events.py RUN_DIR: compares the event files of a run with its metrics.jsonl, line by line.

It reads the files by itself: neither by the project's code nor by TensorBoard's. With --tensorboard it reads them by the
package tensorboard instead, and ends with status 77 where that cannot be imported.
"""
import json
import pathlib
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def unmasked(masked):
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated << 15 | rotated >> 17) & 0xFFFFFFFF


def records(data):
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert unmasked(struct.unpack("<I", data[8:12])[0]) == crc32c(data[:8]), "checksum of a length"
        event = data[12:12 + length]
        assert len(event) == length, "a record is cut off"
        assert unmasked(struct.unpack("<I", data[12 + length:16 + length])[0]) == crc32c(event), "checksum of a record"
        yield event
        data = data[16 + length:]


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """(number, value) of each field of a protocol buffer."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(key & 7)
            if size is None:
                assert key & 7 == 2, f"wire type {key & 7}"
                size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def read_alone(folder):
    """{(tag, step): value} as TensorBoard is to show it."""
    shown = {}
    files = sorted(folder.iterdir())
    for number, file in enumerate(files):
        events = [dict(fields(event)) for event in records(file.read_bytes())]
        assert events[0][3] == b"brain.Event:2", events[0]
        starts = [event for event in events if 7 in event]
        assert len(starts) == (1 if number else 0), f"{file}: {len(starts)} session starts"
        for event in events:
            assert struct.unpack("<d", event[1])[0] > 1e9, "a time before 2001"
            if 7 in event:
                assert dict(fields(event[7])) == {1: 1}, event
                shown = {key: value for key, value in shown.items() if key[1] < event[2]}
            if 5 in event:
                for _, value in fields(event[5]):
                    value = dict(fields(value))
                    shown[value[1].decode(), event[2]] = struct.unpack("<f", value[2])[0]
    return shown, len(files)


def read_by_package(folder):
    try:
        from tensorboard.backend.event_processing import event_accumulator
    except ImportError as why:
        print(f"skipped, the Python package tensorboard is needed: {why}")
        sys.exit(77)
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={event_accumulator.SCALARS: 0})
    accumulator.Reload()
    shown = {}
    for tag in accumulator.Tags()["scalars"]:
        for event in accumulator.Scalars(tag):
            assert (tag, event.step) not in shown, f"{tag} of step {event.step} is shown twice"
            shown[tag, event.step] = event.value
    return shown, len(list(folder.iterdir()))


def expected(metrics):
    values = {}
    for line in metrics.read_text().splitlines():
        record = json.loads(line)
        group = {"step": "train"}.get(record["kind"], record["kind"])
        for key, value in record.items():
            if key in ("kind", "step"):
                continue
            tag = "test/" + key[5:] if key.startswith("test_") else f"{group}/{key}"
            values[tag, record["step"]] = struct.unpack("<f", struct.pack("<f", value))[0]
    return values


run = pathlib.Path(sys.argv[1])
shown, files = (read_by_package if "--tensorboard" in sys.argv else read_alone)(run / "tensorboard")
wanted = expected(run / "metrics.jsonl")
assert wanted.keys() == shown.keys(), sorted(wanted.keys() ^ shown.keys())
different = [key for key in wanted if wanted[key] != shown[key]]
assert not different, different
print(f"{len(shown)} values of {len({tag for tag, _ in shown})} tags in {files} files")
