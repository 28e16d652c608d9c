"""A document, written once and rendered to HTML, a terminal, Markdown or LaTeX.

A document is a title and blocks. A block is one of the classes below, a chart of `pellucid.report.chart`, a string (a
paragraph), or None, which is left out. Text within a block is `Inline`: strings, numbers, formulas, `Code`, `Link`,
`Strong`, `Meter`. Numbers stay numbers until they are rendered: all renderers write them by `number`. ::

    from pellucid.report import html, latex, markdown, terminal
    from pellucid.report.chart import LineChart, Series
    from pellucid.report.document import Code, Columns, Details, Document, Figure, Note, Paragraph, Section, Table

    document = Document(
        "iris",
        Note("good", "Accuracy 0.967 on 30 held-out rows; the constant predictor reaches 0.333."),
        Section(
            "Result",
            Paragraph("Trained with ", Code("learning_rate = 0.01"), "."),
            Table(("part", "accuracy"), [("held out", 0.967), ("training", 0.975)]),
            Columns(Figure(LineChart("loss", [Series("training", x, y)], x_label="epoch"), "What the loss did.")),
            Details("Settings", Table((), [("seed", 0), ("epochs", 20)])),  # no head: names and values
        ),
    )
    html.page(document)         # a page that stands alone
    html.fragment(document)     # a piece of a page, as notebooks show it
    terminal.text(document)     # plain text; terminal.renderable(document) is for a rich console
    markdown.text(document)
    latex.text(document)        # a LaTeX document

A section without blocks is left out, and so is one of which a renderer can show nothing: charts, pictures and arrays of
numbers appear in HTML (line charts also in a terminal), folded blocks are written out where nothing folds.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from pellucid.core.formula import Formula, Line


@runtime_checkable
class Chart(Protocol):
    """A chart of `pellucid.report.chart`."""

    @property
    def title(self) -> str:
        """What is plotted."""
        ...

    def draw(self, width: float) -> Any:
        """Draw it at a width in pixels."""
        ...


@dataclass(frozen=True)
class Code:
    """A word of code within a sentence."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Words that stand out in a sentence."""

    text: "Inline"


@dataclass(frozen=True)
class Link:
    """A link within a sentence."""

    text: str
    address: str


@dataclass(frozen=True)
class Meter:
    """A fraction between 0 and 1: a small bar and its percentage."""

    fraction: float
    kind: str = "note"

    @property
    def text(self) -> str:
        """The percentage; never 100% for less, nor 0% for more.

        Example:
            >>> Meter(0.41).text, Meter(0.997).text, Meter(1e-6).text
            ('41%', '> 99%', '< 1%')
        """
        text = f"{self.fraction:.0%}"
        if text == "100%" and self.fraction < 1:
            return "> 99%"
        return "< 1%" if text == "0%" and self.fraction > 0 else text


class Words(tuple["Inline", ...]):
    """Several pieces of `Inline` where one is expected.

    Example:
        >>> Words("the rate ", Code("learning_rate"))
        ('the rate ', Code(text='learning_rate'))
    """

    def __new__(cls, *parts: "Inline") -> "Words":  # noqa: D102
        return super().__new__(cls, parts)


Inline: TypeAlias = "str | float | Formula | Line | Code | Strong | Link | Meter | Words | None"
"""Text within a block; None is nothing."""


class Paragraph:
    """A paragraph.

    Args:
        content: its pieces, one after another.
        kind: ``"lead"`` for a first sentence, ``"quiet"`` for a remark.
    """

    def __init__(self, *content: Inline, kind: Literal["", "lead", "quiet"] = "") -> None:
        self.content, self.kind = Words(*content), kind


@dataclass(frozen=True)
class Bullets:
    """A list of items."""

    items: Sequence[Inline]


