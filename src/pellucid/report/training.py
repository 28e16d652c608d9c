"""What a training measured, as charts: its curves, and what flowed through the layers, forward and backward."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from pellucid.report.chart import DotChart, LineChart, Series
from pellucid.report.document import Block, Columns, Details, Paragraph, Table, number
from pellucid.runs.trained import Trained
from pellucid.training import History, steps_per_epoch

MOST_LAYERS = 8
"""Lines in a chart of layers; of more layers, so many are chosen evenly."""
MOST_ROWS = 40
"""Epochs in the table of a long training."""


def units_of(trained: Trained) -> dict[str, str]:
    """Units of the loss and the metric of a regression, for their axes: of the scaled targets, and of the targets."""
    if trained.facts.task != "regression":
        return {}
    name = " and ".join(trained.facts.targets[:3]) or "the target"
    of_loss = (
        "of the target as it is scaled for training" if not trained.facts.target_preprocessing.is_identity else name
    )
    return {"loss": of_loss, trained.program.metric.name: f"in units of {name}"}


def curve_charts(
    history: History, watched: str = "held out", units: Mapping[str, str] | None = None
) -> list[LineChart]:
    """Plot loss, metric and, where it changed, learning rate.

    Args:
        history: the training's.
        watched: name of the rows evaluated after each epoch.
        units: of the loss and the metric, by name.
    """
    units = units or {}
    steps, epochs = history.steps, history.epochs
    at = (steps["step"] + 1) / steps_per_epoch(history.rows, history.batch_size)
    charts = []
    for name in ("loss", history.metric_name, *history.extra_names):
        lines = [Series("training", at, steps[name])]
        if f"held_out_{name}" in epochs:
            lines.append(Series(watched, epochs["epoch"], epochs[f"held_out_{name}"]))
        # Of a loss or an error the logarithm shows the end; of a fraction, such as accuracy, it hides it.
        log = None if name.endswith(("loss", "error")) else False
        charts.append(LineChart(words(name), lines, "epoch", units.get(name, ""), log=log, whole=True))
    rates = steps["learning_rate"]
    if np.isfinite(rates).any() and rates.min() != rates.max():
        charts.append(LineChart("learning rate η", [Series("learning rate", at, rates)], "epoch", whole=True))
    return charts


def curves(trained: Trained) -> list[Block]:
    """Show loss, metric and learning rate over the epochs, as charts and as a table."""
    history, watched = trained.history, trained.experiment.watched
    epochs, rates = history.epochs, history.steps["learning_rate"]
    after = f" “{watched}” is measured at the end of each epoch." if "held_out_loss" in epochs else ""
    constant = len(rates) and rates.min() == rates.max()
    rate = f" The learning rate was {number(rates[0])} throughout." if constant else ""
    return [
        Columns(*curve_charts(history, watched, units_of(trained))),
        Paragraph(
            "Training metrics are those of each batch before its update; where there are many, neighbours are averaged "
            f"and a band shows their range.{after}{rate}",
            kind="quiet",
        ),
        _epochs_table(history, watched),
    ]


def _epochs_table(history: History, watched: str) -> Block:
    columns, count = history.epochs, history.epochs_made
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_ROWS)).astype(int)) if count else []
    head = [words(name).replace("held out", watched) for name in columns]
    rows = [[column[i].item() for column in columns.values()] for i in shown]
    title = "Metrics of each epoch" if len(rows) == count else f"Metrics of {len(rows)} of {count} epochs"
    return Details(title, Table(head, rows))


class _Measure(NamedTuple):
    """A measure of some layers over the steps, shape (recorded steps, layers)."""

    steps: np.ndarray
    names: list[str]
    values: np.ndarray

    def series(self, half: np.ndarray | None = None) -> list[Series]:
        """A line for each layer, with a band of this half width."""
        columns = [(column, None, None) for column in self.values.T]
        if half is not None:
            columns = [(a, a - b, a + b) for a, b in zip(self.values.T, half.T, strict=True)]
        return [Series(name, self.steps, *ends) for name, ends in zip(self.names, columns, strict=True)]


def layer_flow(history: History, prefix: str = "") -> list[Block]:
    """Show activations and gradients of the layers whose names begin with the prefix, without it."""
    if not len(history.layer_measures):
        return ["The layers were not measured: record_every was 0, or no step was made."]
    measured = _Measured(history, prefix)
    saturated = measured.of("fraction_saturated", measured.outputs)
    charts = [
        _gradients_by_depth(measured),
        *(_chart(measured.of(name), title, **options) for name, title, options in _OF_LAYERS),
        *_activation_charts(measured),
        _chart(measured.of("fraction_zero", measured.outputs), "fraction of outputs that are 0", fractions=True),
        _chart(saturated, "fraction of outputs at an end of their range", fractions=True),
    ]
    dead = measured.of("dead_units")
    if dead is not None and np.nanmax(dead.values) > 0:
        charts.append(_chart(dead, "units that are 0 for the whole batch"))
    return [Columns(*charts, width="third"), measured.last_table()]


_OF_LAYERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("gradient_norm", "gradient norm ‖∂L/∂W‖", {"log": True}),
    ("update_ratio", "update over weights ‖ΔW‖ / ‖W‖", {"log": True}),
    ("weight_norm", "weight norm ‖W‖", {}),
)


def gradient_charts(history: History) -> list[LineChart]:
    """Plot gradients and updates of each layer over the steps; none where the layers were not measured."""
    if not len(history.layer_measures):
        return []
    measured = _Measured(history, "")
    charts = [_chart(measured.of(name), title, **options) for name, title, options in _OF_LAYERS[:2]]
    return [chart for chart in charts if chart is not None]


class _Measured:
    """The layers' table by measure, whatever measures there are."""

    def __init__(self, history: History, prefix: str) -> None:
        self.table = history.layers
        count = len(history.layer_names)
        self.names = [name.removeprefix(prefix) for name in history.layer_names]
        self.layers = [i for i, name in enumerate(history.layer_names) if name.startswith(prefix)]
        self.steps = self.table["step"][::count]
        self.count = count
        units = {name.removeprefix(prefix) for name in history.unit_layers}
        norms = self.whole("gradient_norm")
        weighted = [norms is not None and bool(np.isfinite(norms[:, i]).any()) for i in range(count)]
        # What a layer passes on: of an affine map followed by its activation, the activation.
        self.outputs = [
            i
            for i in self.layers
            if self.names[i] in units or (weighted[i] and not (i + 1 < count and self.names[i + 1] in units))
        ]

    def whole(self, measure: str) -> np.ndarray | None:
        """(recorded steps, layers), or None where it was not measured."""
        column = self.table.get(measure)
        return None if column is None else np.asarray(column, float).reshape(-1, self.count)

    def of(self, measure: str, layers: Iterable[int] | None = None) -> _Measure | None:
        """A measure of the layers that have it, at most `MOST_LAYERS`; None where none has."""
        values = self.whole(measure)
        if values is None:
            return None
        chosen = [i for i in (self.layers if layers is None else layers) if np.isfinite(values[:, i]).any()]
        if not chosen:
            return None
        even = np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), MOST_LAYERS)).astype(int))
        kept = [chosen[i] for i in even]
        return _Measure(self.steps, [self.names[i] for i in kept], values[:, kept])

    def last_table(self) -> Block:
        """All measures of the last measured step, layer by layer."""
        measures = (name for name in self.table if name not in ("step", "layer", "finite"))
        columns = {name: values[-1] for name in measures if (values := self.whole(name)) is not None}
        known = {name: values for name, values in columns.items() if np.isfinite(values[self.layers]).any()}
        rows = [(self.names[i], *(float(values[i]) for values in known.values())) for i in self.layers]
        title = f"All measures of step {number(int(self.steps[-1]))}"
        return Details(title, Table(("layer", *map(words, known)), rows))


