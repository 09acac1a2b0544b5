#!/usr/bin/env python3
"""Loads both files that `tutti export` wrote and prints the share of test digits each gets right: README.md."""
import collections, h5py, json, math, torch
from torch import nn

file = bytearray(open("digits.safetensors", "rb").read())
begin = 8 + int.from_bytes(file[:8], "little")
header = json.loads(file[8:begin])
about = header.pop("__metadata__")
state = {name: torch.frombuffer(file, dtype=torch.float32, offset=begin + tensor["data_offsets"][0],
                                count=math.prod(tensor["shape"])).reshape(tensor["shape"])
         for name, tensor in header.items()}
net = nn.Sequential(collections.OrderedDict(rows=nn.Flatten(), hidden=nn.Linear(64, 128), relu=nn.ReLU(),
                                            output=nn.Linear(128, 10)))
net.load_state_dict(state)

digits = h5py.File("../digits/test/shard-00000-of-00001.h5")["fields"]
scale, mean, std = (float(about["data." + name]) for name in ("scale", "mean", "std"))
images, labels = (torch.tensor(digits[name][:]) for name in ("image", "label"))
for model in torch.jit.load("digits.pt"), net:
    print((model((images / scale - mean) / std).argmax(1) == labels).float().mean().item())
