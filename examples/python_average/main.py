"""Linear regression by gradient descent on all ranks: each has some of the samples, and tutti averages the gradients.

    mpirun -n 4 python3 -m mpi4py examples/python_average/main.py

(-m mpi4py ends all ranks when one of them fails.) Every rank works out the part that its samples have in the gradient,
however many they are. What is found must be what NumPy's least squares finds with all samples at once.
"""

import sys

import numpy
import tutti
from mpi4py import MPI

SAMPLES = 1001
FEATURES = 20
STEPS = 400


def make_data():
    """The same on every rank."""
    random = numpy.random.default_rng(7)
    inputs = random.standard_normal((SAMPLES, FEATURES))
    outputs = inputs @ random.standard_normal(FEATURES) + 0.1 * random.standard_normal(SAMPLES)
    return inputs, outputs


def train(comm, inputs, outputs, learning_rate=0.5):
    """Weights after gradient descent; `inputs` and `outputs` are this rank's."""
    weights = comm.allocate(FEATURES, numpy.float64)
    gradient = comm.allocate(FEATURES, numpy.float64)
    for _ in range(STEPS):
        residual = inputs @ weights - outputs
        gradient[:] = inputs.T @ residual * (comm.size / SAMPLES)  # the average over ranks is that over samples
        comm.allreduce(gradient, "avg")
        weights -= learning_rate * gradient
    return weights.copy()


def main():
    inputs, outputs = make_data()
    with tutti.Communicator(MPI.COMM_WORLD, timeout=60) as comm:
        mine = slice(comm.rank * SAMPLES // comm.size, (comm.rank + 1) * SAMPLES // comm.size)
        weights = train(comm, inputs[mine], outputs[mine])

        best, *_ = numpy.linalg.lstsq(inputs, outputs, rcond=None)
        error = numpy.abs(weights - best).max()
        # All ranks hold the same bits, and the sum of a started allreduce tells how many there are.
        every = comm.all_gather(weights)
        same = bool((every == weights).all())
        ranks = comm.iallreduce(numpy.ones(1, numpy.int32)).wait()[0]
        if comm.rank == 0:
            print(f"{ranks} ranks, {SAMPLES} samples: weights off by {error:.1e}, the same on all ranks: {same}")
        return 0 if error < 1e-10 and same and ranks == comm.size else 1


if __name__ == "__main__":
    sys.exit(main())
