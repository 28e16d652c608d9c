"""What a training measured, as tables: per step, per epoch, per layer."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.training.epoch import Program, Records, steps_per_epoch
from pellucid.training.recorder import MEASURES

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
        held_out: (epochs, 2) loss and metric on the held-out rows; empty without any.
    """

    layer_names: tuple[str, ...]
    metric_name: str
    rows: int
    batch_size: int
    record_every: int
    step_rows: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    layer_measures: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, len(MEASURES)), np.float32))
    held_out: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))

    @staticmethod
    def begin(program: Program, rows: int) -> "History":
        """An empty history for a program and its number of training rows."""
        names = program.layer_names
        history = History(names, program.metric_name, rows, program.batch_size, program.record_every)
        history.layer_measures = np.zeros((0, len(names), len(MEASURES)), np.float32)
        return history

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
        if self.record_every:
            recorded = -(-stop // self.record_every) - -(-start // self.record_every)
            self.layer_measures = np.concatenate([self.layer_measures, np.asarray(records.layers)[:recorded]])
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
        """One row a layer and recorded step: step, layer, and the recorder's measures."""
        recorded, layers = self.layer_measures.shape[:2]
        table: Table = {
            "step": np.repeat(np.arange(recorded) * max(self.record_every, 1), layers),
            "layer": np.tile(np.array(self.layer_names), recorded),
        }
        flat = self.layer_measures.reshape(recorded * layers, len(MEASURES))
        return table | {measure: flat[:, i] for i, measure in enumerate(MEASURES)}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The measurements as named arrays, to be saved."""
        return {"steps": self.step_rows, "layers": self.layer_measures, "held_out": self.held_out}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take over measurements that ``to_arrays`` named."""
        self.step_rows, self.layer_measures, self.held_out = (
            arrays[name] for name in ("steps", "layers", "held_out")
        )

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
