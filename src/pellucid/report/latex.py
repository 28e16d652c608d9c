"""Documents as LaTeX."""

import re
from collections.abc import Iterable, Iterator

from pellucid.report import document as doc
from pellucid.report.document import number, parts
from pellucid.report.terminal import words as plain

HEAD = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{amsmath,graphicx,longtable}
\usepackage[margin=2cm]{geometry}
\setlength{\parindent}{0pt}
"""
MATHS = {
    "∂": r"\partial",
    "·": r"\cdot",
    "×": r"\times",
    "−": "-",
    "⋆ᵀ": r"\star^{T}",
    "⋆": r"\star",
    "Σ": r"\Sigma",
    "Π": r"\Pi",
    "√": r"\surd",
    "σ²": r"\sigma^2",
    "σ": r"\sigma",
    "μ": r"\mu",
    "γ": r"\gamma",
    "β": r"\beta",
    "ε": r"\varepsilon",
    "δ": r"\delta",
    "η": r"\eta",
    "θ": r"\theta",
    "λ": r"\lambda",
    "←": r"\leftarrow",
    "→": r"\to",
    "‖": r"\|",
    "₀": "_0",
    "²": "^2",
    "ŷ": r"\hat{y}",
    "½": r"\frac{1}{2}",
    "≤": r"\le",
    "≥": r"\ge",
    "′": "'",
    "∞": r"\infty",
    "|": "|",
    "<": "<",
    ">": ">",
}
"""Characters that pdflatex sets only as mathematics."""
COMMANDS = {character: f"\\{character}" for character in "_&%#${}"} | {
    "\\": r"\textbackslash{}",
    "\N{NO-BREAK SPACE}": "~",
    "…": r"\dots{}",
    "^": r"\^{}",
    "~": r"\~{}",
    "–": "--",
    "✓": r"$\surd$",
}
"""Characters that LaTeX reads as commands, or does not know."""
_ESCAPES = COMMANDS | {character: f"${command}$" for character, command in MATHS.items()}
_ESCAPED = re.compile("|".join(map(re.escape, _ESCAPES)))
LONG = 40
"""Characters of a cell above which its column is set as paragraphs."""


def text(document: doc.Document) -> str:
    """Render a LaTeX document, for pdflatex, xelatex or lualatex."""
    body = "\n\n".join(_blocks(document.blocks, 0))
    title = f"\\title{{{escape(document.title)}}}\\date{{}}"
    return f"{HEAD}{title}\n\\begin{{document}}\n\\maketitle\n{body}\n\\end{{document}}\n"


def escape(words: str) -> str:
    r"""Text in which no character is a command.

    Example:
        >>> escape("dense_1 & 5 % of σ²")
        'dense\\_1 \\& 5 \\% of $\\sigma^2$'
    """
    # In one pass: the commands hold characters that are replaced themselves.
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], words)


def words(content: doc.Inline) -> str:
    """Render inline content."""
    return "".join(map(_word, parts(content)))


def _word(part: doc.Inline) -> str:
    match part:
        case str():
            return escape(part)
        case doc.Code(code):
            return f"\\texttt{{{escape(code)}}}"
        case doc.Strong(inner):
            return f"\\textbf{{{words(inner)}}}"
        case doc.Link(label):
            return escape(label)
        case doc.Meter(fraction):
            return f"{fraction:.0%}".replace("%", r"\%")
        case doc.Formula():
            return f"${part.latex}$"
        case _:
            return escape(number(part))


def _blocks(blocks: Iterable[doc.Block], level: int) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, level)


def _block(block: doc.Block, level: int) -> Iterator[str]:
    match block:
        case str():
            yield escape(block)
        case doc.Paragraph():
            yield words(block.content)
        case doc.Bullets(items):
            yield "\\begin{itemize}\n" + "\n".join(f"\\item {words(item)}" for item in items) + "\n\\end{itemize}"
        case doc.Table():
            if block.caption:
                yield escape(block.caption)
            yield _table(block)
        case doc.Listing(code):
            yield f"\\begin{{verbatim}}\n{code.rstrip()}\n\\end{{verbatim}}"
        case doc.Formulas():
            lines = (getattr(line, "aligned", line.latex) for line in block.lines)
            yield "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"
        case doc.Image(address):
            yield f"\\includegraphics[width=\\linewidth]{{{address}}}"
        case doc.Figure():
            inner = list(_block(block.block, level))
            yield from inner
            if inner and block.caption:
                yield words(block.caption)
        case doc.Columns():
            yield from _blocks(block.blocks, level)
        case doc.Details():
            yield from _headed(f"\\paragraph{{{words(block.summary)}}}", _blocks(block.blocks, level))
        case doc.Note():
            title = [f"\\textbf{{{words(block.title)}}}"] if block.title is not None else []
            yield "\\begin{quote}\n" + "\n\n".join([*title, *_blocks(block.blocks, level)]) + "\n\\end{quote}"
        case doc.Section():
            command = ("section", "subsection", "subsubsection")[min(level, 2)]
            yield from _headed(f"\\{command}*{{{escape(block.title)}}}", _blocks(block.blocks, level + 1))
        case _:
            return


def _headed(heading: str, blocks: Iterator[str]) -> Iterator[str]:
    inner = list(blocks)
    if inner:
        yield from (heading, *inner)


def _table(shown: doc.Table) -> str:
    lengths = [max((len(plain(row[i])) for row in shown.written), default=0) for i in range(len(shown.numeric))]
    kinds = [
        "r" if numeric else "p{7cm}" if length > LONG else "l"
        for numeric, length in zip(shown.numeric, lengths, strict=True)
    ]
    lines = [" & ".join(map(_cell, row)) for row in ([shown.head] if shown.head else []) + list(shown.written)]
    return f"\\begin{{longtable}}{{{''.join(kinds)}}}\n" + " \\\\\n".join(lines) + "\n\\end{longtable}"


def _cell(content: doc.Inline) -> str:
    written = words(content)
    return "{}" + written if written.startswith("[") else written  # after a line's end [ would begin a distance
