"""What comes of a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pellucid.api import Run
from pellucid.report import html, terminal
from pellucid.report.document import Document
from pellucid.report.print_figure import to_matplotlib
from pellucid.report.sweep import sweep_charts, sweep_document, sweep_summary, sweep_table
from pellucid.sweeps.importance import importances
from pellucid.sweeps.space import Space, settings_at
from pellucid.sweeps.trial import Trial, ordered
from pellucid.training.history import as_frame

WIDTH = 640.0
"""Points that the figure is wide: each setting has an axis."""


@dataclass(frozen=True)
class Sweep:
    """The trials of a sweep, and the best one trained on all rows: print it for its table, or plot it.

    Attributes:
        trials: in the order of their numbers.
        space: the values or the range of each setting.
        metric: the metric that the trials are compared by, on the rows set aside.
        higher_is_better: whether more of it is better.
        run: the best setting, trained on all training rows, those set aside too.
        notes: what was chosen for it where nothing was given, in words.
        folder: where the sweep is kept; None for nowhere.
    """

    trials: tuple[Trial, ...]
    space: Space
    metric: str
    higher_is_better: bool
    run: Run
    notes: tuple[str, ...] = ()
    folder: Path | None = None

    @cached_property
    def ranked(self) -> list[Trial]:
        """The trials, the best first; those that were dropped on the way after the others."""
        return ordered(self.trials, self.higher_is_better)

    @property
    def best(self) -> Trial:
        """The trial with the best mean value on the rows set aside.

        That value is a little too good, since it was chosen for; ``run.result`` has the metrics of the held-out rows,
        which chose nothing.
        """
        return self.ranked[0]

    @property
    def best_settings(self) -> dict[str, Any]:
        """The settings of the best trial, as `pellucid.train` takes them."""
        return settings_at(self.space, self.best.point)

    @cached_property
    def importances(self) -> dict[str, float] | None:
        """Fraction of the trials' differences that each setting explains; see `pellucid.sweeps.importances`."""
        return importances(self.space, self.trials)

    def columns(self) -> dict[str, list[Any]]:
        """The table by column, the best trial first."""
        trials = self.ranked
        settings = [settings_at(self.space, trial.point) for trial in trials]
        return {
            "trial": [trial.number for trial in trials],
            **{name: _column([setting[name] for setting in settings], trials, name) for name in self.space},
            self.metric: [trial.value for trial in trials],
            f"{self.metric}_deviation": [trial.deviation for trial in trials],
            "loss": [trial.loss for trial in trials],
            "epochs": [float(np.mean(trial.epochs)) for trial in trials],
            "seconds": [trial.seconds for trial in trials],
            "diverged": [trial.diverged for trial in trials],
            "dropped": [trial.dropped for trial in trials],
        }

    def to_frame(self, backend: str = "pandas") -> Any:
        """The table as a data frame, the best trial first.

        Args:
            backend: ``"pandas"``, ``"polars"`` or ``"pyarrow"``, which needs nothing else to be installed.

        Raises:
            InvalidValue: another backend, or one that is not installed.
        """
        return as_frame({name: np.asarray(column) for name, column in self.columns().items()}, backend)

    def plot(self) -> Any:
        """Plot the trials along parallel axes, and the importance of the settings, as a matplotlib figure.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return to_matplotlib(*sweep_charts(self), columns=1, width=WIDTH)

    def to_dict(self) -> dict[str, Any]:
        """The table as plain data; what is no number is None."""
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "best": self.best.number,
            "notes": list(self.notes),
            "importances": self.importances,
            "held_out": {name: value if np.isfinite(value) else None for name, value in self.run.result.items()},
            "trials": [msgspec.json.decode(msgspec.json.encode(trial)) for trial in self.ranked],
        }

    def __repr__(self) -> str:
        metric = self.metric.replace("_", " ")
        return f"<Sweep of {len(self.trials)} trials: best {metric} {self.best.value:.4g}, {self.best.label}>"

    def to_document(self) -> Document:
        """The table as a document."""
        return Document(sweep_summary(self), sweep_table(self))

    def __str__(self) -> str:
        return terminal.text(self.to_document(), width=180)

    def _repr_html_(self) -> str:
        return html.fragment(sweep_document(self))


def _column(values: list[Any], trials: Sequence[Trial], name: str) -> list[Any]:
    """Values that a frame can hold in one column: numbers as they are, all else in words."""
    if all(isinstance(value, (bool, int, float)) for value in values):
        return values
    return [trial.settings[name] for trial in trials]
