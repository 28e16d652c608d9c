"""What a training measured, as tables: per step, per epoch, per layer."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.types import PyTree
from pellucid.training.epoch import Program, Records, steps_per_epoch, times
from pellucid.training.recorder import BINS, Recorder

Table = dict[str, np.ndarray]
"""A table as columns of equal length; ``pandas.DataFrame(table)`` and ``polars.DataFrame(table)`` take it."""


@dataclass
class History:
    """The measurements of all steps so far; it grows as the training goes on.

    Attributes:
        loss: training loss of each step.
        metric: training metric of each step.
        learning_rate: η of each step.
        layer_measures: (recorded steps, layers, measures), see `pellucid.training.recorder.MEASURES`.
        histogram_numbers: (recorded steps, layers, kinds, numbers): smallest, largest, count of each bin.
        active: for each layer of activations, the last recorded step in which each unit was not zero.
        held_out: (epochs, 2) loss and metric on the held-out rows; empty without any.
    """

    layer_names: tuple[str, ...]
    metric_name: str
    rows: int
    batch_size: int
    recorder: Recorder
    unit_layers: tuple[str, ...] = ()
    step_rows: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    layer_measures: np.ndarray = field(init=False)
    histogram_numbers: np.ndarray = field(init=False)
    active: tuple[np.ndarray, ...] = ()
    held_out: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))

    def __post_init__(self) -> None:
        layers, recorder = len(self.layer_names), self.recorder
        self.layer_measures = np.zeros((0, layers, len(recorder.measures)), np.float32)
        self.histogram_numbers = np.zeros((0, layers, len(recorder.kinds), 2 + BINS), np.float32)

    @staticmethod
    def begin(program: Program, rows: int) -> "History":
        """An empty history for a program and its number of training rows."""
        return History(
            program.layer_names, program.metric_name, rows, program.batch_size, program.recorder, program.unit_layers
        )

    @property
    def steps_made(self) -> int:
        """Steps measured."""
        return len(self.step_rows)

    @property
    def epochs_made(self) -> int:
        """Whole epochs measured."""
        return self.steps_made // steps_per_epoch(self.rows, self.batch_size)

    def append(self, records: Records, steps: int, evaluated: bool) -> None:
        """Take over the measurements of the ``steps`` that one call made."""
        start, stop = self.steps_made, self.steps_made + steps
        per_epoch = steps_per_epoch(self.rows, self.batch_size)
        self.step_rows = np.concatenate([self.step_rows, np.asarray(records.steps)[:steps]])
        every, histograms_every = self.recorder.every, self.recorder.histograms_every
        if recorded := times(every, stop) - times(every, start):
            self.layer_measures = np.concatenate([self.layer_measures, np.asarray(records.layers)[:recorded]])
        if recorded := times(histograms_every, stop) - times(histograms_every, start):
            taken = np.asarray(records.histograms)[:recorded]
            self.histogram_numbers = np.concatenate([self.histogram_numbers, taken])
        self.active = _active(records.memory) or self.active
        if evaluated:
            ended = stop // per_epoch - start // per_epoch
            self.held_out = np.concatenate([self.held_out, np.asarray(records.epochs)[:ended]])

    @property
    def steps(self) -> Table:
        """One row a step: step, epoch, loss, metric, learning rate."""
        numbers = np.arange(self.steps_made)
        return {
            "step": numbers,
            "epoch": numbers // steps_per_epoch(self.rows, self.batch_size) + 1,
            "loss": self.step_rows[:, 0],
            self.metric_name: self.step_rows[:, 1],
            "learning_rate": self.step_rows[:, 2],
        }

    @property
    def epochs(self) -> Table:
        """One row an epoch: mean training loss and metric over its rows, and the same on the held-out rows.

        The training figures are those of the network as it was at each step; the held-out ones those
        of the network at the end of the epoch.
        """
        per_epoch = steps_per_epoch(self.rows, self.batch_size)
        count = self.epochs_made
        weights = np.full(per_epoch, self.batch_size, np.float64)
        weights[-1] = self.rows - self.batch_size * (per_epoch - 1)
        per_step = self.step_rows[: count * per_epoch].reshape(count, per_epoch, 3)
        means = np.einsum("esc,s->ec", per_step[:, :, :2].astype(np.float64), weights / self.rows)
        table: Table = {"epoch": np.arange(1, count + 1), "loss": means[:, 0], self.metric_name: means[:, 1]}
        if len(self.held_out):
            table["held_out_loss"] = self.held_out[:, 0].astype(np.float64)
            table[f"held_out_{self.metric_name}"] = self.held_out[:, 1].astype(np.float64)
        table["learning_rate"] = per_step[:, -1, 2].astype(np.float64) if count else np.zeros(0)
        return table

    @property
    def layers(self) -> Table:
        """One row a layer and recorded step: step, layer, and the recorder's measures.

        ``gradient_ratio`` is the norm of the layer's gradient over that of the next layer that has weights: what the
        way back through one layer does to it. Far below 1 in layer after layer, the gradient vanishes.
        """
        recorded, layers = self.layer_measures.shape[:2]
        table: Table = {
            "step": np.repeat(np.arange(recorded) * max(self.recorder.every, 1), layers),
            "layer": np.tile(np.array(self.layer_names), recorded),
        }
        measures = self.recorder.measures
        table |= {measure: self.layer_measures[:, :, i].ravel() for i, measure in enumerate(measures)}
        if "gradient_norm" in measures:
            table["gradient_ratio"] = self._gradient_ratio().ravel()
        return table

    def _gradient_ratio(self) -> np.ndarray:
        norms = self.layer_measures[:, :, self.recorder.measures.index("gradient_norm")]
        ratios = np.full_like(norms, np.nan)
        with_weights = np.flatnonzero(np.isfinite(norms).any(axis=0))
        here, after = norms[:, with_weights[:-1]], norms[:, with_weights[1:]]
        ratios[:, with_weights[:-1]] = np.divide(here, after, out=np.full_like(here, np.nan), where=after != 0)
        return ratios

    @property
    def histograms(self) -> Table:
        """One row a layer, kind and step with histograms: smallest and largest number, and counts of equal bins.

        ``kind`` is one of activations, gradients, updates and weights; ``counts`` has one list a row. Layers have no
        row for what they do not have.
        """
        taken = len(self.histogram_numbers)
        places = np.indices((taken, len(self.layer_names), len(self.recorder.kinds))).reshape(3, -1)
        numbers = self.histogram_numbers.reshape(-1, 2 + BINS)
        there = np.isfinite(numbers[:, 0])
        step, layer, kind = places[:, there]
        counts = np.empty(len(step), object)
        counts[:] = numbers[there, 2:].astype(int).tolist()
        return {
            "step": step * max(self.recorder.histograms_every, 1),
            "layer": np.array(self.layer_names)[layer],
            "kind": np.array(self.recorder.kinds)[kind],
            "low": numbers[there, 0],
            "high": numbers[there, 1],
            "counts": counts,
        }

    @property
    def units(self) -> Table:
        """One row a unit of each activation: when it was last not zero, and how many recorded steps that is ago.

        ``last_active`` is a step, −1 for never. A unit that was zero for every example of every recorded step of an
        epoch or more is dead, see ``dead_units``.
        """
        sizes = [len(active) for active in self.active]
        last = np.concatenate([np.zeros(0, int), *self.active]).astype(int)
        every = max(self.recorder.every, 1)
        return {
            "layer": np.repeat(np.array(self.unit_layers[: len(sizes)], str), sizes),
            "unit": np.concatenate([np.zeros(0, int), *(np.arange(size) for size in sizes)]),
            "last_active": last,
            "silent_for": times(every, self.steps_made) - 1 - np.where(last < 0, -1, last // every),
        }

    def dead_units(self, window: int | None = None) -> Table:
        """The rows of ``units`` that were zero for all examples of the last ``window`` recorded steps.

        Args:
            window: recorded steps; by default those of an epoch, at least 1.
        """
        if window is None:
            per_epoch = steps_per_epoch(self.rows, self.batch_size)
            window = max(1, per_epoch // max(self.recorder.every, 1))
        units = self.units
        dead = units["silent_for"] >= window
        return {name: column[dead] for name, column in units.items()}

    @property
    def tables(self) -> dict[str, Table]:
        """All tables that hold anything, by name."""
        tables = {name: getattr(self, name) for name in ("epochs", "steps", "layers", "histograms", "units")}
        return {
            name: table for name, table in tables.items() if name not in ("histograms", "units") or len(table["layer"])
        }

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The measurements as named arrays, to be saved."""
        arrays = {"steps": self.step_rows, "layers": self.layer_measures, "held_out": self.held_out}
        arrays |= {"rows": np.asarray(self.rows)}
        arrays |= {f"active/{i}": active for i, active in enumerate(self.active)}
        return arrays | ({"histograms": self.histogram_numbers} if self.recorder.histograms_every else {})

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take over measurements that ``to_arrays`` named, and the number of rows that they were made on."""
        self.rows = int(arrays.get("rows", self.rows))
        self.step_rows, self.layer_measures, self.held_out = (arrays[name] for name in ("steps", "layers", "held_out"))
        self.histogram_numbers = arrays.get("histograms", self.histogram_numbers)
        names = [f"active/{i}" for i in range(len(self.unit_layers))]
        self.active = tuple(arrays[name] for name in names if name in arrays)

    def __repr__(self) -> str:
        return f"<History {self.epochs_made} epochs, {self.steps_made} steps, {self.rows} rows>"

    def __str__(self) -> str:
        table = self.epochs
        lines = ["  ".join(name.rjust(max(8, len(name))) for name in table)]
        for i in range(self.epochs_made):
            cells = (_cell(name, column[i]).rjust(max(8, len(name))) for name, column in table.items())
            lines.append("  ".join(cells))
        return "\n".join(lines)


def _cell(name: str, value: Any) -> str:
    if name == "epoch":
        return str(int(value))
    return f"{value:.3g}" if name == "learning_rate" else f"{value:.4f}"


def _active(memory: PyTree) -> tuple[np.ndarray, ...]:
    """The last active step of each unit, from the recorder's memory of one network or of several by name."""
    if memory is None:
        return ()
    memories = memory.values() if isinstance(memory, dict) else (memory,)
    return tuple(np.asarray(active) for one in memories for active in one.active)
