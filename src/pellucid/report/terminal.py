"""Documents in a terminal."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from pellucid.report import document as doc
from pellucid.report.document import number, parts

WIDTH = 110
"""Columns of `text`, for which there is no terminal to ask."""
STYLES = {"good": "green", "note": "blue", "warning": "yellow", "problem": "red"}


def text(document: doc.Document, width: int = WIDTH) -> str:
    """Render a document as plain text.

    Args:
        document: the document.
        width: columns.

    Example:
        >>> from pellucid.report.document import Document, Section, Table
        >>> print(text(Document("iris", Section("Result", doc.Table(("part", "accuracy"), [("held out", 0.967)])))))
        iris
        <BLANKLINE>
        Result
        part      accuracy
        held out     0.967
    """
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(renderable(document))
    written: str = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    return "\n".join(line.rstrip() for line in written.rstrip("\n").splitlines())


def renderable(document: doc.Document) -> RenderableType:
    """Render a document for a rich console."""
    return Group(Text(document.title, style="bold"), *_blocks(document.blocks))


def words(content: doc.Inline) -> Text:
    """Render inline content."""
    line = Text()
    for part in parts(content):
        match part:
            case str():
                line.append(part)
            case doc.Code(code):
                line.append(code, style="cyan")
            case doc.Strong(inner):
                line.append_text(words(inner)).stylize("bold", len(line) - len(words(inner)))
            case doc.Link(label):
                line.append(label)
            case doc.Meter(fraction, kind):
                line.append("█" * round(10 * fraction), style=STYLES.get(kind, "blue"))
                line.append(f"{'░' * (10 - round(10 * fraction))} {fraction:.0%}")
            case doc.Formula() | doc.Line():
                line.append(part.text)
            case _:
                line.append(number(part))
    return line


@dataclass(frozen=True)
class _Table:
    """A table as wide as the console: numbers are never broken, columns without room go into further tables below."""

    shown: doc.Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        shown, numeric = self.shown, self.shown.numeric
        rows = [shown.head, *shown.written] if shown.head else shown.written
        widths = [max((words(row[i]).cell_len for row in rows), default=0) for i in range(len(numeric))]
        least = [width if right else min(width, 14) for width, right in zip(widths, numeric, strict=True)]
        groups: list[list[int]] = [[]]
        for i in range(len(least)):
            if groups[-1] and sum(least[j] + 2 for j in [*groups[-1], i]) - 2 > options.max_width:
                groups.append([0] if 0 < least[0] + least[i] + 2 <= options.max_width and not numeric[0] else [])
            groups[-1].append(i)
        for i, group in enumerate(groups):
            if i:
                yield Text()
            yield _grid(shown, group)


def _grid(shown: doc.Table, columns: list[int]) -> RichTable:
    numeric = shown.numeric
    grid = RichTable(box=None, pad_edge=False, show_header=bool(shown.head), padding=(0, 2, 0, 0))
    for i in columns:
        head = words(shown.head[i]) if shown.head else ""
        side = "right" if numeric[i] and shown.head else "left"
        grid.add_column(head, justify=side, no_wrap=numeric[i] or (i == 0 and not shown.head), overflow="fold")
    for row in shown.written:
        grid.add_row(*(words(row[i]) for i in columns))
    return grid


def _blocks(blocks: Iterable[doc.Block]) -> list[RenderableType]:
    return [piece for block in blocks for piece in _block(block)]


def _block(block: doc.Block) -> list[RenderableType]:
    match block:
        case str():
            return [Text(block)]
        case doc.Paragraph():
            return [words(block.content)]
        case doc.Bullets(items):
            return [Text("• ").append_text(words(item)) for item in items]
        case doc.Table(caption=caption):
            return [*([Text(caption)] if caption else []), _Table(block)]
        case doc.Listing(code):
            return [Text(code.rstrip("\n"))]
        case doc.Formulas():
            return [Padding(Text(line.text), (0, 0, 0, 2)) for line in block.lines]
        case doc.Figure():
            inner = _block(block.block)
            return [*inner, words(block.caption)] if inner else []
        case doc.Columns():
            return _blocks(block.blocks)
        case doc.Details():
            return _headed(words(block.summary), block.blocks)
        case doc.Note():
            head = Text(f"{block.sign} ", style=STYLES[block.kind]).append_text(words(block.title))
            inner = _blocks(block.blocks)
            if block.title is None and inner and isinstance(inner[0], Text):
                head.append_text(inner[0])
                inner = inner[1:]
            return [head, *(Padding(piece, (0, 0, 0, 2)) for piece in inner)]
        case doc.Section():
            return _headed(Text(block.title, style="bold"), block.blocks)
        case doc.Chart():
            drawn = getattr(block, "braille", lambda: None)()
            return [Text(drawn, no_wrap=True)] if drawn else []
        case _:
            return []


def _headed(title: Text, blocks: Iterable[doc.Block]) -> list[RenderableType]:
    inner = _blocks(blocks)
    return [Text(), title, *inner] if inner else []