@dataclass(frozen=True)
class Table:
    """A table, its numbers aligned on the right.

    Args:
        head: the names of the columns; empty for a table of names and their values.
        rows: the cells of each row.
        caption: what it shows, in a sentence.
    """

    head: Sequence[Inline]
    rows: Sequence[Sequence[Inline]]
    caption: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, and nothing else.

        Example:
            >>> Table(("layer", "units", "share"), [("dense", 3, "12 %"), ("relu", None, "–")]).numeric
            [False, True, True]
        """
        columns = len(self.head) or max(map(len, self.rows), default=0)
        cells = [[row[i] for row in self.rows if i < len(row) and row[i] not in (None, "")] for i in range(columns)]
        return [bool(column) and all(map(is_numeric, column)) for column in cells]

    @property
    def written(self) -> list[list[Inline]]:
        """The rows, the fractional numbers of each column with the same decimals.

        Example:
            >>> Table(("part", "accuracy"), [("held out", 0.9), ("training", 0.9875)]).written
            [['held out', '0.9000'], ['training', '0.9875']]
        """
        rows = [list(row) for row in self.rows]
        for i in range(len(self.numeric) if self.head else 0):
            cells: dict[int, Any] = {k: row[i] for k, row in enumerate(rows) if i < len(row) and is_numeric(row[i])}
            values = {
                k: cell for k, cell in cells.items() if not isinstance(cell, str) and not hasattr(cell, "__index__")
            }
            texts = {k: number(value) for k, value in values.items()}
            decimals = max((len(text.partition(".")[2]) for text in texts.values() if "e" not in text), default=0)
            sizes = [abs(value) for value in values.values() if value]
            if sizes and min(sizes) >= 1e-3 and max(sizes) >= 0.1:
                decimals = min(decimals, 4)
            mixed = decimals > 2 and max(sizes, default=0) >= 1000
            alike = 0 < decimals <= 6 and not mixed and all(map(math.isfinite, values.values()))
            for k, value in values.items():
                rows[k][i] = f"{float(value) + 0.0:,.{decimals}f}".replace("-", "−") if alike else texts[k]
        return rows


@dataclass(frozen=True)
class Listing:
    """Lines of code, or of text in columns."""

    text: str


class Formulas:
    """Formulas, each on a line of its own."""

    def __init__(self, *lines: Formula | Line) -> None:
        self.lines = lines


@dataclass(frozen=True)
class Numbers:
    """All numbers of an array, folded away below its label."""

    label: str
    array: np.ndarray


@dataclass(frozen=True)
class Picture:
    """An array as a picture.

    Args:
        array: shape (height, width) or (height, width, 3 or 4); uint8 are pixels as they are, other numbers become
            shades, dark for large.
        label: what it shows.
        signed: whether 0 is the middle of the scale: blue above, orange below.
    """

    array: np.ndarray
    label: str
    signed: bool = False


@dataclass(frozen=True)
class Image:
    """A picture in a file beside the document, and what it shows."""

    address: str
    label: str


class Figure:
    """A chart, a picture or another block with a caption below it."""

    def __init__(self, block: "Block", *caption: Inline) -> None:
        self.block, self.caption = block, Words(*caption)


class Columns:
    """Blocks side by side where there is room.

    Args:
        blocks: what stands in the columns.
        width: of a column: ``"half"`` of the page, a ``"third"``, or ``"small"`` for pictures with a few words.
    """

    def __init__(self, *blocks: "Block", width: Literal["half", "third", "small"] = "half") -> None:
        self.blocks, self.width = present(blocks), width


class Details:
    """Blocks folded away below a summary."""

    def __init__(self, summary: Inline, *blocks: "Block") -> None:
        self.summary, self.blocks = summary, present(blocks)


Severity: TypeAlias = Literal["good", "note", "warning", "problem"]


class Note:
    """A box that stands out: a verdict, a remark, a finding.

    Args:
        kind: how serious it is; shown by a sign and a colour.
        blocks: what it says.
        title: its heading.
    """

    def __init__(self, kind: Severity, *blocks: "Block", title: Inline = None) -> None:
        self.kind, self.blocks, self.title = kind, present(blocks), title

    @property
    def sign(self) -> str:
        """The sign of its kind."""
        return {"good": "✓", "note": "ℹ", "warning": "!", "problem": "✗"}[self.kind]


class Document:
    """A title and blocks."""

    def __init__(self, title: str, *blocks: "Block") -> None:
        self.title, self.blocks = title, present(blocks)


class Section(Document):
    """A heading, in HTML linked to by its words, ``#worst-mistakes``, and blocks; sections within are a level lower."""


_Leaf: TypeAlias = str | Paragraph | Bullets | Table | Listing | Formulas | Numbers | Picture | Image | Chart
Block: TypeAlias = _Leaf | Figure | Columns | Details | Note | Section | None
"""A part of a document; a string is a paragraph, None is left out."""


def present(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The blocks that show something: no None, and no section and no columns that are empty.

    Example:
        >>> present([None, "text", Section("empty", None)])
        ('text',)
    """
    return tuple(
        block for block in blocks if block is not None and (not isinstance(block, Section | Columns) or block.blocks)
    )


def facts(pairs: Iterable[tuple[str, Inline]]) -> Table | None:
    """A table of names and their values; a value of None is left out with its name.

    Example:
        >>> facts([("seed", 0), ("folder", None)]).rows
        [('seed', 0)]
    """
    rows = [(name, value) for name, value in pairs if value is not None]
    return Table((), rows) if rows else None


def parts(content: Inline) -> Iterator[Inline]:
    """The pieces of inline content, one by one."""
    if isinstance(content, Words):
        for part in content:
            yield from parts(part)
    elif content is not None:
        yield content


def is_numeric(value: Any) -> bool:
    """Whether a cell is a number, or a string that reads as one.

    Example:
        >>> is_numeric(3), is_numeric("−0.5"), is_numeric("1 to 2"), is_numeric("dense_1"), is_numeric(True)
        (True, True, True, False, False)
    """
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return not isinstance(value, bool) and hasattr(value, "__float__")


_DIGITS = r"[<>≤≥±+−-]?\s?[\d.,]+(e[+−-]?\d+)?(\s?%|\s×)?"
_NUMBER = re.compile(rf"{_DIGITS}( (to|…) {_DIGITS})?|−?∞|–")


def number(value: Any, digits: int = 4) -> str:
    """Write a number: so many significant digits where it is not whole, thousands set apart, a true minus.

    Example:
        >>> number(60000), number(0.98765), number(-1234.5), number(float("nan")), number(2e-7)
        ('60,000', '0.9877', '−1,234', '–', '2e−7')
    """
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if hasattr(value, "__index__"):
        text = f"{int(value):,}"
    elif math.isnan(value := float(value)):
        return "–"
    elif math.isinf(value):
        text = "∞" if value > 0 else "-∞"
    else:
        text = f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value + 0.0:.{digits}g}"
    return re.sub(r"e([+-])0*", lambda found: f"e{found[1].strip('+')}", text).replace("-", "−")


def percent(fraction: Any) -> str:
    """Write a fraction in per cent; never 100 % for less, nor 0 % for more.

    Example:
        >>> percent(0.5), percent(0.99999), percent(1e-9)
        ('50.0 %', '> 99.9 %', '< 0.1 %')
    """
    value = 100 * float(fraction)
    text = f"{value:.1f}"
    if text == "100.0" and value < 100:
        return "> 99.9 %"
    return "< 0.1 %" if text == "0.0" and value > 0 else f"{text} %"
