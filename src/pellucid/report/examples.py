"""Single examples on a page: as pictures, as the rows of their table, as the words of a message."""

from collections.abc import Callable, Sequence

import numpy as np

from pellucid.data import Dataset, Part, TableEncoder, Vocabulary
from pellucid.report import picture
from pellucid.report.page import Content, Html, figure, figures, image, number, table

WORST_PICTURES, WORST_ROWS = 18, 10
MOST_COLUMNS = 24
"""Of a table's values."""


def show_examples(
    data: Dataset,
    part: Part,
    rows: np.ndarray,
    head: Sequence[str],
    said: Callable[[int], list[Content]],
    caption: Callable[[int], str] | None = None,
) -> Html:
    """The first of these rows: pictures where they are images, else tables of their values.

    Args:
        data: the dataset.
        part: the part that the rows are of.
        rows: their numbers.
        head: names of what is said of each row.
        said: what is said of a row.
        caption: the same in a few words, below a picture; by default ``head`` and ``said``.
    """
    if not len(rows):
        return Html("")
    if picture.is_picture(data.input_shape):
        low, high = picture.limits(part.x)
        shown = []
        for row in rows[:WORST_PICTURES].tolist():
            words = ", ".join(f"{name} {_cell(value)}" for name, value in zip(head, said(row), strict=True))
            drawn = image(picture.example(part.x[row], low, high), f"held-out row {row}")
            shown.append(figure(drawn, words if caption is None else caption(row)))
        return figures(*shown, kind="small")
    names, values = _values_of(data)
    cells = [[row, *said(row), *values(part.x[row])] for row in rows[:WORST_ROWS].tolist()]
    return table(("row", *head, *names), cells)


def _values_of(data: Dataset) -> tuple[list[str], Callable[[np.ndarray], list[Content]]]:
    """The columns that an example is shown by, and its values in them, as they came."""
    if isinstance(data.encoder, TableEncoder):
        columns = data.encoder.columns[:MOST_COLUMNS]

        def of_table(x: np.ndarray) -> list[Content]:
            cells: list[Content] = []
            start = 0
            for column in columns:
                stop = start + len(column.features)
                chosen = x[start:stop]
                cells.append(column.categories[chosen.argmax()] if column.categories else float(chosen[0]))
                start = stop
            return cells

        return [column.name for column in columns], of_table
    if isinstance(data.encoder, Vocabulary):
        words = data.encoder.words

        def of_words(x: np.ndarray) -> list[Content]:
            held = [words[i] for i in np.flatnonzero(x)]
            return [" ".join(held[:30]) + (" …" if len(held) > 30 else "")]

        return ["words it holds"], of_words
    if len(data.input_shape) == 1:
        return features_of(data)[:MOST_COLUMNS], lambda x: [float(value) for value in x[:MOST_COLUMNS]]
    return [], lambda x: []


def features_of(data: Dataset) -> list[str]:
    """The names of the inputs, made up where there are none."""
    count = int(np.prod(data.input_shape))
    return list(data.features) if len(data.features) == count else [f"x{i + 1}" for i in range(count)]


def _cell(value: Content) -> str:
    return number(value) if isinstance(value, (int, float)) else str(value)
