"""Marks on a plane in pixels, and their SVG: what all charts are drawn with.

`pellucid.report.chart` turns numbers into marks; `svg` writes them, `pellucid.report.print_figure` gives them to
matplotlib. A chart takes about 1 ms and 5 KB here, 150 ms and 45 KB with matplotlib, and its text is the page's own.
"""

import html
import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from pellucid.report.picture import png

INK, QUIET, GRID = "#222222", "#555555", "#e2e2e2"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind people can tell apart; dashes and markers differ as well."""
DASHES = ("", "6 3", "2 2.5", "9 3 2 3", "1 4")
POSITIVE, NEGATIVE = COLOURS[0], COLOURS[1]
"""Blue and orange, for the sign of a number on every page; negative lines are dashed too."""
SIZE = 12.0
"""Of a text, in pixels."""


@dataclass(frozen=True)
class Stroke:
    """A line through points, interrupted where they are not finite."""

    x: Any
    y: Any
    colour: str = INK
    width: float = 1.0
    dash: str = ""
    opacity: float = 1.0


@dataclass(frozen=True)
class Area:
    """Filled polygons, divided by points that are not finite."""

    x: Any
    y: Any
    colour: str
    opacity: float = 1.0
    edge: str = ""


@dataclass(frozen=True)
class Markers:
    """The same marker at several points; ``shape`` counts through circle, square, triangle, diamond, triangle down."""

    x: Any
    y: Any
    shape: int = 0
    colour: str = COLOURS[0]
    size: float = 2.8
    opacity: float = 1.0
    edge: str = ""


@dataclass(frozen=True)
class Label:
    """A text whose line stands at ``y``; ``anchor`` is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    colour: str = INK
    size: float = SIZE
    bold: bool = False


@dataclass(frozen=True)
class Pixels:
    """A picture: uint8, shape (height, width) or (height, width, 3)."""

    x: float
    y: float
    width: float
    height: float
    pixels: np.ndarray


Mark: TypeAlias = Stroke | Area | Markers | Label | Pixels


@dataclass
class Drawing:
    """Marks on a plane, the origin at the top left.

    Args:
        width: in pixels.
        height: in pixels.
        alt: what it shows, for those who cannot see it.
        marks: later ones lie above earlier ones.
    """

    width: float
    height: float
    alt: str
    marks: list[Mark] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of the pictures in it."""
        return sum(mark.pixels.nbytes for mark in self.marks if isinstance(mark, Pixels))


def style(index: int) -> tuple[str, str]:
    """Colour and dash of the series with this number."""
    return COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]


def box(left: float, top: float, width: float, height: float) -> tuple[list[float], list[float]]:
    """x and y of a rectangle's corners, the first at the end again."""
    right, bottom = left + width, top + height
    return [left, right, right, left, left], [top, top, bottom, bottom, top]


def shade_and_ink(colour: np.ndarray) -> tuple[str, str]:
    """A colour as SVG writes it, and the one of a text that is read on it."""
    return f"#{bytes(colour.tolist()).hex()}", INK if colour @ np.array([0.3, 0.59, 0.11]) > 140 else "#ffffff"


