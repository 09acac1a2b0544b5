"""powersgd_torch.py FILE: steps of PyTorch's powerSGD_hook on one rank, for low_rank_torch_test.cpp to repeat.

FILE gets numbers: rows, columns, rank, steps; the right factor, rank x columns, and the residual, rows x columns, that are
kept before the first of these steps; then for each step the gradient, what became of it, and the residual after it.
"""
import os
import sys
import tempfile

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook

ROWS, COLUMNS, RANK, BEFORE, STEPS = 24, 40, 3, 4, 5


def main(path):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group("gloo", init_method=f"file://{os.path.join(folder, 'meeting')}", rank=0, world_size=1)
        layer = nn.Linear(COLUMNS, ROWS, bias=False)
        model = nn.parallel.DistributedDataParallel(layer)
        state = powerSGD_hook.PowerSGDState(None, matrix_approximation_rank=RANK, start_powerSGD_iter=2,
                                            min_compression_rate=1, orthogonalization_epsilon=0)
        model.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
        with open(path, "w", encoding="ascii") as file:

            def write(tensor):
                file.write(" ".join(f"{value:.9g}" for value in tensor.flatten().tolist()) + "\n")

            file.write(f"{ROWS} {COLUMNS} {RANK} {STEPS}\n")
            for step in range(BEFORE + STEPS):
                if step == BEFORE:
                    write(state.q_memory_dict[0].view(COLUMNS, RANK).t())
                    write(state.error_dict[0])
                gradient = torch.randn(ROWS, COLUMNS)
                model.zero_grad()
                (model(torch.eye(COLUMNS)) * gradient.t()).sum().backward()
                if step >= BEFORE:
                    write(gradient)
                    write(layer.weight.grad)
                    write(state.error_dict[0])
        dist.destroy_process_group()


main(sys.argv[1])
