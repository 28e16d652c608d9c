"""What Markdown and LaTeX have in common: a document in plain characters, block by block."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pellucid.report import document as doc
from pellucid.report.document import number, parts


@dataclass(frozen=True)
class Markup:
    """How a form writes the parts of a document; ``{}`` stands for what is written.

    Args:
        escape: text, so that no character is a command.
        code: a word of code.
        strong: words that stand out.
        link: label and address.
        bullets: a list, of the lines of its items.
        bullet: an item of a list.
        listing: lines of code.
        formulas: formulas, of their lines.
        formula: one of them.
        image: label and address.
        summary: what stands above folded blocks.
        headings: of sections from the highest level on.
        note: a box, of its sign and text.
        table: a table.
    """

    escape: Callable[[str], str]
    code: str
    strong: str
    link: str
    bullets: str
    bullet: str
    listing: str
    formulas: str
    formula: Callable[[doc.Formula | doc.Line], str]
    image: str
    summary: str
    headings: tuple[str, ...]
    note: Callable[[str, str], str]
    table: Callable[[doc.Table], str]

    def words(self, content: doc.Inline) -> str:
        """Write inline content."""
        return "".join(map(self._word, parts(content)))

    def _word(self, part: doc.Inline) -> str:
        match part:
            case str():
                return self.escape(part)
            case doc.Code(text):
                return self.code.format(self.escape(text))
            case doc.Strong(inner):
                return self.strong.format(self.words(inner))
            case doc.Link(label, address):
                return self.link.format(self.escape(label), address)
            case doc.Meter(fraction):
                return self.escape(f"{fraction:.0%}")
            case doc.Formula() | doc.Line():
                return f"${part.latex}$"
            case _:
                return self.escape(number(part))

    def blocks(self, blocks: Iterable[doc.Block], level: int) -> Iterator[str]:
        """Write blocks one after another; ``level`` is that of the sections among them, from 0."""
        for block in blocks:
            yield from self._block(block, level)

    def _block(self, block: doc.Block, level: int) -> Iterator[str]:
        match block:
            case str():
                yield self.words(block)
            case doc.Paragraph():
                yield self.words(block.content)
            case doc.Bullets(items):
                yield self.bullets.format("\n".join(self.bullet.format(self.words(item)) for item in items))
            case doc.Table(caption=caption):
                yield from [*([self.words(caption)] if caption else []), self.table(block)]
            case doc.Listing(text):
                yield self.listing.format(text.rstrip())
            case doc.Formulas():
                yield self.formulas.format(" \\\\\n".join(map(self.formula, block.lines)))
            case doc.Image(address, label):
                yield self.image.format(label, address)
            case doc.Figure():
                inner = list(self._block(block.block, level))
                yield from [*inner, self.words(block.caption)] if inner and block.caption else inner
            case doc.Columns():
                yield from self.blocks(block.blocks, level)
            case doc.Details():
                yield from self._headed(self.summary.format(self.words(block.summary)), block.blocks, level)
            case doc.Note():
                title = [] if block.title is None else [self.strong.format(self.words(block.title))]
                yield self.note(block.sign, "\n\n".join([*title, *self.blocks(block.blocks, level)]))
            case doc.Section():
                heading = self.headings[min(level, len(self.headings) - 1)].format(self.words(block.title))
                yield from self._headed(heading, block.blocks, level + 1)
            case _:
                return

    def _headed(self, heading: str, blocks: Iterable[doc.Block], level: int) -> Iterator[str]:
        inner = list(self.blocks(blocks, level))
        yield from (heading, *inner) if inner else ()