def shape_points(shape: int, size: float) -> np.ndarray:
    """The corners of a marker around 0, shape (corners, 2), in pixels."""
    if shape % 5 == 0:
        angles = np.linspace(0, 2 * np.pi, 13 if size < 8 else 41)[:-1]
        return size * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    corners = {
        1: [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        2: [(0, -1.2), (1.2, 0.85), (-1.2, 0.85)],
        3: [(0, -1.3), (1.2, 0), (0, 1.3), (-1.2, 0)],
        4: [(0, 1.2), (1.2, -0.85), (-1.2, -0.85)],
    }[shape % 5]
    return size * np.array(corners)


def text_width(text: str, size: float = SIZE, bold: bool = False) -> float:
    """The width of a text in a usual sans-serif type, rather too much than too little.

    Example:
        >>> text_width("−100,000") > text_width("100,000") > text_width("0.1")
        True
    """
    units = sum(0.36 if c in _NARROW else 0.9 if c in _WIDE else 0.7 if c.isupper() else 0.625 for c in text)
    return size * units * (1.08 if bold else 1.0)


_NARROW, _WIDE = "iljtfrI.,:;'|!()[]· ", "mwMW@%—∂−+=×"


def svg(drawing: Drawing, css: str = "") -> str:
    """Write a drawing as an SVG element, as wide as its place allows."""
    marks = "".join(map(_svg, drawing.marks))
    chosen = f' class="{css}"' if css else ""
    return (
        f'<svg{chosen} viewBox="0 0 {drawing.width:g} {drawing.height:g}" role="img" '
        f'aria-label="{html.escape(drawing.alt)}" font-size="{SIZE:g}" fill="none">{marks}</svg>'
    )


def svg_file(drawing: Drawing) -> str:
    """Write a drawing as an SVG file, on white."""
    style = f'xmlns="http://www.w3.org/2000/svg" width="{drawing.width:g}" style="background:#fff" '
    return svg(drawing).replace("<svg ", f'<svg {style}font-family="sans-serif" ', 1) + "\n"


def _svg(mark: Mark) -> str:
    match mark:
        case Stroke(x, y, colour, width, dash, opacity):
            more = {"stroke-dasharray": dash, "stroke-opacity": _unless_one(opacity)}
            return _element("path", d=_path(x, y), stroke=colour, **{"stroke-width": f"{width:g}"} | more)
        case Area(x, y, colour, opacity, edge):
            more = {"fill-opacity": _unless_one(opacity), "stroke-width": ".5" if edge else ""}
            return _element("path", d=_path(x, y, "z"), fill=colour, stroke=edge, **more)
        case Markers(x, y, shape, colour, size, opacity, edge):
            if shape % 5 == 0 and size < 8:  # strokes without length, whose round ends are the dots
                dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in _finite(x, y))
                more = {"stroke-linecap": "round", "stroke-opacity": _unless_one(opacity)}
                layers = [(edge, 2 * size + 1)] if edge else []
                return "".join(
                    _element("path", d=dots, stroke=ink, **{"stroke-width": f"{wide:g}"} | more)
                    for ink, wide in [*layers, (colour, 2 * size)]
                )
            corners = shape_points(shape, size)
            outline = "m" + "l".join(f"{a:.1f} {b:.1f}" for a, b in np.diff(corners, axis=0, prepend=0)) + "z"
            dots = "".join(f"M{a:.1f} {b:.1f}{outline}" for a, b in _finite(x, y))
            return _element("path", d=dots, fill=colour, stroke=edge, **{"fill-opacity": _unless_one(opacity)})
        case Label(x, y, text, anchor, colour, size, bold):
            more = {
                "text-anchor": "" if anchor == "start" else anchor,
                "font-size": "" if size == SIZE else f"{size:g}",
                "font-weight": "600" if bold else "",
            }
            return _element("text", html.escape(text), x=f"{x:.1f}", y=f"{y:.1f}", fill=colour, **more)
        case Pixels(x, y, width, height, pixels):
            place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
            more = {"preserveAspectRatio": "none", "image-rendering": "pixelated"}
            return _element("image", href=png(pixels), **place | more)


def _element(name: str, content: str = "", **attributes: str) -> str:
    written = "".join(f' {key}="{value}"' for key, value in attributes.items() if value)
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _unless_one(opacity: float) -> str:
    return "" if opacity == 1 else f"{opacity:.2g}"


def _finite(x: Any, y: Any) -> list[tuple[float, float]]:
    pairs = np.stack(np.broadcast_arrays(np.atleast_1d(np.asarray(x, float)), np.asarray(y, float)), axis=1)
    return [(a, b) for a, b in pairs.tolist() if math.isfinite(a) and math.isfinite(b)]


def _path(x: Any, y: Any, end: str = "") -> str:
    written, pen = [], "M"
    for a, b in zip(np.atleast_1d(x).tolist(), np.atleast_1d(y).tolist(), strict=True):
        if math.isfinite(a) and math.isfinite(b):
            written.append(f"{pen}{a:.1f} {b:.1f}")
            pen = "L"
        elif pen == "L":
            written.append(end)
            pen = "M"
    return "".join(written) + (end if pen == "L" else "")
