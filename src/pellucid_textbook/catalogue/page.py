"""A page of the catalogue, and its four renderings: terminal, Markdown, HTML, JSON.

A page is a list of sections. What a section holds decides how it is rendered: text, formulas (LaTeX in Markdown),
facts (a label and a value each), a table, or curves (drawn with dots in a terminal, by matplotlib elsewhere). Numbers
stay numbers until they are written.
"""

import html
import io
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text as RichText

from pellucid.core.errors import InvalidValue
from pellucid.core.files import write_bytes
from pellucid_textbook.catalogue.latex import as_latex
from pellucid_textbook.catalogue.plots import draw_curves, plot_in_text

WIDTH = 100
"""Columns of ``str(page)``; a terminal gives its own width."""
LONG = 150
"""Characters from which a formula is not turned into LaTeX."""


class Range(NamedTuple):
    """The values that a function takes; an end is closed where it is reached."""

    low: float
    high: float
    low_closed: bool = False
    high_closed: bool = False

    def __str__(self) -> str:
        left, right = "[" if self.low_closed else "(", "]" if self.high_closed else ")"
        return f"{left}{write(self.low)}, {write(self.high)}{right}"


class Formulas(dict[str, str]):
    """Formulas by label, in Unicode; without those that a custom class does not state."""

    def __init__(self, formulas: Mapping[str, str]) -> None:
        super().__init__({label: text for label, text in formulas.items() if text})


class Facts(dict[str, Any]):
    """Values by label."""


@dataclass(frozen=True)
class Table:
    """Rows under headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Curve:
    """A curve over x: values that a function was measured to take."""

    title: str
    x_label: str
    x: np.ndarray
    y: np.ndarray


Content = str | Formulas | Facts | Table | tuple[Curve, ...]


@dataclass(frozen=True, repr=False)
class Page:
    """A page of the catalogue. Printed it is text; a notebook shows its ``_repr_html_``.

    Attributes:
        name: what `show` finds it by.
        title: its heading.
        sections: by heading.
        draw: draws a figure of its own; None where the curves are the figure, or where there is none.

    Example:
        >>> from pellucid_textbook.catalogue import show
        >>> page = show("relu")
        >>> page.data["formula"]
        {'f(z)': 'max(0, z)', 'f′(z)': '1 where z > 0, else 0'}
    """

    name: str
    title: str
    sections: dict[str, Content]
    draw: Callable[[], Any] | None = field(default=None, compare=False)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves of its graph."""
        return next((part for part in self.sections.values() if isinstance(part, tuple)), ())

    @property
    def has_figure(self) -> bool:
        """Whether there is something to draw."""
        return self.draw is not None or bool(self.curves)

    def figure(self) -> Any:
        """The graph, as a ``matplotlib.figure.Figure``; ``figure.savefig(path)`` writes it. None without a graph.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        if self.draw is not None:
            return self.draw()
        return draw_curves(self.curves) if self.curves else None

    def save_figure(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a file, the same bytes each time.

        Args:
            path: its ending names the format: .png, .svg or .pdf.

        Raises:
            InvalidValue: a format that matplotlib does not know.
            MissingExtra: matplotlib is not installed.
        """
        ending = os.path.splitext(path)[1].lstrip(".").lower()
        figure, picture = self.figure(), io.BytesIO()
        known = figure.canvas.get_supported_filetypes()
        if ending not in known:
            raise InvalidValue(f"a figure is written as {', '.join(sorted(known))}. Received: {str(path)!r}.")
        import matplotlib

        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)
        with matplotlib.rc_context({"svg.hashsalt": "pellucid"}):  # else ids are random
            figure.savefig(picture, format=ending, dpi=110, metadata=metadata)
        write_bytes(path, picture.getvalue())

    @property
    def data(self) -> dict[str, Any]:
        """The page for machines: numbers, strings, lists and dicts. Numbers that are not finite are strings."""
        parts = {"name": self.name, "title": self.title}
        return parts | {
            heading.replace(" ", "_"): _plain(part)
            for heading, part in self.sections.items()
            if not isinstance(part, tuple)
        }

    def __rich__(self) -> RenderableType:
        """The page in a terminal."""
        blocks: list[RenderableType] = [RichText(self.title, style="bold")]
        for heading, part in self.sections.items():
            blocks += [RichText(f"\n{heading}", style="bold"), Padding(_in_terminal(part), (0, 0, 0, 2))]
        return Group(*blocks)

    def __str__(self) -> str:
        return _as_text(self, WIDTH)

    __repr__ = __str__

    def markdown(self, image: str | None = None, level: int = 1) -> str:
        """The page as Markdown, formulas as LaTeX.

        Args:
            image: path of the figure; None leaves it out.
            level: of the page's heading.
        """
        lines = [f"{'#' * level} {self.title}"]
        if image:
            lines.append(f"![{self.title}]({image})")
        for heading, part in self.sections.items():
            if not isinstance(part, tuple):
                lines += [f"{'#' * (level + 1)} {heading[0].upper()}{heading[1:]}", _in_markdown(part)]
        return "\n\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        blocks = [f"<h3>{html.escape(self.title)}</h3>"]
        if self.has_figure:
            picture = io.StringIO()
            self.figure().savefig(picture, format="svg", metadata={"Date": None})
            blocks.append(picture.getvalue()[picture.getvalue().index("<svg") :])
        for heading, part in self.sections.items():
            if not isinstance(part, tuple):
                blocks += [f"<h4>{html.escape(heading)}</h4>", _in_html(part)]
        return "\n".join(blocks)


