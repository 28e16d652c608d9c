"""Charts of an explanation: the network with its numbers, values over time, signed bars.

Blue is above 0, orange below, and the numbers written beside say so too; negative weights are dashed.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from pellucid.explanations.explanation import Explanation, LayerNumbers
from pellucid.report.document import number
from pellucid.report.drawing import (
    COLOURS,
    GRID,
    INK,
    NEGATIVE,
    POSITIVE,
    QUIET,
    Area,
    Drawing,
    Label,
    Mark,
    Markers,
    Pixels,
    Stroke,
    text_width,
)
from pellucid.report.picture import shade

MAX_NEURONS, MAX_COLUMN = 60, 16
"""Neurons of a network, and of one of its layers, that is drawn neuron by neuron."""
MAX_LABELS = 12
"""Weights between two layers that have their numbers written beside them."""
MAX_BLOCKS = 48
"""Steps of a series that a terminal shows."""


class Column(NamedTuple):
    """The neurons of one layer, with what is written on and below them."""

    title: str
    names: tuple[str, ...]
    forward: np.ndarray
    z: np.ndarray | None
    backward: np.ndarray
    layer: str
    weights: np.ndarray | None
    gradients: np.ndarray | None


@dataclass(frozen=True)
class NetworkChart:
    """A small dense network, neuron by neuron.

    Args:
        title: above it.
        columns: the input, and the layers in order.
        direction: ``"forward"`` draws x, z, a and the weights; ``"backward"`` the gradients of the loss for them.
        chosen: layer and index of the followed weight, drawn bold.
    """

    title: str
    columns: tuple[Column, ...]
    direction: Literal["forward", "backward"]
    chosen: tuple[str, tuple[int, ...]] | None = None

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        radius = 21.0 if width > 420 else 16.0
        tallest = max(len(column.forward) for column in self.columns)
        spacing, top = 2 * radius + (19 if self.direction == "forward" else 11), 54.0
        height = top + tallest * spacing + 6
        first = max(text_width(name, 11) for name in self.columns[0].names) + 8 if any(self.columns[0].names) else 0
        last = max(text_width(name, 11) for name in self.columns[-1].names) + 8 if any(self.columns[-1].names) else 0
        first, last = min(first, width * 0.22), min(last, width * 0.22)
        left, right = first + radius + 4, width - last - radius - 4
        gap = (right - left) / max(1, len(self.columns) - 1)
        drawing = Drawing(width, height, self.title, [Label(0, 14, self.title, bold=True)])
        positions = []
        for k, column in enumerate(self.columns):
            count = len(column.forward)
            middle = top + tallest * spacing / 2
            positions.append((left + k * gap, middle + (np.arange(count) - (count - 1) / 2) * spacing))
        for k in range(1, len(self.columns)):
            drawing.marks += self._edges(k, positions, gap, radius, width)
        rooms = {0: first - 4, len(self.columns) - 1: last - 4}
        for k, column in enumerate(self.columns):
            drawing.marks += self._neurons(column, *positions[k], radius, k, gap, rooms.get(k, 0.0))
        return drawing

    def _edges(self, k: int, positions: list[Any], gap: float, radius: float, width: float) -> list[Mark]:
        column = self.columns[k]
        values = column.weights if self.direction == "forward" else column.gradients
        if values is None:
            return []
        limit, marks, labels = float(abs(values).max()) or 1.0, [], []
        (x0, ups), (x1, downs) = positions[k - 1], positions[k]
        written = values.size <= MAX_LABELS and gap > 120
        for i, j in np.ndindex(*values.shape):
            value, chosen = float(values[i, j]), self.chosen == (column.layer, (i, j))
            size = abs(value) / limit
            colour = POSITIVE if value >= 0 else NEGATIVE
            dash = "" if value >= 0 else "5 3"
            ends = np.array([x0 + radius, x1 - radius]), np.array([ups[i], downs[j]])
            if chosen:
                marks.append(Stroke(*ends, "#000000", 1.6 + 3 * size + 3, "", 0.25))
            marks.append(Stroke(*ends, colour, 0.5 + 3 * size, dash, 0.35 + 0.6 * size))
            if written or (chosen and gap > 80):
                # Staggered along the edges, so that the numbers of edges that cross stand apart.
                t = 0.22 + 0.5 * (j / max(1, len(downs) - 1)) if len(downs) > 1 else 0.4
                x, y = (float(end[0] + t * (end[1] - end[0])) for end in ends)
                labels += _plate(x, y, _short(value), chosen)
        return [*marks, *labels]

    def _neurons(
        self, column: Column, x: float, ys: np.ndarray, radius: float, k: int, gap: float, room: float
    ) -> list[Mark]:
        values = column.forward if self.direction == "forward" else column.backward
        limit, marks = float(abs(values).max()) if len(values) else 1.0, []
        for i, line in enumerate(_wrapped(column.title, gap - 6 if 0 < k < len(self.columns) - 1 else gap)):
            anchor = "start" if k == 0 else "end" if k == len(self.columns) - 1 else "middle"
            place = 0.0 if k == 0 else x
            if k == len(self.columns) - 1:
                place = x + radius
            marks.append(Label(place, 34 + 13 * i, line, anchor, QUIET, 11))
        ends = k in (0, len(self.columns) - 1)
        for j, y in enumerate(ys):
            value = float(values[j])
            marks.append(Markers([x], [y], 0, _colour(value, limit), radius, edge=INK))
            dark = limit and abs(value) / limit > 0.6 and value > 0
            size = 10.5 if radius > 18 else 8.5
            marks.append(Label(x, y + 4, _short(value), "middle", "#ffffff" if dark else INK, size))
            if self.direction == "forward" and column.z is not None:
                marks.append(Label(x, y + radius + 11, f"z {_short(float(column.z[j]))}", "middle", QUIET, 9.5))
            if ends and column.names[j]:
                at, anchor = (x - radius - 6, "end") if k == 0 else (x + radius + 6, "start")
                marks.append(Label(at, y + 4, _cut(column.names[j], room), anchor, INK, 11))
        return marks


def _colour(value: float, limit: float) -> str:
    fraction = value / limit if limit else 0.0
    return "#" + "".join(f"{channel:02x}" for channel in shade(np.array(0.8 * fraction), True, (-1.0, 1.0)))


def _cut(name: str, room: float) -> str:
    """A name that fits, with … where it is cut."""
    if text_width(name, 11) <= room + 1:
        return name
    while name and text_width(name + "…", 11) > room:
        name = name[:-1]
    return name.rstrip() + "…"


def _wrapped(title: str, room: float) -> list[str]:
    """A title over two lines where it is too wide."""
    if text_width(title, 11) <= room or " · " not in title:
        return [title]
    return title.split(" · ", 1)


def _plate(x: float, y: float, text: str, bold: bool) -> list[Mark]:
    """A number on a white plate."""
    half = text_width(text, 10, bold) / 2 + 2
    corners = np.array([x - half, x + half, x + half, x - half]), np.array([y - 7, y - 7, y + 6, y + 6])
    return [Area(*corners, "#ffffff", 0.9), Label(x, y + 3.5, text, "middle", INK, 10, bold)]


def _short(value: float) -> str:
    return number(value, digits=2 if abs(value) < 0.01 or abs(value) >= 1000 else 3)


def network_columns(explanation: Explanation) -> tuple[Column, ...] | None:
    """The neurons of a small chain of dense layers; None for another network.

    Layers that pass their numbers on unchanged (dropout and flatten in prediction) are not drawn.
    """
    if len(explanation.inputs) > 1:
        return None
    facts, (entry,) = explanation.facts, explanation.inputs
    if entry.x.dtype.kind != "f":
        return None
    x = entry.x.reshape(-1)
    names = facts.features if len(facts.features) == len(x) else tuple(f"x[{i}]" for i in range(len(x)))
    columns = [Column("input", names, x, None, entry.gradient.reshape(-1), "", None, None)]
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
            columns[-1] = before._replace(
                title=f"{before.title} · {layer.name}", forward=layer.output, z=before.forward, backward=zeros
            )
        elif layer.kind == "dense":
            weights, gradients = layer.params["weights"], layer.grads["weights"]
            blank = ("",) * len(layer.output)
            columns.append(Column(layer.name, blank, layer.output, None, zeros, layer.name, weights, gradients))
    answers = tuple(name for name, _ in facts.answer)
    if len(columns[-1].forward) == len(answers):
        columns[-1] = columns[-1]._replace(names=answers)
    elif len(columns[-1].forward) == 1 and facts.classes:
        columns[-1] = columns[-1]._replace(names=(facts.classes[-1],))
    small = all(len(column.forward) <= MAX_COLUMN for column in columns)
    total = sum(len(column.forward) for column in columns)
    return tuple(columns) if small and total <= MAX_NEURONS and len(columns) > 1 else None


def _fits(layer: LayerNumbers, before: Column) -> bool:
    if layer.output.ndim != 1:
        return False
    if layer.activation or layer.kind == "dense":
        return True
    return not layer.params and np.array_equal(layer.output, before.forward)


class Panel(NamedTuple):
    """One part of a chart over time.

    Args:
        name: above it.
        values: (time, series) or (time,).
        names: of the series, where they are drawn as lines.
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
            spread = f"{number(low, 3)} to {number(high, 3)}" if panel.heat else ""
            y += 16
            marks += [Label(left, y, panel.name, size=11.5), Label(right, y, spread, "end", QUIET, 10.5)]
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
        for t in np.unique(np.linspace(0, steps - 1, count).astype(int)):
            at = left + (t + 0.5) * scale
            marks += [Stroke([at, at], [y, y + 4], QUIET), Label(at, y + 16, str(t), "middle", QUIET, 10.5)]
        marks.append(Label((left + right) / 2, y + 31, "time step", "middle", QUIET, 11))
        return Drawing(width, y + 38, self.title, marks)

    def braille(self) -> str:
        """The series in block characters, one line each, for a terminal; padding is a dot, shades are left out."""
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
    x, y = [left, left + width, left + width, left, left], [top, top, top + height, top + height, top]
    return [Pixels(left, top, width, height, shade(values.T, signed)), Stroke(x, y, QUIET, 0.7)]


def _lines(
    panel: Panel, values: np.ndarray, low: float, high: float, left: float, top: float, scale: float, height: float
) -> list[Mark]:
    steps = len(values)
    span = (high - low) or 1.0
    x, marks = left + (np.arange(steps) + 0.5) * scale, []
    for tick in sorted({low, 0.0, high}):
        y = top + height * (1 - (tick - low) / span)
        marks.append(Stroke([left, left + steps * scale], [y, y], QUIET if tick == 0 else GRID, 0.7))
        if tick != 0 or high - low > 0:
            marks.append(Label(left - 5, y + 3.5, number(tick, 2), "end", QUIET, 10))
    at = left + text_width(panel.name, 11.5) + 14
    for k in range(values.shape[1]):
        colour, dash = COLOURS[k % len(COLOURS)], ("", "6 3", "2 2.5", "9 3 2 3", "1 4")[k % 5]
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
            Area([a, b, b, a], [top, top, top + height, top + height], "#ffffff", 0.75),
            Stroke([a, b], [top + height, top], "#888888", 0.8),
        ]
    return marks
