"""A trained network in a document: drawn neuron by neuron or layer by layer, its weights as pictures, its boundary."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.data import Dataset
from pellucid.layers import Activation, Dense
from pellucid.layers.layer import weights_of
from pellucid.network import Network, Summary
from pellucid.report.chart import LINE, Histogram, ImageGrid, Plane, Series, cut, wrapped
from pellucid.report.document import Block, Columns, Figure, Paragraph, Table, number
from pellucid.report.drawing import (
    INK,
    NEGATIVE,
    POSITIVE,
    QUIET,
    Area,
    Drawing,
    Label,
    Markers,
    Stroke,
    box,
    shade_and_ink,
    text_width,
)
from pellucid.report.examples import features_of
from pellucid.report.picture import is_picture, shade

MOST_NEURONS = 16
"""Of a layer that is drawn neuron by neuron."""
MOST_NUMBERS = 8
"""Neurons of a layer whose numbers are written."""
CLOSE = 130
"""Pixels between two layers below which the numbers of their weights have no room."""
MOST_TILES = 64
"""Pictures of weights of one layer."""
MOST_HISTOGRAMS = 12
BINS = 41
GRID = 100
"""Points along each side of a decision boundary."""


@dataclass(frozen=True)
class NetworkChart:
    """Neurons and weights: a line as thick as its weight, blue where positive, orange and dashed where negative.

    Args:
        title: what it shows.
        weights: of each layer, shape (inputs, units).
        neurons: a number for each neuron, layer by layer from the inputs on: activations, biases; None writes none.
        inputs: names of the inputs.
        outputs: names of the outputs, or empty.
        layers: a name above each column of neurons, or empty.
        below: a second number for each neuron, with a letter before it, such as ``("z", …)``; None writes none.
        followed: the index of a layer and of a weight in it that stands out; None for none.
    """

    title: str
    weights: Sequence[Any]
    neurons: Sequence[Any | None] = ()
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    layers: Sequence[str] = ()
    below: tuple[str, Sequence[Any | None]] = ("", ())
    followed: tuple[int, int, int] | None = None

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        matrices = [np.asarray(matrix, float) for matrix in self.weights]
        sizes = [len(matrices[0]), *(matrix.shape[1] for matrix in matrices)]
        written = max(sizes) <= MOST_NUMBERS
        neurons = [*self.neurons, *[None] * len(sizes)]
        radius, gap = (17.0, 46.0) if written or self.neurons else (6.0, 21.0)
        gap += 6 if self.below[1] else 0
        left = radius + 8 + min(0.42 * width, max(map(text_width, self.inputs), default=0))
        right = radius + 8 + min(0.25 * width, max(map(text_width, self.outputs), default=0))
        top = LINE + (2 * LINE + 4 if self.layers else 0)
        height = gap * max(sizes) + top + 12
        xs = np.linspace(left, width - right, len(sizes))
        ys = [top + 8 + gap * (max(sizes) / 2 + np.arange(size) - (size - 1) / 2 - 0.1) for size in sizes]
        drawing = Drawing(width, height, self.title, [Label(0, 13, self.title, bold=True)])
        room = 0.25 * (xs[1] - xs[0]) * height / (36 * 14)  # for so many numbers on the lines of a layer
        placed: list[tuple[float, float]] = []
        numbers: list[Label] = []
        for k, matrix in enumerate(matrices):
            largest = float(np.abs(matrix).max(initial=0)) or 1.0
            for at in np.argsort(np.abs(matrix), axis=None, kind="stable"):
                i, j = np.unravel_index(at, matrix.shape)
                weight = float(matrix[i, j])
                strength, ends = abs(weight) / largest, (ys[k][i], ys[k + 1][j])
                colour, dash = (NEGATIVE, "5 3") if weight < 0 else (POSITIVE, "")
                line = Stroke(xs[k : k + 2], ends, colour, 0.4 + 3 * strength, dash, 0.15 + 0.75 * strength)
                followed = self.followed == (k, i, j)
                if followed:
                    drawing.marks.append(Stroke(xs[k : k + 2], ends, INK, 6 + 3 * strength, "", 0.22))
                drawing.marks.append(line)
                if (written and matrix.size < room and xs[1] - xs[0] > CLOSE) or followed:
                    numbers.append(self._number(weight, xs[k : k + 2], ends, placed, colour))
        drawing.marks += _on_white(numbers)
        for k, (x, of_layer) in enumerate(zip(xs, ys, strict=True)):
            drawing.marks.append(Markers(np.full(len(of_layer), x), of_layer, 0, "#ffffff", radius, edge=INK))
            values = np.zeros(0) if neurons[k] is None else np.asarray(neurons[k], float)
            largest = float(np.abs(values).max(initial=1e-300))
            colours = shade(0.7 * values, True, (-largest, largest))
            for y, value, colour in zip(of_layer, values, colours, strict=False):
                fill, ink = shade_and_ink(colour)
                drawing.marks.append(Markers([x], [y], 0, fill, radius, edge=INK))
                drawing.marks.append(Label(x, y + 4, _short(value), "middle", ink, 11))
        letter, seconds = self.below
        below: list[Label] = []
        for x, of_layer, values in zip(xs, ys, seconds, strict=False):
            for y, value in zip(of_layer, () if values is None else values, strict=False):
                below.append(Label(x, y + radius + 11, f"{letter} {_short(float(value))}", "middle", QUIET, 10))
        drawing.marks += _on_white(below)
        for k, name in enumerate(self.layers):
            across = xs[1] - xs[0] - 8
            for i, line in enumerate(wrapped(name, across)):
                half = text_width(line, 11) / 2
                x = min(max(xs[k], half), width - half)
                drawing.marks.append(Label(x, LINE * (i + 2) + 2, cut(line, across), "middle", QUIET, 11))
        for x, names, anchor, of_layer, room in (
            (left - radius - 6, self.inputs, "end", ys[0], left),
            (width - right + radius + 6, self.outputs, "start", ys[-1], right),
        ):
            for name, y in zip(names, of_layer, strict=False):
                drawing.marks.append(Label(x, y + 4, cut(name, room - radius - 6), anchor))
        return drawing

    @staticmethod
    def _number(weight: float, xs: Any, ys: Any, placed: list[tuple[float, float]], colour: str) -> Label:
        """The number on a line, where it hides no other."""
        places = _PLACES if xs[1] - xs[0] > CLOSE else (0.5,)
        choices = [(xs[0] + at * (xs[1] - xs[0]), ys[0] + at * (ys[1] - ys[0])) for at in places]
        free = [one for one in choices if all(abs(one[0] - x) > 36 or abs(one[1] - y) > 13 for x, y in placed)]
        x, y = (free or choices)[0]
        placed.append((x, y))
        return Label(x, y + 4, number(weight, 2), "middle", colour, 11)


def _short(value: float) -> str:
    text = number(value, 2)
    if len(text) <= 5:
        return text
    if round(value, 2):
        return number(round(value, 2), 2)
    digit, power = f"{value:.0e}".split("e")  # two decimals would make it 0
    return f"{digit}e{int(power)}".replace("-", "−")


_PLACES = (0.34, 0.5, 0.66, 0.26, 0.42, 0.58, 0.74, 0.3, 0.38, 0.46, 0.54, 0.62, 0.7, 0.2, 0.8)


def _on_white(labels: Sequence[Label]) -> list[Any]:
    """Labels, each on a white ground."""
    marks: list[Any] = []
    for label in labels:
        wide = text_width(label.text, label.size)
        marks += [Area(*box(label.x - wide / 2, label.y - 10, wide, 13), "#ffffff", 0.85), label]
    return marks


@dataclass(frozen=True)
class BlockChart:
    """Layers as boxes, in the order in which numbers pass them.

    Args:
        title: what it shows.
        blocks: of each the lines of its text, the first in bold type.
    """

    title: str
    blocks: Sequence[Sequence[str]]

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        drawing = Drawing(width, 0, self.title, [Label(0, 13, self.title, bold=True)])
        across, down, tall = 1.0, LINE + 10, LINE * max(map(len, self.blocks)) + 12
        for i, lines in enumerate(self.blocks):
            wide = max(text_width(line, bold=k == 0) for k, line in enumerate(lines)) + 18
            if i and across + wide > width:
                across, down = 1.0, down + tall + 14
            drawing.marks.append(Stroke(*box(across, down, wide, tall), QUIET, 1.2))
            for k, line in enumerate(lines):
                drawing.marks.append(Label(across + 9, down + LINE * (k + 1) + 2, line, bold=k == 0))
            across += wide + 26
            if i + 1 < len(self.blocks):
                tip, arrow = across - 4, down + tall / 2 + np.array([0, 0, -4, 0, 0, 4])
                drawing.marks.append(Stroke([tip - 18, tip, tip - 5, np.nan, tip, tip - 5], arrow, QUIET))
        drawing.height = down + tall + 4
        return drawing


def architecture(
    network: Network, params: Any, summary: Summary, data: Dataset | None, outputs: Sequence[str]
) -> list[Block]:
    """Draw a network neuron by neuron where it is small and dense, layer by layer, and list its layers."""
    names = [] if data is None else features_of(data)
    columns: dict[str, list[Any]] = {"layer": [*(row.layer for row in summary.rows), "total"]}
    if any(row.reads for row in summary.rows):
        columns["reads"] = [*(", ".join(row.reads) for row in summary.rows), ""]
    columns["output"] = [*(_shape(row.output_shape) for row in summary.rows), ""]
    for name, total in (("parameters", summary.parameters), ("multiply_adds", summary.multiply_adds)):
        columns[name.replace("_", "-")] = [*(getattr(row, name) or None for row in summary.rows), total]
    return [
        _neurons(network, params, summary, names, outputs),
        BlockChart("layers", _layers(network, summary)),
        Table(list(columns), list(zip(*columns.values(), strict=True))),
    ]


def _layers(network: Network, summary: Summary) -> list[list[str]]:
    """One block a layer, an activation within the block of the map before it."""
    blocks = [[name, _shape(shape)] for name, shape in summary.inputs.items()]
    for row, layer in zip(summary.rows, network.layers, strict=True):
        if isinstance(layer, Activation) and (not row.reads or row.reads == (blocks[-1][0],)):
            blocks[-1][0] += f" · {row.layer}"
            continue
        size = f"{row.parameters:,} parameters" if row.parameters else ""
        source = f"reads {', '.join(row.reads)}" if row.reads else ""
        blocks.append([row.layer, _shape(row.output_shape), *filter(None, (size, source))])
    return blocks


def _neurons(network: Network, params: Any, summary: Summary, names: Sequence[str], outputs: Sequence[str]) -> Block:
    """The network neuron by neuron; None where there are too many, or other layers."""
    layers = weights_by_layer(network, params)
    dense = all(isinstance(layer, Dense) for _, layer, _ in layers)
    if any(row.reads for row in summary.rows) or not layers or not dense:
        return None
    matrices = [weights[0] for _, _, weights in layers]
    sizes = [len(matrices[0]), *(matrix.shape[1] for matrix in matrices)]
    if max(sizes) > MOST_NEURONS or not all(np.isfinite(matrix).all() for matrix in matrices):
        return None
    title, inputs = f"network of {'–'.join(map(str, sizes))} neurons", names or [f"x{i + 1}" for i in range(sizes[0])]
    biases, numbers = [], ""
    if max(sizes) <= MOST_NUMBERS:
        own = (of for of, layer in zip(params, network.layers, strict=True) if isinstance(layer, Dense))
        biases = [None, *(of.get("biases") for of in own)]
        numbers = " Numbers on lines are weights (where there is room), numbers in neurons biases."
    chart = NetworkChart(title, matrices, biases, inputs, outputs if len(outputs) == sizes[-1] else ())
    return Figure(
        chart,
        "Each line is a weight, the thicker the larger compared with the others of its layer; blue and solid where "
        f"positive, orange and dashed where negative.{numbers}",
    )


def weights_by_layer(network: Network, params: Any) -> list[tuple[str, Any, list[np.ndarray]]]:
    """Name, layer and weights of each layer that has any."""
    return [
        (name, layer, [np.asarray(array) for array in weights_of(of_layer)])
        for name, layer, of_layer in zip(network.names, network.layers, params, strict=True)
        if weights_of(of_layer)
    ]


def weight_blocks(network: Network, params: Any, shape: tuple[int, ...]) -> list[Block]:
    """Show weights that read or write images of this shape as pictures, and the histogram of each layer's weights."""
    layers, tiles = weights_by_layer(network, params), weight_pictures(network, params, shape)
    more = len(layers) - MOST_HISTOGRAMS
    return [
        Columns(*list(tiles.values())[:4]),
        Columns(*(_histogram(name, weights) for name, _, weights in layers[:MOST_HISTOGRAMS]), width="third"),
        Paragraph(f"{more} further layers are not shown.", kind="quiet") if more > 0 else None,
    ]


