"""Settings compared: each trained with the same seeds, held against one another seed by seed."""

import inspect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from pellucid.architectures.by_name import build_model
from pellucid.architectures.feedforward import feedforward, loss_and_network
from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError, InvalidValue
from pellucid.core.statistics import Estimate, Paired, holm, interval, paired
from pellucid.data import Dataset, make_dataset
from pellucid.network import Network, build_network
from pellucid.optimizers import as_optimizer
from pellucid.report.comparison import draw_comparison
from pellucid.runs.many import train_timed, vary
from pellucid.runs.run import Run
from pellucid.runs.train import Plan, plan

OF_NETWORK = {"activation": "activation", "dropout": "dropout", "initializer": "weights"}
"""Settings of a network given by its units or its name, with what `feedforward` calls them."""

SHORT = {"learning_rate": "optimizer.learning_rate"}
"""Short names of settings."""

OF_TRAINING = tuple(name for name in inspect.signature(plan).parameters if name not in ("data", "seed"))
"""Settings that `train` takes."""


class Row(NamedTuple):
    """What a comparison says of one setting."""

    setting: dict[str, Any]
    estimate: Estimate
    against: Paired | None
    """Its difference from the reference; None for the reference itself."""
    p: float | None
    """The p of that difference, corrected for all of them (Holm)."""
    diverged: int
    """Seeds whose training ended in a loss that is not finite; their figures are left out."""
    seconds: float
    """Of training, all seeds together; what several settings trained together took is shared evenly."""


