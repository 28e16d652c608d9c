"""Curves drawn with dots in a terminal, and by matplotlib."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.errors import MissingExtra
from pellucid.report.figures import COLOURS, STYLES

if TYPE_CHECKING:
    from pellucid_textbook.catalogue.page import Curve

DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot of a Braille character, which is two dots wide and four high."""


def plot_in_text(curve: "Curve", width: int = 32, height: int = 7) -> str:
    """A curve as Braille characters, with the ends of both axes.

    Args:
        curve: what to draw.
        width: characters across, without the labels.
        height: lines, without the title and the labels.
    """
    low, high = float(np.min(curve.y)), float(np.max(curve.y))
    span = (high - low) or 1.0
    across = np.linspace(curve.x[0], curve.x[-1], 2 * width)
    rows = 4 * height - 1
    at = np.round((high - np.interp(across, curve.x, curve.y)) / span * rows).astype(int)
    cells = np.zeros((height, width), int)
    for column, row in enumerate(at):
        before = at[max(column - 1, 0)]
        # A steep piece is filled from the dot before to this one, so that the line has no gaps.
        for dot in range(min(row, before + 1), max(row, before - 1) + 1):
            cells[dot // 4, column // 2] |= DOTS[dot % 4, column % 2]
    labels = [f"{high:.3g}", *[""] * (height - 2), f"{low:.3g}"]
    room = max(map(len, labels))
    lines = [
        f"{label:>{room}} ┤{''.join(chr(0x2800 + cell) for cell in line)}"
        for label, line in zip(labels, cells, strict=True)
    ]
    left, right = f"{curve.x[0]:.3g}", f"{curve.x[-1]:.3g}"
    axis = f"{left}{curve.x_label:^{width - len(left) - len(right)}}{right}"
    return "\n".join([f"{'':{room}}  {curve.title}", *lines, f"{'':{room}}  {axis}"]).replace("-", "−")


def draw_curves(curves: "tuple[Curve, ...]") -> Any:
    """The curves side by side, as a matplotlib figure.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure((4.2 * len(curves), 3.2))
    for number, (axes, curve) in enumerate(zip(figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True)):
        axes.plot(curve.x, curve.y, color=COLOURS[number], ls=STYLES[number % len(STYLES)], lw=2)
        axes.set(xlabel=curve.x_label, title=curve.title)
        tidy(axes)
    return figure


def new_figure(size: tuple[float, float]) -> Any:
    """An empty figure of a size in inches.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", "drawing the catalogue") from error
    return Figure(figsize=size, layout="constrained")


def tidy(axes: Any) -> None:
    """No box, a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def draw_family(
    figure: Any,
    x_label: str,
    x: Any,
    values_and_gradients: Mapping[str, Any],
    limits: Mapping[str, tuple[float, float]] | None = None,
) -> Any:
    """Small panels alike in a figure, one a function: its value drawn through, its gradient dashed.

    Args:
        figure: an empty figure, or part of one.
        x_label: of every panel.
        x: where they were measured; one array, or one by name.
        values_and_gradients: a pair of arrays by name.
        limits: of the vertical axis by name, where not all is to be seen.

    Returns:
        The figure.
    """
    columns = min(5, len(values_and_gradients))
    rows = -(-len(values_and_gradients) // columns)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (name, (value, gradient)) in zip(panels, values_and_gradients.items(), strict=False):
        across = x[name] if isinstance(x, Mapping) else x
        axes.plot(across, value, color=COLOURS[0], lw=2, label="value")
        axes.plot(across, gradient, color=COLOURS[1], ls="--", lw=1.5, label="gradient")
        axes.set_title(name, fontsize=10 if len(name) < 22 else 7.5)
        axes.tick_params(labelsize=8)
        if limits and name in limits:
            axes.set_ylim(*limits[name])
        tidy(axes)
    for axes in panels:
        axes.set_axis_off()
    figure.supxlabel(x_label, fontsize=10)
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper right", ncols=2, frameon=False)
    return figure
