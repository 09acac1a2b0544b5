#!/usr/bin/env bash
# h5py.sh TUTTI: h5py reads compressed shards, and the same as uncompressed ones. Skipped (status 77) without python3-h5py.
set -euo pipefail
tutti=$1
python=/usr/bin/python3 # the package is the system's, whatever else is in PATH
if ! why=$("$python" -c 'import h5py, numpy' 2>&1); then
  printf 'skipped, package python3-h5py is needed: %s\n' "${why##*$'\n'}"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$python" - <<'END_OF_PROGRAM'
import numpy
images = (numpy.arange(100 * 5 * 6).reshape(100, 5, 6) // 11).astype(">i4")
open("images", "wb").write(b"\0\0\x0c\3" + numpy.array(images.shape, ">u4").tobytes() + images.tobytes())
open("labels", "wb").write(b"\0\0\x08\1" + numpy.array(100, ">u4").tobytes() + bytes(i % 10 for i in range(100)))
END_OF_PROGRAM
for compression in none deflate-1 shuffle+deflate-9; do
  "$tutti" data import idx --images images --labels labels --out "$compression" --shards 2 --chunk 7 --compress "$compression"
done
"$python" - <<'END_OF_PROGRAM'
import h5py
for shard in 0, 1:
    name = f"shard-0000{shard}-of-00002.h5"
    plain = h5py.File("none/" + name)["fields"]
    assert sorted(plain) == ["image", "label"] and plain["image"].shape == (50, 1, 5, 6), dict(plain)
    for compression, shuffle, level in ("deflate-1", False, 1), ("shuffle+deflate-9", True, 9):
        fields = h5py.File(compression + "/" + name)["fields"]
        for field in plain:
            found = fields[field].compression, fields[field].compression_opts, fields[field].shuffle
            assert found == ("gzip", level, shuffle), (compression, field, found)
            assert (fields[field][:] == plain[field][:]).all(), (compression, field)
END_OF_PROGRAM
