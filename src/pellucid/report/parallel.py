"""Parallel coordinates: an upright axis for each column, and a line through all of them for each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.report.axis import Axis
from pellucid.report.chart import LINE, cut, wrapped
from pellucid.report.drawing import COLOURS, INK, QUIET, SIZE, Area, Drawing, Label, Markers, Stroke, box, text_width

FAINT = "#9a9a9a"
"""Of the lines that are not marked."""
SPREAD = 0.5
"""Fraction of the place of a word over which the lines through it are spread, so that they can be told apart."""


@dataclass(frozen=True)
class Upright:
    """One axis.

    Args:
        name: above it.
        values: of the rows, shape (rows,): numbers, or with ``words`` their indices.
        words: what the indices stand for; empty for numbers.
        log: whether the axis is logarithmic.
    """

    name: str
    values: Any
    words: Sequence[str] = ()
    log: bool = False


@dataclass(frozen=True)
class ParallelChart:
    """Rows as lines through parallel axes, the marked ones in colour above the others.

    Args:
        title: what is plotted.
        axes: from left to right.
        marked: the indices of the rows that stand out, the first of them most.
        caption: what the marked ones are, in words.
    """

    title: str
    axes: Sequence[Upright]
    marked: Sequence[int] = ()
    caption: str = ""

    def draw(self, width: float) -> Drawing:
        """Draw it at a width in pixels."""
        title = wrapped(self.title, width)
        marks: list[Any] = [Label(0, LINE * i + 13, line, bold=True) for i, line in enumerate(title)]
        if self.caption:
            marks.append(Label(0, LINE * len(title) + 13, cut(self.caption, width), colour=QUIET))
        first = min(0.3 * width, max(_room(self.axes[0]), 60.0))
        across = np.linspace(first, width - 6, len(self.axes)) if len(self.axes) > 1 else np.array([first])
        gap = float(np.diff(across).min(initial=width))
        names = [wrapped(_words(axis), first if i == 0 else gap - 10) for i, axis in enumerate(self.axes)]
        head = LINE * (len(title) + bool(self.caption) + max(map(len, names)))
        top, height = head + 14, min(max(0.36 * width, 180.0), 300.0)
        scales = [_Scale(axis, top, top + height) for axis in self.axes]
        places, marked = np.stack([scale.places for scale in scales], axis=1), list(self.marked)
        others = [row for row in range(len(places)) if row not in marked]
        marks += [Stroke(across, places[row], FAINT, 0.8, opacity=0.5) for row in others]
        for rank, row in reversed(list(enumerate(marked))):
            colour = COLOURS[0] if rank == 0 else COLOURS[5]
            marks.append(Stroke(across, places[row], colour, 2.6 if rank == 0 else 1.3))
            marks.append(Markers(across, places[row], 0, colour, 3.4 if rank == 0 else 2.2))
        for i, (x, scale) in enumerate(zip(across.tolist(), scales, strict=True)):
            marks.append(Stroke([x, x], [top - 4, top + height + 4], INK))
            room = (first if i == 0 else gap) - 12
            for line, text in enumerate(reversed(names[i])):
                marks.append(Label(x + 4, head - LINE * line + 2, cut(text, room + 16), "end", INK, SIZE, True))
            for text, y in scale.ticks:
                text = cut(text, room)
                wide = text_width(text)
                marks.append(Area(*box(x - 9 - wide, y - 8, wide + 4, 16), "#ffffff", 0.8))
                marks.append(Stroke([x - 4, x], [y, y], INK))
                marks.append(Label(x - 7, y + 4, text, "end", INK))
        return Drawing(width, top + height + 10, self.title, marks)


def _room(axis: Upright) -> float:
    """Pixels beside an axis for its ticks and its name."""
    texts = [text for text, _ in _Scale(axis, 0.0, 100.0).ticks]
    words = _words(axis).split(" ")
    return 14 + max([*map(text_width, texts), *(text_width(word, bold=True) for word in words)])


def _words(axis: Upright) -> str:
    return axis.name.replace("_", " ").replace(".", " ")


class _Scale:
    """Where the values of an axis lie, and its ticks."""

    def __init__(self, axis: Upright, top: float, bottom: float) -> None:
        self.axis = axis
        values = np.asarray(axis.values, float)
        if axis.words:
            step = (bottom - top) / len(axis.words)
            middles = [top + step * (i + 0.5) for i in range(len(axis.words))]
            self.ticks = list(zip(axis.words, middles, strict=True))
            # Rows of one word are spread around it in their order.
            self.places = np.array([middles[int(value)] for value in values])
            for word in range(len(axis.words)):
                rows = np.flatnonzero(values == word)
                self.places[rows] += step * SPREAD * (np.arange(len(rows)) - (len(rows) - 1) / 2) / max(len(rows), 1)
        else:
            scale = Axis.of(values, log=axis.log, margin=0.02)
            texts, factor = scale.labels(5)
            ticks = bottom - scale.fraction(scale.ticks(5)) * (bottom - top)
            self.ticks = [(f"{text} {factor}".strip(), y) for text, y in zip(texts, ticks.tolist(), strict=True)]
            self.places = bottom - scale.fraction(values) * (bottom - top)
