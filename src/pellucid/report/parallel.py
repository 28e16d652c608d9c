"""Parallel coordinates: an upright axis for each column, and a line through all of them for each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.report.axis import Axis
from pellucid.report.chart import LINE, cut, wrapped
from pellucid.report.drawing import COLOURS, INK, QUIET, SIZE, Drawing, Label, Markers, Stroke, text_width

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
        top = LINE * (len(title) + (1 if self.caption else 0)) + 26
        if self.caption:
            marks.append(Label(0, LINE * len(title) + 13, cut(self.caption, width), colour=QUIET))
        height = min(max(0.36 * width, 180.0), 300.0)
        scales = [_Scale(axis, top, top + height) for axis in self.axes]
        room = min(0.5 * width / len(self.axes), max(scale.room for scale in scales))
        across = np.linspace(room, width - 8, len(scales)) if len(scales) > 1 else np.array([room])
        places = np.stack([scale.places for scale in scales], axis=1)
        marked = list(self.marked)
        others = [row for row in range(len(places)) if row not in marked]
        marks += [Stroke(across, places[row], FAINT, 0.8, opacity=0.5) for row in others]
        for rank, row in reversed(list(enumerate(marked))):
            colour = COLOURS[0] if rank == 0 else COLOURS[5]
            marks.append(Stroke(across, places[row], colour, 2.6 if rank == 0 else 1.3))
            marks.append(Markers(across, places[row], 0, colour, 3.4 if rank == 0 else 2.2))
        for x, scale in zip(across.tolist(), scales, strict=True):
            marks.append(Stroke([x, x], [top - 4, top + height + 4], INK))
            marks.append(Label(min(x, width), top - 12, cut(scale.axis.name, room + 30), "end", INK, SIZE, True))
            for text, y in scale.ticks:
                marks.append(Stroke([x - 4, x], [y, y], INK))
                marks.append(Label(x - 7, y + 4, cut(text, room - 10), "end", QUIET))
        return Drawing(width, top + height + 14, self.title, marks)


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
            place = lambda numbers: bottom - scale.fraction(numbers) * (bottom - top)  # noqa: E731
            texts, factor = scale.labels(5)
            texts = [f"{text} {factor}".strip() for text in texts]
            self.ticks = list(zip(texts, place(scale.ticks(5)).tolist(), strict=True))
            self.places = place(values)
        self.room = 14 + max((text_width(text) for text, _ in self.ticks), default=0.0)
