"""An explanation as text for the terminal, as Markdown, as LaTeX and as plain data."""

import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from io import StringIO
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text as RichText

from pellucid.explanations.blocks import Cell, Heading, Lines, Table, Text
from pellucid.explanations.formula import Line, Math, number, tex
from pellucid.explanations.numbers import Explanation, LayerNumbers
from pellucid.explanations.story import in_words

WIDTH = 110
"""Columns of the text where there is no terminal to ask."""
MOST_NUMBERS = 10_000
"""Arrays of weights with more numbers are given to JSON by their shape and size alone."""
UNICODE = {
    "\N{NO-BREAK SPACE}": "~",
    "∂": r"$\partial$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "−": "$-$",
    "⋆ᵀ": r"$\star^{T}$",
    "⋆": r"$\star$",
    "…": r"\dots{}",
    "Σ": r"$\Sigma$",
    "Π": r"$\Pi$",
    "√": r"$\surd$",
    "σ²": r"$\sigma^2$",
    "σ": r"$\sigma$",
    "μ": r"$\mu$",
    "γ": r"$\gamma$",
    "β": r"$\beta$",
    "ε": r"$\varepsilon$",
    "δ": r"$\delta$",
    "η": r"$\eta$",
    "←": r"$\leftarrow$",
    "→": r"$\to$",
    "‖": r"$\|$",
    "₀": "$_0$",
    "²": "$^2$",
    "ŷ": r"$\hat{y}$",
    "½": r"$\frac{1}{2}$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "′": "$'$",
    "^": r"\^{}",
    "|": "$|$",
    "{": r"\{",
    "}": r"\}",
    "–": "--",
}
"""Characters that pdflatex does not know, or reads as commands."""


def as_text(told: Explanation) -> str:
    """What a terminal shows, without colours."""
    console = Console(file=StringIO(), width=WIDTH, color_system=None)
    print_on(console, told)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def print_on(console: Console, told: Explanation) -> None:
    """Print an explanation on a rich console."""
    console.print(RichText(told.facts.title, style="bold"))
    for block in in_words(told):
        match block:
            case Heading(text):
                console.print()
                console.print(RichText(text, style="bold"))
            case Text(text):
                console.print(RichText(text))
            case Lines(lines):
                for line in lines:
                    console.print(RichText(f"  {line.text}"))
            case Table():
                console.print(_rich_table(block))


def _rich_table(table: Table) -> RichTable:
    drawn = RichTable(box=None, pad_edge=False, show_header=any(_words(cell) for cell in table.head))
    for column, cell in enumerate(table.head):
        drawn.add_column(_words(cell), justify="right" if _numeric(table, column) else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(RichText(_words(cell)) for cell in row))
    return drawn


def _words(cell: Cell) -> str:
    if isinstance(cell, Math):
        return cell.text
    return number(cell).text if isinstance(cell, float) else str(cell)


def _numeric(table: Table, column: int) -> bool:
    """Whether a column is set to the right: it holds numbers."""
    return any(isinstance(row[column], int | float) for row in table.rows)


def as_markdown(told: Explanation) -> str:
    """Markdown, its formulas in LaTeX between dollar signs."""
    return f"# {told.facts.title}\n\n" + "\n\n".join(_markdown(told)) + "\n"


def _markdown(told: Explanation) -> Iterator[str]:
    for block in in_words(told):
        match block:
            case Heading(text):
                yield f"## {text}"
            case Text(text):
                yield text.replace("|", "\\|")
            case Lines(lines):
                yield "\n\n".join(f"$$ {line.latex} $$" for line in lines)
            case Table(head, rows):
                marks = ["---:" if _numeric(block, column) else "---" for column in range(len(head))]
                yield "\n".join(
                    "| " + " | ".join(cells) + " |"
                    for cells in (
                        [_marked(cell) for cell in head],
                        marks,
                        *([_marked(cell) for cell in row] for row in rows),
                    )
                )


def _marked(cell: Cell) -> str:
    return f"${cell.latex}$" if isinstance(cell, Math) else _words(cell).replace("|", "\\|")


def as_latex(told: Explanation) -> str:
    """A LaTeX document, to be set with pdflatex, xelatex or lualatex."""
    body = "\n\n".join(_latex(told))
    return (
        "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage[T1]{fontenc}\n\\usepackage{amsmath,longtable}\n"
        "\\usepackage[margin=2cm]{geometry}\n\\setlength{\\parindent}{0pt}\n"
        f"\\title{{{_escaped(told.facts.title)}}}\\date{{}}\n\\begin{{document}}\n\\maketitle\n{body}\n\\end{{document}}\n"
    )


