"""Settings compared: each trained with the same seeds, and compared seed by seed."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError, InvalidValue
from pellucid.core.statistics import Estimate, Paired, holm, interval, paired
from pellucid.data import make_dataset
from pellucid.runs.many import many
from pellucid.runs.plan import settle
from pellucid.runs.trained import Trained
from pellucid.runs.values import final_value, higher_is_better, learning_curve


class Row(NamedTuple):
    """One setting of a comparison."""

    setting: dict[str, Any]
    estimate: Estimate
    against: Paired | None
    """Its difference from the reference; None for the reference itself."""
    p: float | None
    """The p of that difference, corrected for all of them (Holm)."""
    diverged: int
    """Seeds whose loss became NaN or infinite; their metrics are left out."""
    seconds: float
    """Of training, all seeds together; what several settings trained together took is shared evenly."""


@dataclass(frozen=True)
class Comparison:
    """Trainings of several settings by several seeds.

    Attributes:
        settings: what each setting changes, by name.
        seeds: the seeds that each was trained with.
        runs: the trainings, settings × seeds.
        against: what the settings are compared with, ``"best"`` or ``"first"``.
    """

    settings: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    runs: tuple[tuple[Trained, ...], ...]
    against: Literal["best", "first"] = "best"

    @property
    def metric(self) -> str:
        """The metric compared by default: the one on the held-out rows."""
        return f"held_out_{self.runs[0][0].program.metric_name}"

    @property
    def asked(self) -> tuple[str, ...]:
        """The metrics of the setting ``metrics``, on the held-out rows."""
        names = (f"held_out_{metric.label}" for metric in self.runs[0][0].metrics)
        return tuple(name for name in names if name != self.metric)

    @property
    def labels(self) -> tuple[str, ...]:
        """Each setting in words."""
        return tuple(
            ", ".join(f"{name} {shown(value)}" for name, value in setting.items()) for setting in self.settings
        )

    def values(self, metric: str | None = None) -> np.ndarray:
        """Collect a metric of every training at its end.

        Args:
            metric: a column of `pellucid.training.History.epochs`: ``loss`` and the metric's name are of the training
                rows in the last epoch, ``held_out_…`` of the held-out rows and the network that the run keeps.

        Returns:
            Shape (settings, seeds); NaN where the training diverged.

        Raises:
            InvalidValue: a metric that was not recorded.
        """
        name = metric or self.metric
        return np.array([[final_value(run, name) for run in runs] for runs in self.runs])

    def curves(self, metric: str | None = None) -> np.ndarray:
        """Collect a metric of every training, epoch by epoch.

        Args:
            metric: as for ``values``. Under early stopping ``held_out_…`` is of the validation part that is watched.

        Returns:
            Shape (settings, seeds, epochs); NaN after a training's end.
        """
        epochs = max(run.experiment.epochs for runs in self.runs for run in runs)
        name = metric or self.metric
        return np.array([[learning_curve(run, name, epochs) for run in runs] for runs in self.runs])

    def epochs_to(self, target: float, metric: str | None = None) -> np.ndarray:
        """Count the epochs until a metric was first as good as ``target``.

        Args:
            target: what it has to reach: from above for a loss or an error, from below for an accuracy.
            metric: as for ``curves``.

        Returns:
            Shape (settings, seeds), from 1; NaN where it was never reached.
        """
        curves = self.curves(metric)
        reached = curves >= target if self.higher_is_better(metric) else curves <= target
        return np.where(reached.any(axis=2), reached.argmax(axis=2) + 1.0, np.nan)

    def higher_is_better(self, metric: str | None = None) -> bool:
        """True where more of a metric is better."""
        return higher_is_better(self.runs[0][0], metric or self.metric)

    def reference(self, metric: str | None = None) -> int:
        """The index of the setting that the others are compared with."""
        if self.against == "first":
            return 0
        values = self.values(metric) * (1 if self.higher_is_better(metric) else -1)
        finite = np.isfinite(values)
        means = [row[kept].mean() if kept.any() else -np.inf for row, kept in zip(values, finite, strict=True)]
        # A setting that some seeds diverge with is no model for the others.
        return max(range(len(means)), key=lambda i: (int(finite[i].sum()), means[i]))

    def rows(self, metric: str | None = None) -> list[Row]:
        """Compute mean, interval and difference from the reference of each setting."""
        values = self.values(metric)
        reference = self.reference(metric)
        tests = [paired(row, values[reference]) for row in values]
        others = [i for i in range(len(tests)) if i != reference]
        corrected = dict(zip(others, holm([tests[i].p for i in others]), strict=True))
        return [
            Row(
                setting,
                interval(values[i]),
                None if i == reference else tests[i],
                corrected.get(i),
                sum(run.stopped == "diverged" for run in self.runs[i]),
                sum(run.seconds or 0.0 for run in self.runs[i]),
            )
            for i, setting in enumerate(self.settings)
        ]

    def to_dict(self, metric: str | None = None) -> dict[str, Any]:
        """The table as plain data; what is no number is None."""
        rows = []
        for row, values in zip(self.rows(metric), self.values(metric).tolist(), strict=True):
            difference = None
            if row.against is not None:
                difference = asdict(row.against) | {"p_corrected": row.p}
            plain = {"setting": row.setting, **asdict(row.estimate), "against_reference": difference}
            asked = {name: self.values(name)[len(rows)].tolist() for name in self.asked}
            plain |= {"metrics": asked} if asked else {}
            rows.append(plain | {"diverged": row.diverged, "seconds": row.seconds, "values": values})
        return _plain(
            {
                "metric": metric or self.metric,
                "seeds": list(self.seeds),
                "reference": self.reference(metric),
                "settings": rows,
            }
        )


def compare_settings(
    data: Any,
    over: Mapping[str, Sequence[Any]],
    settings: Mapping[str, Any],
    *,
    seeds: int | Sequence[int] = 10,
    against: Literal["best", "first"] = "best",
    progress: bool = False,
) -> Comparison:
    """Train every combination of some settings with the same seeds; see `pellucid.compare`."""
    seed_numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if isinstance(seeds, int):
        require(seeds, WholeNumber(1), "seeds")
    dataset = make_dataset(*data) if isinstance(data, tuple) else data
    if dataset.held_out is None:
        raise DataError(f"{dataset.name!r} has no held-out rows to compare the settings on.")
    combinations = _combinations(over)
    plans = []
    for changes in combinations:
        options = {**settings, **changes}
        plans.append(settle(options.pop("network", None), dataset, options))
    each = [plan for plan in plans for _ in seed_numbers]
    seeded = [msgspec.structs.replace(plan.experiment, seed=seed) for plan in plans for seed in seed_numbers]
    records = many(
        seeded,
        [plan.data for plan in each],
        networks=[plan.network for plan in each],
        optimizers=[plan.optimizer for plan in each],
        initials=[plan.initial for plan in each],
        progress=progress,
    )
    starts = range(0, len(records), len(seed_numbers))
    runs = tuple(tuple(records[start : start + len(seed_numbers)]) for start in starts)
    return Comparison(combinations, seed_numbers, runs, against)


def _combinations(over: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    if not over:
        raise InvalidValue('over names nothing to compare. Give it values: {"activation": ["relu", "tanh"]}.')
    for name, values in over.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InvalidValue(f"over[{name!r}] must be a list of values. Received: {values!r}.")
        if name in ("seed", "metric", "metrics"):
            advice = "seeds takes the seeds" if name == "seed" else "settings are compared by the same metrics"
            raise InvalidValue(f"{name} cannot be compared over: {advice}.")
    return tuple(dict(zip(over, values, strict=True)) for values in itertools.product(*over.values()))


def shown(value: Any) -> str:
    """The value of a setting in words.

    Example:
        >>> shown((64, 64)), shown({"name": "adam", "beta1": 0.8}), shown(1e-4)
        ('64-64', 'adam (beta1 0.8)', '0.0001')
    """
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        fields = ", ".join(f"{key} {shown(part)}" for key, part in value.items() if key != "name")
        return f"{value['name']} ({fields})" if "name" in value and fields else str(value.get("name", fields))
    if isinstance(value, (tuple, list)):
        return "-".join(map(shown, value)) or "none"
    return "none" if value is None else str(getattr(value, "name", value))


def _plain(content: Any) -> Any:
    """For JSON, which knows neither NaN nor NumPy."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    if isinstance(content, (float, np.floating)):
        return float(content) if np.isfinite(content) else None
    return content if isinstance(content, (str, int, bool, type(None))) else shown(content)