@dataclass(frozen=True)
class Comparison:
    """Trainings of several settings by several seeds.

    Attributes:
        settings: what each setting changes, by name.
        seeds: the seeds that each was trained with.
        runs: the trainings, settings × seeds.
        seconds: of training, for each setting.
        against: what the settings are held against, ``"best"`` or ``"first"``.
    """

    settings: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    runs: tuple[tuple[Run, ...], ...]
    seconds: tuple[float, ...]
    against: Literal["best", "first"] = "best"

    @property
    def figure(self) -> str:
        """The figure that is compared where no other is asked for: the metric on the held-out rows."""
        return f"held_out_{self.runs[0][0].program.metric_name}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Each setting in words."""
        return tuple(
            ", ".join(f"{name} {_shown(value)}" for name, value in setting.items()) for setting in self.settings
        )

    def values(self, figure: str | None = None) -> np.ndarray:
        """A figure of every training at its end.

        Args:
            figure: a column of `pellucid.training.History.epochs`: ``loss`` and the metric's name are of the training
                rows in the last epoch, ``held_out_…`` of the held-out rows and the network that the run keeps.

        Returns:
            Shape (settings, seeds); NaN where the training diverged.

        Raises:
            InvalidValue: a figure that was not recorded.
        """
        name = figure or self.figure
        self._check(name)

        def value(run: Run) -> float:
            if run.stopped == "diverged":
                return np.nan
            if name.startswith("held_out_"):
                return run.result[name.removeprefix("held_out_")]
            return float(run.history.epochs[name][-1])

        return np.array([[value(run) for run in runs] for runs in self.runs])

    def curves(self, figure: str | None = None) -> np.ndarray:
        """A figure of every training, epoch by epoch.

        Args:
            figure: as for ``values``. Under early stopping ``held_out_…`` is of the validation part that is watched.

        Returns:
            Shape (settings, seeds, epochs); NaN after a training's end.
        """
        name = figure or self.figure
        self._check(name)
        epochs = max(run.experiment.epochs for runs in self.runs for run in runs)
        found = np.full((len(self.settings), len(self.seeds), epochs), np.nan)
        for i, runs in enumerate(self.runs):
            for j, run in enumerate(runs):
                column = run.history.epochs.get(name, ())  # nothing where it diverged in its first epoch
                found[i, j, : len(column)] = column
        return found

    def epochs_to(self, target: float, figure: str | None = None) -> np.ndarray:
        """Epochs until a figure was first as good as ``target``.

        Args:
            target: what it has to reach: from above for a loss or an error, from below for an accuracy.
            figure: as for ``curves``.

        Returns:
            Shape (settings, seeds), from 1; NaN where it was never reached.
        """
        curves = self.curves(figure)
        reached = curves >= target if self.higher_is_better(figure) else curves <= target
        return np.where(reached.any(axis=2), reached.argmax(axis=2) + 1.0, np.nan)

    def higher_is_better(self, figure: str | None = None) -> bool:
        """Whether more of a figure is better."""
        name = figure or self.figure
        return not name.endswith("loss") and self.runs[0][0].program.metric.higher_is_better

    def reference(self, figure: str | None = None) -> int:
        """The place of the setting that the others are held against."""
        if self.against == "first":
            return 0
        values = self.values(figure) * (1 if self.higher_is_better(figure) else -1)
        sound = np.isfinite(values)
        means = [row[kept].mean() if kept.any() else -np.inf for row, kept in zip(values, sound, strict=True)]
        # A setting that some seeds diverge with is no model for the others.
        return max(range(len(means)), key=lambda i: (int(sound[i].sum()), means[i]))

    def rows(self, figure: str | None = None) -> list[Row]:
        """The table: mean, interval and difference from the reference of each setting."""
        values = self.values(figure)
        reference = self.reference(figure)
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
                self.seconds[i],
            )
            for i, setting in enumerate(self.settings)
        ]

    def plot(self, figure: str | None = None) -> Any:
        """A matplotlib figure: each setting with its seeds and interval, and the learning curves.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        name = figure or self.figure
        return draw_comparison(
            self.labels,
            self.values(name),
            np.array([(row.estimate.low, row.estimate.high) for row in self.rows(name)]),
            self.curves(name),
            name=_words(name),
            reference=self.reference(name),
            higher_is_better=self.higher_is_better(name),
        )

    def to_dict(self, figure: str | None = None) -> dict[str, Any]:
        """The table as plain data; what is no number is None."""
        rows = []
        for row, values in zip(self.rows(figure), self.values(figure).tolist(), strict=True):
            difference = None
            if row.against is not None:
                difference = asdict(row.against) | {"p_corrected": row.p}
            plain = {"setting": row.setting, **asdict(row.estimate), "against_reference": difference}
            rows.append(plain | {"diverged": row.diverged, "seconds": row.seconds, "values": values})
        return _plain(
            {
                "figure": figure or self.figure,
                "seeds": list(self.seeds),
                "reference": self.reference(figure),
                "settings": rows,
            }
        )

    def __str__(self) -> str:
        reference = self.reference()
        lines: list[tuple[str, ...]] = [
            ("setting", "mean", "sd", "95 % interval", "difference", "95 % interval", "p (Holm)", "d", "s")
        ]
        for i, (label, row) in enumerate(zip(self.labels, self.rows(), strict=True)):
            found = row.estimate
            cells = [label, f"{found.mean:.4f}", f"{found.spread:.4f}", _ends(found.low, found.high)]
            if row.against is None:
                cells += ["(reference)" if i == reference else "", "", "", ""]
            else:
                difference = row.against
                cells += [f"{difference.difference:+.4f}", _ends(*difference.interval, sign="+")]
                cells += [f"{row.p:.2g}", f"{difference.d:+.2f}"]
            note = f"   {row.diverged} of {len(self.seeds)} diverged" if row.diverged else ""
            lines.append((*cells, f"{row.seconds:.1f}{note}"))
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        table = [
            "  ".join(
                [line[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:-1], strict=True)]
                + [line[-1]]
            )
            for line in lines
        ]
        return "\n".join([f"{_words(self.figure)}, {len(self.seeds)} seeds", *table])

    def _check(self, name: str) -> None:
        metric = self.runs[0][0].program.metric_name
        known = ("loss", metric, "held_out_loss", f"held_out_{metric}", "learning_rate")
        if name not in known:
            raise InvalidValue(f"no figure {name!r} was recorded. Figures: {', '.join(known)}.")


def compare(
    data: Dataset | tuple[Any, Any],
    over: Mapping[str, Sequence[Any]],
    *,
    seeds: int | Sequence[int] = 10,
    against: Literal["best", "first"] = "best",
    progress: bool = True,
    **settings: Any,
) -> Comparison:
    """Train every combination of some settings with the same seeds, and hold them against one another.

    All figures are of the held-out rows, which decide nothing in a training. Picking the best setting by them is
    a decision all the same: its own figure is then a little too good.

    Args:
        data: a `Dataset`, or arrays ``(x, y)``, of which a fifth is then held out.
        over: the values of each setting: ``activation``, ``initializer`` or ``dropout`` of a network given by its
            units or name; anything that `train` takes, as ``network``, ``loss``, ``optimizer``, ``batch_size``;
            or a dotted name that reaches into one, as ``optimizer.learning_rate`` (short: ``learning_rate``),
            ``regularizer.strength``, ``network.0.units``.
        seeds: how many, or which.
        against: hold the settings against the best of them, or the first.
        progress: show the progress on stderr.
        settings: what all have in common, by the same names.

    Returns:
        The comparison: a table as text, its rows, the figures of all trainings.

    Raises:
        InvalidValue: a setting that does not exist, or a value outside what is allowed.
        DataError: no held-out rows to compare on.

    Example:
        >>> from pellucid.data import load_dataset
        >>> over = {"activation": ["relu", "tanh"], "learning_rate": [0.01, 0.1]}
        >>> found = compare(load_dataset("iris"), over, seeds=2, network=(8,), epochs=2, progress=False)
        >>> found.values("held_out_accuracy").shape
        (4, 2)
    """
    chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if isinstance(seeds, int):
        require(seeds, WholeNumber(1), "seeds")
    dataset = make_dataset(*data) if isinstance(data, tuple) else data
    if dataset.held_out is None:
        raise DataError(f"{dataset.name!r} has no held-out rows to compare the settings on.")
    combinations = _combinations(over)
    plans = [settle(dataset, {**settings, **changes}) for changes in combinations]
    experiments = [msgspec.structs.replace(planned.experiment, seed=seed) for planned in plans for seed in chosen]
    many = [planned for planned in plans for _ in chosen]
    trained = train_timed(
        experiments,
        [planned.data for planned in many],
        networks=[planned.network for planned in many],
        optimizers=[planned.optimizer for planned in many],
        progress=progress,
    )
    starts = range(0, len(trained), len(chosen))
    by_setting = [trained[start : start + len(chosen)] for start in starts]
    runs = tuple(tuple(one.run for one in of_setting) for of_setting in by_setting)
    seconds = tuple(sum(one.seconds for one in of_setting) for of_setting in by_setting)
    return Comparison(combinations, chosen, runs, seconds, against)


def settle(data: Dataset, settings: Mapping[str, Any]) -> Plan:
    """The training that settings describe, by the names that `compare` takes.

    Raises:
        InvalidValue: a setting that does not exist, or a value outside what is allowed.
    """
    full = {SHORT.get(name, name): value for name, value in settings.items()}
    inner = {name: value for name, value in full.items() if "." in name}
    whole = {name: value for name, value in full.items() if "." not in name}
    for name in whole:
        if name not in OF_TRAINING and name not in OF_NETWORK:
            known = ", ".join(sorted({*OF_TRAINING, *OF_NETWORK, *SHORT}))
            raise InvalidValue(f"there is no setting {name!r}. Settings: {known}; or a dotted name within one.")
    fields = {name: whole.pop(name) for name in OF_NETWORK if name in whole}
    given = whole.pop("network", None)
    network, data = _network(given, fields, data)
    if not isinstance(given, Network):
        _, network = loss_and_network(whole.get("loss"), network, data)
    planned = plan(network, data, **whole)
    if not inner:
        return planned
    experiment = vary(planned.experiment, inner)
    reached = {name.partition(".")[0] for name in inner}
    return Plan(
        experiment,
        planned.data,
        build_network(experiment.network) if "network" in reached else planned.network,
        as_optimizer(experiment.optimizer) if "optimizer" in reached else planned.optimizer,
    )


def _network(network: Any, fields: dict[str, Any], data: Dataset) -> tuple[Network, Dataset]:
    if isinstance(network, Network):
        if fields:
            raise InvalidValue(
                f"{', '.join(fields)}: a setting of networks given by units or by name; this one is given as an "
                'object. Vary its layers instead, as in {"network.0.units": [16, 32]}.'
            )
        return network, data
    if isinstance(network, (str, Mapping)):
        table = {"name": network} if isinstance(network, str) else dict(network)
        return build_model(table | fields, data)
    given = {OF_NETWORK[name]: value for name, value in fields.items()}
    return feedforward(data, (128,) if network is None else network, **given), data


def _combinations(over: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    if not over:
        raise InvalidValue('over names nothing to compare. Give it values: {"activation": ["relu", "tanh"]}.')
    for name, values in over.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InvalidValue(f"over[{name!r}] must be a list of values. Received: {values!r}.")
        if name in ("seed", "metric"):
            advice = "seeds takes the seeds" if name == "seed" else "settings are compared by one metric"
            raise InvalidValue(f"{name} cannot be compared over: {advice}.")
    return tuple(dict(zip(over, values, strict=True)) for values in itertools.product(*over.values()))


def _words(figure: str) -> str:
    if figure.startswith("held_out_"):
        return f"{figure.removeprefix('held_out_').replace('_', ' ')} on the held-out rows"
    return f"{figure.replace('_', ' ')} on the training rows"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        fields = ", ".join(f"{key} {_shown(part)}" for key, part in value.items() if key != "name")
        return f"{value['name']} ({fields})" if "name" in value and fields else str(value.get("name", fields))
    if isinstance(value, (tuple, list)):
        return "-".join(map(_shown, value)) or "none"
    return str(getattr(value, "name", value))


def _ends(low: float, high: float, sign: str = "") -> str:
    return f"{low:{sign}.4f} … {high:{sign}.4f}"


def _plain(content: Any) -> Any:
    """For JSON, which knows neither NaN nor NumPy."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    if isinstance(content, (float, np.floating)):
        return float(content) if np.isfinite(content) else None
    return content if isinstance(content, (str, int, bool, type(None))) else _shown(content)
