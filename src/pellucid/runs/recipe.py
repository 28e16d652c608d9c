"""The default recipe: how long a network is trained, and at which rate, where the user says nothing of it.

Its numbers were chosen by an experiment on 22 public tables (``docs/decisions/recipe.md``); ``python -m
benchmarks.recipes`` repeats it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pellucid.data import Dataset
from pellucid.functions.schedules import watches_loss
from pellucid.optimizers import FromOptax, Optimizer
from pellucid.runs.experiment import as_early_stopping

TASKS = ("binary", "multiclass", "multilabel", "regression", "reconstruction")
"""Tasks that the recipe is for."""
STEPS = 4000
"""Most steps of a training."""
PATIENCE = 400
"""Steps without a lower loss on the validation part before the end …"""
PATIENT_EPOCHS = 5
"""… and at least so many epochs."""
BATCHES_PER_EPOCH = 16
"""Steps of an epoch that the batch size aims for …"""
BATCH_SIZES = (16, 256)
"""… between these: powers of 2, which the hardware likes."""
RATE = 3e-3
"""Learning rate of Adam."""
INITIALIZER = "glorot_uniform"
"""Initializer of the hidden layers: smaller weights than He's, which overfit less …"""
SHALLOW = 2
"""… in networks of at most so many, through which the signal passes all the same."""
VALIDATION = 0.1
"""Fraction of the training rows that early stopping watches."""
FEW_ROWS = 20_000
"""Up to so many training rows, the validation part is trained on too, once it has found the number of steps."""
LEAST_WATCHED = 5
"""Fewest rows of a validation part: of fewer, the loss says nothing."""


class Settled(NamedTuple):
    """Settings completed by the recipe."""

    settings: dict[str, Any]
    retrain: bool
    """True where this training only finds the number of epochs for another on all rows."""
    choices: tuple[str, ...]
    """What the recipe chose, in words."""


def batch_size(rows: int) -> int:
    """Rows of a step, where ``rows`` are trained on.

    Example:
        >>> [batch_size(rows) for rows in (10, 150, 1_000, 50_000)]
        [10, 16, 64, 256]
    """
    least, most = BATCH_SIZES
    power = 2 ** round(math.log2(rows / BATCHES_PER_EPOCH))
    return min(rows, max(least, min(most, power)))


def can_watch(data: Dataset, fraction: float) -> bool:
    """True where a part of the training rows is large enough to be watched and holds every class."""
    rows = len(data.train)
    watched = math.ceil(fraction * rows)
    if watched < LEAST_WATCHED or watched >= rows:
        return False
    if data.task not in ("binary", "multiclass"):
        return True
    counts = np.unique(data.train.y, return_counts=True)[1]
    return counts.min() >= 2 and min(watched, rows - watched) >= len(counts)


def complete(
    given: Mapping[str, Any], data: Dataset, optimizer: Optimizer | FromOptax, units: Sequence[int] | None
) -> Settled:
    """Complete the settings of a training for which no number of epochs is given.

    Args:
        given: the settings by name.
        data: what is trained on.
        optimizer: the optimiser that they describe.
        units: of the hidden layers; None for a network that is given otherwise.
    """
    settings = {name: value for name, value in given.items() if value is not None}
    choices = []
    fraction, rows = settings.get("validation", VALIDATION), len(data.train)
    watched = can_watch(data, fraction)
    fitted = rows - math.ceil(fraction * rows) if watched else rows
    if "batch_size" not in settings:
        settings["batch_size"] = "all" if optimizer.full_batch else batch_size(fitted)
        choices.append(f"batch size: {settings['batch_size']}")
    if not {"optimizer", "learning_rate", "schedule"} & set(settings):
        settings["learning_rate"] = RATE
        choices.append(f"learning rate: {RATE:g}")
    if units is not None and len(units) <= SHALLOW and "initializer" not in settings:
        settings["initializer"] = INITIALIZER
        choices.append(f"initializer: {INITIALIZER}")
    size = fitted if settings["batch_size"] == "all" else settings["batch_size"]
    per_epoch = -(-fitted // size)
    epochs = settings["epochs"] = -(-STEPS // per_epoch)
    length = f"epochs: at most {epochs:,}, {STEPS:,} steps"
    decided = watches_loss(getattr(optimizer, "learning_rate", None)) or "early_stopping" in settings
    if not watched and not decided:
        return Settled(settings, False, (f"{length}; the rows are too few to set some aside", *choices))
    settings.setdefault("validation", fraction)
    settings.setdefault("early_stopping", max(PATIENT_EPOCHS, -(-PATIENCE // per_epoch)))
    patience = as_early_stopping(settings["early_stopping"])
    until = f"or until the loss on {fraction:.0%} of the rows, set aside, has not fallen for {patience.patience} epochs"
    retrain = not decided and "validation" not in given and rows <= FEW_ROWS
    return Settled(settings, retrain, (f"{length}, {until}", *choices))
