"""What a training measured, as charts: its curves, and what flowed through the layers, forward and backward."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from pellucid.report.old_chart import Series, dot_chart, line_chart
from pellucid.report.page import Content, Html, element, figure, figures, number, paragraph, table
from pellucid.training import History, steps_per_epoch

MOST_LAYERS = 8
"""Lines in a chart of layers; of more layers, so many are chosen evenly."""
MOST_ROWS = 40
"""Epochs in the table of a long training."""


def curves(history: History, watched: str) -> Html:
    """Loss, metric and learning rate over the epochs, as charts and as a table.

    Args:
        history: the measurements.
        watched: what the rows are called that were evaluated after each epoch: ``"held out"``, ``"validation"``.
    """
    per_epoch = steps_per_epoch(history.rows, history.batch_size)
    steps, epochs = history.steps, history.epochs
    at = (steps["step"] + 1) / per_epoch
    charts = []
    for name in ("loss", history.metric_name):
        lines = [Series("training", at, steps[name])]
        if f"held_out_{name}" in epochs:
            lines.append(Series(watched, epochs["epoch"], epochs[f"held_out_{name}"]))
        # Of a loss or an error the logarithm shows the end; of a share, such as accuracy, it hides it.
        log = None if name.endswith(("loss", "error")) else False
        charts.append(figure(line_chart(_words(name), lines, x_label="epoch", log=log)))
    after = f" “{watched}” is measured at the end of each epoch." if "held_out_loss" in epochs else ""
    rates = steps["learning_rate"]
    rate = ""
    if len(rates) and rates.min() == rates.max():
        rate = f" The learning rate was {number(float(rates[0]))} throughout."
    elif np.isfinite(rates).any():
        line = Series("learning rate", at, rates)
        charts.append(figure(line_chart("learning rate η", [line], x_label="epoch")))
    return Html(
        figures(*charts)
        + paragraph(
            "Training figures are those of each batch before its update; where there are many, neighbours are averaged "
            f"and a band shows their range.{after}{rate}",
            kind="quiet",
        )
        + _epochs_table(history, watched)
    )


def _epochs_table(history: History, watched: str) -> Html:
    table_of = history.epochs
    count = history.epochs_made
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_ROWS)).astype(int)) if count else []
    head = [_words(name).replace("held out", watched) for name in table_of]
    rows = [[_item(column[i]) for column in table_of.values()] for i in shown]
    title = "Figures of each epoch" if len(rows) == count else f"Figures of {len(rows)} of {count} epochs"
    return element("details", element("summary", title), table(head, rows))


class _Flow(NamedTuple):
    """A measure of the layers over the steps."""

    steps: np.ndarray
    names: list[str]
    values: np.ndarray
    """(recorded steps, layers)."""

    def series(self, low: np.ndarray | None = None, high: np.ndarray | None = None) -> list[Series]:
        return [
            Series(
                name,
                self.steps,
                self.values[:, i],
                None if low is None else low[:, i],
                None if high is None else high[:, i],
            )
            for i, name in enumerate(self.names)
        ]


def flow(history: History, prefix: str = "") -> Html:
    """Activations and gradients layer by layer over the steps, and in the last measured step as a table.

    Args:
        history: the measurements.
        prefix: only the layers whose names begin with it; it is left out of what is shown.
    """
    if not len(history.layer_measures):
        return paragraph("The layers were not measured: record_every was 0, or no step was made.")
    measured = _Measured(history, prefix)
    charts = [_gradients_by_depth(measured)]
    for name, title, options in (
        ("gradient_norm", "gradient norm ‖∂L/∂W‖", {"log": True}),
        ("update_ratio", "update over weights ‖ΔW‖ / ‖W‖", {"log": True}),
        ("weight_norm", "weight norm ‖W‖", {}),
    ):
        charts.append(_chart(measured.of(name), title, options))
    charts += _activation_charts(measured)
    for name, title in (
        ("share_zero", "share of outputs that are 0"),
        ("share_saturated", "share of outputs at an end of their range"),
    ):
        charts.append(_chart(measured.of(name, measured.outputs), title, {"shares": True}))
    dead = measured.of("dead_units")
    if dead is not None and np.nanmax(dead.values) > 0:
        charts.append(_chart(dead, "units that are 0 for the whole batch", {}))
    return Html(figures(*(figure(chart) for chart in charts if chart is not None)) + measured.last_table())


class _Measured:
    """The layers' table by measure, whatever measures there are."""

    def __init__(self, history: History, prefix: str) -> None:
        self.table = history.layers
        count = len(history.layer_names)
        self.names = [name.removeprefix(prefix) for name in history.layer_names]
        self.places = [i for i, name in enumerate(history.layer_names) if name.startswith(prefix)]
        self.steps = self.table["step"][::count]
        self.count = count
        units = {name.removeprefix(prefix) for name in history.unit_layers}
        norms = self.whole("gradient_norm")
        weighted = [norms is not None and bool(np.isfinite(norms[:, i]).any()) for i in range(count)]
        # What a layer passes on: of an affine map followed by its activation, the activation.
        self.outputs = [
            i
            for i in self.places
            if self.names[i] in units or (weighted[i] and not (i + 1 < count and self.names[i + 1] in units))
        ]

    def whole(self, measure: str) -> np.ndarray | None:
        """(recorded steps, layers), or None where it was not measured."""
        column = self.table.get(measure)
        return None if column is None else np.asarray(column, float).reshape(-1, self.count)

    def of(self, measure: str, places: Iterable[int] | None = None) -> _Flow | None:
        """A measure of the layers that have it, at most `MOST_LAYERS`; None where none has."""
        values = self.whole(measure)
        if values is None:
            return None
        chosen = [i for i in (self.places if places is None else places) if np.isfinite(values[:, i]).any()]
        if not chosen:
            return None
        even = np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), MOST_LAYERS)).astype(int))
        kept = [chosen[i] for i in even]
        return _Flow(self.steps, [self.names[i] for i in kept], values[:, kept])

    def last_table(self) -> Html:
        """All measures of the last measured step, layer by layer."""
        columns = {
            name: values[-1]
            for name in self.table
            if name not in ("step", "layer", "finite") and (values := self.whole(name)) is not None
        }
        there = {name: values for name, values in columns.items() if np.isfinite(values[self.places]).any()}
        rows: list[list[Content]] = [
            [self.names[i], *(number(values[i]) for values in there.values())] for i in self.places
        ]
        step = number(int(self.steps[-1]))
        head = ["layer", *map(_words, there)]
        title = element("summary", f"All measures of step {step}")
        return element("details", title, table(head, rows, right=range(1, len(head))))


