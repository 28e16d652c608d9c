"""Figures of a run. Needs the extra ``plot`` (matplotlib)."""

from typing import Any

import numpy as np

from pellucid.core.checks import MissingExtra
from pellucid.training import History

# Okabe and Ito's palette, told apart by colour-blind people too; line styles tell apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")


def draw_history(history: History) -> Any:
    """What a training measured: loss and metric by epoch, gradients and updates of each layer by step.

    Args:
        history: the measurements.

    Returns:
        A ``matplotlib.figure.Figure``; a notebook shows it, ``figure.savefig(path)`` writes it.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", "drawing a run") from error
    figure = Figure(figsize=(11, 6.5), layout="constrained")
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
