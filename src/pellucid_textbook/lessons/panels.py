"""Pictures of a lesson as data: what to draw, so that a result on disk can be drawn again without its experiment.

Colours are told apart by colour-blind people; markers and line styles tell apart in grey.
"""

import math
from typing import Any, Literal

import msgspec
import numpy as np

from pellucid.core.errors import MissingExtra
from pellucid.report.figures import COLOURS, STYLES

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Log = Literal["", "x", "y", "xy"]
"""Which axes are logarithmic."""


class Curve(msgspec.Struct, frozen=True):
    """A line over x for each seed: drawn as the mean, and a band from the lowest to the highest seed.

    Args:
        label: for the legend.
        x: the places, one for each point.
        y: one row a seed, one column a point; None, or NaN, for a point that a seed lacks.
    """

    label: str
    x: list[float]
    y: list[list[float | None]]

    @staticmethod
    def of(label: str, x: Any, y: Any) -> "Curve":
        """The curve of any arrays; a single row of y may come flat."""
        rows = np.atleast_2d(np.asarray(y, float))
        finite = [[value if math.isfinite(value) else None for value in row] for row in rows.tolist()]
        return Curve(label, np.asarray(x, float).tolist(), finite)


class Curves(msgspec.Struct, frozen=True, tag="curves"):
    """Lines over a common axis."""

    title: str
    x_label: str
    y_label: str
    curves: list[Curve]
    log: Log = ""

    def draw(self, axes: Any) -> None:
        """Draw it on matplotlib axes."""
        for i, curve in enumerate(self.curves):
            y = np.array(curve.y, float)
            colour, style = COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)]
            # A band of one seed, or of seeds that all agree, has no width; a gap in a seed is a gap in the line.
            axes.plot(curve.x, y.mean(axis=0), color=colour, ls=style, lw=1.8, label=curve.label)
            axes.fill_between(curve.x, y.min(axis=0), y.max(axis=0), color=colour, alpha=0.18, lw=0)
        axes.set(xlabel=self.x_label, ylabel=self.y_label)
        _scale(axes, self.log)
        if "x" not in self.log and all(place == int(place) for curve in self.curves for place in curve.x):
            axes.xaxis.get_major_locator().set_params(integer=True)  # there is no half epoch
        if len(self.curves) > 1:
            axes.legend(frameon=False)


class Dots(msgspec.Struct, frozen=True, tag="dots"):
    """One dot a seed for each group, side by side, and a bar at the mean."""

    title: str
    y_label: str
    groups: dict[str, list[float]]
    log: Log = ""

    def draw(self, axes: Any) -> None:
        """Draw it on matplotlib axes."""
        for i, values in enumerate(self.groups.values()):
            spread = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else np.zeros(1)
            colour = COLOURS[i % len(COLOURS)]
            axes.plot(i + spread, values, MARKERS[i % len(MARKERS)], color=colour, ms=6, mew=0, alpha=0.8)
            axes.hlines(np.mean(values), i - 0.28, i + 0.28, color=colour, lw=2)
        axes.set_xticks(range(len(self.groups)), list(self.groups))
        axes.set(ylabel=self.y_label, xlim=(-0.6, len(self.groups) - 0.4))
        _scale(axes, self.log)


class Points(msgspec.Struct, frozen=True, tag="points"):
    """Groups of points of a plane."""

    title: str
    x_label: str
    y_label: str
    groups: dict[str, list[tuple[float, float]]]

    def draw(self, axes: Any) -> None:
        """Draw it on matplotlib axes."""
        for i, (label, points) in enumerate(self.groups.items()):
            marker, colour = MARKERS[i % len(MARKERS)], COLOURS[i % len(COLOURS)]
            x, y = np.array(points, float).reshape(-1, 2).T
            axes.plot(x, y, marker, color=colour, ms=3.5, mew=0, alpha=0.7, label=label)
        axes.set(xlabel=self.x_label, ylabel=self.y_label)
        if len(self.groups) > 1:
            axes.legend(frameon=False, markerscale=2, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)


class Images(msgspec.Struct, frozen=True, tag="images"):
    """Grey images of one size, in a square grid; dark is high."""

    title: str
    images: list[list[list[float]]]

    def draw(self, axes: Any) -> None:
        """Draw it on matplotlib axes."""
        images = np.array(self.images, float)
        count, height, width = images.shape
        columns = math.ceil(math.sqrt(count))
        rows = math.ceil(count / columns)
        sheet = np.full((rows * (height + 1), columns * (width + 1)), np.nan)
        for i, image in enumerate(images):
            top, left = i // columns * (height + 1), i % columns * (width + 1)
            sheet[top : top + height, left : left + width] = image
        axes.imshow(sheet, cmap="gray_r")
        axes.set_axis_off()


Panel = Curves | Dots | Points | Images


def draw_panels(panels: tuple[Panel, ...]) -> Any:
    """A matplotlib figure of the panels side by side.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", "drawing a lesson") from error
    figure = Figure(figsize=(5.2 * len(panels), 3.9), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        panel.draw(axes)
        axes.set_title(panel.title, fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    return figure


def _scale(axes: Any, log: Log) -> None:
    from matplotlib.ticker import LogLocator

    for name, axis, scale in (("x", axes.xaxis, axes.set_xscale), ("y", axes.yaxis, axes.set_yscale)):
        if name in log:
            scale("log")
            low, high = axes.get_xlim() if name == "x" else axes.get_ylim()
            if high < 100 * low:  # too few powers of ten to read by
                axis.set_minor_locator(LogLocator(subs=(2, 5)))
                axis.set_major_formatter("{x:g}")
                axis.set_minor_formatter("{x:g}")
