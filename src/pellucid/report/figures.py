"""Figures of a run. Needs the extra ``plot`` (matplotlib)."""

import math
from typing import Any

import numpy as np

from pellucid.core.errors import MissingExtra, ShapeError
from pellucid.training import History

# Okabe and Ito's palette, told apart by colour-blind people too; line styles tell apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")


def draw_samples(samples: np.ndarray, real: np.ndarray | None = None) -> Any:
    """Generated examples: images side by side, points of a plane as points.

    Args:
        samples: images (count, height, width) or (count, height, width, channels), or points (count, 2).
        real: true points to draw behind the generated ones.

    Returns:
        A ``matplotlib.figure.Figure``; a notebook shows it, ``figure.savefig(path)`` writes it.

    Raises:
        MissingExtra: matplotlib is not installed.
        ShapeError: samples that are neither images nor points of a plane.
    """
    figure_of = figure_class("drawing samples")
    if samples.shape[1:] == (2,):
        figure = figure_of(figsize=(5, 5), layout="constrained")
        axes = figure.subplots()
        if real is not None:
            axes.scatter(*real.T, s=4, c=COLOURS[1], lw=0, label="real")
        axes.scatter(*samples.T, s=4, c=COLOURS[0], alpha=0.5, lw=0, label="generated")
        axes.set_aspect("equal")
        axes.legend(frameon=False, loc="upper right")
        return figure
    if samples.ndim not in (3, 4):
        raise ShapeError(f"samples are drawn as images or as points of a plane. Received: shape {samples.shape}.")
    columns = math.ceil(math.sqrt(len(samples)))
    rows = math.ceil(len(samples) / columns)
    figure = figure_of(figsize=(0.6 * columns, 0.6 * rows), layout="constrained")
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if place < len(samples):
            axes.imshow(samples[place].squeeze(), cmap="gray_r")
    return figure


def figure_class(task: str) -> Any:
    """Matplotlib's ``Figure``, which needs no display; raises `MissingExtra` where it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", task) from error
    return Figure


def draw_history(history: History) -> Any:
    """What a training measured: loss and metric by epoch, gradients and updates of each layer by step.

    Args:
        history: the measurements.

    Returns:
        A ``matplotlib.figure.Figure``; a notebook shows it, ``figure.savefig(path)`` writes it.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = figure_class("drawing a run")(figsize=(11, 6.5), layout="constrained")
    (loss, metric), (gradients, updates) = figure.subplots(2, 2)
    for axes, name in ((loss, "loss"), (metric, history.metric_name)):
        _draw_epochs(axes, history, name)
    _draw_layers(gradients, history, "gradient_norm", "norm of the weights' gradient")
    _draw_layers(updates, history, "update_ratio", "size of update / size of weights")
    for axes in (loss, metric, gradients, updates):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    return figure


def _draw_epochs(axes: Any, history: History, name: str) -> None:
    table = history.epochs
    axes.plot(table["epoch"], table[name], COLOURS[0], marker="o", ms=3, label="training")
    held_out = table.get(f"held_out_{name}")
    if held_out is not None:
        axes.plot(table["epoch"], held_out, COLOURS[1], marker="s", ms=3, ls="--", label="held out")
    axes.set(xlabel="epoch", title=name.replace("_", " "))
    axes.legend(frameon=False)


def _draw_layers(axes: Any, history: History, measure: str, title: str) -> None:
    table = history.layers
    drawn = 0
    for layer in history.layer_names:
        of_layer = table["layer"] == layer
        values = table[measure][of_layer]
        if np.isfinite(values).any():
            style = {"color": COLOURS[drawn % len(COLOURS)], "ls": STYLES[drawn % len(STYLES)]}
            axes.plot(table["step"][of_layer], values, lw=1.2, label=layer, **style)
            drawn += 1
    axes.set(xlabel="step", title=title)
    if drawn:
        axes.set_yscale("log")
        axes.legend(frameon=False)
