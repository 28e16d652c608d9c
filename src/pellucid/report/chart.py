"""Charts: lines, points, bars, strips, heat maps, images, decision boundaries.

A chart is plain data: it is drawn at a width in pixels (`draw`), on a page through `pellucid.report.html`, for print
through `pellucid.report.print_figure.to_matplotlib`. Series differ in colour, dash and marker together, for readers in
grey and for colour-blind people. Margins follow from the labels, which are never cut; all ticks of an axis are written
alike. ::

    LineChart("loss", [Series("training", epochs, loss), Series("held out", epochs, held_out)], x_label="epoch")
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.report.axis import Axis, finite
from pellucid.report.document import number
from pellucid.report.drawing import (
    COLOURS,
    GRID,
    INK,
    NEGATIVE,
    POSITIVE,
    QUIET,
    SIZE,
    Area,
    Drawing,
    Label,
    Markers,
    Pixels,
    Stroke,
    box,
    shade_and_ink,
    style,
    text_width,
)
from pellucid.report.picture import pixels, shade

MOST_POINTS = 160
"""Points of a line: more are averaged, and their range is shown as a band."""
LINE = 16.0
"""Height of a line of text, in pixels."""
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot of a Braille character, which is two dots wide and four high."""


@dataclass(frozen=True)
class Series:
    """Numbers with a name.

    Args:
        name: what the legend calls it.
        x: where, shape (n,).
        y: the numbers, shape (n,); a gap where one is not finite.
        low: lower end of a band, shape (n,), or None.
        high: upper end of it.
    """

    name: str
    x: Any
    y: Any
    low: Any = None
    high: Any = None

    def thinned(self, most: int = MOST_POINTS) -> "Series":
        """At most so many points: neighbours averaged, their range as the band where there is none."""
        count = len(self.x)
        if count <= most:
            return self
        starts = np.arange(most) * count // most
        sizes = np.diff(np.append(starts, count))

        def mean(values: Any) -> np.ndarray:
            return np.add.reduceat(np.asarray(values, float), starts) / sizes

        low = np.fmin.reduceat(self.y, starts) if self.low is None else mean(self.low)
        high = np.fmax.reduceat(self.y, starts) if self.high is None else mean(self.high)
        return Series(self.name, mean(self.x), mean(self.y), low, high)


