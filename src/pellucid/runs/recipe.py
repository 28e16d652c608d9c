"""The default recipe: how a network is trained where the user does not say for how long.

Its numbers were chosen by an experiment on public tables, which ``docs/decisions/recipe.md`` describes.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from pellucid.data import Dataset
from pellucid.functions.schedules import watches_loss
from pellucid.optimizers import FromOptax, Optimizer
from pellucid.runs.experiment import Experiment, as_early_stopping
from pellucid.training import EarlyStopping

NOT_FOR = ("generation", "translation")
"""Tasks that the recipe is not for."""
STEPS = 4000
"""Most steps, of few rows in the first of two trainings."""
PATIENCE = 200
"""Steps without a lower loss on the validation part before the end …"""
LEAST_IMPROVEMENT = 1e-3
"""What counts as lower for few rows of classes or numbers: a loss that creeps towards 0 does not keep the first
training going."""
PATIENT_EPOCHS = 5
"""… and at least so many epochs."""
STEPS_OF_MANY = 10_000
"""Most steps of the one training on many rows, whose learning rate falls to 0 over them …"""
PATIENCE_OF_MANY = 1000
"""… and its patience: the loss falls once more at the end, with the rate."""
STEPS_PER_EPOCH = 16
"""Steps of an epoch that the batch size aims for …"""
BATCH_SIZES = (16, 256)
"""… between these, in powers of 2."""
RATE = 3e-3
"""Learning rate of Adam."""
INITIALIZER = "glorot_uniform"
"""Initializer of the hidden layers: smaller weights than He's, which overfit less …"""
SHALLOW = 2
"""… in networks of at most so many hidden layers, through which the signal passes all the same."""
VALIDATION = 0.1
"""Fraction of the training rows that is watched."""
LEAST_WATCHED = 5
"""Fewest rows of a validation part: of fewer, the loss says nothing."""
FEW_ROWS = 20_000
"""Up to so many training rows, where a tenth more of them tells, a second training on all is the one to keep …"""
STRETCH = 2.0
"""… for so many times the steps that the first one found, the learning rate falling to 0 meanwhile …"""
LEAST_STEPS = 500
"""… and at least so many: on few rows the lowest loss may come early by chance."""


NOT_OF_FIRST = ("record_every", "histograms_every", "snapshots")
"""Settings that the first of two trainings does without: nothing of it is kept."""


class Retraining(NamedTuple):
    """The training to keep, on all rows, after a first one that only found the number of steps."""

    stretch: float
    """Its steps over those that were found."""
    least: int
    """Fewest steps."""
    decay: bool
    """True where its learning rate falls to 0."""
    settings: dict[str, Any]
    """What else differs from the experiment of the first one."""


class Settled(NamedTuple):
    """Settings completed by the recipe."""

    settings: dict[str, Any]
    retraining: Retraining | None
    """None where this training is the one to keep."""
    choices: tuple[str, ...]
    """What the recipe chose, in words."""


def batch_size(rows: int) -> int:
    """Rows of a step, where ``rows`` are trained on.

    Example:
        >>> [batch_size(rows) for rows in (10, 150, 1_000, 50_000)]
        [10, 16, 64, 256]
    """
    least, most = BATCH_SIZES
    power = 2 ** round(math.log2(rows / STEPS_PER_EPOCH))
    return min(rows, max(least, min(most, power)))


def can_watch(data: Dataset, fraction: float) -> bool:
    """True where a part of the training rows is large enough to be watched and holds every class."""
    if data.stream is not None:
        return True
    rows = len(data.train)
    watched = math.ceil(fraction * rows)
    if watched < LEAST_WATCHED or watched >= rows:
        return False
    if not data.stratifies:
        return True
    counts = np.unique(data.train.y, return_counts=True)[1]
    return counts.min() >= 2 and min(watched, rows - watched) >= len(counts)


def complete(
    given: Mapping[str, Any],
    data: Dataset,
    optimizer: Optimizer | FromOptax,
    *,
    hidden_layers: int | None,
    reached: Collection[str] = (),
) -> Settled:
    """Complete the settings of a training for which no number of epochs is given.

    Args:
        given: the settings by name; they stay as they are.
        data: what is trained on.
        optimizer: the optimiser that they describe.
        hidden_layers: how many, where they are given by their units.
        reached: settings of which a part is given, as by ``optimizer.beta1``.
    """
    settings = {name: value for name, value in given.items() if value is not None}
    choices = []
    fraction, rows = settings.get("validation", VALIDATION), data.rows
    decided = "early_stopping" in settings or watches_loss(getattr(optimizer, "learning_rate", None))
    watched = decided or can_watch(data, fraction)
    aside = 0
    if watched:
        aside = math.ceil(fraction * rows)
        aside = aside if data.stream is None else min(aside, len(data.train))  # which is watched in memory
    fitted = rows - aside
    accumulate = settings.get("accumulate", 1)
    if "batch_size" not in settings:
        settings["batch_size"] = "all" if optimizer.full_batch else max(1, batch_size(fitted) // accumulate)
        choices.append(f"batch size: {settings['batch_size']}")
    own_rate = bool({"optimizer", "learning_rate", "schedule"} & {*settings, *reached})
    per_epoch = 1 if settings["batch_size"] == "all" else -(-fitted // (settings["batch_size"] * accumulate))
    many = rows > FEW_ROWS or data.stream is not None
    epochs = settings["epochs"] = -(-(STEPS_OF_MANY if many else STEPS) // per_epoch)
    if not own_rate:
        settings["learning_rate"] = RATE
        choices.append(f"learning rate: {RATE:g}")
    if many and not own_rate:
        settings["schedule"] = {"name": "cosine_decay", "epochs": epochs}
        choices[-1] += ", falling to 0"
    if hidden_layers is not None and hidden_layers <= SHALLOW and "initializer" not in settings:
        settings["initializer"] = INITIALIZER
        choices.append(f"initializer: {INITIALIZER}")
    length = f"epochs: at most {epochs:,} ({epochs * per_epoch:,} steps)"
    if not watched:
        return Settled(settings, None, (f"{length}, the rows being too few to set some aside", *choices))
    settings.setdefault("validation", fraction)
    patience = PATIENCE_OF_MANY if many else PATIENCE
    patience = max(PATIENT_EPOCHS, -(-patience // per_epoch))
    least = 0.0 if many or data.task == "reconstruction" else LEAST_IMPROVEMENT
    settings.setdefault("early_stopping", EarlyStopping(patience, least))
    stopping = as_early_stopping(settings["early_stopping"])
    assert stopping is not None
    length += f", fewer where the loss on {fraction:.0%} of the rows, set aside, does not fall"
    length += f" by {stopping.min_delta:g}" * (stopping.min_delta > 0) + f" in {stopping.patience} epochs"
    if many or decided or "validation" in given:
        return Settled(settings, None, (length, *choices))
    usual = {field.name: field.default for field in msgspec.structs.fields(Experiment)}
    kept = {"early_stopping": None, "validation": usual["validation"]}
    for name in NOT_OF_FIRST:
        kept[name], settings[name] = settings.get(name, usual[name]), 0
    retraining = Retraining(1.0, 1, False, kept) if own_rate else Retraining(STRETCH, LEAST_STEPS, True, kept)
    return Settled(settings, retraining, (length, *choices))
