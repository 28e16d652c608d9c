"""Documents as Markdown, formulas in LaTeX between dollar signs."""

from pellucid.report import document as doc
from pellucid.report.markup import Markup


def text(document: doc.Document, level: int = 1) -> str:
    """Render a document as Markdown, its title at a level.

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
    return "\n\n".join([f"{'#' * level} {document.title}", *_MARKDOWN.blocks(document.blocks, level)]) + "\n"


def _table(shown: doc.Table) -> str:
    numeric = shown.numeric
    head = shown.head or [""] * len(numeric)
    rows = [head, ["---:" if right and shown.head else "---" for right in numeric], *shown.written]
    cells = ([_MARKDOWN.words(cell).replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _note(sign: str, text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in f"{sign} {text}".splitlines())


_MARKDOWN = Markup(
    escape=str,
    code="`{}`",
    strong="**{}**",
    link="[{}]({})",
    bullets="{}",
    bullet="- {}",
    listing="```text\n{}\n```",
    formulas="$$ {} $$",
    formula=lambda line: line.latex,
    image="![{}]({})",
    summary="**{}**",
    headings=tuple(f"{'#' * level} {{}}" for level in range(1, 7)),
    note=_note,
    table=_table,
)
