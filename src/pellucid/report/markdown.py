"""Documents as Markdown, formulas in LaTeX between dollar signs."""

from collections.abc import Iterable, Iterator

from pellucid.report import document as doc
from pellucid.report.document import number, parts


def text(document: doc.Document, level: int = 1) -> str:
    """Render a document as Markdown.

    Args:
        document: the document.
        level: of its title.

    Example:
        >>> from pellucid.report.document import Document, Table
        >>> print(text(Document("iris", Table(("part", "accuracy"), [("held out", 0.967)]))))
        # iris
        <BLANKLINE>
        | part | accuracy |
        | --- | ---: |
        | held out | 0.967 |
        <BLANKLINE>
    """
    return "\n\n".join([f"{'#' * level} {document.title}", *_blocks(document.blocks, level + 1)]) + "\n"


def words(content: doc.Inline) -> str:
    """Render inline content."""
    return "".join(map(_word, parts(content)))


def _word(part: doc.Inline) -> str:
    match part:
        case str():
            return part
        case doc.Code(code):
            return f"`{code}`"
        case doc.Strong(inner):
            return f"**{words(inner)}**"
        case doc.Link(label, address):
            return f"[{label}]({address})"
        case doc.Meter(fraction):
            return f"{fraction:.0%}"
        case doc.Formula():
            return f"${part.latex}$"
        case _:
            return number(part)


def _blocks(blocks: Iterable[doc.Block], level: int) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, level)


def _block(block: doc.Block, level: int) -> Iterator[str]:
    match block:
        case str():
            yield block
        case doc.Paragraph():
            yield words(block.content)
        case doc.Bullets(items):
            yield "\n".join(f"- {words(item)}" for item in items)
        case doc.Table():
            if block.caption:
                yield block.caption
            yield _table(block)
        case doc.Listing(code):
            yield f"```text\n{code.rstrip()}\n```"
        case doc.Formulas():
            yield from (f"$$ {line.latex} $$" for line in block.lines)
        case doc.Image(address, label):
            yield f"![{label}]({address})"
        case doc.Figure():
            inner = list(_block(block.block, level))
            yield from inner
            if inner and block.caption:
                yield words(block.caption)
        case doc.Columns():
            yield from _blocks(block.blocks, level)
        case doc.Details():
            yield from _headed(f"**{words(block.summary)}**", _blocks(block.blocks, level))
        case doc.Note():
            title = [f"**{words(block.title)}**"] if block.title is not None else []
            quoted = f"{block.sign} " + "\n\n".join([*title, *_blocks(block.blocks, level)])
            yield "\n".join(f"> {line}".rstrip() for line in quoted.splitlines())
        case doc.Section():
            yield from _headed(f"{'#' * level} {block.title}", _blocks(block.blocks, level + 1))
        case _:
            return


def _headed(heading: str, blocks: Iterator[str]) -> Iterator[str]:
    inner = list(blocks)
    if inner:
        yield from (heading, *inner)


def _table(shown: doc.Table) -> str:
    numeric = shown.numeric
    head = shown.head or [""] * len(numeric)
    rows = [head, ["---:" if right and shown.head else "---" for right in numeric], *shown.written]
    return "\n".join("| " + " | ".join(words(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