def weight_pictures(network: Network, params: Any, shape: tuple[int, ...]) -> dict[str, Figure]:
    """The weights of each layer that form pictures, by its name; ``shape`` is that of the images read or written."""
    layers = weights_by_layer(network, params)
    figures = {
        name: _tiles(name, layer, weights[0], shape if i in (0, len(layers) - 1) else (), i == 0)
        for i, (name, layer, weights) in enumerate(layers)  # only the first and the last read or write an image
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _tiles(name: str, layer: Any, weights: np.ndarray, shape: tuple[int, ...], first: bool) -> Figure | None:
    """The weights that belong to one unit as one tile, where they form a picture."""
    pixels = math.prod(shape)
    if isinstance(layer, Dense) and is_picture(shape) and first and weights.shape[0] == pixels:
        tiles, what = weights.T.reshape(-1, *shape), "what each unit reads of the image"
    elif isinstance(layer, Dense) and is_picture(shape) and weights.shape[1] == pixels:
        tiles, what = weights.reshape(-1, *shape), "what each unit writes into the image"
    elif weights.ndim == 4 and weights.shape[0] > 1:
        tiles, what = _filters(weights)
    else:
        return None
    if tiles.ndim == 4 and tiles.shape[-1] != 3:
        tiles = tiles[..., 0]
    count = len(tiles)
    if count > MOST_TILES:
        norms = np.square(tiles.reshape(count, -1)).sum(axis=1)
        tiles = tiles[np.sort(np.argsort(-norms, kind="stable")[:MOST_TILES])]
        what += f", the {MOST_TILES} of {count:,} with the largest weights"
    largest = float(np.quantile(np.abs(tiles), 0.995))
    colours = tiles.ndim == 4
    columns, clipped = 8 if len(tiles) > 8 else None, np.clip(tiles, -largest, largest)
    scale = f"White is 0, blue {number(largest)} and more, orange {number(-largest)} and less."
    grid = ImageGrid(f"{name}: {what}", clipped, columns=columns, signed=not colours)
    return Figure(grid, "Grey is 0." if colours else scale)


def _filters(weights: np.ndarray) -> tuple[np.ndarray, str]:
    """The filters of a convolution (height, width, channels, filters): each in colour, or channel by channel."""
    height, width, channels, count = weights.shape
    if channels in (1, 3):
        return weights.transpose(3, 0, 1, 2), f"its {count} filters"
    kept = weights[:, :, :8, :8].transpose(3, 2, 0, 1)
    shown = kept.shape
    rows = f"{shown[0]} of {count} filters, a row each" if count > 8 else "its filters, a row each"
    return kept.reshape(-1, height, width), f"{rows}; {shown[1]} of {channels} channels side by side"


def _histogram(name: str, weights: list[np.ndarray]) -> Block:
    flat = np.concatenate([array.ravel() for array in weights]).astype(float)
    finite = flat[np.isfinite(flat)]
    counts, edges = np.histogram(finite, min(BINS, 8 + int(math.sqrt(len(finite)))))
    zeros = float((flat == 0).mean())
    caption = f"{flat.size:,} weights, mean {number(finite.mean())}, standard deviation {number(finite.std())}"
    if zeros:
        caption += f", {zeros:.1%} exactly 0"
    if len(finite) < len(flat):
        caption += f"; {len(flat) - len(finite):,} are not finite"
    return Figure(Histogram(name, edges, counts, "weight"), caption)


def decision_boundary(data: Dataset, probabilities: Callable[[np.ndarray], np.ndarray]) -> Block:
    """Draw the probabilities that a classifier of two inputs gives over the plane, with the rows of its data."""
    parts = [data.train, *([data.held_out] if data.held_out else [])]
    x = np.concatenate([np.asarray(part.x, float) for part in parts])
    y = np.concatenate([part.labels for part in parts])
    margin = 0.12 * np.maximum(np.ptp(x, axis=0), 1e-9)
    low, high = x.min(axis=0) - margin, x.max(axis=0) + margin
    across, up = np.linspace(low[0], high[0], GRID), np.linspace(high[1], low[1], GRID)
    points = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(np.float32)
    p = probabilities(points).reshape(GRID, GRID, -1)
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), 600)).astype(int))
    x, y = x[kept], y[kept]
    series = [Series(name, *x[y == i].T) for i, name in enumerate(data.classes)]
    x_range, y_range = zip(low.tolist(), high.tolist(), strict=True)
    chart = Plane("decision boundary", p, x_range, y_range, series, *features_of(data))
    two = len(data.classes) == 2
    shades = "The stronger the colour, the surer the network; " if two else "Each colour is the class predicted there; "
    return Figure(chart, f"{shades}the line is where the prediction changes. Markers are rows of the data.")


def _shape(shape: Any) -> str:
    return "×".join(map(str, shape)) or "1"
