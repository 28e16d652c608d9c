"""A trained network on a page: small ones neuron by neuron, all of them as blocks, and their weights as pictures."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pellucid.layers import Activation, Dense
from pellucid.layers.layer import weights_of
from pellucid.network import AnyNetwork, Summary
from pellucid.report.old_chart import bar_chart, drawing
from pellucid.report.figures import COLOURS
from pellucid.report.page import Html, element, figure, figures, image, number, paragraph, table
from pellucid.report.picture import grey, is_picture, montage

MOST_NEURONS = 16
"""Of a layer that is drawn neuron by neuron."""
MOST_TILES = 64
"""Pictures of weights of one layer."""
MOST_HISTOGRAMS = 12
BINS = 41


class Trained(NamedTuple):
    """A network with its parameters, and what is known of its input and output.

    Args:
        network: the network.
        params: its parameters.
        summary: its table.
        shape: of one example of the data, which the network reads or writes.
        inputs: names of the inputs, or empty.
        outputs: names of the outputs, or empty.
    """

    network: AnyNetwork
    params: Sequence[Any]
    summary: Summary
    shape: tuple[int, ...]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def weights(self) -> list[tuple[str, Any, list[np.ndarray]]]:
        """Name, layer and weights of each layer that has any."""
        return [
            (name, layer, [np.asarray(array) for array in weights_of(params)])
            for name, layer, params in zip(self.network.names, self.network.layers, self.params, strict=True)
            if weights_of(params)
        ]


def architecture(trained: Trained) -> Html:
    """The network drawn: neuron by neuron where it is small and dense, else as blocks; and its table."""
    neurons = _neurons(trained)
    blocks = _blocks(trained.summary, trained.network)
    drawn = blocks if neurons is None else Html(figures(neurons, kind="large") + blocks)
    return Html(drawn + _table(trained.summary))


def _table(summary: Summary) -> Html:
    reads = any(row.reads for row in summary.rows)
    head = ["layer", *(["reads"] if reads else []), "output", "parameters", "multiply-adds"]
    rows = [
        [
            row.layer,
            *([", ".join(row.reads)] if reads else []),
            _shape(row.output_shape),
            row.parameters or None,
            row.multiply_adds or None,
        ]
        for row in summary.rows
    ]
    total = ["total", *([""] if reads else []), "", summary.parameters, summary.multiply_adds]
    return table(head, [*rows, total])


def _blocks(summary: Summary, network: AnyNetwork) -> Html:
    """One block a layer, an activation within the block of the map before it."""
    blocks = [[name, _shape(shape), ""] for name, shape in summary.inputs.items()]
    for row, layer in zip(summary.rows, network.layers, strict=True):
        if isinstance(layer, Activation) and (not row.reads or row.reads == (blocks[-1][0],)):
            blocks[-1][0] += f" · {row.layer}"
            continue
        size = f"{row.parameters:,} parameters" if row.parameters else ""
        source = f"reads {', '.join(row.reads)}" if row.reads else ""
        blocks.append([row.layer, _shape(row.output_shape), " · ".join(filter(None, (size, source)))])
    return element(
        "ol",
        *(
            element("li", element("b", name), element("span", shape), element("span", more) if more else None)
            for name, shape, more in blocks
        ),
        class_="chain",
    )


def _neurons(trained: Trained) -> Html | None:
    """Neurons and edges, an edge as thick as its weight; None where there are too many, or other layers."""
    found = trained.weights()
    sequential = all(not row.reads for row in trained.summary.rows)
    if not sequential or not found or not all(isinstance(layer, Dense) for _, layer, _ in found):
        return None
    matrices = [weights[0] for _, _, weights in found]
    sizes = [matrices[0].shape[0], *(matrix.shape[1] for matrix in matrices)]
    if max(sizes) > MOST_NEURONS or not all(np.isfinite(matrix).all() for matrix in matrices):
        return None
    inputs = trained.inputs or tuple(f"x{i + 1}" for i in range(sizes[0]))
    outputs = trained.outputs if len(trained.outputs) == sizes[-1] else ()
    left = 14 + 6.8 * min(20, max(map(len, inputs)))
    right = 14 + 6.8 * min(20, max(map(len, outputs), default=0))
    width, gap = 400.0, 21.0
    height = max(120.0, gap * max(sizes) + 30)
    xs = np.linspace(left, width - right, len(sizes))
    ys = [height / 2 - 8 + gap * (np.arange(size) - (size - 1) / 2) for size in sizes]
    marks = []
    for i, matrix in enumerate(matrices):
        largest = float(np.abs(matrix).max()) or 1.0
        for place in np.argsort(np.abs(matrix), axis=None, kind="stable"):
            a, b = np.unravel_index(place, matrix.shape)
            share, negative = abs(float(matrix[a, b])) / largest, matrix[a, b] < 0
            dash = ' stroke-dasharray="5 3"' if negative else ""
            marks.append(
                f'<path d="M{xs[i]:.0f} {ys[i][a]:.1f}L{xs[i + 1]:.0f} {ys[i + 1][b]:.1f}" '
                f'stroke="{COLOURS[1 if negative else 0]}" stroke-width="{0.2 + 3 * share:.2f}" '
                f'stroke-opacity="{0.12 + 0.78 * share:.2f}"{dash}/>'
            )
    marks += [
        f'<circle cx="{x:.0f}" cy="{y:.1f}" r="5.5" fill="#fff" stroke="#222" stroke-width="1.3"/>'
        for x, of_layer in zip(xs, ys, strict=True)
        for y in of_layer
    ]
    names = [
        element("text", name[:20], x=f"{left - 10:.0f}", y=f"{y + 4:.1f}", text_anchor="end", fill="#222")
        for name, y in zip(inputs, ys[0], strict=False)
    ]
    names += [
        element("text", name[:20], x=f"{width - right + 10:.0f}", y=f"{y + 4:.1f}", fill="#222")
        for name, y in zip(outputs, ys[-1], strict=False)
    ]
    alt = f"network of {'–'.join(map(str, sizes))} neurons"
    return figure(
        drawing(width, height, alt, Html("".join(marks)), *names),
        "Each line is a weight, the thicker the larger against the others of its layer; blue and solid where positive, "
        "orange and dashed where negative.",
    )


def weight_pictures(trained: Trained) -> Html:
    """Weights of images and filters as pictures, and the histogram of each layer's weights."""
    shown = [_tiles(name, layer, weights, trained) for name, layer, weights in trained.weights()]
    pictures = [one for one in shown if one is not None][:4]
    found = trained.weights()
    histograms = [_histogram(name, weights) for name, _, weights in found[:MOST_HISTOGRAMS]]
    more = len(found) - len(histograms)
    return Html(
        (figures(*pictures, kind="large") if pictures else "")
        + figures(*histograms)
        + (paragraph(f"{more} further layers are not shown.", kind="quiet") if more else "")
    )


