"""One pass over all rows of a table in files: what is to be known of them before any is trained on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.interface import kind_option, option
from pellucid.data.columns import DECLARED, MOST_COMMON_CATEGORIES
from pellucid.data.moments import Moments
from pellucid.data.shards import Piece, Shards
from pellucid.data.stream import Span, draws
from pellucid.data.table import Table, Texts, missing_of, text_of
from pellucid.data.table_source import TableRows
from pellucid.data.tables import MISSING, TableEncoder
from pellucid.data.targets import UNTARGETED

PROBED_BLOCKS, PROBED_ROWS = 16, 2**12
"""Blocks, evenly over the data, whose first rows decide the kinds of the columns; and how many of each."""
MOST_CLASSES = 10_000
"""Most classes of a target."""
MOST_PIECES = 100
"""Pieces of a sample that are not put together yet, at most."""
LEFT_OUT = ("refuse", "drop")
"""What is done with missing values where none is filled in."""


def probe(shards: Shards) -> Table:
    """The first rows of blocks from all over the data, as one table."""
    blocks = np.unique(np.linspace(0, shards.blocks - 1, PROBED_BLOCKS).round().astype(int))
    pieces = []
    for block in blocks:
        piece = next(shards.pieces(int(block)), None)
        if piece is not None:
            pieces.append(piece.take(np.arange(min(piece.rows, PROBED_ROWS))))
    tables = [piece.table(shards.columns) for piece in shards.joined(pieces)]
    if not tables:
        raise DataError(f"{shards.files.location!r} holds no rows.")
    first = replace(tables[0], source=repr(shards.files.location), line_of=None)
    if len(tables) == 1:
        return first
    columns = {name: _joined([table.columns[name] for table in tables]) for name in first.columns}
    whole = frozenset.intersection(*(table.whole for table in tables))
    return replace(first, columns=columns, numbers=np.arange(sum(table.rows for table in tables)), whole=whole)


def _joined(columns: list[Any]) -> Any:
    if any(isinstance(column, Texts) for column in columns):
        tables = [Table("", "", {"": column}, np.arange(len(column))) for column in columns]
        return Texts.of(text for table in tables for text in table.texts("").to_list())
    return np.concatenate(columns)


@dataclass
class Sample:
    """Rows that are kept in memory, with their numbers."""

    span: Span
    pieces: list[Piece] = field(default_factory=list)
    numbers: list[np.ndarray] = field(default_factory=list)

    def keep(self, piece: Piece, numbers: np.ndarray, drawn: np.ndarray, used: np.ndarray) -> None:
        """Keep those rows of a piece that are drawn and used."""
        some = np.flatnonzero(self.span.holds(drawn) & used)
        if len(some):
            self.pieces.append(piece.take(some))
            self.numbers.append(numbers[some])

    def join(self, shards: Shards) -> None:
        """Put the pieces together where there are many: a thousand of a few rows take more memory than their rows."""
        if len(self.pieces) > MOST_PIECES:
            self.pieces = shards.joined(self.pieces)


@dataclass
class Pass:
    """What a pass over all rows finds.

    Args:
        rows: the conversion of the rows, whose categories and classes are not all known yet.
        training: the rows to train on, of which means are.
        seed: of the division.
        samples: the rows that are kept in memory.
        categories: how often each category occurs, by column.
        classes: of each distinct target the rows to train on, and the sum of their weights.
        inputs: moments of the inputs to train on that are known, without categories.
        numbers: moments of the targets of a regression.
        count: rows to train on.
        weight: the sum of their weights.
        left_out: packed mask of the rows of a block that are not used, by its number.
        without_target: rows left out for that.
        blanks: targets that are not known of other rows.
        incomplete: rows left out since an input is missing.
        unknown: rows with a category that is not known.
    """

    rows: TableRows
    training: Span
    seed: int
    samples: tuple[Sample, ...]
    categories: dict[str, Counter[str]] = field(default_factory=dict)
    classes: dict[Any, tuple[int, float]] = field(default_factory=dict)
    inputs: Moments | None = None
    numbers: Moments | None = None
    count: int = 0
    weight: float = 0.0
    left_out: dict[int, np.ndarray] = field(default_factory=dict)
    without_target: int = 0
    blanks: int = 0
    incomplete: int = 0
    unknown: int = 0

    def over(self, shards: Shards, known: bool = False) -> "Pass":
        """Read all rows of files.

        Args:
            shards: the files.
            known: True where categories and classes are known already, of rows that are held out.

        Raises:
            DataError: a value that cannot be used; names the file and the row.
        """
        encoder = self.rows.encoder
        if known:
            see = self._see_held_out
        else:
            see, self.categories = self._see, {c.name: Counter() for c in encoder.inputs if c.kind == "category"}
        ignored = [column.name for column in encoder.columns if column.kind == "ignored" and column.reason != DECLARED]
        names = tuple(dict.fromkeys((*self.rows.columns, *(() if known else ignored))))
        first = 0
        for block in range(shards.blocks):
            unused, start = [], 0
            for piece in shards.pieces(block, 0, names):
                if not known:
                    _refuse_ignored(ignored, piece)
                unused.append(~see(piece, first + start + np.arange(piece.rows)))
                start += piece.rows
            shards.block_rows[block] = start
            first += start
            for sample in self.samples:
                sample.join(shards)
            if any(mask.any() for mask in unused):
                self.left_out[block] = np.packbits(np.concatenate(unused))
        self.classes = _alike(self.classes)
        return self

    def _see(self, piece: Piece, numbers: np.ndarray) -> np.ndarray:
        """Take some rows in, and return which of them are used."""
        encoder = self.rows.encoder
        drawn = draws(numbers, self.seed)
        x = self._without_categories.inputs(piece)
        gaps = np.isnan(x).any(axis=1) | self._count_categories(piece)
        values, used = self._targets(piece)
        if gaps.any() and encoder.missing in LEFT_OUT:
            if encoder.missing == "refuse":
                _refuse_gap(encoder, piece, gaps)
            self.incomplete += int((gaps & used).sum())
            used = used & ~gaps
        chosen, weights = self.training.holds(drawn) & used, self.rows.weights_of(piece)
        self.count += int(chosen.sum())
        self.weight += float(chosen.sum() if weights is None else weights[chosen].sum(dtype=np.float64))
        self.inputs = _merged(self.inputs, x[chosen])
        if values is not None:
            if encoder.task not in (*UNTARGETED, "regression", "multilabel"):
                self._count_classes(values, used, chosen, weights)
            elif not isinstance(values, Texts):
                self.numbers = _merged(self.numbers, values.reshape(len(values), -1)[chosen].astype(np.float64))
        for sample in self.samples:
            sample.keep(piece, numbers, drawn, used)
        return used

    def _see_held_out(self, piece: Piece, numbers: np.ndarray) -> np.ndarray:
        encoder = self.rows.encoder
        x, (_, used) = self.rows.inputs(piece, unknown=True), self._targets(piece)
        strange = np.zeros(piece.rows, bool)
        for column, span in encoder.spans():
            if column.kind == "category":
                strange |= ~x[:, span].any(axis=1)
        self.unknown += int(strange.sum())
        if encoder.missing in LEFT_OUT:
            used = used & ~np.isnan(x).any(axis=1)
        for sample in self.samples:
            sample.keep(piece, numbers, draws(numbers, self.seed), used)
        return used

    @cached_property
    def _without_categories(self) -> TableRows:
        columns = (replace(c, categories=()) if c.kind == "category" else c for c in self.rows.encoder.columns)
        return replace(self.rows, encoder=replace(self.rows.encoder, columns=tuple(columns)))

    def _targets(self, piece: Piece) -> tuple[Any, np.ndarray]:
        """The targets, and the mask of the rows that have one."""
        encoder = self.rows.encoder
        if not encoder.targets:
            return None, np.ones(piece.rows, bool)
        values, absent = self.rows.raw_targets(piece)
        blank = absent.any(axis=1) if encoder.missing in LEFT_OUT else absent.all(axis=1)
        if blank.any() and encoder.missing == "refuse":
            table = piece.table(encoder.targets)
            advice = f". A target is never filled in: correct it, or say {option('missing', 'drop')}."
            table.refuse(" and ".join(encoder.targets), int(blank.argmax()), "no value", advice)
        self.without_target += int(blank.sum())
        self.blanks += int(absent[~blank].sum())
        if encoder.task == "regression" and not isinstance(values, Texts):
            with np.errstate(over="ignore"):
                beyond = np.isinf(values.reshape(len(values), -1).astype(np.float32))
            if beyond.any():
                row, column = map(int, np.argwhere(beyond)[0])
                value = f"{values.reshape(len(values), -1)[row, column]:g}"
                table = piece.table(encoder.targets)
                table.refuse(
                    encoder.targets[column], row, value, ", beyond float32. Correct it, or rescale the column."
                )
        return values, np.logical_not(blank)

    def _count_categories(self, piece: Piece) -> np.ndarray:
        """Count the texts of categories, and return the mask of the rows that lack one."""
        gaps = np.zeros(piece.rows, bool)
        columns = [column for column in self.rows.encoder.inputs if column.kind == "category"]
        table = self.rows.table(piece, [column.name for column in columns]) if columns else None
        for column in columns:
            assert table is not None
            values = column.parse(table)
            assert isinstance(values, Texts)
            gaps |= values.missing
            counter = self.categories[column.name]
            counter.update(dict(zip(values.values, values.counts().tolist(), strict=True)))
            if len(counter) > MOST_COMMON_CATEGORIES and column.reason != DECLARED:
                raise DataError(
                    f"column {column.name!r} of {table.source} has more than {MOST_COMMON_CATEGORIES:,} distinct "
                    f"texts, such as {values.values[0]!r}. Declare it: {kind_option(column.name, 'category')} makes an "
                    f"input of each, {kind_option(column.name, 'ignored')} leaves it out."
                )
        return gaps

    def _count_classes(self, values: Any, used: np.ndarray, chosen: np.ndarray, weights: np.ndarray | None) -> None:
        """Count the labels of the rows to train on; one that only held-out rows have is counted 0 times."""
        codes = np.full(len(values), -1, np.int64)
        if isinstance(values, Texts):
            labels: Any = values.values
            codes[used] = values.codes[used]
        else:
            labels, codes[used] = np.unique(values[used], return_inverse=True)
            labels = labels.tolist()
        size, inside = len(labels), chosen & (codes >= 0)
        there = np.bincount(codes[codes >= 0], minlength=size)
        counts = np.bincount(codes[inside], minlength=size)
        sums = counts if weights is None else np.bincount(codes[inside], weights[inside], minlength=size)
        for label, present, count, weight in zip(labels, *map(np.ndarray.tolist, (there, counts, sums)), strict=True):
            if present:
                rows, of_rows = self.classes.get(label, (0, 0.0))
                self.classes[label] = (rows + count, of_rows + weight)
        if len(self.classes) > MOST_CLASSES:
            raise DataError(
                f"the target has more than {MOST_CLASSES:,} distinct values, such as {next(iter(self.classes))!r}. Say "
                f"{option('task', 'regression')} if it is a quantity."
            )


def _merged(moments: Moments | None, x: np.ndarray) -> Moments:
    return Moments.of(x) if moments is None else moments.merge(Moments.of(x))


def _alike(classes: dict[Any, tuple[int, float]]) -> dict[Any, tuple[int, float]]:
    """Counts by label; where both numbers and texts are among them, by the texts of all."""
    if len({isinstance(label, str) for label in classes}) < 2:
        return classes
    alike: dict[Any, tuple[int, float]] = {}
    for label, (rows, weight) in classes.items():
        before = alike.get(text_of(label), (0, 0.0))
        alike[text_of(label)] = (before[0] + rows, before[1] + weight)
    return alike


def _refuse_ignored(names: Sequence[str], piece: Piece) -> None:
    """Refuse values of a column that was thought to have none."""
    for name in names:
        table = piece.table([name])
        present = ~missing_of(table.columns[name])
        if present.any():
            row = int(present.argmax())
            advice = f", and no value in the rows that decide its kind. Declare it: {kind_option(name, 'number')}."
            table.refuse(name, row, repr(table.texts(name).to_list()[row]), advice)


def _refuse_gap(encoder: TableEncoder, piece: Piece, gaps: np.ndarray) -> None:
    row = int(gaps.argmax())
    table = piece.table([column.name for column in encoder.inputs])
    for column in encoder.inputs:
        if missing_of(column.parse(table))[row]:
            advice = f". Fill it in, or train with {option('missing', *MISSING[1:])}."
            table.refuse(column.name, row, "no value", advice)
