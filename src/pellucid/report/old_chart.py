"""Charts as SVG, written straight into a page: lines, points, bars, and dots by row.

They are drawn here and not by matplotlib because a report is written at the end of every run: a chart takes 1 ms and
5 KB in place of 150 ms and 45 KB, needs no extra, and its text is the page's own. Series are told apart by colour, dash
and marker together, so that they stay apart in grey and for colour-blind people.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.report.figures import COLOURS
from pellucid.report.page import Html, element, number

WIDTH, HEIGHT = 360, 220
"""Of a chart with its labels, in pixels where it is not scaled; a legend adds to the height."""
LEFT, RIGHT, BOTTOM = 52, 10, 40
DASHES = ("", "6 3", "2 2.5", "9 3 2 3", "1 4")
MOST_POINTS = 160
"""Points of a line: more are averaged, and their range is shown as a band."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Series:
    """Numbers with a name.

    Args:
        name: what the legend calls it.
        x: where, shape (n,).
        y: what, shape (n,); gaps where it is not finite.
        low: lower end of a band, shape (n,), or None.
        high: upper end of it.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    def thinned(self, most: int = MOST_POINTS) -> "Series":
        """At most so many points: neighbours averaged, their range as the band where there is none."""
        count = len(self.x)
        if count <= most:
            return self
        starts = np.arange(most) * count // most
        sizes = np.diff(np.append(starts, count))

        def mean(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(np.asarray(values, float), starts) / sizes

        low = np.fmin.reduceat(self.y, starts) if self.low is None else mean(self.low)
        high = np.fmax.reduceat(self.y, starts) if self.high is None else mean(self.high)
        return Series(self.name, mean(self.x), mean(self.y), low, high)


@dataclass(frozen=True)
class Axis:
    """From numbers to pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: Any) -> np.ndarray:
        """The pixels of these numbers."""
        values, low, high = np.asarray(values, float), self.low, self.high
        if self.log:
            with np.errstate(invalid="ignore", divide="ignore"):
                values, low, high = np.log10(values), math.log10(low), math.log10(high)
        return self.start + (values - low) / (high - low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round numbers along it, four to eight."""
        if self.log:
            return _log_ticks(self.low, self.high)
        step = _round_step((self.high - self.low) / 6)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def line_chart(
    title: str, series: Sequence[Series], *, x_label: str, log: bool | None = None, shares: bool = False
) -> Html:
    """Lines over one axis.

    Args:
        title: what is drawn, above it.
        series: the lines; one without a finite number is left out.
        x_label: of the horizontal axis.
        log: whether the vertical axis is logarithmic; None: where the numbers are positive and span a factor of 30.
        shares: whether the vertical axis runs from 0 to 1.

    Returns:
        The chart; a sentence where there is nothing to draw.
    """
    kept = [one.thinned() for one in series if np.isfinite(one.y).any()]
    if not kept:
        return element("p", f"{title}: nothing was measured.", class_="quiet")
    numbers = _finite(array for one in kept for array in (one.y, one.low, one.high) if array is not None)
    if log is None:
        log = not shares and bool((numbers > 0).all() and numbers.max() > 30 * numbers.min())
    if log:
        numbers = numbers[numbers > 0]
    log = log and len(numbers) > 0
    frame = _Frame(title + (", log scale" if log else ""), [one.name for one in kept])
    x = _axis(_finite(one.x for one in kept), LEFT, WIDTH - RIGHT)
    bounds = np.array([0.0, 1.0]) if shares else numbers
    y = _axis(bounds, frame.bottom, frame.top, log, margin=0.0 if shares else 0.04)
    marks = [_line(one, place, x, y) for place, one in enumerate(kept)]
    return frame.draw(x, y, x_label, *marks)


def scatter_chart(
    title: str, series: Sequence[Series], *, x_label: str, diagonal: bool = False, equal: bool = False
) -> Html:
    """Points in the plane; ``diagonal`` draws y = x, ``equal`` gives both axes the same range."""
    frame = _Frame(title, [one.name for one in series], HEIGHT + 100 * equal)
    across, up = (_finite(getattr(one, axis) for one in series) for axis in ("x", "y"))
    if equal:
        across = up = np.concatenate([across, up])
    x = _axis(across, LEFT, WIDTH - RIGHT, margin=0.04)
    y = _axis(up, frame.bottom, frame.top, margin=0.04)
    marks = [_dots(one, place, x, y) for place, one in enumerate(series)]
    if diagonal:
        ends = np.array([max(x.low, y.low), min(x.high, y.high)])
        marks.insert(0, _path(x(ends), y(ends), stroke="#777", stroke_dasharray="4 3"))
    return frame.draw(x, y, x_label, *marks)


def bar_chart(title: str, edges: np.ndarray, counts: np.ndarray, *, x_label: str, log: bool = False) -> Html:
    """A histogram: ``counts`` between ``edges``, one fewer."""
    frame = _Frame(title)
    x = _axis(np.asarray(edges, float), LEFT, WIDTH - RIGHT)
    shown = np.log10(1 + counts) if log else counts
    y = _axis(np.array([0.0, max(1.0, float(np.max(shown)))]), frame.bottom, frame.top)
    left, right, tops = x(edges[:-1]), x(edges[1:]), y(shown)
    bars = "".join(
        f"M{a:.1f} {y.start:.1f}V{top:.1f}H{b:.1f}V{y.start:.1f}z"
        for a, b, top in zip(left, right, tops, strict=True)
        if top < y.start
    )
    return frame.draw(x, y, x_label, mark("path", d=bars, fill=COLOURS[0], stroke="#fff", stroke_width="0.4"))


def dot_chart(title: str, names: Sequence[str], series: Sequence[Series], *, x_label: str, log: bool = False) -> Html:
    """One row a name, from above, and in each row a dot for each series, whose ``x`` holds the rows' numbers."""
    frame = _Frame(title + (", log scale" if log else ""), [one.name for one in series], 70 + 19 * len(names))
    numbers = _finite(one.x for one in series)
    numbers = numbers[numbers > 0] if log else numbers
    left = 20 + 6.4 * min(18, max(map(len, names)))
    x = _axis(numbers if len(numbers) else np.array([0.1, 1.0]), left, WIDTH - RIGHT - 6, log, margin=0.03)
    y = Axis(-0.5, len(names) - 0.5, frame.top, frame.bottom)
    rows = [text_at(left - 8, float(y(row)) + 4, name[:18], anchor="end") for row, name in enumerate(names)]
    marks = []
    for place, one in enumerate(series):
        colour = COLOURS[place % len(COLOURS)]
        marks += [
            _marker(place, across, up, colour)
            for across, up in zip(x(one.x), y(np.arange(len(names))), strict=True)
            if np.isfinite(across)
        ]
    return frame.draw(x, None, x_label, *rows, *marks, left=left)


def strip_chart(title: str, strips: Sequence[tuple[str, np.ndarray, Any, int]], *, x_label: str) -> Html:
    """Repeated values of several things, one below the other on one axis, their means with intervals, a line at 0.

    Args:
        title: what is drawn, above it.
        strips: name, values (n,), the ends of the mean's interval or None, and the place of its colour.
        x_label: of the horizontal axis.
    """
    each = 40
    frame = _Frame(title, height=76 + each * len(strips))
    ends = [np.asarray(interval, float) for _, _, interval, _ in strips if interval is not None]
    x = _axis(_finite([np.zeros(1), *(values for _, values, _, _ in strips), *ends]), 8, WIDTH - RIGHT - 6, margin=0.04)
    marks = [
        mark(
            "path", d=f"M{float(x(0.0)):.1f} {frame.top:.1f}V{frame.bottom:.1f}", stroke="#777", stroke_dasharray="4 3"
        )
    ]
    for row, (name, values, interval, place) in enumerate(strips):
        colour, line = COLOURS[place % len(COLOURS)], frame.top + each * (row + 0.72)
        short = name if len(name) <= 54 else f"{name[:53]}…"
        marks.append(text_at(0, line - 15, short))
        marks += [
            mark("path", d=_SHAPES[0](float(at), line), fill=colour, fill_opacity="0.3")
            for at in x(values)
            if np.isfinite(at)
        ]
        if interval is not None and np.isfinite(interval).all():
            low, high = (float(end) for end in x(interval))
            marks.append(mark("path", d=f"M{low:.1f} {line + 7:.1f}H{high:.1f}", stroke=colour, stroke_width="2.4"))
        if np.isfinite(values).any():
            marks.append(_marker(place, float(x(values[np.isfinite(values)].mean())), line + 7, colour))
    return frame.draw(x, None, x_label, *marks, left=8)


class _Frame:
    """Title and legend above the plot, axes around it."""

    def __init__(self, title: str, names: Sequence[str] = (), height: float = HEIGHT) -> None:
        self.title = title
        self.legend: list[Html] = []
        across, down = 0.0, 32.0
        for place, name in enumerate(names if len(names) > 1 else ()):
            wide = 30 + 6.5 * len(name)
            if across and across + wide > WIDTH:
                across, down = 0.0, down + 16
            self.legend += [
                _stroke(f"M{across:.1f} {down - 4:.1f}h20", place),
                _marker(place, across + 10, down - 4, COLOURS[place % len(COLOURS)]),
                text_at(across + 25, down, name),
            ]
            across += wide + 8
        self.top = (down if self.legend else 16) + 14
        self.height = height + (self.top - 28)
        self.bottom = self.height - BOTTOM

    def draw(self, x: Axis, y: Axis | None, x_label: str, *marks: Html, left: float = LEFT) -> Html:
        right, parts = WIDTH - RIGHT, [text_at(0, 13, self.title, weight="600"), *self.legend]
        for value, place in zip(x.ticks, x(x.ticks), strict=True):
            parts.append(mark("path", d=f"M{place:.1f} {self.bottom:.1f}v4", stroke="#777"))
            parts.append(text_at(place, self.bottom + 17, _tick(value, x.log), anchor="middle"))
            if y is None:
                parts.append(mark("path", d=f"M{place:.1f} {self.top:.1f}V{self.bottom:.1f}", stroke="#e2e2e2"))
        if y is not None:
            for value, place in zip(y.ticks, y(y.ticks), strict=True):
                parts.append(mark("path", d=f"M{left:.1f} {place:.1f}H{right:.1f}", stroke="#e2e2e2"))
                parts.append(text_at(left - 6, place + 4, _tick(value, y.log), anchor="end"))
        base = mark("path", d=f"M{left:.1f} {self.bottom:.1f}H{right:.1f}", stroke="#777")
        label = text_at((left + right) / 2, self.height - 6, x_label, anchor="middle", fill="#555")
        return drawing(WIDTH, self.height, self.title, *parts, *marks, base, label)


def drawing(width: float, height: float, alt: str, *marks: Html) -> Html:
    """An SVG of these marks, as wide as the page lets it be; ``alt`` says in words what it shows."""
    return element(
        "svg", *marks, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=alt, font_size="12", fill="none"
    )


def _line(series: Series, place: int, x: Axis, y: Axis) -> Html:
    marks = []
    across, up = x(series.x), y(series.y)
    if series.low is not None and series.high is not None:
        low = np.nan_to_num(y(series.low), nan=y.start, neginf=y.start).clip(y.end, y.start)
        band = np.isfinite(up)
        outline = [*zip(across[band], y(series.high)[band], strict=True)]
        outline += [*zip(across[band][::-1], low[band][::-1], strict=True)]
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in outline)
        marks.append(mark("polygon", points=points, fill=COLOURS[place % len(COLOURS)], fill_opacity="0.16"))
    marks.append(_stroke(_steps(across, up), place))
    seen = np.flatnonzero(np.isfinite(up))
    # Shifted from line to line, so that markers of lines upon each other are all seen.
    few = seen if len(seen) <= 12 else seen[(np.arange(6) * len(seen) // 6 + place * len(seen) // 40) % len(seen)]
    marks += [_marker(place, across[i], up[i], COLOURS[place % len(COLOURS)]) for i in few]
    return Html("".join(marks))


def _steps(across: np.ndarray, up: np.ndarray) -> str:
    """A path through the points that are finite, begun anew after a gap."""
    written, pen = [], "M"
    for a, b in zip(across, up, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            written.append(f"{pen}{a:.1f} {b:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(written)


def _path(across: np.ndarray, up: np.ndarray, **attributes: str) -> Html:
    return mark("path", d=_steps(across, up), **attributes)


def _stroke(path: str, place: int) -> Html:
    dash = DASHES[place % len(DASHES)] or None
    colour = COLOURS[place % len(COLOURS)]
    return mark("path", d=path, stroke=colour, stroke_width="1.6", stroke_dasharray=dash)


def _dots(series: Series, place: int, x: Axis, y: Axis) -> Html:
    """All points as one path of strokes without length, whose round ends are the dots."""
    dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x(series.x), y(series.y), strict=True))
    return mark(
        "path",
        d=dots,
        stroke=COLOURS[place % len(COLOURS)],
        stroke_width="4" if place == 0 else "3",
        stroke_linecap="round" if place == 0 else "square",
        stroke_opacity="0.55",
    )


_SHAPES: tuple[Callable[[float, float], str], ...] = (
    lambda a, b: f"M{a - 2.6:.1f} {b:.1f}a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0-5.2 0z",
    lambda a, b: f"M{a - 2.4:.1f} {b - 2.4:.1f}h4.8v4.8h-4.8z",
    lambda a, b: f"M{a:.1f} {b - 3.2:.1f}l3.2 5.4h-6.4z",
    lambda a, b: f"M{a:.1f} {b - 3.4:.1f}l3.2 3.4l-3.2 3.4l-3.2-3.4z",
    lambda a, b: f"M{a:.1f} {b + 3.2:.1f}l3.2-5.4h-6.4z",
)


def _marker(place: int, across: float, up: float, colour: str) -> Html:
    shape = _SHAPES[place % len(_SHAPES)](float(across), float(up))
    # Past the last colour the markers are hollow.
    fill = colour if place < len(COLOURS) else "#fff"
    return mark("path", d=shape, fill=fill, stroke=colour)


def text_at(
    across: float, up: float, text: str, *, anchor: str | None = None, fill: str = "#222", weight: str | None = None
) -> Html:
    """A text, whose line stands at ``up`` pixels."""
    return element(
        "text", text, x=f"{float(across):.1f}", y=f"{float(up):.1f}", text_anchor=anchor, fill=fill, font_weight=weight
    )


def mark(name: str, **attributes: str | None) -> Html:
    """An element of a drawing without contents."""
    written = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items() if value)
    return Html(f"<{name}{written}/>")


def _finite(arrays: Iterable[np.ndarray]) -> np.ndarray:
    flat = [np.asarray(array, float).ravel() for array in arrays]
    joined = np.concatenate(flat) if flat else np.zeros(0)
    return joined[np.isfinite(joined)]


def _axis(numbers: np.ndarray, start: float, end: float, log: bool = False, margin: float = 0.0) -> Axis:
    """An axis that holds these numbers, with a margin, never empty."""
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    if log:
        spread = max(math.log10(high / low), 0.2)
        return Axis(low / 10 ** (margin * spread), high * 10 ** (margin * spread), start, end, True)
    spread = high - low
    if spread <= 1e-9 * max(abs(low), abs(high)):
        spread = 2 * (abs(high) * 0.1 or 0.5)
        low, high = low - spread / 2, high + spread / 2
    return Axis(low - margin * spread, high + margin * spread, start, end)


def _round_step(size: float) -> float:
    """The least of 1, 2 and 5 times a power of ten that is not below ``size``."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= size * (1 - 1e-9))


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        return [10.0**power for power in range(first, last + 1, (last - first) // 6 + 1)]
    factors = (1, 2, 5) if math.log10(high / low) > 0.5 else (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [f * 10.0**power for power in powers for f in factors if low <= f * 10.0**power <= high]


def _tick(value: float, log: bool) -> str:
    if log and (value < 0.01 or value > 1000) and f"{value:e}".startswith("1.0"):
        return "10" + str(round(math.log10(value))).translate(_SUPERSCRIPTS)
    if value == int(value) and abs(value) < 1e6:
        return number(int(value))
    short = f"{value:.3g}"
    return (short if len(short) < 7 else f"{value:.2e}").replace("e-0", "e-").replace("e+0", "e")
