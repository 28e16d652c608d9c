"""Charts of an explanation: the network with its numbers, values over time.

Blue is above 0, orange below, and the numbers written beside say so too; negative weights are dashed.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pellucid.explanations.explanation import Explanation, LayerNumbers
from pellucid.report.axis import Axis
from pellucid.report.document import number
from pellucid.report.drawing import (
    GRID,
    QUIET,
    Area,
    Drawing,
    Label,
    Mark,
    Markers,
    Pixels,
    Stroke,
    box,
    style,
    text_width,
)
from pellucid.report.network import NetworkChart
from pellucid.report.picture import shade

MAX_NEURONS, MAX_COLUMN = 60, 16
"""Most neurons of a network, and of one of its layers, plotted neuron by neuron."""
MAX_BLOCKS = 48
"""Most steps of a series in a terminal."""


class Column(NamedTuple):
    """Neurons of one layer: output, z before an activation, ∂L/∂output, incoming weights."""

    title: str
    names: tuple[str, ...]
    output: np.ndarray
    z: np.ndarray | None
    gradient: np.ndarray
    weights: np.ndarray | None = None
    grads: np.ndarray | None = None
    layer: str = ""


def network_charts(explanation: Explanation) -> tuple[NetworkChart, NetworkChart] | None:
    """A small chain of dense layers, forward and backward; None for another network.

    Layers that pass their numbers on unchanged (dropout and flatten in prediction) are not plotted.
    """
    columns = _columns(explanation)
    if columns is None:
        return None
    first, *others = columns
    layers, chosen = [column.layer for column in others], explanation.chosen
    followed = None
    if chosen.parameter == "weights" and chosen.layer in layers:
        followed = (layers.index(chosen.layer), chosen.index[0], chosen.index[1])
    shared = (first.names, columns[-1].names, [column.title for column in columns])
    forward = NetworkChart(
        "Forward: x, a of every neuron (z below it), weights",
        [column.weights for column in others],
        [column.output for column in columns],
        *shared,
        ("z", [column.z for column in columns]),
        followed,
    )
    backward = NetworkChart(
        "Backward: ∂L/∂a of every neuron, ∂L/∂w",
        [column.grads for column in others],
        [column.gradient for column in columns],
        *shared,
        followed=followed,
    )
    return forward, backward


def _columns(explanation: Explanation) -> list[Column] | None:
    if len(explanation.inputs) != 1:
        return None
    facts, entry = explanation.facts, explanation.inputs[0]
    if entry.x.dtype.kind != "f":
        return None
    x = entry.x.reshape(-1)
    names = facts.features if len(facts.features) == len(x) else tuple(f"x[{i}]" for i in range(len(x)))
    columns = [Column("input", names, x, None, entry.gradient.reshape(-1))]
    previous: str | None = None
    for layer in explanation.layers:
        if previous is not None and layer.reads != (previous,):
            return None
        previous = layer.name
        if not _fits(layer, columns[-1]):
            return None
        zeros = np.zeros(layer.output.shape) if layer.gradient is None else layer.gradient
        if layer.activation:
            before = columns[-1]
            title = f"{before.title} · {layer.name}"
            columns[-1] = before._replace(title=title, output=layer.output, z=before.output, gradient=zeros)
        elif layer.kind == "dense":
            weights, gradients = layer.params["weights"], layer.grads["weights"]
            columns.append(Column(layer.name, (), layer.output, None, zeros, weights, gradients, layer.name))
    answers = tuple(name for name, _ in facts.answer)
    if len(columns[-1].output) == len(answers):
        columns[-1] = columns[-1]._replace(names=answers)
    elif len(columns[-1].output) == 1 and facts.classes:
        columns[-1] = columns[-1]._replace(names=(facts.classes[-1],))
    small = all(len(column.output) <= MAX_COLUMN for column in columns)
    total = sum(len(column.output) for column in columns)
    return columns if small and total <= MAX_NEURONS and len(columns) > 1 else None


def _fits(layer: LayerNumbers, before: Column) -> bool:
    if layer.output.ndim != 1:
        return False
    if layer.activation or layer.kind == "dense":
        return True
    return not layer.params and np.array_equal(layer.output, before.output)


class Panel(NamedTuple):
    """One part of a chart over time.

    Args:
        name: above it.
        values: (time, series) or (time,).
        names: of the series, where they are plotted as lines.
        heat: True draws one row of shades for each series, from top to bottom.
        signed: True where 0 is the middle of the shades.
    """

    name: str
    values: np.ndarray
    names: tuple[str, ...] = ()
    heat: bool = False
    signed: bool = False


@dataclass(frozen=True)
class TimeChart:
    """Values over the steps of a sequence, panels below each other on one axis.

    Args:
        title: above them.
        panels: the panels.
        mask: False at padded steps, which are hatched; None without padding.
    """

    title: str
    panels: tuple[Panel, ...]
    mask: np.ndarray | None = None

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        steps, left, right = len(self.panels[0].values), 46.0, width - 8
        marks: list[Mark] = [Label(0, 14, self.title, bold=True)]
        scale, y = (right - left) / steps, 26.0
        for panel in self.panels:
            values = panel.values.reshape(steps, -1)
            rows = values.shape[1]
            height = float(min(110, max(24, 9 * rows))) if panel.heat else 64.0
            low, high = float(values.min()), float(values.max())
            if not panel.heat:
                low, high = min(low, 0.0), max(high, 0.0)
            least = 0.0 if abs(low) < 1e-4 * abs(high) else low
            extent = f"{number(least, 3)} to {number(high, 3)}" if panel.heat else ""
            y += 16
            marks += [Label(left, y, panel.name, size=11.5), Label(right, y, extent, "end", QUIET, 10.5)]
            y += 5
            if panel.heat:
                marks += _heat(values, panel.signed, left, y, right - left, height)
                marks += [Label(left - 5, y + 9, "0", "end", QUIET, 10)]
                marks += [Label(left - 5, y + height, str(rows - 1), "end", QUIET, 10)] if rows > 1 else []
            else:
                marks += _lines(panel, values, low, high, left, y, scale, height)
            if self.mask is not None and not self.mask.all():
                marks += _padding(self.mask, left, y, scale, height)
            y += height
        count = min(steps, max(2, int((right - left) / 46)))
        for t in map(int, Axis(0.0, steps - 1.0, whole=True).ticks(count) if steps > 1 else [0]):
            at = left + (t + 0.5) * scale
            marks += [Stroke([at, at], [y, y + 4], QUIET), Label(at, y + 16, str(t), "middle", QUIET, 10.5)]
        marks.append(Label((left + right) / 2, y + 31, "time step", "middle", QUIET, 11))
        return Drawing(width, y + 38, self.title, marks)

    def braille(self) -> str:
        """Render the series in block characters for a terminal; padding is a dot, shades are left out."""
        if sum(panel.heat for panel in self.panels) > 1:
            return ""
        lines, steps = [], len(self.panels[0].values)
        real = np.ones(steps, bool) if self.mask is None else self.mask
        for panel in self.panels:
            for k, series in enumerate(panel.values.reshape(len(panel.values), -1).T if not panel.heat else ()):
                low, high = float(series.min()), float(series.max())
                levels = np.rint(7 * (series - low) / ((high - low) or 1.0)).astype(int)
                shown = list(zip(levels, real, strict=True))[:MAX_BLOCKS]
                blocks = "".join("▁▂▃▄▅▆▇█"[level] if step else "·" for level, step in shown)
                name = f"{panel.name} {panel.names[k]}" if panel.names else panel.name
                more = " …" if len(series) > MAX_BLOCKS else ""
                lines.append(f"{name:<28} {blocks}{more}  {number(low, 3)} to {number(high, 3)}")
        return "\n".join(lines)


def _heat(values: np.ndarray, signed: bool, left: float, top: float, width: float, height: float) -> list[Mark]:
    edge = Stroke(*box(left, top, width, height), QUIET, 0.7)
    return [Pixels(left, top, width, height, shade(values.T, signed)), edge]


def _lines(
    panel: Panel, values: np.ndarray, low: float, high: float, left: float, top: float, scale: float, height: float
) -> list[Mark]:
    steps = len(values)
    span = (high - low) or 1.0
    x, marks = left + (np.arange(steps) + 0.5) * scale, []
    for tick in sorted({low, 0.0, high}):
        y = top + height * (1 - (tick - low) / span)
        marks.append(Stroke([left, left + steps * scale], [y, y], QUIET if tick == 0 else GRID, 0.7))
        room = tick == 0 or abs(tick) * height / span >= 10  # else its number would lie on that of 0
        if room and (tick != 0 or high - low > 0):
            marks.append(Label(left - 5, y + 3.5, number(tick, 2), "end", QUIET, 10))
    at = left + text_width(panel.name, 11.5) + 14
    for k in range(values.shape[1]):
        colour, dash = style(k)
        y = top + height * (1 - (values[:, k] - low) / span)
        marks.append(Stroke(x, y, colour, 1.7, dash))
        if steps <= 40:
            marks.append(Markers(x, y, k, colour, 2.2))
        if k < len(panel.names):
            marks += [
                Stroke([at, at + 18], [top - 9, top - 9], colour, 1.7, dash),
                Markers([at + 9], [top - 9], k, colour, 2.2),
                Label(at + 22, top - 5, panel.names[k], size=10.5),
            ]
            at += 34 + text_width(panel.names[k], 10.5)
    return marks


def _padding(mask: np.ndarray, left: float, top: float, scale: float, height: float) -> list[Mark]:
    marks: list[Mark] = []
    for t in np.flatnonzero(~mask):
        a, b = left + t * scale, left + (t + 1) * scale
        marks += [
            Area(*box(a, top, scale, height), "#ffffff", 0.75),
            Stroke([a, b], [top + height, top], "#888888", 0.8),
        ]
    return marks
