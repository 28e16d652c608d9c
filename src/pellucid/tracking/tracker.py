"""What all trackers have in common: which numbers and pictures of a training they are sent, and when."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pellucid.core.display import Displayed
from pellucid.core.registry import describe
from pellucid.optimizers import as_optimizer
from pellucid.runs.callbacks import TrainingView
from pellucid.runs.folder import RunFolder
from pellucid.runs.trained import Trained
from pellucid.tracking.pictures import pictures
from pellucid.training import History
from pellucid.training.history import Table

LEDGER = "tracking.json"
"""The file of a run folder that says where its training is tracked, and up to which step."""
SECONDS = 1.0
"""Between two times that points are sent: small networks make hundreds of epochs a second."""
OF_LAYERS = ("gradient_norm", "update_ratio", "dead_units")
"""Measures of the recorder that are sent, as last taken in each epoch; the run folder holds all of them."""


class Binned(NamedTuple):
    """A histogram of bins of equal width."""

    low: float
    high: float
    counts: list[int]

    @property
    def edges(self) -> np.ndarray:
        """The ends of the bins, one more than there are bins."""
        return np.linspace(self.low, self.high, len(self.counts) + 1)


@dataclass
class Point:
    """What is known after a number of steps: numbers, histograms and pictures by name."""

    step: int
    scalars: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, Binned] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(eq=False)
class Tracker(Displayed, ABC):
    """A callback that sends a training somewhere: settings, curves, histograms, pictures, the result.

    A point stands at the number of steps made. Points are sent once a second; of a run with a folder, once a checkpoint
    holds them, and ``tracking.json`` in the folder says up to which step: a training that is killed and resumed has
    none twice.
    """

    name: ClassVar[str]
    _training: TrainingView | None = field(default=None, init=False, repr=False)
    _place: Any = field(default=None, init=False, repr=False)
    _sent: int = field(default=0, init=False, repr=False)
    _sent_at: float = field(default=float("-inf"), init=False, repr=False)
    _taken: dict[int, dict[str, np.ndarray]] = field(default_factory=dict, init=False, repr=False)
    _shown: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def begin(self, training: TrainingView) -> None:
        """Begin with the settings and the network, or go on with what a resumed training has not sent yet."""
        earlier = _ledger(training.folder).get(self.name)
        self._sent = min(earlier["sent"], training.step) if earlier else 0
        self._place = self._open(training.run, training.folder, earlier and earlier["place"])
        if earlier and self._place != earlier["place"]:
            self._sent = 0
        self._training, self._taken, self._shown = training, {}, {}
        self._keep_ledger()
        self._send(training.history, training.saved)

    def __call__(self, training: TrainingView) -> None:
        """Take pictures after 1, 2, 4, 8 … epochs; now and then send what a checkpoint holds."""
        if training.epoch & (training.epoch - 1) == 0:
            self._take_pictures(training.run)
        if time.monotonic() - self._sent_at >= SECONDS:
            self._send(training.history, training.saved)

    def finished(self, run: Trained) -> None:
        """Send what is left, the result, and the files of the run."""
        self._send_rest(run)
        self._close(run, None)
        self._training = None

    def failed(self, error: Exception) -> None:
        """Send what is left, and the error."""
        if self._training is not None:
            run = self._training.run
            self._send_rest(run)
            self._close(run, error)
            self._training = None

    @abstractmethod
    def _open(self, run: Trained, folder: Path | None, place: Any) -> Any:
        """Begin, or go on at the place of a training that is resumed; return the place."""

    @abstractmethod
    def _write(self, points: list[Point]) -> None:
        """Send points, by ascending step."""

    @abstractmethod
    def _close(self, run: Trained, error: Exception | None) -> None:
        """Send the result and the files, or why there are none."""

    def _send_rest(self, run: Trained) -> None:
        if run.history.steps_made > self._sent:
            self._take_pictures(run)
        self._send(run.history, run.history.steps_made)

    def _take_pictures(self, run: Trained) -> None:
        now = pictures(run)
        new = {name for name, pixels in now.items() if not np.array_equal(pixels, self._shown.get(name, ()))}
        self._taken.setdefault(run.history.steps_made, {}).update({name: now[name] for name in new})
        self._shown = now

    def _send(self, history: History, saved: int) -> None:
        if saved <= self._sent:
            return
        assert self._training is not None
        points = points_of(history, self._sent, saved, watched_by(self._training.run))
        for step in [step for step in self._taken if step <= saved]:
            points.setdefault(step, Point(step)).pictures.update(self._taken.pop(step))
        self._write([points[step] for step in sorted(points)])
        self._sent, self._sent_at = saved, time.monotonic()
        self._keep_ledger()

    def _keep_ledger(self) -> None:
        folder = None if self._training is None else self._training.folder
        if folder is not None:
            entries = _ledger(folder) | {self.name: {"place": self._place, "sent": self._sent}}
            RunFolder(folder).write_json(LEDGER, entries)


def _ledger(folder: Path | None) -> dict[str, Any]:
    files = None if folder is None else RunFolder(folder)
    return files.read_json(LEDGER) if files is not None and files.has(LEDGER) else {}


def watched_by(run: Trained) -> str:
    """Name of the rows that are evaluated after each epoch: ``held_out``, or ``validation``."""
    return run.experiment.watched.replace(" ", "_")


def points_of(history: History, start: int, stop: int, watched: str = "held_out") -> dict[int, Point]:
    """What was measured after more than ``start`` steps, up to ``stop``: of epochs, recorded steps and layers.

    Args:
        history: the measurements.
        start: steps that were sent before.
        stop: steps that are sent now.
        watched: name of the rows that are evaluated after each epoch.
    """
    points: dict[int, Point] = {}

    def at(step: int) -> Point:
        return points.setdefault(step, Point(step))

    every, size = history.recorder.every, history.steps_per_epoch
    steps = history.steps
    for i in range(-(-start // every) * every, stop, every) if every else ():
        names = ("loss", history.metric_name, *history.extra_names)
        at(i + 1).scalars.update({f"{name}/step": float(steps[name][i]) for name in names})
    epochs = slice(start // size, stop // size)
    for row in _rows(history.epochs, epochs):
        at(row["epoch"] * size).scalars.update({_tag(name, watched): value for name, value in row.items()})
        at(row["epoch"] * size).scalars.update(_of_layers(history, row["epoch"] * size))
    histograms = history.histograms
    for row in _rows(histograms, np.flatnonzero((histograms["step"] >= start) & (histograms["step"] < stop))):
        of = Binned(row["low"], row["high"], row["counts"])
        at(row["step"] + 1).histograms[f"{row['kind']}/{row['layer']}"] = of
    return points


def _rows(table: Table, rows: Any) -> Iterator[dict[str, Any]]:
    columns = [column[rows].tolist() for column in table.values()]
    yield from (dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True))


def _tag(column: str, watched: str) -> str:
    """``loss/training`` and ``loss/held_out`` for the columns ``loss`` and ``held_out_loss``."""
    if column in ("epoch", "learning_rate"):
        return column
    measure = column.removeprefix("held_out_")
    return f"{measure}/{'training' if measure == column else watched}"


def _of_layers(history: History, step: int) -> dict[str, float]:
    """The measures of the layers as they were last recorded by a step."""
    if not history.recorder.every:
        return {}
    measured = history.layer_measures[(step - 1) // history.recorder.every]
    return {
        f"{measure}/{layer}": float(value)
        for layer, values in zip(history.layer_names, measured, strict=True)
        for measure, value in zip(history.recorder.measures, values, strict=True)
        if measure in OF_LAYERS and np.isfinite(value)
    }


def settings_of(run: Trained) -> dict[str, str | float | bool]:
    """The experiment by dotted names such as ``optimizer.learning_rate``, defaults of optimisers too; lists as JSON."""
    settings = run.experiment.to_dict()
    for player in ("optimizer", "critic_optimizer"):
        if settings.get(player, "optax") != "optax":  # which cannot be described
            settings[player] = _whole(as_optimizer(settings[player]))
    return dict(_flat("", settings))


def _whole(optimizer: Any) -> dict[str, Any]:
    """An optimiser with all its hyperparameters."""
    values = {each.name: getattr(optimizer, each.name) for each in fields(optimizer)}
    return {"name": optimizer.name} | {
        name: describe(value) if is_dataclass(value) else value for name, value in values.items()
    }


def _flat(name: str, value: Any) -> Iterator[tuple[str, str | float | bool]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), part)
    elif value is not None:
        yield name, value if isinstance(value, (str, int, float)) else json.dumps(value)


def result_of(run: Trained) -> dict[str, float]:
    """The metrics at the end, those that are numbers."""
    return {f"result/{name}": value for name, value in run.result.items()}


def network_of(run: Trained) -> str:
    """The tables of the networks as Markdown."""
    return "\n\n".join(f"{name}\n```\n{summary}\n```".strip() for name, summary in run.summaries.items())


def artifacts(folder: Path) -> list[Path]:
    """The files of a run that are worth keeping elsewhere: all but checkpoints, snapshots and what trackers wrote."""
    left_out = ("checkpoints", "snapshots", "tensorboard", LEDGER)
    inside = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in inside if path.parts[0] not in left_out]
