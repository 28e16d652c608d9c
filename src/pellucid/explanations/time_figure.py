"""The figure of something that moved during a training. Needs the extra ``plot`` (matplotlib)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.errors import MissingExtra
from pellucid.report.figures import COLOURS

if TYPE_CHECKING:
    from pellucid.explanations.through_time import ThroughTime

TIMES = 6
"""Snapshots whose weights are shown as pictures."""
UNITS = 12
"""Units of a layer whose weights are shown as pictures."""


def draw(told: "ThroughTime") -> Any:
    """A figure: value; gradient and update; move by step, told by whether it went down the gradient; pictures.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", "drawing a training through time") from error
    curves = 4 if told.kind == "neuron" else 3
    pictures = 0.0 if told.pictures is None else _height_of_pictures(told)
    figure = Figure(figsize=(9, 2.0 * curves + pictures + 0.4), layout="constrained")
    upper: Any = figure
    lower: Any = None
    if told.pictures is not None:
        upper, lower = figure.subfigures(2, 1, height_ratios=(2.0 * curves + 0.4, pictures))  # pyright: ignore[reportGeneralTypeIssues]
    axes = list(upper.subplots(curves, 1, sharex=True))
    _draw_curves(told, axes)
    upper.suptitle(f"{told.kind} {told.name}", x=0.01, ha="left", fontweight="bold")
    if lower is not None:
        _draw_pictures(told, lower)
    return figure


def _draw_curves(told: "ThroughTime", axes: list[Any]) -> None:
    table = told.table
    step, length = table["step"], "" if told.kind == "weight" else "length of the "
    axes[0].plot(step, table["value"], COLOURS[0], marker="o", ms=2.5, lw=1.2)
    axes[0].set_title(f"{length}{'weights' if length else 'value'}")
    loss = axes[0].twinx()
    loss.plot(step, table["loss"], COLOURS[6], lw=0.8, ls=":")
    loss.set_ylabel("loss (dotted)")
    loss.spines["top"].set_visible(False)
    axes[1].plot(step, table["gradient"], COLOURS[1], lw=1.2)
    axes[1].set_title(f"{length}gradient, over the same {told.rows:,} training rows")
    _draw_moves(told, axes[2])
    if told.kind == "neuron":
        axes[3].plot(step, table["share_active"], COLOURS[2], lw=1.2, label="share of rows with an output other than 0")
        axes[3].plot(step, table["mean_output"], COLOURS[3], lw=1.2, ls="--", label="mean output")
        axes[3].set_title("the neuron's output over these rows")
        axes[3].legend(frameon=False)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(alpha=0.25)
    axes[-1].set_xlabel("step")


def _draw_moves(told: "ThroughTime", axes: Any) -> None:
    """What was added in each step on average, and what the rule would add for the gradient above."""
    table = told.table
    between, rate = table["steps"][:-1], (table["move"] / table["steps"])[:-1]
    down = table["with_gradient"][:-1] > 0
    for chosen, colour, hatch, label in (
        (down, COLOURS[0], None, "down the gradient"),
        (~down, COLOURS[4], "///", "against it"),
    ):
        if chosen.any():
            axes.bar(
                table["step"][:-1][chosen],
                rate[chosen],
                between[chosen],
                align="edge",
                color=colour,
                alpha=0.6,
                hatch=hatch,
                lw=0,
                label=f"moved {label}",
            )
    axes.plot(table["step"], table["update"], COLOURS[1], lw=1, label="the rule's update for that gradient")
    axes.set_title("move in a step, on average up to the next snapshot")
    axes.legend(frameon=False, ncols=3, loc="best")


def _shown(told: "ThroughTime") -> tuple[np.ndarray, np.ndarray]:
    """The snapshots and the units that have a picture."""
    assert told.pictures is not None
    count, units = told.pictures.shape[:2]
    times = np.unique(np.linspace(0, count - 1, TIMES).round().astype(int))
    return times, np.arange(min(units, UNITS))


def _height_of_pictures(told: "ThroughTime") -> float:
    times, units = _shown(told)
    return 1.9 if len(units) == 1 else 0.8 * len(times) + 0.4


def _draw_pictures(told: "ThroughTime", figure: Any) -> None:
    """One row a snapshot and one column a unit; of one neuron, one column a snapshot. White is 0."""
    assert told.pictures is not None
    times, units = _shown(told)
    tiles = told.pictures[times][:, units]
    single = len(units) == 1
    grid = figure.subplots(1, len(times), squeeze=False) if single else figure.subplots(len(times), len(units))
    limit = np.abs(tiles).max() or 1.0
    for i, time in enumerate(times):
        said = f"step {told.table['step'][time]:,}"
        for j in units:
            axes = grid[0, i] if single else grid[i, j]
            tile = tiles[i, j]
            if tile.shape[-1] == 1:
                axes.imshow(tile[..., 0], cmap="RdBu_r", vmin=-limit, vmax=limit)
            else:
                axes.imshow(0.5 + tile / (2 * limit))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if single:
                axes.set_title(said)
            elif j == 0:
                axes.set_ylabel(said, rotation=0, ha="right", va="center")
            if not single and i == 0:
                axes.set_title(f"unit {j}", fontsize="small")
    figure.suptitle("the weights, red above 0 and blue below" if tiles.shape[-1] == 1 else "the weights, grey for 0")
