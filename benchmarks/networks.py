"""The other networks of the textbook, against PyTorch and against their bare matrix products."""

from functools import partial

from benchmarks import contenders
from benchmarks.contenders import Task, per_step
from benchmarks.limit import numpy_products
from benchmarks.measure import Case, compare
from benchmarks.workload import Settings, Workload, faster_than

PYTORCH = ("PyTorch, default Adam", "PyTorch, fused Adam")
CHANNELS_LAST = "PyTorch, channels last, fused Adam"
TIMES = {
    ("cnn", 32): 1.4,
    ("cnn", 128): 1.3,
    ("lstm", 32): 1.3,
    ("lstm", 128): 1.2,
    ("gru", 32): 1.3,
    ("gru", 128): 1.2,
    ("autoencoder", 128): 1.5,
}
"""By network and batch size, how many times as fast as the fastest PyTorch pellucid aims to be."""


def measure(settings: Settings) -> list[Case]:
    """Some epochs of 4,000 digits a round."""
    cases = []
    for network, batch_size in TIMES:
        # The autoencoder's steps are so short that two epochs would time the beginning and end of a call.
        epochs = 1 if settings.quick else 12 if network == "autoencoder" else 2
        task = Task("mnist-5k", (), batch_size, epochs, network)
        builds = {
            "pellucid": partial(per_step, contenders.pellucid, task),
            "pellucid, kernels off": partial(per_step, contenders.without_kernels, task),
            PYTORCH[0]: partial(per_step, contenders.pytorch, task),
            PYTORCH[1]: partial(per_step, contenders.pytorch, task, fused=True),
        }
        if network == "cnn":
            builds[CHANNELS_LAST] = partial(per_step, contenders.pytorch, task, fused=True, channels_last=True)
        builds["NumPy, products only"] = partial(per_step, numpy_products, task)
        case = Case(f"{network}, batch {batch_size}", "ms/step", "pellucid")
        cases.append(compare(case, builds, settings.rounds))
    return cases


WORKLOAD = Workload(
    "networks",
    "Training a CNN, an LSTM, a GRU and an autoencoder on MNIST",
    "Adam at 1e-3, 4,000 digits, two epochs a round, twelve of the autoencoder. CNN: convolutions of 32 and 64 "
    "filters 3×3, each with ReLU and max pooling 2×2, dense 128, softmax 10. LSTM and GRU: 28 rows of 28 pixels as "
    "time steps, 128 units, softmax 10 on the last output. Autoencoder: 784–128–32–128–784, ReLU, linear code, sigmoid "
    "output, mean squared error. The last row of each table are the matrix products of a step alone, in the BLAS, on "
    "arrays that stay in place (convolutions as patches times a matrix, without making the patches). Where the rest "
    "of a step goes: `python -m benchmarks.profile`.",
    measure,
    tuple(
        faster_than(f"{network}, batch {batch_size}", "the fastest PyTorch", *PYTORCH, CHANNELS_LAST, times=times)
        for (network, batch_size), times in TIMES.items()
    ),
)
