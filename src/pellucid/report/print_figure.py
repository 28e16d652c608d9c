"""Charts for print, drawn by matplotlib. Needs the extra ``plot``; the only file that imports it."""

import io
import os
from pathlib import Path
from typing import Any

from pellucid.core.errors import InvalidValue, MissingExtra
from pellucid.core.files import write_bytes
from pellucid.report.document import Chart
from pellucid.report.drawing import Area, Drawing, Label, Mark, Markers, Pixels, Stroke, shape_points

WIDTH, GAP = 430.0, 26.0
"""Points that a chart is wide, and that lie between two."""


def to_matplotlib(*charts: Chart, columns: int = 2, width: float = WIDTH) -> Any:
    """Draw charts of `pellucid.report.chart` side by side, each so many points wide, as a matplotlib figure.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", "drawing for print") from error
    drawings = [chart.draw(width) for chart in charts]
    columns = min(columns, len(drawings))
    rows = [drawings[i : i + columns] for i in range(0, len(drawings), columns)]
    across = columns * (width + GAP) + GAP
    down = sum(max(one.height for one in row) + GAP for row in rows) + GAP
    figure = Figure(figsize=(across / 72, down / 72), facecolor="white")
    top = GAP
    for row in rows:
        for i, drawing in enumerate(row):
            left = GAP + i * (width + GAP)
            place = (left / across, 1 - (top + drawing.height) / down, width / across, drawing.height / down)
            _draw(figure.add_axes(place), drawing)
        top += max(one.height for one in row) + GAP
    return figure


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file, the same bytes each time.

    Args:
        figure: a figure of `to_matplotlib`.
        path: its ending names the format: .png, .svg or .pdf.

    Raises:
        InvalidValue: a format that matplotlib does not know.
    """
    import matplotlib

    ending = Path(path).suffix.lstrip(".").lower()
    known = figure.canvas.get_supported_filetypes()
    if ending not in known:
        raise InvalidValue(f"a figure is written as {', '.join(sorted(known))}. Received: {str(path)!r}.")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}.get(ending)
    picture = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "pellucid"}):  # else ids are random
        figure.savefig(picture, format=ending, dpi=144, metadata=metadata)
    write_bytes(path, picture.getvalue())


def _draw(axes: Any, drawing: Drawing) -> None:
    axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0), label=drawing.alt)
    axes.set_axis_off()
    for order, mark in enumerate(drawing.marks):
        _mark(axes, mark, {"zorder": order, "clip_on": False})


def _mark(axes: Any, mark: Mark, how: dict[str, Any]) -> None:
    match mark:
        case Stroke(x, y, colour, width, dash, opacity):
            dashes = (0, [float(one) / width for one in dash.split()]) if dash else "-"
            axes.plot(x, y, color=colour, lw=width, ls=dashes, alpha=opacity, **how)
        case Area(x, y, colour, opacity, edge):
            axes.fill(*_polygons(x, y), color=colour, alpha=opacity, ec=edge or "none", lw=0.5, zorder=how["zorder"])
        case Markers(x, y, shape, colour, size, opacity, edge):
            outline = shape_points(shape, 1.0) * (1, -1)
            area = (2 * size * abs(outline).max()) ** 2
            axes.scatter(x, y, area, marker=outline, c=colour, alpha=opacity, ec=edge or "none", lw=0.6, **how)
        case Label(x, y, text, anchor, colour, size, bold):
            side = {"start": "left", "middle": "center", "end": "right"}[anchor]
            how |= {"color": colour, "size": 0.93 * size, "weight": "bold" if bold else "normal"}
            axes.text(x, y, text.replace("$", r"\$"), ha=side, va="baseline", **how)
        case Pixels(x, y, width, height, pixels):
            grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.ndim == 2 else {}
            place = (x, x + width, y + height, y)
            axes.imshow(pixels, extent=place, aspect="auto", interpolation="nearest", zorder=how["zorder"], **grey)
            axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())


def _polygons(x: Any, y: Any) -> list[Any]:
    """x and y of each polygon, which are divided by points that are not finite."""
    import numpy as np

    x, y = np.asarray(x, float), np.asarray(y, float)
    starts = np.flatnonzero(~np.isfinite(x)) + 1
    pieces = zip(np.split(x, starts), np.split(y, starts), strict=True)
    return [part for a, b in pieces if np.isfinite(a).any() for part in (a[np.isfinite(a)], b[np.isfinite(b)])]