def write(value: Any) -> str:
    """A value for people: numbers to four digits, a true minus, ∞."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float | np.floating):
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        return f"{float(value):.4g}".replace("-", "−").replace("e+0", "e").replace("e−0", "e−")
    if value is None:
        return "–"
    if isinstance(value, tuple) and not isinstance(value, Range):
        return "×".join(map(write, value)) or "1"
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Table):
        keys = [heading.replace(" ", "_") for heading in value.headings]
        return [{key: _plain(cell) for key, cell in zip(keys, row, strict=True)} for row in value.rows]
    if isinstance(value, Range):
        return {key: _plain(part) for key, part in value._asdict().items()}
    if isinstance(value, dict):
        return {key.replace(" ", "_"): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def _in_terminal(part: Content) -> RenderableType:
    if isinstance(part, str):
        return RichText(part)
    if isinstance(part, tuple):
        return Columns([RichText(plot_in_text(curve), no_wrap=True) for curve in part], padding=(0, 3))
    grid = RichTable(box=None, pad_edge=False, show_header=isinstance(part, Table), padding=(0, 2, 0, 0))
    if isinstance(part, Table):
        for i, (heading, right) in enumerate(zip(part.headings, _numeric(part), strict=True)):
            side = "right" if right else "left"
            grid.add_column(RichText(heading, style="dim"), justify=side, no_wrap=i == 0, overflow="fold")
        rows: Iterator[tuple[Any, ...]] | Any = part.rows
    else:
        grid.add_column(no_wrap=True, style="dim")
        grid.add_column()
        rows = part.items()
    for row in rows:
        grid.add_row(*(RichText(write(cell)) for cell in row))
    return grid


def _in_markdown(part: Content) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Formulas):
        return "\n\n".join(f"{label}:\n\n{_formula_block(formula)}" for label, formula in part.items())
    headings, rows, right = _as_rows(part)
    lines = ["| " + " | ".join(headings) + " |"]
    lines.append("|" + "|".join("---:" if aligned else "---" for aligned in right) + "|")
    lines += ["| " + " | ".join(write(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _formula_block(formula: str) -> str:
    """LaTeX; a long formula is half prose and stays as it is written, a line for each part."""
    if len(formula) > LONG:
        return "```text\n" + "\n".join(line.strip() for line in formula.split(";")) + "\n```"
    return f"```math\n{as_latex(formula)}\n```"


def _in_html(part: Content) -> str:
    if isinstance(part, str):
        return f"<p>{html.escape(part)}</p>"
    headings, rows, right = _as_rows(part)
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    align = ["right" if aligned else "left" for aligned in right]
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{side}">{html.escape(write(cell))}</td>'
            for side, cell in zip(align, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>" if any(headings) else f"<table>{body}</table>"


def _as_rows(part: Any) -> tuple[tuple[str, ...], Any, list[bool]]:
    if isinstance(part, Table):
        return part.headings, part.rows, _numeric(part)
    return ("", ""), part.items(), [False, False]


def _numeric(table: Table) -> list[bool]:
    """Which columns hold numbers only."""
    return [
        all(isinstance(row[i], int | float | np.number | None) for row in table.rows)
        for i in range(len(table.headings))
    ]


def _as_text(page: Page, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(page)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