def _tiles(name: str, layer: Any, weights: list[np.ndarray], trained: Trained) -> Html | None:
    """The weights that belong to one unit as one tile, where they form a picture."""
    array, shape = weights[0], trained.shape
    pixels = math.prod(shape)
    if isinstance(layer, Dense) and is_picture(shape) and array.shape[0] == pixels:
        tiles, what = array.T.reshape(-1, *shape), "what each unit reads of the image"
    elif isinstance(layer, Dense) and is_picture(shape) and array.shape[1] == pixels:
        tiles, what = array.reshape(-1, *shape), "what each unit writes into the image"
    elif array.ndim == 4 and array.shape[0] > 1:
        tiles, what = _filters(array)
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
    caption = f"{name}: {what}. Grey is 0, white {number(largest)} and more, black {number(-largest)} and less."
    address = montage(grey(tiles, -largest, largest), columns=8 if len(tiles) > 8 else None)
    return element("div", figure(image(address, f"weights of {name} as pictures"), caption), class_="pixels")


def _filters(weights: np.ndarray) -> tuple[np.ndarray, str]:
    """The filters of a convolution (height, width, channels, filters): each in colour, or channel by channel."""
    height, width, channels, count = weights.shape
    if channels in (1, 3):
        return weights.transpose(3, 0, 1, 2), f"its {count} filters"
    kept = weights[:, :, :8, :8].transpose(3, 2, 0, 1)
    shown = kept.shape
    of = f"{shown[0]} of {count} filters, a row each" if count > 8 else "its filters, a row each"
    return kept.reshape(-1, height, width), f"{of}; {shown[1]} of {channels} channels side by side"


def _histogram(name: str, weights: list[np.ndarray]) -> Html:
    flat = np.concatenate([array.ravel() for array in weights]).astype(float)
    finite = flat[np.isfinite(flat)]
    counts, edges = np.histogram(finite, min(BINS, 8 + int(math.sqrt(len(finite)))))
    zeros = float((flat == 0).mean())
    caption = f"{flat.size:,} weights, mean {number(float(finite.mean()))}, spread {number(float(finite.std()))}"
    if zeros:
        caption += f", {zeros:.1%} exactly 0"
    if len(finite) < len(flat):
        caption += f"; {len(flat) - len(finite):,} are not finite"
    return figure(bar_chart(name, edges, counts, x_label="weight"), caption)


def _shape(shape: Any) -> str:
    return "×".join(map(str, shape)) or "1"
