"""Tables larger than memory: what is to be known of all rows, gathered in one pass, and their rows as a source.

The kinds of the columns are decided by rows from all over the data; categories, classes, means and standard deviations
are of all rows; medians, and what is looked at in memory, of a sample drawn by chance.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import Any, NamedTuple

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError
from pellucid.core.interface import kind_option, on_command_line, option
from pellucid.data.arrays import Dataset, Part, fit_preprocessing
from pellucid.data.columns import DECLARED, MOST_COMMON_CATEGORIES, Column
from pellucid.data.moments import Moments
from pellucid.data.rows import column_notes, target_notes, weights_of
from pellucid.data.shards import Piece, Shards, files_of, is_address, open_shards
from pellucid.data.splits import FRACTION
from pellucid.data.stream import Kept, Source, Span, Stream, Totals, draws
from pellucid.data.table import Table, Texts, missing_of, text_of
from pellucid.data.tables import Missing, TableEncoder, as_typed, check_digits, fill_of, target_values
from pellucid.data.targets import UNTARGETED, Target, Task, infer_target, is_whole

PROBED_BLOCKS, PROBED_ROWS = 16, 2**12
"""Blocks, evenly over the data, whose first rows decide the kinds of the columns; and how many of each."""
SAMPLE_ROWS = 2**16
"""Most rows of the sample that is kept in memory …"""
SAMPLE_BYTES = 2**26
"""… and their bytes."""
MOST_CLASSES = 10_000
"""Most classes of a target."""


@dataclass
class TableRows:
    """Conversion of pieces of a table to the arrays that are trained on.

    Args:
        encoder: of the inputs, with task and classes of the targets.
        weights: the column of row weights.
    """

    encoder: TableEncoder
    weights: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        others = () if self.weights is None else (self.weights,)
        return tuple(dict.fromkeys((*(c.name for c in self.encoder.inputs), *self.encoder.targets, *others)))

    def inputs(self, piece: Piece, unknown: bool = False) -> np.ndarray:
        """The inputs, NaN where a value is missing."""
        x = np.empty((piece.rows, len(self.encoder.features)), np.float32)
        slow = []
        for column, span in self.encoder.spans():
            values = piece.numbers(column.name) if column.kind == "number" else None
            if values is None:
                slow.append((column, span))
                continue
            with np.errstate(over="ignore"):
                x[:, span.start] = values
            if np.isinf(x[:, span.start]).any():
                column.parse(piece.table([column.name]))  # says where
        if slow:
            table = self.table(piece, [column.name for column, _ in slow])
            for column, span in slow:
                column.encode(table, x[:, span], unknown)
        return x

    def table(self, piece: Piece, names: Sequence[str]) -> Table:
        """Some columns of a piece, with what counts as missing."""
        table = piece.table(names)
        return table if self.encoder.na is None else replace(table, na=frozenset(self.encoder.na))

    def raw_targets(self, piece: Piece) -> tuple[np.ndarray | Texts, np.ndarray]:
        """The targets as they came, and the mask of those that are missing, one column for each."""
        names, task = self.encoder.targets, self.encoder.task
        columns = [piece.numbers(name) for name in names]
        by_number = task in ("regression", "multilabel") or all(map(is_whole, self.encoder.classes))
        if by_number and all(column is not None for column in columns):
            numbers = np.stack(columns, axis=1)  # pyright: ignore[reportArgumentType, reportCallIssue]
            missing = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.shape, bool)
            return (numbers[:, 0] if len(names) == 1 else numbers), missing
        table = self.table(piece, names)
        if len(names) == 1 and task != "regression":
            texts = Column(names[0], "category").parse(table)
            assert isinstance(texts, Texts)
            return texts, texts.missing[:, None]
        return target_values(table, names, task)

    def targets(self, values: np.ndarray | Texts) -> np.ndarray:
        """Targets as `Part` stores them; of rows without one, anything."""
        task, classes = self.encoder.task, self.encoder.classes
        target = Target(task, classes, classes if len(self.encoder.targets) == 1 else ())
        if isinstance(values, Texts):
            if not values.values:
                return np.zeros((len(values), 1), np.float32) if task == "binary" else np.zeros(len(values), np.int32)
            return target.encode(np.array(values.values, str))[values.codes]
        labels = np.array([int(name) for name in classes] if target.labels else [0])
        if values.dtype.kind == "f":
            blank = np.isnan(values) if values.ndim == 1 else np.isnan(values).all(axis=1)
            blank = blank.reshape(-1, *(1,) * (values.ndim - 1))
            values = np.where(blank, labels[0], values) if blank.any() else values
        if task == "regression":
            return np.ascontiguousarray(values.reshape(len(values), -1), np.float32)
        if not target.labels:
            return target.encode(values)
        numbers = np.searchsorted(labels, values).clip(0, len(labels) - 1).astype(np.int32)
        unknown = labels[numbers] != values
        if unknown.any():
            replace(target, labels=tuple(labels.tolist())).encode(values[unknown])  # says which is no class
        return numbers.astype(np.float32)[:, None] if task == "binary" else numbers

    def weights_of(self, piece: Piece) -> np.ndarray | None:
        """The weights of rows."""
        if self.weights is None:
            return None
        return weights_of(self.table(piece, [self.weights]), self.weights).astype(np.float32)

    def part(self, piece: Piece, unknown: bool = False) -> Part:
        """The rows as they are trained on, missing inputs filled in where they are."""
        x = self.inputs(piece, unknown)
        if np.isnan(x).any() and self.encoder.missing not in ("refuse", "drop"):
            x, _ = self.encoder.fill(x, np.isnan(x))
        if not self.encoder.targets:
            return Part(x, x, self.weights_of(piece))
        return Part(x, self.targets(self.raw_targets(piece)[0]), self.weights_of(piece))

    def checked(self, piece: Piece, unknown: bool = False) -> tuple[Part, int, int]:
        """New rows, none of which is left out, and how many had a missing value or an unknown category.

        Raises:
            DataError: a missing value that is not filled in, or a missing target; names the row.
        """
        x = self.inputs(piece, unknown)
        gaps = np.isnan(x)
        if gaps.any():
            x, _ = self.encoder.fill(x, gaps, piece.table([column.name for column in self.encoder.inputs]))
        strange = np.zeros(piece.rows, bool)
        for column, span in self.encoder.spans() if unknown else ():
            if column.kind == "category":
                strange |= ~x[:, span].any(axis=1)
        y = x
        if self.encoder.targets:
            values, absent = self.raw_targets(piece)
            missing = absent.all(axis=1)
            if missing.any():
                table = piece.table(self.encoder.targets)
                table.refuse(
                    self.encoder.targets[0], int(missing.argmax()), "no value", ", where the target is needed."
                )
            y = self.targets(values)
        return Part(x, y, self.weights_of(piece)), int(gaps.any(axis=1).sum()), int(strange.sum())


class TableSource(Source):
    """The rows of a table in blocks.

    Args:
        shards: its files.
        rows: their conversion.
        left_out: the rows of a block that are not used, packed bits by number of the block.
        unknown: take categories that the training did not see as none of those that it saw.
    """

    def __init__(
        self, shards: Shards, rows: TableRows, left_out: Mapping[int, np.ndarray] | None = None, unknown: bool = False
    ) -> None:
        self.shards, self.conversion, self.left_out, self.unknown = shards, rows, left_out or {}, unknown
        self.location = shards.files.location
        self.name = name_of(self.location)
        self.block_rows, self.block_bytes = shards.block_rows, shards.block_bytes
        self.fingerprint = shards.fingerprint

    def read(self, block: int, start: int = 0) -> Iterator[Part]:
        for piece in self.shards.pieces(block, start, self.conversion.columns):
            yield self.conversion.part(piece, self.unknown)

    def used(self, block: int) -> np.ndarray | None:
        packed = self.left_out.get(block)
        return None if packed is None else np.unpackbits(packed, count=int(self.block_rows[block])) == 0


def is_streamed(source: Any) -> bool:
    """True for what is read while it is trained on without being told: a folder, or an address.

    Example:
        >>> is_streamed("s3://bucket/folder"), is_streamed("table.csv")
        (True, False)
    """
    return is_address(source) or (isinstance(source, (str, PathLike)) and os.path.isdir(source))


def name_of(location: str) -> str:
    """A short name for a file or folder."""
    last = location.rstrip("/").rsplit("/", 1)[-1]
    return last.split(".")[0] or last


# ---- The pass ----


class Pass(NamedTuple):
    """What one pass over all rows found."""

    categories: dict[str, Counter[str]]
    classes: dict[Any, tuple[int, float]]
    """Of each distinct target the rows to train on, and the sum of their weights."""
    inputs: Moments
    """Of the inputs to train on that are known."""
    numbers: Moments | None
    """Of the targets of a regression."""
    totals: tuple[int, float]
    """Rows to train on, and the sum of their weights."""
    left_out: dict[int, np.ndarray]
    without_target: int
    incomplete: int
    """Rows left out since an input is missing."""
    samples: dict[str, tuple[list[Piece], list[np.ndarray]]]
    """Rows kept in memory, to train on and held out, with their numbers."""


def probe(shards: Shards) -> Table:
    """The first rows of blocks from all over the data, as one table."""
    blocks = np.unique(np.linspace(0, len(shards.block_rows) - 1, PROBED_BLOCKS).round().astype(int))
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
    rows = sum(table.rows for table in tables)
    whole = frozenset.intersection(*(table.whole for table in tables))
    return replace(first, columns=columns, numbers=np.arange(rows), whole=whole)


def _joined(columns: list[Any]) -> Any:
    if any(isinstance(column, Texts) for column in columns):
        tables = [Table("", "", {"": column}, np.arange(len(column))) for column in columns]
        return Texts.of(text for table in tables for text in table.texts("").to_list())
    return np.concatenate(columns)


def gather(shards: Shards, rows: TableRows, stream: Stream, missing: Missing) -> Pass:
    """Read all rows once.

    Args:
        shards: the files.
        rows: the conversion, whose categories and classes are not all known yet.
        stream: the division of the rows; its source is of no use yet.
        missing: what is done with missing inputs.
    """
    encoder, classes = rows.encoder, rows.encoder.task not in (*UNTARGETED, "regression", "multilabel")
    by_text = [column for column in encoder.inputs if column.kind == "category"]
    plain = replace(
        rows,
        encoder=replace(
            encoder, columns=tuple(replace(c, categories=()) if c.kind == "category" else c for c in encoder.columns)
        ),
    )
    ignored = [c.name for c in encoder.columns if c.kind == "ignored" and c.reason != DECLARED]
    names = tuple(dict.fromkeys((*rows.columns, *ignored)))
    found = Pass(
        {column.name: Counter() for column in by_text},
        {},
        _nothing(len(plain.encoder.features)),
        _nothing(len(encoder.targets)),
        (0, 0.0),
        {},
        0,
        0,
        {"train": ([], []), "held_out": ([], [])},
    )
    total, weight, first = 0, 0.0, 0
    for block in range(len(shards.block_rows)):
        left_out, start = [], 0
        for piece in shards.pieces(block, 0, names):
            numbers = first + start + np.arange(piece.rows)
            start += piece.rows
            where = draws(numbers, stream.seed)
            train = stream.training.holds(where)
            x = plain.inputs(piece)
            gaps = np.isnan(x).any(axis=1)
            _count_texts(found.categories, by_text, piece, plain, gaps)
            _refuse_ignored(ignored, piece)
            used, values = np.ones(piece.rows, bool), None
            if encoder.targets:
                values, absent = rows.raw_targets(piece)
                blank = absent.any(axis=1) if missing in ("refuse", "drop") else absent.all(axis=1)
                if blank.any() and missing == "refuse":
                    raise DataError(
                        f"the target {' and '.join(map(repr, encoder.targets))} has no value at "
                        f"{piece.table(encoder.targets).row_name(int(blank.argmax()))} of {_source(piece, encoder)}. A "
                        f"target is never filled in: correct it, or say {option('missing', 'drop')}."
                    )
                used &= ~blank
                found = found._replace(without_target=found.without_target + int(blank.sum()))
            if gaps.any() and missing in ("refuse", "drop"):
                if missing == "refuse":
                    _refuse_gap(plain.encoder, piece, x, gaps)
                found = found._replace(incomplete=found.incomplete + int((gaps & used).sum()))
                used &= ~gaps
            weights = rows.weights_of(piece)
            left_out.append(~used)
            chosen = train & used
            total += int(chosen.sum())
            weight += float(chosen.sum() if weights is None else weights[chosen].sum(dtype=np.float64))
            found = found._replace(inputs=found.inputs.merge(Moments.of(x[chosen])))
            if values is not None:
                if classes:
                    _count_classes(found.classes, values, used, chosen, weights)
                elif not isinstance(values, Texts):
                    of_rows = values.reshape(len(values), -1)[chosen].astype(np.float64)
                    found = found._replace(numbers=found.numbers and found.numbers.merge(Moments.of(of_rows)))
            for name, span in (("train", stream.sampled), ("held_out", _held_out_sample(stream))):
                some = np.flatnonzero(span.holds(where) & used)
                if len(some):
                    found.samples[name][0].append(piece.take(some))
                    found.samples[name][1].append(numbers[some])
        shards.block_rows[block] = start
        first += start
        if any(mask.any() for mask in left_out):
            found.left_out[block] = np.packbits(np.concatenate(left_out))
    if not total:
        raise DataError(f"no row of {shards.files.location!r} is left to train on.")
    return found._replace(totals=(total, weight), classes=_alike(found.classes))


def _alike(classes: dict[Any, tuple[int, float]]) -> dict[Any, tuple[int, float]]:
    """Counts by label, where numbers and texts are both among them by the texts of all."""
    if len({isinstance(label, str) for label in classes}) < 2:
        return classes
    alike: dict[Any, tuple[int, float]] = {}
    for label, (rows, weight) in classes.items():
        text = text_of(label)
        before = alike.get(text, (0, 0.0))
        alike[text] = (before[0] + rows, before[1] + weight)
    return alike


def _nothing(columns: int) -> Moments:
    return Moments.of(np.empty((0, columns), np.float32))


def _source(piece: Piece, encoder: TableEncoder) -> str:
    return piece.table(encoder.targets).source


def _held_out_sample(stream: Stream) -> Span:
    """The held-out rows that are kept in memory: as many as of those to train on, at most."""
    return Span(0.0, min(stream.held_out, stream.sampled.high - stream.sampled.low))


def _count_texts(
    counts: dict[str, Counter[str]], columns: Sequence[Column], piece: Piece, rows: TableRows, gaps: np.ndarray
) -> None:
    """Count the texts of categories; rows without one are marked in ``gaps``."""
    if not columns:
        return
    table = rows.table(piece, [column.name for column in columns])
    for column in columns:
        values = column.parse(table)
        assert isinstance(values, Texts)
        gaps |= values.missing
        counter = counts[column.name]
        counter.update(dict(zip(values.values, values.counts().tolist(), strict=True)))
        if len(counter) > MOST_COMMON_CATEGORIES and column.reason != DECLARED:
            raise DataError(
                f"column {column.name!r} of {table.source} has more than {MOST_COMMON_CATEGORIES:,} distinct texts, such "
                f"as {values.values[0]!r}. Declare it: {kind_option(column.name, 'category')} makes an input of each, "
                f"{kind_option(column.name, 'ignored')} leaves it out."
            )


def _count_classes(
    counts: dict[Any, tuple[int, float]], values: Any, used: np.ndarray, chosen: np.ndarray, weights: np.ndarray | None
) -> None:
    if isinstance(values, Texts):
        labels, codes = np.array(values.values, str), values.codes
    else:
        labels, codes = np.unique(values[used], return_inverse=True)
        every = np.full(len(values), -1, np.int64)
        every[used] = codes
        codes = every
    inside = chosen & (codes >= 0)
    rows = np.bincount(codes[inside], minlength=len(labels))
    sums = rows if weights is None else np.bincount(codes[inside], weights[inside], minlength=len(labels))
    present = np.bincount(codes[used & (codes >= 0)], minlength=len(labels))
    for label, count, weight, there in zip(
        labels.tolist(), rows.tolist(), sums.tolist(), present.tolist(), strict=True
    ):
        if there:
            before = counts.get(label, (0, 0.0))
            counts[label] = (before[0] + count, before[1] + weight)
    if len(counts) > MOST_CLASSES:
        raise DataError(
            f"the target has more than {MOST_CLASSES:,} distinct values, such as {next(iter(counts))!r}. Say "
            f"{option('task', 'regression')} if it is a quantity."
        )


def _refuse_ignored(names: Sequence[str], piece: Piece) -> None:
    """Refuse values of a column that was thought to have none."""
    for name in names:
        table = piece.table([name])
        present = ~missing_of(table.columns[name])
        if present.any():
            row = int(present.argmax())
            value = table.texts(name).to_list()[row]
            table.refuse(
                name,
                row,
                repr(value),
                f", and none in the rows that decide its kind. Declare it, such as {kind_option(name, 'number')}.",
            )


def _refuse_gap(encoder: TableEncoder, piece: Piece, x: np.ndarray, gaps: np.ndarray) -> None:
    row = int(gaps.argmax())
    table = piece.table([column.name for column in encoder.inputs])
    for column in encoder.inputs:
        if missing_of(column.parse(table))[row]:
            raise DataError(
                f"column {column.name!r} of {table.source} has no value at {table.row_name(row)}. Fill it in, or train "
                f"with {option('missing', 'drop', 'mean', 'median', 'most_frequent')}."
            )


# ---- The dataset ----


def stream_table(
    source: str | PathLike[str],
    targets: Sequence[str],
    *,
    task: Task | None,
    kinds: Mapping[str, str],
    weights: str | None,
    missing: Missing,
    held_out: Any,
    seed: int,
    reading: Mapping[str, Any],
    refused: Sequence[str] = (),
    kept: Kept | None = None,
) -> Dataset:
    """Make the dataset of a table whose rows are read while they are trained on.

    Args:
        source: a folder, an address or a file.
        targets: the columns to predict; empty for a reconstruction.
        task: of the targets; inferred if None.
        kinds: kinds of columns that are declared.
        weights: the column of row weights.
        missing: what is done with missing values.
        held_out: a fraction, drawn by chance; None or 0; or another source.
        seed: of the draw.
        reading: options of how files of separated values are read.
        refused: options that are given and need all rows in memory.
        kept: what was found out about all rows before.

    Raises:
        DataError: rows that cannot be trained on; names the file and the row.
    """
    if refused:
        names = ", ".join(f"--{name}" if on_command_line() else name for name in refused)
        raise DataError(
            f"{names}: not for rows that are read while they are trained on. Leave it out, or give a file that fits into "
            "memory."
        )
    if not isinstance(source, (str, PathLike)):
        raise DataError("stream is for a folder, an address or a file; this table is in memory already: leave it out.")
    source = source if is_address(source) else os.path.abspath(source)
    fraction, apart = 0.0, None
    if isinstance(held_out, PathLike) or (isinstance(held_out, str) and held_out != "last"):
        apart = held_out if is_address(held_out) else os.path.abspath(held_out)
    elif held_out:
        require(held_out, FRACTION, "held_out", "Rows that are read while they are trained on are held out by chance.")
        fraction = float(held_out)
    opened: dict[str, Any] = {"file": fspath(source), "stream": True}
    options = {"task": task, "weights": weights, "columns": dict(kinds) or None, "missing": missing}
    options |= {name: reading.get(name) for name in ("header", "encoding")}
    options |= {name: list(reading[name]) for name in ("names", "na") if reading.get(name)}
    opened |= {name: value for name, value in options.items() if value is not None}
    opened["held_out"] = fraction if apart is None else apart
    if targets:
        opened["target"] = targets[0] if len(targets) == 1 else list(targets)
    opened["seed"] = seed
    shards = open_shards(files_of(source), None if kept is None else kept.plain["shards"], **reading)
    aside = apart and open_shards(files_of(apart), None if kept is None else kept.plain["apart"], **reading)
    if kept is None or kept.plain["fingerprint"] != _fingerprint(shards, aside):
        kept = _find_out(
            shards, aside, targets, fraction, seed, task=task, kinds=kinds, weights=weights, missing=missing
        )
    return _dataset_of(kept, shards, aside, fraction, seed, weights, opened)


def _fingerprint(shards: Shards, apart: Shards | None) -> str:
    return shards.fingerprint + ("" if apart is None else apart.fingerprint)


def _find_out(
    shards: Shards,
    apart: Shards | None,
    targets: Sequence[str],
    fraction: float,
    seed: int,
    *,
    task: Task | None,
    kinds: Mapping[str, str],
    weights: str | None,
    missing: Missing,
) -> Kept:
    """Read all rows once."""
    table = probe(shards)
    targets, others = tuple(map(table.find, targets)), () if weights is None else (table.find(weights),)
    encoder = TableEncoder.fitted(table, kinds, missing, (*targets, *others), " and ".join(map(repr, targets)))
    check_digits(encoder, table)
    guessed = _guess(table, targets, task)
    encoder = replace(encoder, targets=targets, task=guessed.task)
    rows = TableRows(encoder, others[0] if others else None)
    size = max(4, 4 * len(encoder.features))
    sampled = min(SAMPLE_ROWS, SAMPLE_BYTES // size) / max(shards.about, 1)
    stream = Stream(Nowhere(), fraction, seed, sampled=Span(1 - min(sampled, 1 - fraction), 1.0))
    found = gather(shards, rows, stream, missing)
    target = _of_all(guessed, found, task)
    columns = tuple(
        replace(c, categories=tuple(sorted(found.categories[c.name]))) if c.name in found.categories else c
        for c in encoder.columns
    )
    encoder = replace(encoder, columns=columns, task=target.task, classes=target.classes)
    train, held_out = (found.samples[name] for name in ("train", "held_out"))
    encoder, inputs = _with_fills(encoder, found, TableRows(encoder), shards.joined(train[0]))
    rows = TableRows(encoder, rows.weights)
    arrays = _sample(rows, shards, *train, "train") | _sample(rows, shards, *held_out, "held_out")
    notes = [*target_notes(target, targets), *column_notes(encoder)]
    if found.without_target:
        notes.append(f"{found.without_target:,} rows without a target left out")
    if found.incomplete:
        notes.append(f"{found.incomplete:,} rows with missing values left out")
    gaps = found.totals[0] - found.inputs.count
    if missing not in ("refuse", "drop") and gaps.any():
        notes.append(
            f"missing values of {np.count_nonzero(gaps):,} inputs filled in by the {missing.replace('_', ' ')} value of "
            f"{len(arrays['train/rows']):,} rows drawn by chance"
        )
    plain: dict[str, Any] = {
        "fingerprint": _fingerprint(shards, apart),
        "shards": shards.to_dict(),
        "apart": None,
        "encoder": encoder.to_dict(),
        "sampled": list(stream.sampled),
        "inputs": inputs.to_dict(),
        "numbers": found.numbers.to_dict() if target.task == "regression" and found.numbers is not None else None,
        "totals": _totals(found, target),
    }
    arrays |= {f"left_out/{block}": packed for block, packed in found.left_out.items()}
    if apart is not None:
        of_apart, strange = _gather_apart(apart, rows, missing)
        arrays |= of_apart
        plain["apart"] = apart.to_dict()
        if strange:
            notes.append(f"{strange:,} held-out rows have a category that the training rows do not")
    return Kept(plain | {"notes": notes}, arrays)


class Nowhere(Source):
    """No rows: for a division that is known before its rows are."""

    name = location = fingerprint = ""
    block_rows, block_bytes = np.zeros(0, np.int64), 0

    def read(self, block: int, start: int = 0) -> Iterator[Part]:
        raise NotImplementedError


def _guess(table: Table, targets: tuple[str, ...], task: Task | None) -> Target:
    """The task, by some rows."""
    if not targets:
        require(task or "reconstruction", OneOf(("reconstruction",)), "task", "Any other task needs targets.")
        return Target("reconstruction")
    values, absent = target_values(table, targets, task)
    present = ~absent.all(axis=1)
    if not present.any():
        raise DataError(f"none of the first rows of {table.source} has a target.")
    values = as_typed(values[present], table, targets)
    several = (
        len(targets) > 1 and values.dtype.kind in "biuf" and bool((np.isin(values, (0, 1)) | np.isnan(values)).all())
    )
    return infer_target(values, task=task, classes=targets if several else None)


def _of_all(guessed: Target, found: Pass, task: Task | None) -> Target:
    """The target with the classes of all rows."""
    if not found.classes:
        return guessed
    labels = np.array(sorted(found.classes))
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    if task is None and guessed.task == "binary" and len(labels) > 2:
        guessed = replace(guessed, task="multiclass")
    return replace(infer_target(labels, task=guessed.task), reason=guessed.reason)


def _totals(found: Pass, target: Target) -> dict[str, Any]:
    if not found.classes:
        rows, weight = found.totals
        return {"rows": [rows], "weights": [weight]}
    each = [found.classes[label] for label in sorted(found.classes)]
    return {"rows": [rows for rows, _ in each], "weights": [weight for _, weight in each]}


def _with_fills(
    encoder: TableEncoder, found: Pass, rows: TableRows, sample: list[Piece]
) -> tuple[TableEncoder, Moments]:
    """The encoder with the values to fill in, and the moments of all inputs once they are."""
    x = np.concatenate([rows.inputs(piece) for piece in sample])
    count = found.totals[0]
    # By the order of the features of numbers, dates and words, which the pass took.
    plain = iter(range(len(found.inputs.count)))
    columns, parts = {}, []
    for column, span in encoder.spans():
        some = x[:, span]
        known = some[~np.isnan(some[:, 0])]
        if column.kind == "category":
            counts = found.categories[column.name]
            columns[column.name] = replace(column, fill=counts.most_common(1)[0][0])
            of_column = Moments.of(some if not np.isnan(some).any() else known)
        else:
            at = [next(plain) for _ in range(span.stop - span.start)]
            of_column = found.inputs.take(at)
            if encoder.missing in ("refuse", "drop"):
                parts.append(of_column)
                continue
            mean = encoder.missing == "mean" or not len(known)
            columns[column.name] = replace(
                column,
                fill=fill_of(
                    column,
                    of_column.mean[None].astype(np.float32) if mean and of_column.count.any() else known,
                    encoder.missing,
                ),
            )
            fill = np.atleast_1d(np.array(columns[column.name].fill, float))
            gaps = count - of_column.count
            of_column = of_column.merge(
                Moments(gaps, fill, np.zeros_like(fill), *(np.where(gaps > 0, fill, sign * np.inf) for sign in (1, -1)))
            )
        parts.append(of_column)
    if encoder.missing not in ("refuse", "drop"):
        encoder = replace(encoder, columns=tuple(columns.get(column.name, column) for column in encoder.columns))
    return encoder, Moments.beside(parts)


def _sample(
    rows: TableRows, shards: Shards, pieces: list[Piece], numbers: list[np.ndarray], name: str
) -> dict[str, np.ndarray]:
    parts = [rows.part(piece) for piece in shards.joined(pieces)]
    if not parts:
        return {}
    arrays = {"x": np.concatenate([part.x for part in parts]), "rows": np.concatenate(numbers)}
    if rows.encoder.targets:
        arrays["y"] = np.concatenate([part.y for part in parts])
    if rows.weights is not None:
        arrays["weights"] = np.concatenate([part.weights for part in parts if part.weights is not None])
    return {f"{name}/{key}": array for key, array in arrays.items()}


def _gather_apart(shards: Shards, rows: TableRows, missing: Missing) -> tuple[dict[str, np.ndarray], int]:
    """The rows of a source of their own that are held out: which are used, a sample, and how many have an unknown category."""
    fraction = SAMPLE_ROWS / max(shards.about, 1)
    pieces, numbers, packed, first, strange = [], [], {}, 0, 0
    for block in range(len(shards.block_rows)):
        left_out, start = [], 0
        for piece in shards.pieces(block, 0, rows.columns):
            used = np.ones(piece.rows, bool)
            if rows.encoder.targets:
                used &= ~rows.raw_targets(piece)[1].all(axis=1)
            x = rows.inputs(piece, unknown=True)
            for column, span in rows.encoder.spans():
                if column.kind == "category":
                    strange += int((x[:, span].sum(axis=1) == 0).sum())
            if missing in ("refuse", "drop"):
                used &= ~np.isnan(x).any(axis=1)
            where = first + start + np.arange(piece.rows)
            some = np.flatnonzero(used & (draws(where, 0) < fraction))
            if len(some):
                pieces.append(piece.take(some))
                numbers.append(where[some])
            left_out.append(~used)
            start += piece.rows
        shards.block_rows[block] = start
        first += start
        if any(mask.any() for mask in left_out):
            packed[f"left_out_apart/{block}"] = np.packbits(np.concatenate(left_out))
    parts = [rows.part(piece, unknown=True) for piece in shards.joined(pieces)]
    if not parts:
        raise DataError(f"no row of {shards.files.location!r} has a target.")
    arrays = {"held_out/x": np.concatenate([part.x for part in parts]), "held_out/rows": np.concatenate(numbers)}
    if rows.encoder.targets:
        arrays["held_out/y"] = np.concatenate([part.y for part in parts])
    if rows.weights is not None:
        arrays["held_out/weights"] = np.concatenate([part.weights for part in parts if part.weights is not None])
    return arrays | packed, strange


def _dataset_of(
    kept: Kept,
    shards: Shards,
    apart: Shards | None,
    fraction: float,
    seed: int,
    weights: str | None,
    opened: Mapping[str, Any],
) -> Dataset:
    """The dataset by what is known of all rows."""
    plain, arrays = kept
    encoder = TableEncoder.from_dict(plain["encoder"])
    rows = TableRows(encoder, weights)
    inputs = Moments.from_dict(plain["inputs"])
    stream = Stream(
        TableSource(shards, rows, _packed(arrays, "left_out/")),
        fraction,
        seed,
        None if apart is None else TableSource(apart, rows, _packed(arrays, "left_out_apart/"), unknown=True),
        Span(*plain["sampled"]),
        Totals(*(np.array(plain["totals"][name]) for name in ("rows", "weights"))),
        inputs,
        None if plain["numbers"] is None else Moments.from_dict(plain["numbers"]),
        opened,
        kept,
    )
    train, held_out = (_part(arrays, name) for name in ("train", "held_out"))
    assert train is not None
    return Dataset(
        stream.source.name,
        train,
        held_out,
        encoder.task,
        encoder.classes,
        encoder.features,
        fit_preprocessing(inputs, "standardise", encoder),
        encoder=encoder,
        source=stream.source.location,
        targets=encoder.targets,
        scaling="auto",
        notes=tuple(plain["notes"]),
        stream=stream,
    )


def _packed(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[int, np.ndarray]:
    return {int(name.removeprefix(prefix)): array for name, array in arrays.items() if name.startswith(prefix)}


def _part(arrays: Mapping[str, np.ndarray], name: str) -> Part | None:
    if f"{name}/x" not in arrays:
        return None
    x, y, weights, rows = (arrays.get(f"{name}/{key}") for key in ("x", "y", "weights", "rows"))
    return Part(x, x if y is None else y, weights, rows)
