#!/usr/bin/env python3
"""What a step of PyTorch's DistributedDataParallel over Gloo costs over its arithmetic.

    mpirun -n 2 /usr/bin/python3 bench/training/ddp.py

The same ranks train in turns, a block of steps each: a plain module, then the module in DistributedDataParallel. Counterpart
of bench_training, which does the same: Debian package python3-torch. The launcher tells ranks by its variables; rank 0's
address is MASTER_ADDR (127.0.0.1).
"""
import argparse
import json
import os
import resource
import statistics
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook


def environment(*names):
    for name in names:
        if name in os.environ:
            return int(os.environ[name])
    raise SystemExit(f"ddp.py: error: none of {', '.join(names)} is set: start it by mpirun")


def perceptron(inputs, hidden, depth, classes):
    layers = []
    for width in [hidden] * depth:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


def blas_library():
    """The library of BLAS that is loaded, with links resolved."""
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in os.path.basename(line.split()[-1])}
    return ", ".join(sorted({os.path.realpath(file) for file in files})) or "none"


class Contestant:
    def __init__(self, model, samples, inputs, classes):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        self.inputs = [torch.rand(samples, inputs) for _ in range(8)]
        self.classes = classes
        self.step = 0

    def run(self, steps):
        """Seconds per step of the slowest rank, and seconds of processors per step and rank."""
        dist.barrier()
        begin, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        for _ in range(steps):
            inputs = self.inputs[self.step % len(self.inputs)]
            labels = torch.randint(self.classes, (inputs.shape[0],))
            self.step += 1
            self.optimizer.zero_grad(set_to_none=False)
            nn.functional.cross_entropy(self.model(inputs), labels).backward()
            self.optimizer.step()
        seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
        processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        slowest, sums = torch.tensor([seconds], dtype=torch.float64), torch.tensor([processor], dtype=torch.float64)
        dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
        dist.all_reduce(sums)
        return slowest.item() / steps, sums.item() / steps / dist.get_world_size()


def spread(values):
    if len(values) == 1:
        return {"median": values[0], "quartiles": [values[0], values[0]]}
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "quartiles": [low, high]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--per-rank", type=int, default=32, help="samples of each rank in a step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=5, help="in a block")
    parser.add_argument("--gigabits", type=float, help="what each rank's link carries per second: ratios are over the longer of both")
    parser.add_argument("--hook", choices=["fp16", "powersgd"], help="compress gradients by a communication hook of PyTorch's")
    parser.add_argument("--rank", type=int, default=4, help="of powersgd")
    parser.add_argument("--port", type=int, default=29517)
    parser.add_argument("--json")
    options = parser.parse_args()

    rank = environment("OMPI_COMM_WORLD_RANK", "PMI_RANK", "RANK")
    ranks = environment("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "WORLD_SIZE")
    address = os.environ.get("MASTER_ADDR", "127.0.0.1")
    dist.init_process_group("gloo", init_method=f"tcp://{address}:{options.port}", rank=rank, world_size=ranks)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1 + rank)
    inputs, classes = 784, 10
    alone = Contestant(perceptron(inputs, options.hidden, options.depth, classes), options.per_rank, inputs, classes)
    # The PowerSGD hook starts its second allreduce of a bucket when the first is complete, in another order on each rank, and Gloo
    # matches calls by their order: with several buckets 1.13 ends in "op.preamble.length <= op.nbytes". So it gets one.
    cap = {}
    if options.hook == "powersgd":
        cap = {"bucket_cap_mb": 4096}
        dist._DEFAULT_FIRST_BUCKET_BYTES = 4096 << 20
    together = nn.parallel.DistributedDataParallel(perceptron(inputs, options.hidden, options.depth, classes), **cap)
    if options.hook == "fp16":
        together.register_comm_hook(None, default_hooks.fp16_compress_hook)
    elif options.hook == "powersgd":
        together.register_comm_hook(
            powerSGD_hook.PowerSGDState(None, matrix_approximation_rank=options.rank, start_powerSGD_iter=2), powerSGD_hook.powerSGD_hook)
    contestants = [alone, Contestant(together, options.per_rank, inputs, classes)]
    parameters = sum(p.numel() for p in alone.model.parameters())

    blocks = [[] for _ in contestants]
    for contestant in contestants:
        contestant.run(max(options.steps, 3))  # DDP makes its buckets again after the first step
    for turn in range(options.rounds):
        for i in range(len(contestants)):
            which = (i + turn) % len(contestants)
            blocks[which].append(contestants[which].run(options.steps))

    if rank == 0:
        link = 2 * (ranks - 1) / ranks * parameters * 4 * 8 / (options.gigabits * 1e9) if options.gigabits else 0.0
        turns = []
        for name, own in zip(["no communication", "DistributedDataParallel"], blocks):
            turns.append({
                "name": name,
                "step_s": spread([block[0] for block in own]),
                "ratio": spread([block[0] / max(base[0], link) for block, base in zip(own, blocks[0])]),
                "processor_s": spread([block[1] for block in own]),
            })
        print(f"# PyTorch {torch.__version__}, Gloo; mlp of {parameters} parameters (f32); {ranks} ranks, {options.threads} thread(s) each;"
              f" {options.per_rank * ranks} samples a step; {options.rounds} rounds of {options.steps} step(s)\n"
              f"# BLAS {blas_library()}")
        if link:
            print(f"# the gradients take at least {link * 1e3:.1f} ms on links of {options.gigabits:g} Gbit/s")
        print(f"{'turns of':24} {'step ms':>9} {'ratio':>9} {'quartiles':>19} {'processor':>11}")
        for row in turns:
            low, high = row["ratio"]["quartiles"]
            print(f"{row['name']:24} {row['step_s']['median'] * 1e3:9.2f} {row['ratio']['median']:9.3f} {low:9.3f} {high:9.3f}"
                  f" {row['processor_s']['median'] * 1e3:11.2f}")
        if options.json:
            with open(options.json, "w") as file:
                json.dump({"kind": "training_ddp", "pytorch": torch.__version__, "blas": blas_library(), "ranks": ranks,
                           "parameters": parameters, "turns": turns}, file, indent=1)
    dist.barrier()
    dist.destroy_process_group()


main()
