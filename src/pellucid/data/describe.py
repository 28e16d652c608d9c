"""What a table holds, column by column."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pellucid.data.columns import Column, decide
from pellucid.data.table import Table, missing_of
from pellucid.data.tables import TableEncoder, as_typed, target_values
from pellucid.data.targets import infer_target

EXAMPLES = 3
"""Values shown of a column."""


class Description(NamedTuple):
    """A column of a table.

    Attributes:
        name: of the column.
        kind: its kind, or ``"target"``.
        reason: why, in words.
        missing: rows without a value.
        examples: some of its values.
        inputs: number of inputs that it becomes.
    """

    name: str
    kind: str
    reason: str
    missing: int
    examples: str
    inputs: int


def describe_table(
    table: Table, targets: Sequence[str] = (), kinds: Mapping[str, str] | None = None
) -> list[Description]:
    """Describe the columns of a table as a training would take them.

    Args:
        table: the table.
        targets: the columns to predict.
        kinds: kinds of columns that are declared.

    Raises:
        DataError: a column that is not there, or one whose values are of no one kind.
    """
    targets = [table.find(name) for name in targets]
    declared = {table.find(name): kind for name, kind in (kinds or {}).items()}
    columns = {name: decide(table, name, declared.get(name)) for name in table.columns}
    inputs = [column for name, column in columns.items() if name not in targets]
    if targets and not any(c.features for c in inputs) and any(c.kind == "text" for c in inputs):
        encoder = TableEncoder.fitted(table, declared, "median", targets)  # texts alone are taken word by word
        columns |= {column.name: column for column in encoder.columns}
    return [_of_target(table, c) if n in targets else _of_input(table, c) for n, c in columns.items()]


def _of_input(table: Table, column: Column) -> Description:
    left_out = "" if column.features else "; left out"
    used = column.kind not in ("identifier", "ignored")
    missing = int(missing_of(column.parse(table) if used else table.columns[column.name]).sum())
    return Description(
        column.name,
        column.kind,
        f"{column.reason}{left_out}",
        missing,
        _examples(table, column.name),
        len(column.features),
    )


def _of_target(table: Table, column: Column) -> Description:
    values, blank = target_values(table, (column.name,), None)
    absent = blank[:, 0]
    target = infer_target(as_typed(values[~absent], table, (column.name,)))
    classes = f"{len(target.classes)} classes ({', '.join(target.classes[:6])}{' …' * (len(target.classes) > 6)})"
    what = classes if target.classes else "a quantity"
    reason = f"{target.task}: {what}" + (f"; {target.reason}" if target.reason else "")
    return Description(column.name, "target", reason, int(absent.sum()), _examples(table, column.name), 0)


def _examples(table: Table, name: str) -> str:
    values = table.texts(name).values[:EXAMPLES]
    return ", ".join(value if len(value) <= 20 else f"{value[:19]}…" for value in values)