def _chart(measure: _Measure | None, title: str, **options: Any) -> LineChart | None:
    if measure is None:
        return None
    # A line alone has no legend.
    title = title if len(measure.names) > 1 else f"{title}, {measure.names[0]}"
    return LineChart(title, measure.series(), "step", whole=True, **options)


def _gradients_by_depth(measured: _Measured) -> Block:
    """The gradient's norm from layer to layer, in the first, the middle and the last measured step."""
    values = measured.whole("gradient_norm")
    if values is None:
        return None
    layers = [i for i in measured.layers if np.isfinite(values[:, i]).any()]
    if len(layers) < 2:
        return None
    chosen = sorted({0, len(measured.steps) // 2, len(measured.steps) - 1})
    rows = {f"step {number(int(measured.steps[i]))}": values[i, layers] for i in chosen}
    names = [measured.names[i] for i in layers]
    return DotChart("gradient norm from layer to layer", names, rows, "‖∂L/∂W‖", log=True)


def _activation_charts(measured: _Measured) -> list[Block]:
    """Mean ± standard deviation of the outputs; apart where there are too many bands to distinguish."""
    mean = measured.of("activation_mean", measured.outputs)
    deviation = measured.of("activation_std", measured.outputs)
    if mean is None or deviation is None or len(mean.names) > 3:
        titles = {"activation mean": mean, "activation standard deviation": deviation}
        return [_chart(measure, title, log=False) for title, measure in titles.items()]
    lines = mean.series(deviation.values)
    return [LineChart("activation mean ± standard deviation", lines, "step", log=False, whole=True)]


def words(name: str) -> str:
    """A name in words."""
    return name.replace("_", " ")
