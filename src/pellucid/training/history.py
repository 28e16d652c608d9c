"""The history of a training, as tables by step, epoch and layer."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from typing import Any

import numpy as np

from pellucid.core.errors import InvalidValue, UnknownName, did_you_mean
from pellucid.core.types import PyTree
from pellucid.training.program import Program, Records, times
from pellucid.training.recorder import BINS, Recorder
from pellucid.training.rows import steps_per_epoch

Table = dict[str, np.ndarray]
"""A table as columns of equal length; ``pandas.DataFrame(table)`` and ``polars.DataFrame(table)`` take it."""

FRAMES = ("pandas", "polars", "pyarrow")
"""Libraries of data frames."""

TABLES = ("epochs", "steps", "layers", "histograms", "units")
SHOWN = 10
"""Epochs that a notebook shows, the last ones."""


def as_frame(table: Table, backend: str = "pandas") -> Any:
    """Convert a table to a data frame of pandas, polars or Arrow.

    Raises:
        InvalidValue: another backend, or one that is not installed.

    Example:
        >>> as_frame({"epoch": np.array([1, 2])}, "pyarrow").num_rows
        2
    """
    import narwhals as nw
    import pyarrow as pa

    if backend not in FRAMES:
        raise InvalidValue(f"backend must be one of {', '.join(FRAMES)}. Received: {backend!r}.")
    if find_spec(backend) is None:
        raise InvalidValue(f"{backend} is not installed: pip install {backend}, or take backend='pyarrow'.")
    return nw.from_arrow(pa.table(dict(table)), backend=backend).to_native()


@dataclass(repr=False)
class History:
    """The measurements of all steps of a training so far.

    Attributes:
        step_rows: (steps, 3 + extra): training loss, training metric, learning rate and extra measures of each step.
        layer_measures: (recorded steps, layers, measures), see `pellucid.training.recorder.MEASURES`.
        histogram_numbers: (recorded steps, layers, kinds, numbers): smallest, largest, count of each bin.
        active: for each layer of activations, the last recorded step in which each unit was not zero.
        held_out: (epochs, 2 + extra) loss, metric and extra measures on the held-out rows; empty without any.
        extra_names: loss and metric of each of several outputs, but for the first's metric.
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
    extra_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if extra := len(self.extra_names):
            self.step_rows, self.held_out = np.zeros((0, 3 + extra), np.float32), np.zeros((0, 2 + extra), np.float32)
        layers, recorder = len(self.layer_names), self.recorder
        self.layer_measures = np.zeros((0, layers, len(recorder.measures)), np.float32)
        self.histogram_numbers = np.zeros((0, layers, len(recorder.kinds), 2 + BINS), np.float32)

    @staticmethod
    def begin(program: Program, rows: int) -> "History":
        """An empty history for a program and its number of training rows."""
        return History(
            program.layer_names, program.metric_name, rows, program.batch_size, program.recorder, program.unit_layers,
            extra_names=program.extra_names,
        )  # fmt: skip

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return steps_per_epoch(self.rows, self.batch_size)

    @property
    def steps_made(self) -> int:
        """Steps measured."""
        return len(self.step_rows)

    @property
    def epochs_made(self) -> int:
        """Whole epochs measured."""
        return self.steps_made // self.steps_per_epoch

    def append(self, records: Records, steps: int, evaluated: bool) -> None:
        """Append the measurements of the first ``steps`` steps of one call."""
        start, stop = self.steps_made, self.steps_made + steps
        self.step_rows = np.concatenate([self.step_rows, np.asarray(records.steps)[:steps]])
        every, histograms_every = self.recorder.every, self.recorder.histograms_every
        if recorded := times(every, stop) - times(every, start):
            self.layer_measures = np.concatenate([self.layer_measures, np.asarray(records.layers)[:recorded]])
        if recorded := times(histograms_every, stop) - times(histograms_every, start):
            taken = np.asarray(records.histograms)[:recorded]
            self.histogram_numbers = np.concatenate([self.histogram_numbers, taken])
        self.active = _active(records.memory) or self.active
        if evaluated:
            ended = stop // self.steps_per_epoch - start // self.steps_per_epoch
            self.held_out = np.concatenate([self.held_out, np.asarray(records.epochs)[:ended]])

    @property
    def steps(self) -> Table:
        """One row per step: step, epoch, loss, metric, learning rate."""
        numbers = np.arange(self.steps_made)
        names = ("loss", self.metric_name, "learning_rate", *self.extra_names)
        return {"step": numbers, "epoch": numbers // self.steps_per_epoch + 1} | dict(
            zip(names, self.step_rows.T, strict=True)
        )

    @property
    def epochs(self) -> Table:
        """One row per epoch: mean loss and metric, training and held out.

        The training numbers are those of the network as it was at each step; the held-out ones those of the network at
        the end of the epoch.
        """
        per_epoch, count = self.steps_per_epoch, self.epochs_made
        weights = np.full(per_epoch, self.batch_size, np.float64)
        weights[-1] = self.rows - self.batch_size * (per_epoch - 1)
        names = ("loss", self.metric_name, *self.extra_names)
        per_step = self.step_rows[: count * per_epoch].reshape(count, per_epoch, -1 if count else 1 + len(names))
        measures = np.delete(per_step, 2, axis=2).astype(np.float64)
        means = np.einsum("esc,s->ec", measures, weights / self.rows)
        table: Table = {"epoch": np.arange(1, count + 1)} | dict(zip(names, means.T, strict=True))
        if len(self.held_out):
            held_out = self.held_out.T.astype(np.float64)
            table |= {f"held_out_{name}": column for name, column in zip(names, held_out, strict=True)}
        table["learning_rate"] = per_step[:, -1, 2].astype(np.float64) if count else np.zeros(0)
        return table

    @property
    def layers(self) -> Table:
        """One row per layer and recorded step: the recorder's measures.

        ``gradient_ratio`` is the norm of the layer's gradient over that of the next layer that has weights: the factor
        by which the way back through one layer changes it. Far below 1 in layer after layer, the gradient vanishes.
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
        """One row per histogram: step, layer, kind, ends and counts.

        ``kind`` is one of activations, gradients, updates and weights; ``counts`` has one list per row. Layers have no
        row for what they do not have.
        """
        taken = len(self.histogram_numbers)
        indices = np.indices((taken, len(self.layer_names), len(self.recorder.kinds))).reshape(3, -1)
        numbers = self.histogram_numbers.reshape(-1, 2 + BINS)
        present = np.isfinite(numbers[:, 0])
        step, layer, kind = indices[:, present]
        counts = np.empty(len(step), object)
        counts[:] = numbers[present, 2:].astype(int).tolist()
        return {
            "step": step * max(self.recorder.histograms_every, 1),
            "layer": np.array(self.layer_names)[layer],
            "kind": np.array(self.recorder.kinds)[kind],
            "low": numbers[present, 0],
            "high": numbers[present, 1],
            "counts": counts,
        }

    @property
    def units(self) -> Table:
        """One row per unit of each activation: its last active step.

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
        """The rows of ``units`` that were zero throughout a window.

        Args:
            window: recorded steps; by default those of an epoch, at least 1.
        """
        if window is None:
            window = max(1, self.steps_per_epoch // max(self.recorder.every, 1))
        units = self.units
        dead = units["silent_for"] >= window
        return {name: column[dead] for name, column in units.items()}

    @property
    def tables(self) -> dict[str, Table]:
        """All tables that hold anything, by name."""
        tables = {name: getattr(self, name) for name in TABLES}
        return {
            name: table for name, table in tables.items() if name not in ("histograms", "units") or len(table["layer"])
        }

    def to_frame(self, table: str = "epochs", backend: str = "pandas") -> Any:
        """One of the tables as a data frame.

        Args:
            table: ``"epochs"``, ``"steps"``, ``"layers"``, ``"histograms"`` or ``"units"``.
            backend: ``"pandas"``, ``"polars"`` or ``"pyarrow"``, which needs nothing else to be installed.

        Raises:
            UnknownName: no such table.
            InvalidValue: another backend, or one that is not installed.

        Example:
            >>> import pellucid as pel
            >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=2, progress=False)
            >>> run.history.to_frame("steps", "pyarrow").column_names
            ['step', 'epoch', 'loss', 'accuracy', 'learning_rate']
        """
        if table not in TABLES:
            raise UnknownName(
                f"the history has no table {table!r}.{did_you_mean(table, TABLES)} Tables: {', '.join(TABLES)}."
            )
        return as_frame(getattr(self, table), backend)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The measurements as named arrays, to be saved."""
        arrays = {"steps": self.step_rows, "layers": self.layer_measures, "held_out": self.held_out}
        arrays |= {"rows": np.asarray(self.rows)}
        arrays |= {f"active/{i}": active for i, active in enumerate(self.active)}
        return arrays | ({"histograms": self.histogram_numbers} if self.recorder.histograms_every else {})

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore the measurements that ``to_arrays`` named, and the number of training rows."""
        self.rows = int(arrays.get("rows", self.rows))
        self.step_rows, self.layer_measures, self.held_out = (arrays[name] for name in ("steps", "layers", "held_out"))
        self.histogram_numbers = arrays.get("histograms", self.histogram_numbers)
        names = [f"active/{i}" for i in range(len(self.unit_layers))]
        self.active = tuple(arrays[name] for name in names if name in arrays)

    def __repr__(self) -> str:
        return f"<History {self.epochs_made} epochs, {self.steps_made} steps, {self.rows} rows>"

    def __str__(self) -> str:
        lines = self._rows_of_text(0)
        return "\n".join("  ".join(cell.rjust(max(8, len(name))) for name, cell in line) for line in lines)

    def _repr_html_(self) -> str:
        head, *lines = self._rows_of_text(max(0, self.epochs_made - SHOWN))
        cells = "".join(f"<th>{escape(cell)}</th>" for _, cell in head)
        rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for _, cell in line) + "</tr>" for line in lines)
        return f"<table><caption>{escape(repr(self)[1:-1])}</caption><tr>{cells}</tr>{rows}</table>"

    def _rows_of_text(self, first: int) -> Iterator[list[tuple[str, str]]]:
        # The epochs' table from one epoch on: the header, then the cells, each beside the name of its column.
        table = self.epochs
        yield [(name, name) for name in table]
        for i in range(first, self.epochs_made):
            yield [(name, _cell(name, column[i])) for name, column in table.items()]


def _cell(name: str, value: Any) -> str:
    if name == "epoch":
        return str(int(value))
    return f"{value:.3g}" if name == "learning_rate" else f"{value:.4f}"


def _active(memory: PyTree) -> tuple[np.ndarray, ...]:
    # The last active step of each unit, from the recorder's memory of one network or of several by name.
    if memory is None:
        return ()
    memories = memory.values() if isinstance(memory, dict) else (memory,)
    return tuple(np.asarray(active) for memory in memories for active in memory.active)
