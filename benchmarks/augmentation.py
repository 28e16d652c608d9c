"""What augmentation is worth: the same network and recipe with and without it."""

import itertools
from functools import partial

import numpy as np

from benchmarks.measure import Case, Run, compare
from benchmarks.workload import Settings, Target, Workload

WITH, WITHOUT = "with augmentation", "without"
AUGMENTATION = ("random_shift", {"name": "random_rotation", "degrees": 10.0})
NETWORK = {"name": "cnn", "kernel": 5, "normalize": True, "dropout": 0.4}
EPOCHS, SEEDS, AIM = 10, 3, 0.9935


def accuracy(augmentation: tuple, quick: bool) -> Run:
    """Accuracy of the test rows; another seed each round."""
    import pellucid as pel

    seeds = itertools.count()
    dataset = pel.load_dataset("mnist-5k" if quick else "mnist")
    epochs = 1 if quick else EPOCHS

    def run() -> float:
        run = pel.train(
            NETWORK | {"augmentation": augmentation},
            dataset,
            epochs=epochs,
            batch_size=128,
            schedule={"name": "cosine_decay", "learning_rate": 4e-3, "epochs": epochs},
            seed=next(seeds),
            progress=False,
        )
        return run.result["accuracy"]

    return run


def measure(settings: Settings) -> list[Case]:
    """Both with the same seeds, in turn."""
    builds = {WITH: partial(accuracy, AUGMENTATION, settings.quick), WITHOUT: partial(accuracy, (), settings.quick)}
    return [compare(Case("MNIST", "share", WITH), builds, 1 if settings.quick else SEEDS)]


def _mean(case: Case) -> float:
    return float(np.mean(case.samples[WITH]))


def _gain(case: Case) -> float:
    return _mean(case) - float(np.mean(case.samples[WITHOUT]))


WORKLOAD = Workload(
    "augmentation",
    "Augmentation of MNIST",
    f"60,000 digits, the CNN by name with windows of 5 × 5, batch normalisation and dropout, {EPOCHS} epochs at batch "
    f"128, Adam, a cosine from 4e-3; shifts up to 2 pixels and turns up to 10°; accuracy of the 10,000 test rows, "
    f"{SEEDS} seeds. The recipe was chosen on a sixth of the training rows.",
    measure,
    (
        Target("MNIST", f"mean of at least {AIM:g}", _mean, AIM),
        Target("MNIST", "mean above that without: at least 0.001", _gain, 0.001),
    ),
)