def _latex(told: Explanation) -> Iterator[str]:
    for block in in_words(told):
        match block:
            case Heading(text):
                yield f"\\section*{{{_escaped(text)}}}"
            case Text(text):
                yield _escaped(text)
            case Lines(lines):
                yield ("\\begin{align*}\n" + " \\\\\n".join(_aligned(line) for line in lines) + "\n\\end{align*}")
            case Table(head, rows):
                # The first and the text columns may be long: they are set as paragraphs.
                wide = [
                    not _numeric(block, column) and any(len(_words(row[column])) > 40 for row in rows)
                    for column in range(len(head))
                ]
                columns = "".join(
                    "p{7cm}" if wide[column] else "r" if _numeric(block, column) else "l" for column in range(len(head))
                )
                shown = (head, *rows) if any(head) else rows
                lines = [" & ".join(_set(cell) for cell in row) for row in shown]
                yield f"\\begin{{longtable}}{{{columns}}}\n" + " \\\\\n".join(lines) + "\n\\end{longtable}"


def _aligned(line: Line) -> str:
    head, *sides = (part.latex for part in line.parts)
    first = r"\leftarrow" if line.becomes else "="
    return f"{head} &{first} {sides[0]}" + "".join(f" \\\\\n &= {side}" for side in sides[1:])


def _set(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"${number(cell).latex}$"
    if isinstance(cell, Math):
        return f"${cell.latex}$"
    words = _escaped(_words(cell))
    return "{}" + words if words.startswith("[") else words  # after a line's end [ would begin a distance


def _escaped(text: str) -> str:
    text = tex(text.replace("\\", "/"))
    # In one pass: the commands hold characters that are replaced themselves.
    return re.sub("|".join(map(re.escape, UNICODE)), lambda found: UNICODE[found[0]], text)


def as_dict(told: Explanation) -> dict[str, Any]:
    """Every number as JSON-like data."""
    chosen = told.chosen
    return {
        "title": told.facts.title,
        "target": told.facts.target,
        "prediction": told.facts.prediction,
        "remarks": list(told.facts.remarks),
        "worst_relative_error": told.worst_error,
        "compared": sum(check.status == "checked" for check in told.checks),
        "left_out": {status: len(told.left_out(status)) for status in ("kink", "surrogate")},
        "x": _plain(told.x),
        "dL_dx": _plain(told.x_gradient),
        "layers": [_layer(layer) for layer in told.layers],
        "loss": _plain(told.loss),
        "chosen": _plain(chosen)
        | {
            "terms": [_plain(term._asdict()) | {"product": term.product} for term in chosen.terms],
            "inputs": [_plain(one._asdict()) for one in chosen.inputs],
            "update": {
                "rule": chosen.update.rule,
                "source": chosen.update.source,
                "lines": [
                    {"text": line.text, "latex": line.latex, "value": line.value} for line in chosen.update.lines
                ],
                "before": chosen.update.before,
                "after": chosen.update.after,
            },
        },
        "softmax": None if told.coupled is None else _plain(told.coupled),
        "checks": [_plain(check) for check in told.checks],
        "attribution": None
        if told.attribution is None
        else _plain(told.attribution) | {"completeness_error": told.attribution.completeness_error},
        "through_time": [
            _plain({name: getattr(through, name) for name in ("layer", "kind", "state", "cell")})
            | {"gates": {gate.name: _plain(gate._asdict()) for gate in through.gates}}
            for through in told.recurrent
        ],
    }


def _layer(layer: LayerNumbers) -> dict[str, Any]:
    arrays = {
        name: {"values": _plain(array), "gradient": _plain(layer.grads[name])}
        if array.size <= MOST_NUMBERS
        else {"shape": list(array.shape), "gradient_norm": float(np.linalg.norm(layer.grads[name]))}
        for name, array in layer.params.items()
    }
    return {
        "name": layer.name,
        "kind": layer.kind,
        "reads": list(layer.reads),
        "output": _plain(layer.output),
        "dL_doutput": _plain(layer.gradient),
        "parameters": arrays,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        fields = {
            name: getattr(value, name)
            for name in value.__dataclass_fields__
            if name not in ("update", "terms", "inputs")
        }
        return _plain(fields)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
