"""Pages of the textbook: a document of the report, its charts, and the same content as plain data."""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import RenderableType

from pellucid.core.files import write_bytes
from pellucid.report import document as doc
from pellucid.report import html, markdown, print_figure, terminal
from pellucid.report.document import number
from pellucid.report.drawing import SIZE, svg

WIDTH = 100
"""Columns of ``str(page)``; a terminal gives its own width."""
CHART, GAP = 430.0, 24.0
"""Pixels that a chart of a picture is wide, and that lie between two."""


class Range(NamedTuple):
    """The values that a function takes; an end is closed where it is reached."""

    low: float
    high: float
    low_closed: bool = False
    high_closed: bool = False

    def __str__(self) -> str:
        left, right = "[" if self.low_closed else "(", "]" if self.high_closed else ")"
        return f"{left}{number(self.low)}, {number(self.high)}{right}"


class Formulas(dict[str, Any]):
    """Formulas by label; a string is shown as it is written."""


Content = str | Mapping[str, Any] | Formulas | doc.Table | list[Any]
"""A section of a page: text, facts by name, formulas by label, a table, or charts."""


class Shown(ABC):
    """Something with a document and charts: printed it is text, a notebook shows it, files hold it."""

    @property
    @abstractmethod
    def charts(self) -> list[Any]:
        """All charts."""

    @abstractmethod
    def document(self, image: str | None = None) -> doc.Document:
        """The content as a document.

        Args:
            image: address of a picture of all charts, in place of the charts.
        """

    def figure(self) -> Any:
        """The charts as a ``matplotlib.figure.Figure``; None without charts.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return print_figure.to_matplotlib(*self.charts) if self.charts else None

    def save_figure(self, path: str | os.PathLike[str]) -> None:
        """Write the charts to a file, the same bytes each time.

        Args:
            path: its ending names the format: .svg, or .png and .pdf, which need matplotlib.

        Raises:
            InvalidValue: another format.
            MissingExtra: matplotlib is not installed.
            StorageError: the file cannot be written.
        """
        if Path(path).suffix.lower() == ".svg":
            write_bytes(path, picture(self.charts).encode())
        else:
            print_figure.save_figure(self.figure(), path)

    def markdown(self, image: str | None = None, level: int = 1) -> str:
        """The content as Markdown, formulas as LaTeX.

        Args:
            image: address of a picture of the charts; None leaves them out.
            level: of the heading.
        """
        return markdown.text(self.document(image), level)

    def html(self) -> str:
        """The content as a page of HTML that stands alone."""
        return html.page(self.document())

    def __rich__(self) -> RenderableType:
        """The content in a terminal."""
        return terminal.renderable(self.document())

    def __str__(self) -> str:
        return terminal.text(self.document(), WIDTH)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html.fragment(self.document())


@dataclass(frozen=True, repr=False)
class Page(Shown):
    """A page of sections.

    Attributes:
        name: what finds it.
        title: its heading.
        sections: by heading.

    Example:
        >>> from pellucid_textbook import show
        >>> show("relu").data["formula"]["f(z)"]
        'max(0, z)'
    """

    name: str
    title: str
    sections: Mapping[str, Content]

    @property
    def charts(self) -> list[Any]:
        """All charts of the page."""
        return [chart for part in self.sections.values() if isinstance(part, list) for chart in part]

    @property
    def data(self) -> dict[str, Any]:
        """The page for machines: numbers, strings, lists and dicts. Numbers that are not finite are strings."""
        parts = {heading: part for heading, part in self.sections.items() if not isinstance(part, list)}
        return _plain({"name": self.name, "title": self.title, **parts})

    def document(self, image: str | None = None) -> doc.Document:
        """The page as a document; the picture takes the place of the first section of charts."""
        blocks: list[doc.Block] = []
        for heading, part in self.sections.items():
            if image is None or not isinstance(part, list):
                blocks.append(doc.Section(heading[:1].upper() + heading[1:], *_content(part)))
            elif not any(isinstance(block, doc.Image) for block in blocks):
                blocks.append(doc.Image(image, self.title))
        return doc.Document(self.title, *blocks)


def picture(charts: Sequence[doc.Chart], columns: int = 2) -> str:
    """Charts side by side as an SVG file."""
    drawings = [chart.draw(CHART) for chart in charts]
    parts, top, columns = [], GAP, min(columns, len(drawings))
    for first in range(0, len(drawings), columns):
        row = drawings[first : first + columns]
        for i, drawing in enumerate(row):
            left = GAP + i * (CHART + GAP)
            at = f'<svg x="{left:g}" y="{top:g}" width="{CHART:g}" height="{drawing.height:g}" '
            parts.append(svg(drawing).replace("<svg ", at, 1))
        top += max(drawing.height for drawing in row) + GAP
    width = columns * (CHART + GAP) + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{top:g}" viewBox="0 0 {width:g} {top:g}" '
        f'font-family="system-ui, sans-serif" font-size="{SIZE:g}"><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _content(part: Content) -> Iterator[doc.Block]:
    match part:
        case str():
            yield part
        case Formulas():
            for label, formula in part.items():
                yield doc.Paragraph(label) if label else None
                yield doc.Listing(formula) if isinstance(formula, str) else doc.Formulas(formula)
        case doc.Table():
            yield doc.Table(part.head, [[_cell(value) for value in row] for row in part.rows], part.caption)
        case list():
            yield doc.Columns(*part)
        case Mapping():
            yield doc.Table((), [(label, _cell(value)) for label, value in part.items()])


def _cell(value: Any) -> Any:
    if isinstance(value, tuple) and not isinstance(value, (Range, doc.Words)):
        return "×".join(map(number, value)) or "1"
    return "–" if value is None else str(value) if isinstance(value, Range) else value


def _plain(value: Any) -> Any:
    match value:
        case doc.Table():
            return [_plain(dict(zip(value.head, row, strict=True))) for row in value.rows]
        case Range():
            return {key: _plain(part) for key, part in value._asdict().items()}
        case Mapping():
            return {str(key).replace(" ", "_"): _plain(part) for key, part in value.items()}
        case tuple() | list():
            return [_plain(part) for part in value]
        case np.generic():
            return _plain(value.item())
        case doc.Formula():
            return value.text
        case float() if not math.isfinite(value):
            return str(value)
        case str() | int() | float() | None:
            return value
    return str(value)
