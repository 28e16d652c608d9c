"""Trials: what came of each setting, and the file in which finished ones are kept."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from pellucid.core.errors import StorageError
from pellucid.core.files import storage_error, write_bytes
from pellucid.runs.compare import shown
from pellucid.runs.trained import Trained
from pellucid.sweeps.space import Point
from pellucid.training import History


class Trial(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One setting of a sweep, trained once for each part of the rows that is set aside.

    Attributes:
        number: of the trial, from 0.
        point: its place in the space: of a range the number, of a list the index of the value.
        settings: the setting in words, by name.
        values: the metric on each part set aside; NaN where that training diverged.
        losses: the loss on each of them.
        epochs: the epochs after which they were measured.
        curve: mean of the metric over the parts after each epoch, as far as all were trained.
        seconds: of training; what several trials trained together took is shared evenly.
        dropped: True where the trial was ended early, since others did better.
    """

    number: int
    point: dict[str, float]
    settings: dict[str, str]
    values: list[float]
    losses: list[float]
    epochs: list[int]
    curve: list[float] = []
    seconds: float = 0.0
    dropped: bool = False

    @property
    def value(self) -> float:
        """Mean of the values; NaN where a training diverged."""
        return float(np.mean(self.values))

    @property
    def loss(self) -> float:
        """Mean of the losses; NaN where a training diverged."""
        return float(np.mean(self.losses))

    @property
    def deviation(self) -> float:
        """Standard deviation of the values; NaN of a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")

    @property
    def diverged(self) -> int:
        """Number of trainings whose loss became NaN or infinite."""
        return int(np.isnan(self.values).sum())

    @property
    def label(self) -> str:
        """The setting in words."""
        return ", ".join(f"{name} {value}" for name, value in self.settings.items())


def ordered(trials: Iterable[Trial], higher_is_better: bool) -> list[Trial]:
    """The best first: those trained to the end before those dropped, then by value, then by loss."""

    def key(trial: Trial) -> tuple[Any, ...]:
        value = -trial.value if higher_is_better else trial.value
        longest = len(trial.curve) if trial.dropped else 0
        if not np.isfinite(value):
            return (1, 0, 0.0, 0.0, trial.number)
        return (0, (trial.dropped, -longest), value, trial.loss, trial.number)

    return sorted(trials, key=key)


class Ended(NamedTuple):
    """What came of one training, by the rows set aside."""

    value: float
    loss: float
    epochs: int
    curve: np.ndarray
    """The metric after each epoch; empty where those rows were not watched."""


def end_of(history: History, diverged: bool, at_best: bool) -> Ended:
    """Read what came of a training from its history, whose held-out rows are those set aside.

    Args:
        history: of the training.
        diverged: whether it did.
        at_best: True to count its epoch with the lowest loss; False to count its end.
    """
    held_out = history.held_out
    if diverged or not len(held_out) or not np.isfinite(held_out[-1, 0]):
        return Ended(np.nan, np.nan, len(held_out), held_out[:, 1])
    epoch = int(np.nanargmin(held_out[:, 0])) if at_best else len(held_out) - 1
    return Ended(float(held_out[epoch, 1]), float(held_out[epoch, 0]), epoch + 1, held_out[:, 1])


def end_of_record(record: Trained) -> Ended:
    """The same of a training that watched a part of its own rows, and met those set aside at its end alone."""
    epochs = record.best_epoch or record.history.epochs_made
    if record.stopped == "diverged":
        return Ended(np.nan, np.nan, epochs, np.zeros(0))
    return Ended(record.result[record.program.metric_name], record.result["loss"], epochs, np.zeros(0))


def trial_of(number: int, point: Point, settings: Mapping[str, Any], ends: Sequence[Ended], seconds: float) -> Trial:
    """The trial of a setting, of which each training came to an end."""
    shortest = min(len(end.curve) for end in ends)
    return Trial(
        number=number,
        point=point,
        settings={name: _rounded(value) for name, value in settings.items()},
        values=[end.value for end in ends],
        losses=[end.loss for end in ends],
        epochs=[end.epochs for end in ends],
        curve=np.mean([end.curve[:shortest] for end in ends], axis=0).tolist(),
        seconds=seconds,
    )


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else shown(value)


class Journal:
    """The finished trials of a sweep, a line each, so that a sweep that was killed goes on where it was.

    Args:
        folder: where to keep them; None to keep them in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / "trials.jsonl"
        self.trials: dict[int, Trial] = {}
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def add(self, trial: Trial) -> None:
        """Keep a trial; on the disk when this returns."""
        self.trials[trial.number] = trial
        if self.path is None:
            return
        try:
            with open(self.path, "ab") as file:
                file.write(_line(trial))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(self.path, error) from error

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole, _, part = content.rpartition(b"\n")
        if part:  # the last line was not written to its end: a kill came between
            write_bytes(path, whole + b"\n" if whole else b"")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                trial = msgspec.convert(_with_nan(msgspec.json.decode(line)), Trial)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise StorageError(
                    f"line {number} of {path} is not a trial ({error}). Remove the line: the trial is then made again."
                ) from error
            self.trials[trial.number] = trial


_NUMBERS = ("values", "losses", "curve")


def _line(trial: Trial) -> bytes:
    return msgspec.json.encode(trial) + b"\n"  # NaN as null


def _with_nan(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    numbers = {name: [float("nan") if v is None else v for v in plain.get(name, ())] for name in _NUMBERS}
    return plain | numbers
