"""What notebooks show of objects that are their fields: name, purpose, formula, values."""

import dataclasses
import inspect
from collections.abc import Sequence
from html import escape
from typing import Any


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A small HTML table, whose cells do not break."""
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)] if head else []
    lines += ["".join(f'<td style="white-space: nowrap">{escape(cell)}</td>' for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


class Displayed:
    """A dataclass that notebooks show with its purpose, its formula where it has one, and its fields."""

    def _repr_html_(self) -> str:
        item: Any = self
        purpose = (inspect.getdoc(type(item)) or "").partition("\n")[0].replace("``", "").replace("`", "")
        parts = [f"<p><b>{escape(type(item).__name__)}</b> · {escape(purpose)}</p>"]
        formula = getattr(item, "formula", None)
        if formula:
            parts.append(f"<p>{escape(formula) if isinstance(formula, str) else formula.mathml}</p>")
        fields = [field for field in dataclasses.fields(item) if field.init and not field.name.startswith("_")]
        rows = [(field.name, repr(getattr(item, field.name)), field.metadata.get("help", "")) for field in fields]
        if rows:
            parts.append(html_table((), rows if any(row[2] for row in rows) else [row[:2] for row in rows]))
        return "".join(parts)
