#!/usr/bin/env python3
"""Writes net.pt, the module that net.toml trains: run it in this folder (Debian: python3-torch)."""
import torch
from torch import nn
torch.manual_seed(1)
net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))
torch.jit.script(net).save("net.pt")
