"""Which settings a resumed training takes anew, which it refuses, and why one has nothing left to do."""

from dataclasses import replace
from typing import Any

import msgspec

from pellucid.core.errors import InvalidValue
from pellucid.core.registry import describe
from pellucid.functions.schedules import Schedule
from pellucid.optimizers import FromOptax, Optimizer, as_optimizer
from pellucid.runs.experiment import Experiment, GanExperiment
from pellucid.training import EarlyStopping, Training

AnyOptimizer = Optimizer | FromOptax


def resumed_optimizer(saved: Any, optimizer: Any, learning_rate: Any, batch_size: Any) -> AnyOptimizer:
    """The optimiser that a training goes on with.

    Args:
        saved: that of its experiment, as it is written there.
        optimizer: another one, or None.
        learning_rate: another rate, or None.
        batch_size: rows of its steps, or ``"all"``.

    Raises:
        InvalidValue: a new schedule, a rate for an optimiser that keeps its own, or no optimiser where that of the run
            came from Optax.
    """
    # An optimiser from Optax is given again, for the folder cannot describe it.
    before = None if saved == "optax" and optimizer is not None else as_optimizer(saved)
    chosen = before if optimizer is None else as_optimizer(optimizer)
    assert chosen is not None
    if learning_rate is not None:
        if not isinstance(chosen, Optimizer):
            raise InvalidValue(
                "learning_rate: an optimizer from Optax holds its rate inside. Give one of the rate that you want as "
                "optimizer."
            )
        chosen = replace(chosen, learning_rate=learning_rate)  # pyright: ignore[reportArgumentType]
    if before is None or chosen == before:
        return chosen
    rate = getattr(chosen, "learning_rate", None)
    if isinstance(rate, Schedule) and rate != getattr(before, "learning_rate", None):
        raise InvalidValue(
            f"a schedule ({rate.name}) counts the epochs from the beginning of a training, of which a part is made: a "
            "resumed one takes a number as another learning rate. For the schedule begin a new run."
        )
    if chosen.full_batch and not before.full_batch and batch_size != "all":
        raise InvalidValue(
            f"{chosen.name} takes all rows a step, and the steps of this run are of {batch_size}. Take sgd, or begin a "
            "new run."
        )
    return chosen


def resettled(
    saved: Experiment, epochs: int | None, optimizer: AnyOptimizer, early_stopping: EarlyStopping | int | None
) -> Experiment:
    """The settings that a run goes on with.

    Raises:
        InvalidValue: a change that its rows or its best epoch so far do not allow; says which and why.
    """
    changes: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    if saved.optimizer == "optax" or as_optimizer(saved.optimizer) != optimizer:
        changes["optimizer"] = describe(optimizer)
    if early_stopping is not None:
        changes["patience"] = _patience(saved, early_stopping)
    wanted = msgspec.structs.replace(saved, **changes)
    if saved.decides and not wanted.decides:
        raise InvalidValue(
            "optimizer: the schedule of this run is decided by a validation part of its rows, without which they would "
            "be others. Keep the schedule, or begin a new run."
        )
    return wanted


def _patience(saved: Experiment, early_stopping: EarlyStopping | int) -> int:
    given = early_stopping
    if isinstance(given, int):
        given = EarlyStopping(given, saved.min_delta)
    if saved.patience is None:
        raise InvalidValue(
            "early_stopping: this run was begun without it, so it has trained on the rows of the validation part, and "
            "the network of its best epoch is not kept. Begin a new run with it."
        )
    if given.min_delta != saved.min_delta:
        raise InvalidValue(
            f"early_stopping: min_delta is {saved.min_delta} in this run, which chose its best epoch by it. Received: "
            f"{given.min_delta}. Change the patience alone, or begin a new run."
        )
    return given.patience


def changed(
    saved: Experiment | GanExperiment, wanted: Experiment | GanExperiment, training: Training
) -> list[dict[str, Any]]:
    """What ``manifest.json`` keeps of the settings that change where a training is resumed: nothing, or one entry."""
    before, after = saved.to_dict(), wanted.to_dict()
    both = {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }
    standing = {"epoch": training.history.epochs_made, "step": training.history.steps_made}
    return [standing | {"changed": both}] if both else []


def refuse_fewer_epochs(training: Training, epochs: int | None) -> None:
    """Refuse to end a training before where it is.

    Raises:
        InvalidValue: fewer epochs than were made.
    """
    made = training.history.epochs_made
    if epochs is not None and epochs < made:
        raise InvalidValue(
            f"epochs counts all of a run, and {made} are made already. Received: {epochs}. Give more than {made}."
        )


def nothing_left(training: Training, epochs: int, call: str, folder: Any) -> str:
    """Why a resumed training makes no step, and what to type that it makes some.

    Args:
        training: the training, which has ended.
        epochs: epochs in all.
        call: the function that resumes it.
        folder: its run folder.
    """
    made = training.history.epochs_made
    if made >= epochs:
        more = 2 * max(made, 1)
        return (
            f"no step was made: all {made} epochs of {folder} are made already. To train longer, give more in all: "
            f"{call}({str(folder)!r}, epochs={more}), or pellucid train --resume {folder} --epochs {more}."
        )
    assert training.stopping is not None
    patience = training.stopping.patience
    best = training.stopping.best_epoch(training.history.held_out[:, 0]) + 1
    more = 2 * max(patience, made - best)
    return (
        f"no step was made: {folder} was stopped early after {made} epochs, for the loss on the validation part has "
        f"not fallen since epoch {best} and the patience is {patience}. To go on, give more of it: "
        f"{call}({str(folder)!r}, early_stopping={more}), or pellucid train --resume {folder} --patience {more}."
    )
