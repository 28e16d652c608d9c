"""Single examples in a document: as pictures, as the rows of their table, as the words of a message."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pellucid.data import Dataset, Part, TableEncoder, TokenEncoder, Vocabulary
from pellucid.data.columns import Column
from pellucid.report import picture
from pellucid.report.document import Block, Columns, Figure, Inline, Picture, Table, number

MOST_PICTURES, MOST_ROWS = 18, 10
MOST_COLUMNS = 24
"""Of a table's values."""

Cells = Callable[[int], list[Inline]]
"""The cells on a row, by its number."""


def examples(
    data: Dataset,
    part: Part,
    rows: np.ndarray,
    head: Sequence[str],
    cells: Cells,
    caption: Callable[[int], str] | None = None,
) -> Block:
    """Show the first of some rows: pictures with a caption where they are images, else a table of their values."""
    if not len(rows):
        return None
    if data.inputs:
        data, part = _joined_inputs(data, part, rows)
    if not picture.is_picture(data.input_shape):
        return example_table(data, part, rows, head, cells)

    def words(row: int) -> str:
        values = (number(value) if isinstance(value, (int, float)) else value for value in cells(row))
        return ", ".join(f"{name} {value}" for name, value in zip(head, values, strict=True))

    low, high = float(part.x.min()), float(part.x.max())
    figures = (
        Figure(Picture(picture.example(part.x[row], low, high), f"held-out row {row}"), (caption or words)(row))
        for row in rows[:MOST_PICTURES].tolist()
    )
    return Columns(*figures, width="small")


def _joined_inputs(data: Dataset, part: Part, rows: np.ndarray) -> tuple[Dataset, Part]:
    """The shown rows with one input: the pictures of several side by side, else their columns of numbers."""
    shapes, shown = data.input_shape, rows[:MOST_PICTURES]
    pictures = [i for i, shape in enumerate(shapes) if picture.is_picture(shape) and len(shape) == 2]
    pictures = [i for i in pictures if shapes[i][0] == shapes[pictures[0]][0]]
    chosen = pictures or [i for i, shape in enumerate(shapes) if len(shape) == 1]
    names = [f"{data.inputs[i]}[{j}]" for i in chosen for j in range(shapes[i][-1])]
    arrays = [part.x[i][shown] for i in chosen] or [np.zeros((len(shown), 0))]
    joined = np.concatenate([array.astype(float) for array in arrays], axis=-1)
    x = np.zeros((len(part), *joined.shape[1:]))
    x[shown] = joined
    alone = replace(data, train=replace(part, x=x), features=() if pictures else tuple(names), inputs=(), encoder=None)
    return alone, alone.train


def example_table(data: Dataset, part: Part, rows: np.ndarray, head: Sequence[str], cells: Cells) -> Block:
    """Show the first of some rows as a table of their values."""
    if not len(rows):
        return None
    if data.inputs:
        data, part = _joined_inputs(data, part, rows)
    names, values = _values_of(data)
    shown = [[row, *cells(row), *values(part.x[row])] for row in rows[:MOST_ROWS].tolist()]
    return Table(("row", *head, *names), shown)


def value_of(column: Column, inputs: np.ndarray) -> Inline:
    """What a column held, of its inputs."""
    if column.kind == "number":
        return float(inputs[0])
    if column.kind == "category":
        return column.categories[inputs.argmax()] if inputs.any() else "unknown"
    if column.kind == "date":
        return f"{inputs[0]:.4g}"
    return " ".join(column.categories[i] for i in np.flatnonzero(inputs)[:30])


def _values_of(data: Dataset) -> tuple[list[str], Callable[[np.ndarray], list[Inline]]]:
    """The columns that an example is shown by, and its values in them, as they came."""
    if isinstance(data.encoder, TableEncoder):
        spans = list(data.encoder.spans())[:MOST_COLUMNS]
        return [column.name for column, _ in spans], lambda x: [value_of(column, x[span]) for column, span in spans]
    if isinstance(data.encoder, Vocabulary):
        words = data.encoder.words

        def of_words(x: np.ndarray) -> list[Inline]:
            held = [words[i] for i in np.flatnonzero(x)]
            return [" ".join(held[:30]) + (" …" if len(held) > 30 else "")]

        return ["words it holds"], of_words
    if isinstance(data.encoder, TokenEncoder):
        encoder = data.encoder
        return [encoder.text], lambda x: [" ".join(encoder.decode(x[:30])) + (" …" if x[30:].any() else "")]
    if len(data.input_shape) == 1:
        return features_of(data)[:MOST_COLUMNS], lambda x: [float(value) for value in x[:MOST_COLUMNS]]
    return [], lambda x: []


def features_of(data: Dataset) -> list[str]:
    """The names of the inputs: x1, x2, … where there are none."""
    count = int(np.prod(data.input_shape))
    return list(data.features) if len(data.features) == count else [f"x{i + 1}" for i in range(count)]