def _chart(flow: _Flow | None, title: str, options: dict[str, Any]) -> Html | None:
    if flow is None:
        return None
    # A line alone has no legend.
    title = title if len(flow.names) > 1 else f"{title}, {flow.names[0]}"
    return line_chart(title, flow.series(), x_label="step", **options)


def _gradients_by_depth(measured: _Measured) -> Html | None:
    """The gradient's norm from layer to layer, in the first, the middle and the last measured step."""
    values = measured.whole("gradient_norm")
    if values is None:
        return None
    places = [i for i in measured.places if np.isfinite(values[:, i]).any()]
    if len(places) < 2:
        return None
    steps = measured.steps
    chosen = sorted({0, len(steps) // 2, len(steps) - 1})
    rows = [Series(f"step {number(int(steps[i]))}", values[i, places], np.arange(len(places))) for i in chosen]
    names = [measured.names[i] for i in places]
    return dot_chart("gradient norm from layer to layer", names, rows, x_label="‖∂L/∂W‖", log=True)


def _activation_charts(measured: _Measured) -> list[Html | None]:
    """Mean ± spread of the outputs; mean and spread apart where there are too many bands to tell."""
    mean = measured.of("activation_mean", measured.outputs)
    spread = measured.of("activation_spread", measured.outputs)
    if mean is None or spread is None or len(mean.names) > 3:
        return [_chart(mean, "activation mean", {"log": False}), _chart(spread, "activation spread", {"log": False})]
    lines = mean.series(mean.values - spread.values, mean.values + spread.values)
    return [line_chart("activation mean ± spread", lines, x_label="step", log=False)]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _item(value: Any) -> Content:
    return value.item() if isinstance(value, np.generic) else value