@dataclass(frozen=True)
class LineChart:
    """Lines over one axis, each with a band where its series has one.

    Args:
        title: what is plotted, above the chart.
        series: the lines; one without a finite number is left out.
        x_label: of the horizontal axis.
        y_label: of the vertical axis; empty where the title says it.
        log: whether the vertical axis is logarithmic; None: where the numbers are positive and span a factor of 30.
        log_x: whether the horizontal axis is logarithmic.
        fractions: whether the vertical axis runs from 0 to 1.
        whole: whether ticks of the horizontal axis are whole numbers; they are where all of x are.
    """

    title: str
    series: Sequence[Series]
    x_label: str
    y_label: str = ""
    log: bool | None = None
    log_x: bool = False
    fractions: bool = False
    whole: bool = False

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        measured = [one for one in self.series if np.isfinite(np.asarray(one.y, float)).any()]
        if not measured:
            return Drawing(width, 40, self.title, [Label(0, 13, self.title, bold=True), Label(0, 32, "no numbers")])
        kept = [one.thinned() for one in measured]
        bands = [end for one in kept for end in (one.low, one.high) if end is not None and np.isfinite(end).any()]
        # A band of few far numbers is cut, so that it does not flatten the lines.
        values = finite([*(one.y for one in kept), [np.nanquantile(end, at) for end in bands for at in (0.05, 0.95)]])
        log = self.log
        if log is None:
            log = not self.fractions and bool((values > 0).all() and values.max() > 30 * values.min())
        log = log and bool((values > 0).any())
        across = finite(one.x for one in measured)
        whole = self.whole or bool((across == np.round(across)).all() and np.ptp(across) >= 2)
        y = Axis(0.0, 1.0) if self.fractions else Axis.of(values, log=log, margin=0.04)
        plot = _Plot(self, width, Axis.of(across, log=self.log_x, whole=whole), y, [one.name for one in kept])
        for i, one in enumerate(kept):
            plot.line(one, i)
        return plot.drawing()

    def braille(self, width: int = 32, height: int = 7) -> str:
        """The first line in Braille characters, with the ends of both axes; a terminal shows it."""
        x, y = np.asarray(self.series[0].x, float), np.asarray(self.series[0].y, float)
        if not np.isfinite(y).all():
            return ""
        low, high = float(y.min()), float(y.max())
        rows = 4 * height - 1
        at = np.interp(np.linspace(x[0], x[-1], 2 * width), x, y)
        at = np.round((high - at) / ((high - low) or 1.0) * rows).astype(int)
        cells = np.zeros((height, width), int)
        for column, row in enumerate(at):
            before = at[max(column - 1, 0)]
            # A steep piece is filled from the dot before to this one, so that the line has no gaps.
            for dot in range(min(row, before + 1), max(row, before - 1) + 1):
                cells[dot // 4, column // 2] |= _DOTS[dot % 4, column % 2]
        labels = [number(high, 3), *[""] * (height - 2), number(low, 3)]
        room = max(map(len, labels))
        lines = [
            f"{label:>{room}} ┤{''.join(chr(0x2800 + cell) for cell in line)}"
            for label, line in zip(labels, cells, strict=True)
        ]
        left, right = number(x[0], 3), number(x[-1], 3)
        axis = f"{left}{self.x_label:^{width - len(left) - len(right)}}{right}"
        return "\n".join([f"{'':{room}}  {self.title}", *lines, f"{'':{room}}  {axis}"])


@dataclass(frozen=True)
class ScatterChart:
    """Points of a plane.

    Args:
        title: what is plotted.
        series: the points, by group.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        diagonal: whether the line y = x is drawn.
        equal: whether both axes have the same range and length.
    """

    title: str
    series: Sequence[Series]
    x_label: str
    y_label: str
    diagonal: bool = False
    equal: bool = False

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        across, up = (finite(getattr(one, axis) for one in self.series) for axis in ("x", "y"))
        if self.equal:
            across = up = np.concatenate([across, up])
        x, y = Axis.of(across, margin=0.04), Axis.of(up, margin=0.04)
        names, height = [one.name for one in self.series], min(width, 380) * 0.86 if self.equal else 0
        plot = _Plot(self, width, x, y, names, lines=False, height=height)
        if self.diagonal:
            ends = np.array([max(x.low, y.low), min(x.high, y.high)])
            plot.add(Stroke(plot.x(ends), plot.y(ends), QUIET, dash="4 3"))
        for i, one in enumerate(self.series):
            plot.add(Markers(plot.x(one.x), plot.y(one.y), i, style(i)[0], 2.2, opacity=0.6))
        return plot.drawing()


@dataclass(frozen=True)
class Histogram:
    """Counts between edges.

    Args:
        title: what was counted.
        edges: shape (bins + 1,).
        counts: shape (bins,).
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        marker: a number at which a line is drawn, or None.
    """

    title: str
    edges: Any
    counts: Any
    x_label: str
    y_label: str = "count"
    marker: float | None = None

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        edges, counts = np.asarray(self.edges, float), np.asarray(self.counts, float)
        y = Axis(0.0, max(1.0, float(counts.max(initial=0))) * 1.04, whole=bool((counts == counts.round()).all()))
        plot = _Plot(self, width, Axis.of(edges), y)
        left, right, top, gap = plot.x(edges[:-1]), plot.x(edges[1:]), plot.y(counts), np.full(len(counts), np.nan)
        bottom = np.full(len(counts), float(plot.y(0)))
        x = np.stack([left, left, right, right, gap], axis=1)[counts > 0].ravel()
        y = np.stack([bottom, top, top, bottom, gap], axis=1)[counts > 0].ravel()
        plot.add(Area(x, y, COLOURS[0], edge="#ffffff"))
        if self.marker is not None:
            plot.upright(self.marker, INK, "4 3")
        return plot.drawing()


@dataclass(frozen=True)
class BarChart:
    """A bar for each name, one below the other, with its number; blue to the right of 0, orange to the left.

    Args:
        title: what is compared.
        names: of the bars.
        values: shape (names,).
        x_label: of the horizontal axis.
    """

    title: str
    names: Sequence[str]
    values: Any
    x_label: str

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        values = np.asarray(self.values, float)
        texts = [number(value, 3) for value in values]
        right = 8 + max(map(text_width, texts), default=0)
        plot = _Plot(self, width, Axis.of([*values, 0.0], margin=0.02), rows=self.names, right=right)
        zero = float(plot.x(0))
        for row, (value, text) in enumerate(zip(values, texts, strict=True)):
            if not math.isfinite(value):
                continue
            middle, end = plot.row(row), float(plot.x(value))
            plot.add(Area(*box(zero, middle - 6, end - zero, 12), POSITIVE if value >= 0 else NEGATIVE))
            plot.add(Label(max(end, zero) + 5, middle + 4, text))
        plot.upright(0.0, QUIET)
        return plot.drawing()


@dataclass(frozen=True)
class DotChart:
    """A row for each name, and in it a dot for each series.

    Args:
        title: what is compared.
        names: of the rows, from above.
        values: the rows' numbers by series, each of shape (names,).
        x_label: of the horizontal axis.
        log: whether that axis is logarithmic.
    """

    title: str
    names: Sequence[str]
    values: Mapping[str, Any]
    x_label: str
    log: bool = False

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        axis = Axis.of(finite(self.values.values()), log=self.log, margin=0.03)
        plot = _Plot(self, width, axis, legend=list(self.values), lines=False, rows=self.names)
        rows = [plot.row(row) for row in range(len(self.names))]
        for i, values in enumerate(self.values.values()):
            plot.add(Markers(plot.x(values), rows, i, style(i)[0], 3.4))
        return plot.drawing()


@dataclass(frozen=True)
class Strip:
    """Repeated values of one thing, with the confidence interval of their mean.

    Args:
        name: of the row.
        values: shape (n,).
        interval: ends of the mean's interval, or None.
        style: the number of its colour and marker.
    """

    name: str
    values: Any
    interval: Any = None
    style: int = 0


@dataclass(frozen=True)
class StripChart:
    """Repeated values of several things, one row each on one axis, their means with intervals.

    Args:
        title: what is compared.
        strips: the rows.
        x_label: of the horizontal axis.
        reference: a number at which a line is drawn, or None.
    """

    title: str
    strips: Sequence[Strip]
    x_label: str
    reference: float | None = 0.0

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        reference = [] if self.reference is None else [self.reference]
        ends = [one.interval for one in self.strips if one.interval is not None]
        axis = Axis.of(finite([reference, *(one.values for one in self.strips), *ends]), margin=0.04)
        plot = _Plot(self, width, axis, rows=[one.name for one in self.strips], each=38)
        if self.reference is not None:
            plot.upright(self.reference, QUIET, "4 3")
        for row, one in enumerate(self.strips):
            values, middle, (colour, _) = np.asarray(one.values, float), plot.row(row), style(one.style)
            plot.add(Markers(plot.x(values), np.full(len(values), middle - 6), 0, colour, opacity=0.35))
            if one.interval is not None and np.isfinite(np.asarray(one.interval, float)).all():
                plot.add(Stroke(plot.x(one.interval), [middle + 5, middle + 5], colour, 2.4))
            if np.isfinite(values).any():
                mean = values[np.isfinite(values)].mean()
                plot.add(Markers(plot.x(mean), [middle + 5], one.style, colour, 4))
            else:
                plot.add(Label((plot.left + plot.right) / 2, middle + 4, "diverged", "middle", QUIET))
        return plot.drawing()


@dataclass(frozen=True)
class HeatMap:
    """A matrix in shades.

    Args:
        title: what it shows.
        values: shape (rows, columns).
        rows: their names.
        columns: their names.
        x_label: what the columns are.
        y_label: what the rows are.
        shades: what decides the shades where it is not the values: fractions between 0 and 1.
        signed: whether 0 is white, positive numbers blue and negative ones orange.
    """

    title: str
    values: Any
    rows: Sequence[str]
    columns: Sequence[str]
    x_label: str = ""
    y_label: str = ""
    shades: Any = None
    signed: bool = False

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        values = np.asarray(self.values)
        count_y, count_x = values.shape
        texts = [[number(value.item(), 3) for value in row] for row in values]
        marks: list[Any] = _title(self.title, width)
        top = LINE * len(marks) + (LINE if self.y_label else 0) + 6
        left = min(0.4 * width, 8 + max(map(text_width, self.rows)))
        widest = max(map(text_width, self.columns))
        cell = min((width - left) / count_x, max(64, widest + 10))
        turned = widest > cell - 4
        letters = [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(count_x)] if turned else self.columns
        height = min(cell, max(26.0, cell * 0.62))
        head = LINE + 4
        largest = max(max(text_width(text) for text in row) for row in texts)
        size = min(SIZE, SIZE * (cell - 4) / largest) if count_x else SIZE
        if self.y_label:
            corner = self.y_label + (f" ↓   {self.x_label} →" if self.x_label else "")
            marks.append(Label(0, LINE * (len(marks) + 1), corner, colour=QUIET))
        amount = values if self.shades is None else np.asarray(self.shades)
        colours = shade(amount, self.signed, None if self.shades is None else (0.0, 1.0))
        for j, name in enumerate(letters):
            marks.append(Label(left + cell * (j + 0.5), top + 13, name, "middle", size=min(SIZE, size + 2)))
        for i in range(count_y):
            down = top + head + height * i
            marks.append(Label(left - 6, down + height / 2 + 4, cut(self.rows[i], left - 6), "end"))
            for j in range(count_x):
                across, (colour, ink) = left + cell * j, shade_and_ink(colours[i, j])
                marks.append(Area(*box(across, down, cell, height), colour, edge="#ffffff"))
                if size >= 6.5:
                    middle = down + height / 2 + size / 3
                    marks.append(Label(across + cell / 2, middle, texts[i][j], "middle", ink, size))
        below = top + head + height * count_y + 6
        if turned:
            for line in wrapped(", ".join(f"{a}: {b}" for a, b in zip(letters, self.columns, strict=True)), width):
                below += LINE
                marks.append(Label(0, below - 4, line, colour=QUIET))
        return Drawing(width, below, self.title, marks)


@dataclass(frozen=True)
class ImageGrid:
    """Images of one size in a grid, each with a few words below it.

    Args:
        title: what they are.
        images: shape (count, height, width) or (count, height, width, channels); dark is large unless they are colours.
        captions: below each, or nothing.
        columns: images in a row; by default about a square.
        signed: whether 0 is white, positive numbers blue and negative ones orange.
    """

    title: str
    images: Any
    captions: Sequence[str] = ()
    columns: int | None = None
    signed: bool = False

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        images = np.asarray(self.images)
        grid = shade(images, True) if self.signed else pixels(images)
        count, tall, wide = grid.shape[:3]
        columns = self.columns or max(math.ceil(math.sqrt(count * tall / wide)), min(count, int(width // 76)))
        marks: list[Any] = _title(self.title, width)
        gap, top = 4, LINE * len(marks) + 4
        across = min((width - gap * (columns - 1)) / columns, 120)
        up = across * tall / wide
        each = up + gap + (LINE if self.captions else 0)
        for i, one in enumerate(grid):
            x, y = (i % columns) * (across + gap), top + (i // columns) * each
            marks.append(Pixels(x, y, across, up, one))
            if self.captions:
                marks.append(Label(x + across / 2, y + up + 13, cut(self.captions[i], across), "middle"))
        return Drawing(width, top + each * -(-count // columns), self.title, marks)


@dataclass(frozen=True)
class Plane:
    """A function of two inputs in shades, and rows on it: a decision boundary, or a landscape with contour lines.

    Args:
        title: what it shows.
        values: the first row at the top: probabilities, shape (height, width, classes); classes by their index, shape
            (height, width), with ``classes``; or any other numbers of that shape, a landscape.
        x_range: of the horizontal axis, from the first column to the last.
        y_range: of the vertical axis.
        series: the rows, by class.
        x_label: the name of the first input.
        y_label: the name of the second.
        classes: names of the classes that ``values`` counts through.
    """

    title: str
    values: Any
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    series: Sequence[Series]
    x_label: str
    y_label: str
    classes: Sequence[str] = ()

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        x, y, names = Axis(*self.x_range), Axis(*self.y_range), [one.name for one in self.series]
        plot = _Plot(self, width, x, y, names, lines=False, height=min(width, 420) * 0.82)
        values = np.asarray(self.values)
        if self.classes:
            values = np.eye(max(len(self.classes), 2))[values]
        if values.ndim == 2:
            colours, levels = shade(values), np.linspace(values.min(), values.max(), 11)[1:-1]
            fields, ink = [values - level for level in levels], (QUIET, 0.6)
        else:
            colours, ink = _of_classes(values), (INK, 1.2)
            others = [np.delete(values, i, axis=2).max(axis=2) for i in range(values.shape[2])]
            fields = [values[..., i] - other for i, other in enumerate(others)][: None if len(others) > 2 else 1]
        plot.add(Pixels(plot.left, plot.top, plot.right - plot.left, plot.bottom - plot.top, colours))
        rows, columns = values.shape[:2]
        x, y = np.linspace(plot.left, plot.right, columns), np.linspace(plot.top, plot.bottom, rows)
        for field in fields:
            plot.add(Stroke(*contour(field, x, y), *ink))
        for i, one in enumerate(self.series):
            plot.add(Markers(plot.x(one.x), plot.y(one.y), i, style(i)[0], 3.6, edge="#ffffff"))
        return plot.drawing()


def _of_classes(p: np.ndarray) -> np.ndarray:
    """The colours of probabilities, shape (height, width, classes)."""
    if p.shape[2] == 2:
        # Coloured as the classes are, blue and orange; in steps, whose picture is a fifth as large.
        return shade(0.55 * np.round(12 * (p[..., 0] - p[..., 1])) / 12, True, (-1.0, 1.0))
    palette = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS])
    best = p.argmax(axis=2) % len(COLOURS)
    tint = np.array([0.45, 0.2, 0.32])[best % 3, None]  # different in grey too
    return (255 - tint * (255 - palette[best])).astype(np.uint8)


def contour(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines along which numbers on a grid are 0, interpolated, as x and y with NaN between the pieces."""
    a, b, c, d = values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]
    left, right, top, bottom = np.broadcast_arrays(x[:-1], x[1:], y[:-1, None], y[1:, None])
    edges = ((a, b, left, top, right, top), (b, c, right, top, right, bottom))
    edges += ((d, c, left, bottom, right, bottom), (a, d, left, top, left, bottom))
    points = []
    for first, second, x0, y0, x1, y1 in edges:
        crosses = (first > 0) != (second > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.where(crosses, first / (first - second), np.nan)
        points.append(np.stack([x0 + at * (x1 - x0), y0 + at * (y1 - y0)], axis=-1).reshape(-1, 2))
    corners = np.stack(points, axis=1)
    order = np.argsort(np.isnan(corners[..., 0]), axis=1, kind="stable")[..., None]
    corners = np.take_along_axis(corners, order, axis=1)[np.isfinite(corners[..., 0]).sum(axis=1) >= 2]
    gap = np.full((len(corners), 1, 2), np.nan)
    lines = np.concatenate([corners[:, :2], gap, corners[:, 2:], gap], axis=1).reshape(-1, 2)
    return lines[:, 0], lines[:, 1]


class _Plot:
    """Title, legend and axes around marks."""

    def __init__(
        self,
        chart: Any,
        width: float,
        x: Axis,
        y: Axis | None = None,  # None: a row for each of `rows`, `each` high
        legend: Sequence[str] = (),
        *,
        lines: bool = True,  # whether the legend shows lines beside the markers
        height: float = 0,  # of a square; by default it follows from the width
        rows: Sequence[str] = (),
        each: float = 22,
        right: float = 0,
    ) -> None:
        self.title = f"{chart.title}, log scale" if (y or x).log else chart.title
        self.width, self._x, self._y = width, x, y
        self._names, self._each, self._above = rows, each, 0.0
        self._marks: list[Any] = _title(self.title, width)
        self.top = LINE * len(self._marks)
        if len(legend) > 1:
            self._legend(legend, lines)
        tall = height or min(max(0.48 * width, 150), 300)
        count = max(2, min(7, round(tall / 38)))
        y_texts, factor = y.labels(count) if y else ([], "")
        y_label = " ".join(filter(None, (getattr(chart, "y_label", ""), factor)))
        self.top += (LINE if y_label else 0) + 8
        left = max((text_width(text) for text in y_texts), default=0)
        if rows:
            left = max(map(text_width, rows))
            if left > 0.42 * width:  # no room beside the rows: above them
                left, self._above = 0.0, LINE
        self.bottom = self.top + (len(rows) * (each + self._above) if rows else tall)
        count_x = self._columns(width - left - right - 20)
        texts, x_factor = x.labels(count_x)
        half = [text_width(text) / 2 for text in texts] or [0.0]
        self.left = max(left + 10, half[0] * (1 - float(x.fraction(x.ticks(count_x)[:1] or [0])[0])))
        self.right = width - max(right, half[-1], 6)
        if height:
            self.right = min(self.right, self.left + tall * 1.15)
        label = wrapped(" ".join(filter(None, (chart.x_label, x_factor))), self.right)
        self.height = self.bottom + 20 + LINE * len(label) + 2
        middle = (self.left + self.right) / 2
        self._frame(count, count_x, y_texts, texts)
        if y_label:
            self.add(Label(0, self.top - 12, y_label, colour=QUIET))
        for i, line in enumerate(label):
            middle = min(middle, width - text_width(line) / 2)
            self.add(Label(middle, self.bottom + 34 + LINE * i, line, "middle", QUIET))

    def _legend(self, names: Sequence[str], lines: bool) -> None:
        across, down = 0.0, self.top + LINE
        for place, name in enumerate(names):
            name = cut(name, self.width - 30)
            wide = 36 + text_width(name)
            if across and across + wide > self.width:
                across, down = 0.0, down + LINE
            colour, dash = style(place)
            if lines:
                self.add(Stroke([across, across + 22], [down - 4, down - 4], colour, 1.7, dash))
            self.add(Markers([across + 11], [down - 4], place, colour, 3.2))
            self.add(Label(across + 27, down, name))
            across += wide + 8
        self.top = down + 4

    def _columns(self, room: float) -> int:
        """The largest number of ticks whose labels have room side by side."""
        for count in range(8, 2, -1):
            texts, _ = self._x.labels(count)
            if sum(text_width(text) + 16 for text in texts) <= room:
                return count
        return 2

    def _frame(self, count: int, count_x: int, y_texts: list[str], x_texts: list[str]) -> None:
        for text, at in zip(x_texts, self.x(self._x.ticks(count_x)).tolist(), strict=True):
            if self._y is None:
                self.add(Stroke([at, at], [self.top, self.bottom], GRID))
            self.add(Stroke([at, at], [self.bottom, self.bottom + 4], "#777777"))
            self.add(Label(at, self.bottom + 17, text, "middle"))
        if self._y is not None:
            for text, at in zip(y_texts, self.y(self._y.ticks(count)).tolist(), strict=True):
                self.add(Stroke([self.left, self.right], [at, at], GRID))
                self.add(Label(self.left - 6, at + 4, text, "end"))
        for row, name in enumerate(self._names):
            if self._above:
                self.add(Label(0, self.row(row) - self._each / 2 - 2, cut(name, self.width)))
            else:
                self.add(Label(self.left - 8, self.row(row) + 4, name, "end"))
        self.add(Stroke([self.left, self.right], [self.bottom, self.bottom], "#777777"))

    def x(self, values: Any) -> np.ndarray:
        return self.left + self._x.fraction(values) * (self.right - self.left)

    def y(self, values: Any) -> np.ndarray:
        assert self._y is not None
        return self.bottom - self._y.fraction(values) * (self.bottom - self.top)

    def row(self, index: int) -> float:
        return self.top + (self._each + self._above) * (index + 1) - self._each / 2

    def add(self, mark: Any) -> None:
        self._marks.append(mark)

    def line(self, series: Series, place: int) -> None:
        colour, dash = style(place)
        across, up = self.x(series.x), self.y(series.y)
        if series.low is not None and series.high is not None:
            seen = np.isfinite(up)
            low = np.nan_to_num(self.y(series.low), nan=self.bottom, posinf=self.bottom).clip(self.top, self.bottom)
            high = np.nan_to_num(self.y(series.high), nan=self.top, neginf=self.top).clip(self.top, self.bottom)
            edge = np.concatenate([across[seen], across[seen][::-1]])
            self.add(Area(edge, np.concatenate([high[seen], low[seen][::-1]]), colour, 0.16))
        self.add(Stroke(across, up, colour, 1.7, dash))
        seen = np.flatnonzero(np.isfinite(up))
        # Shifted from line to line, so that markers of lines upon each other are all seen.
        few = seen if len(seen) <= 12 else seen[(np.arange(6) * len(seen) // 6 + place * len(seen) // 40) % len(seen)]
        self.add(Markers(across[few], up[few], place, colour))

    def upright(self, value: float, colour: str, dash: str = "") -> None:
        at = float(self.x(value))
        self.add(Stroke([at, at], [self.top, self.bottom], colour, dash=dash))

    def drawing(self) -> Drawing:
        return Drawing(self.width, self.height, self.title, self._marks)


def _title(title: str, width: float) -> list[Any]:
    return [Label(0, LINE * i + 13, line, bold=True) for i, line in enumerate(wrapped(title, width))]


def wrapped(text: str, width: float) -> list[str]:
    """The lines of a text that is too wide for one."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and text_width(f"{lines[-1]} {word}", bold=True) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def cut(text: str, width: float) -> str:
    """Shorten a text to a width in pixels."""
    if text_width(text) <= width:
        return text
    while text and text_width(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
