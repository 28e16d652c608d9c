"""Speed is worth nothing without the result: test accuracy on the same recipe."""

from functools import partial

import numpy as np

from benchmarks import contenders
from benchmarks.contenders import Task, flat
from benchmarks.measure import Case, Run, compare
from benchmarks.multilayer import HIDDEN
from benchmarks.workload import Settings, Target, Workload

BATCH_SIZE = 128


def pellucid_accuracy(data: str, epochs: int) -> Run:
    """`pellucid.train`; another seed each round."""
    import itertools

    import pellucid
    from pellucid.data import load_dataset

    seeds = itertools.count()
    dataset = load_dataset(data)

    def run() -> float:
        run = pellucid.train(
            HIDDEN, dataset, optimizer=pellucid.Adam(contenders.LEARNING_RATE), epochs=epochs,
            batch_size=BATCH_SIZE, seed=next(seeds), progress=False,
        )  # fmt: skip
        return run.result["accuracy"]

    return run


def pytorch_accuracy(data: str, epochs: int) -> Run:
    """PyTorch with its own initial weights; another seed each round."""
    import itertools

    seeds = itertools.count()
    task = Task(data, HIDDEN, BATCH_SIZE)
    dataset = task.dataset()
    x, y = flat(dataset.held_out.x, dataset), dataset.held_out.y

    def run() -> float:
        contender = contenders.pytorch(task, fused=True, seed=next(seeds))
        contender.train(epochs)
        return float(np.mean(contender.predict(x) == y))

    return run


def measure(settings: Settings) -> list[Case]:
    """A seed a round."""
    data, epochs = ("mnist-5k", 2) if settings.quick else ("mnist", 10)
    builds = {
        "pellucid": partial(pellucid_accuracy, data, epochs),
        "PyTorch": partial(pytorch_accuracy, data, epochs),
    }
    return [compare(Case("test accuracy", "share", "pellucid"), builds, settings.rounds)]


def _mean(case: Case, contender: str) -> float:
    return float(np.mean(case.samples[contender]))


WORKLOAD = Workload(
    "accuracy",
    "Test accuracy on MNIST",
    "784–128–128–10, Adam at 1e-3, batch 128, 10 epochs, the 10,000 test rows. A round is a whole "
    "training with another seed. Targets are held against means; initial weights are each library's "
    "own.",
    measure,
    (
        Target("test accuracy", "mean of at least 0.977", lambda case: _mean(case, "pellucid"), 0.977),
        Target(
            "test accuracy",
            "mean less PyTorch's: at least −0.002",
            lambda case: _mean(case, "pellucid") - _mean(case, "PyTorch"),
            -0.002,
        ),
    ),
)
