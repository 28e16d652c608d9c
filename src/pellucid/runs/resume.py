"""Resume a training: settings that may change, those that may not, and finished trainings."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from pellucid.core.errors import InvalidValue, ResumeWarning
from pellucid.core.precision import double_precision
from pellucid.core.registry import describe
from pellucid.core.xla import keep_compiled_programs
from pellucid.data import Dataset
from pellucid.functions.schedules import Schedule
from pellucid.optimizers import Optimizer, as_optimizer
from pellucid.runs.changes import described, in_force
from pellucid.runs.checkpoint import changes_of, restore
from pellucid.runs.experiment import Experiment, describe_early_stopping
from pellucid.runs.fit import begin, data_of_run, notes_of, optimizers_of
from pellucid.runs.folder import RunFolder
from pellucid.runs.given import with_weights
from pellucid.runs.plan import AnyOptimizer, Plan, networks_of, refuse_for_gan
from pellucid.runs.starting import kept_weights
from pellucid.runs.trained import Trained
from pellucid.training import EarlyStopping, Training

CHANGES = ("epochs", "optimizer", "critic_optimizer", "learning_rate", "early_stopping")
"""Settings that may change when a training is resumed."""
PLAYERS = ("optimizer", "critic_optimizer")


def begin_again(
    folder: str | Path, data: Any = None, changes: Mapping[str, Any] | None = None, sample_weights: Any = None
) -> Trained:
    """Prepare an interrupted, killed or finished training at its last checkpoint.

    Arguments, errors and warnings as for `pellucid.resume`; ``changes`` are settings of `CHANGES`.
    """
    changes = {name: value for name, value in (changes or {}).items() if value is not None}
    for name in changes:
        if name not in CHANGES:
            raise InvalidValue(
                f"{name} cannot change when a run is resumed. These can: {', '.join(CHANGES)}. For another {name} "
                "begin a new run."
            )
    files = RunFolder(folder)
    saved = Experiment.from_dict(files.read_experiment())
    resumed = files.read_json("manifest.json").get("resumed", [])
    current = described(saved, in_force(changes_of(files), resumed), PLAYERS)
    experiment, optimizer = _settle_again(current, changes)
    # Numbers that callbacks changed are in the checkpoint; the settings hold them once they change themselves.
    same = [part for part in PLAYERS if getattr(experiment, part) == getattr(current, part)]
    experiment = msgspec.structs.replace(experiment, **{part: getattr(saved, part) for part in same})
    data = with_weights(data_of_run(files, saved.data, data), sample_weights)
    keep_compiled_programs()
    prepared = _restored(experiment, data, optimizer, files)
    training = prepared.training
    assert training is not None
    epochs = changes.get("epochs")
    made = training.history.epochs_made
    if epochs is not None and epochs < made:
        raise InvalidValue(
            f"epochs counts all of a run, and {made} are made already. Received: {epochs}. Give more than {made}."
        )
    if training.ended(experiment.epochs):
        if files.has("result.json"):
            warnings.warn(_nothing_left(training, experiment.epochs, files.path), ResumeWarning, stacklevel=3)
        if training.ended(saved.epochs) and experiment != saved:  # what changes nothing is not written down
            experiment = saved
            optimizer = optimizer if saved.optimizer == "optax" else as_optimizer(saved.optimizer)
            prepared = _restored(saved, data, optimizer, files)
    before = msgspec.structs.replace(
        saved, **{part: getattr(current, part) for part in PLAYERS if getattr(experiment, part) != getattr(saved, part)}
    )
    resumed += _changed(before, experiment, training)
    notes = replace(notes_of(files), failure=None, suspicion=None)
    changed = tuple(training.changes)
    return replace(prepared, folder=files.path, resumed=tuple(resumed), changes=changed, notes=notes)


def _restored(experiment: Experiment, data: Dataset, optimizer: AnyOptimizer, files: RunFolder) -> Trained:
    initial = kept_weights(files, experiment)
    prepared = begin(Plan(experiment, data, networks_of(experiment), optimizer, initial=initial))
    assert prepared.training is not None
    with double_precision(experiment.precision == "float64"):
        restore(prepared.training, files, optimizers_of(experiment))
    return prepared


def _settle_again(saved: Experiment, changes: Mapping[str, Any]) -> tuple[Experiment, AnyOptimizer]:
    """Settings and optimiser of the resumed run."""
    rate = changes.get("learning_rate")
    optimizer = _resumed_optimizer(saved.optimizer, changes.get("optimizer"), rate, saved)
    new: dict[str, Any] = {"epochs": changes["epochs"]} if "epochs" in changes else {}
    if saved.optimizer == "optax" or as_optimizer(saved.optimizer) != optimizer:
        new["optimizer"] = describe(optimizer)
    if saved.adversarial:
        refuse_for_gan(optimizer)
        own = saved.critic_optimizer is not None
        if "critic_optimizer" in changes or (own and rate is not None):
            before = saved.critic_optimizer or saved.optimizer
            critic = _resumed_optimizer(before, changes.get("critic_optimizer"), rate, saved)
            refuse_for_gan(critic)
            new["critic_optimizer"] = describe(critic)
    elif "critic_optimizer" in changes:
        raise InvalidValue("critic_optimizer is a setting for a GAN. Leave it out.")
    if "early_stopping" in changes:
        new["early_stopping"] = _early_stopping(saved, changes["early_stopping"])
    changed = msgspec.structs.replace(saved, **new)
    if saved.decides and not changed.decides:
        raise InvalidValue(
            "optimizer: the schedule of this run is decided by a validation part of its rows, without which they would "
            "be others. Keep the schedule, or begin a new run."
        )
    return changed, optimizer


def _resumed_optimizer(saved: Any, optimizer: Any, learning_rate: Any, experiment: Experiment) -> AnyOptimizer:
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
        chosen = replace(chosen, learning_rate=learning_rate)
    if before is None or chosen == before:
        return chosen
    rate = getattr(chosen, "learning_rate", None)
    if isinstance(rate, Schedule) and rate != getattr(before, "learning_rate", None):
        raise InvalidValue(
            f"a schedule ({rate.name}) counts the epochs from the beginning of a training, of which a part is made: a "
            "resumed one takes a number as another learning rate. For the schedule begin a new run."
        )
    if chosen.full_batch and not before.full_batch and experiment.batch_size != "all":
        raise InvalidValue(
            f"{chosen.name} takes all rows a step, and the steps of this run are of {experiment.batch_size}. Take sgd, "
            "or begin a new run."
        )
    return chosen


def _early_stopping(saved: Experiment, given: Any) -> Any:
    before = saved.stopping
    if before is None:
        raise InvalidValue(
            "early_stopping: this run was begun without it, so it has trained on the rows of the validation part, and "
            "the network of its best epoch is not kept. Begin a new run with it."
        )
    new = given if isinstance(given, EarlyStopping) else EarlyStopping(given, before.min_delta)
    if new.min_delta != before.min_delta:
        raise InvalidValue(
            f"early_stopping: min_delta is {before.min_delta} in this run, which chose its best epoch by it. Received: "
            f"{new.min_delta}. Change the patience alone, or begin a new run."
        )
    return describe_early_stopping(new)


def _changed(saved: Experiment, changed: Experiment, training: Training) -> list[dict[str, Any]]:
    """Entry of ``manifest.json`` for the settings changed on resuming: none or one."""
    before, after = saved.to_dict(), changed.to_dict()
    both = {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }
    where = {"epoch": training.history.epochs_made, "step": training.history.steps_made}
    where |= {"changes": len(training.changes)} if training.changes else {}
    return [where | {"changed": both}] if both else []


def _nothing_left(training: Training, epochs: int, folder: Path) -> str:
    """Explain why a resumed training makes no step, and how to make it train on."""
    made = training.history.epochs_made
    if made >= epochs:
        more = 2 * max(made, 1)
        return (
            f"no step was made: all {made} epochs of {folder} are made already. To train longer, give more in all: "
            f"resume({str(folder)!r}, epochs={more}), or pellucid resume {folder} --epochs {more}."
        )
    assert training.stopping is not None
    patience = training.stopping.patience
    best = training.stopping.best_epoch(training.history.held_out[:, 0]) + 1
    more = 2 * max(patience, made - best)
    return (
        f"no step was made: {folder} was stopped early after {made} epochs, for the loss on the validation part has "
        f"not fallen since epoch {best} and the patience is {patience}. To train longer, give more of it: "
        f"resume({str(folder)!r}, early_stopping={more}), or pellucid resume {folder} --early-stopping {more}."
    )
