"""The columns of a run's inputs as the user knows them, and rows that are put together column by column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.errors import DataError, InvalidValue, UnknownName, did_you_mean
from pellucid.data import Dataset, Part
from pellucid.data.arrays import as_weights
from pellucid.data.columns import Column
from pellucid.data.groups import GroupsEncoder
from pellucid.data.media import FileEncoder
from pellucid.data.tables import TableEncoder
from pellucid.data.tokens import TokenEncoder
from pellucid.network import token_layer
from pellucid.report.examples import value_of
from pellucid.report.picture import is_picture
from pellucid.runs.trained import Trained


@dataclass(frozen=True)
class InputColumn:
    """A column as the user knows it: one number, a category with all its inputs of 0 and 1, or a whole input.

    Args:
        name: its name.
        of: the number of the network's input that holds it.
        places: its places along the last axis of that input; all of the input where it cannot be divided.
        column: what a table says of it; None of arrays.
    """

    name: str
    of: int
    places: slice
    column: Column | None = None

    @property
    def categories(self) -> tuple[str, ...]:
        """Those of a category; empty for what is none."""
        return self.column.categories if self.column is not None and self.column.kind == "category" else ()

    def values(self, x: Any) -> list[Any]:
        """What the column held in some rows: a number, or a text."""
        inputs = inputs_of(x)[self.of][..., self.places]
        if self.column is None:
            return inputs[..., 0].tolist()
        return [value_of(self.column, row) for row in inputs]


def inputs_of(x: Any) -> tuple[np.ndarray, ...]:
    """The arrays of one input or of several."""
    return x if isinstance(x, tuple) else (np.asarray(x),)


def columns_of(run: Trained) -> tuple[InputColumn, ...]:
    """The columns of a run's inputs, in the order of the user's.

    Raises:
        InvalidValue: inputs without columns: images, words, the noise of a GAN.
    """
    facts = run.facts
    if run.adversarial or facts.task == "translation":
        raise InvalidValue(f"columns are of inputs that are predicted from, and this run is of {facts.task}.")
    encoder = facts.encoder
    if isinstance(encoder, (TableEncoder, GroupsEncoder)):
        encoders = [encoder] if isinstance(encoder, TableEncoder) else list(encoder.groups.values())
        spans = [(i, *pair) for i, each in enumerate(encoders) for pair in each.spans()]
        return tuple(InputColumn(column.name, i, span, column) for i, column, span in spans)
    shapes = facts.input_shape if facts.inputs else (facts.input_shape,)
    columns = [
        column
        for i, (name, shape) in enumerate(zip(facts.inputs or ("",), shapes, strict=True))
        for column in _of_array(run, i, name, shape)
    ]
    if len(columns) == 1 and columns[0].places == slice(None):
        raise InvalidValue(
            f"the inputs of {facts.name!r}, of shape {facts.input_shape}, have no columns that mean something on their "
            "own. explain(run, x) shows which of its numbers moved one answer."
        )
    return tuple(columns)


def _of_array(run: Trained, of: int, name: str, shape: tuple[int, ...]) -> Iterator[InputColumn]:
    """The last axis of vectors and of sequences; what else there is as a whole."""
    of_files = isinstance(run.facts.encoder, (FileEncoder, TokenEncoder))
    reads_tokens = token_layer(run.network, name or None) is not None
    if of_files or reads_tokens or len(shape) not in (1, 2) or is_picture(shape):
        yield InputColumn(name, of, slice(None))
        return
    features = () if name else run.facts.features
    names = list(features) if len(features) == shape[-1] else [f"x{i + 1}" for i in range(shape[-1])]
    for i, own in enumerate(names):
        yield InputColumn(f"{name} {own}".strip(), of, slice(i, i + 1))


def named(columns: Sequence[InputColumn], name: str) -> InputColumn:
    """The column of a name.

    Raises:
        UnknownName: there is none.
    """
    found = {column.name: column for column in columns}
    if name not in found:
        raise UnknownName(f"there is no column {name!r}.{did_you_mean(name, found)} Columns: {', '.join(found)}.")
    return found[name]


def mixed(columns: Sequence[InputColumn], x: Any, rows: np.ndarray) -> Any:
    """Rows whose columns come from different rows of ``x``.

    Args:
        columns: all columns.
        x: the inputs.
        rows: for each new row and column the row of ``x`` that it is taken from, (new rows, columns).

    Returns:
        The new rows, of one input or of several.
    """
    rows = rows.astype(int)
    most = rows[:, 0] if len(columns) else rows
    inputs = inputs_of(x)
    made = [array[most] for array in inputs]
    for k, column in enumerate(columns):
        if (rows[:, k] != most).any():
            made[column.of][..., column.places] = inputs[column.of][rows[:, k]][..., column.places]
    return tuple(made) if isinstance(x, tuple) else made[0]


def part_of(run: Trained, data: Dataset | None, x: Any = None, y: Any = None) -> Part:
    """The rows to explain by: the held-out rows of a dataset, or others with their targets.

    Raises:
        DataError: no held-out rows, or targets without examples.
    """
    if x is not None:
        if y is None and run.facts.encoder is not None:
            x, y = run.facts.encoder.encode_with_targets(x)
        if y is None:
            raise DataError("the targets y of the examples x are needed.")
        return Part(run.as_inputs(x), run.facts.encode_target(y))
    if data is None or data.held_out is None:
        raise DataError("this run holds no held-out rows. Give the examples x and their targets y.")
    part = data.held_out
    return Part(run.as_inputs(part.x), part.y, as_weights(part.weights, len(part)))
