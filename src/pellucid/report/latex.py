"""Documents as LaTeX."""

import re

from pellucid.report import document as doc
from pellucid.report.markup import Markup
from pellucid.report.terminal import words as plain

HEAD = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{amsmath,graphicx,longtable}
\usepackage[margin=2cm]{geometry}
\setlength{\parindent}{0pt}
"""
_PAIRS = (
    r"∂=\partial ·=\cdot ×=\times −=- ⋆ᵀ=\star^{T} ⋆=\star Σ=\Sigma Π=\Pi √=\surd σ²=\sigma^2 σ=\sigma μ=\mu γ=\gamma "
    r"β=\beta ε=\varepsilon δ=\delta η=\eta θ=\theta λ=\lambda ←=\leftarrow →=\to ‖=\| ₀=_0 ₁=_1 ₂=_2 ²=^2 ŷ=\hat{y} "
    r"½=\frac{1}{2} ≤=\le ≥=\ge ′=' ∞=\infty |=| <=< >=>"
)
MATHS = {character: command for character, _, command in (pair.partition("=") for pair in _PAIRS.split())}
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
    body = "\n\n".join(_LATEX.blocks(document.blocks, 0))
    title = f"\\title{{{escape(document.title)}}}\\date{{}}"
    return f"{HEAD}{title}\n\\begin{{document}}\n\\maketitle\n{body}\n\\end{{document}}\n"


def escape(words: str) -> str:
    r"""Write text in which no character is a command.

    Example:
        >>> escape("dense_1 & 5 % of σ²")
        'dense\\_1 \\& 5 \\% of $\\sigma^2$'
    """
    # In one pass: the commands hold characters that are replaced themselves.
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], words)


def _table(shown: doc.Table) -> str:
    lengths = [max((len(plain(row[i])) for row in shown.rows), default=0) for i in range(len(shown.numeric))]
    kinds = [
        "r" if numeric else "p{7cm}" if length > LONG else "l"
        for numeric, length in zip(shown.numeric, lengths, strict=True)
    ]
    lines = [" & ".join(map(_cell, row)) for row in ([shown.head] if shown.head else []) + list(shown.written)]
    return f"\\begin{{longtable}}{{{''.join(kinds)}}}\n" + " \\\\\n".join(lines) + "\n\\end{longtable}"


def _cell(content: doc.Inline) -> str:
    written = _LATEX.words(content)
    return "{}" + written if written.startswith("[") else written  # after a line's end [ would begin a distance


_LATEX = Markup(
    escape=escape,
    code=r"\texttt{{{}}}",
    strong=r"\textbf{{{}}}",
    link="{}",
    bullets="\\begin{{itemize}}\n{}\n\\end{{itemize}}",
    bullet=r"\item {}",
    listing="\\begin{{verbatim}}\n{}\n\\end{{verbatim}}",
    formulas="\\begin{{align*}}\n{}\n\\end{{align*}}",
    formula=lambda line: line.aligned if isinstance(line, doc.Line) else line.latex,
    image=r"\includegraphics[width=\linewidth]{{{1}}}",
    summary=r"\paragraph{{{}}}",
    headings=(r"\section*{{{}}}", r"\subsection*{{{}}}", r"\subsubsection*{{{}}}"),
    note=lambda sign, text: f"\\begin{{quote}}\n{text}\n\\end{{quote}}",
    table=_table,
)
