"""Tables larger than memory: datasets whose rows are read while they are trained on.

The kinds of the columns are decided by rows from all over the data; categories, classes, means and standard deviations
are of all rows; medians, and what is looked at in memory, of a sample drawn by chance.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from typing import Any

import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import DataError, StorageError
from pellucid.core.interface import on_command_line
from pellucid.data.arrays import Dataset, Part, fit_preprocessing
from pellucid.data.moments import Moments
from pellucid.data.rows import column_notes, target_notes
from pellucid.data.shards import Shards, files_of, is_address
from pellucid.data.splits import FRACTION
from pellucid.data.stream import Kept, Span, Stream, Totals
from pellucid.data.table import Table, normal
from pellucid.data.table_pass import LEFT_OUT, Pass, Sample, probe
from pellucid.data.table_source import TableRows, TableSource, open_shards
from pellucid.data.tables import Missing, TableEncoder, as_typed, check_digits, fill_of, target_values
from pellucid.data.targets import Target, Task, infer_target

SAMPLE_ROWS = 2**16
"""Most rows of the sample that is kept in memory …"""
SAMPLE_BYTES = 2**26
"""… and their bytes."""


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
            f"{names}: not for rows that are read while they are trained on. Leave it out, or give a file that fits "
            "into memory."
        )
    if not isinstance(source, (str, PathLike)):
        raise DataError("stream is for a folder, an address or a file; this table is in memory already: leave it out.")
    source = source if is_address(source) else os.path.abspath(source)
    fraction = 0.0
    apart: str | None = None
    if isinstance(held_out, PathLike) or (isinstance(held_out, str) and held_out != "last"):
        apart = fspath(held_out) if is_address(held_out) else os.path.abspath(held_out)
    elif held_out:
        require(held_out, FRACTION, "held_out", "Rows that are read while they are trained on are held out by chance.")
        fraction = float(held_out)
    weights = None if weights is None else normal(weights)
    opened = {
        "file": fspath(source),
        "stream": True,
        "target": targets[0] if len(targets) == 1 else list(targets) or None,
        "task": task,
        "columns": dict(kinds) or None,
        "weights": weights,
        "missing": missing,
        "held_out": fraction if apart is None else apart,
        "seed": seed,
        "header": None if reading.get("header", True) else False,
        "encoding": reading.get("encoding"),
        **{name: list(reading[name]) for name in ("names", "na") if reading.get(name)},
    }
    opened = {name: value for name, value in opened.items() if value is not None}
    shards = open_shards(files_of(source), None if kept is None else kept.plain["shards"], **reading)
    aside = None
    if apart is not None:
        aside = open_shards(files_of(apart), None if kept is None else kept.plain["apart"], **reading)
    if kept is None:
        kept = _find_out(
            shards, aside, targets, fraction, seed, task=task, kinds=kinds, weights=weights, missing=missing
        )
    elif kept.plain["fingerprint"] != _fingerprint(shards, aside):
        raise StorageError(
            f"the data are not those of the run: the files of {source!r} have changed since. Give the same files, or "
            "begin a new run."
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
    most = min(SAMPLE_ROWS, SAMPLE_BYTES // (4 * len(encoder.features)))
    train = Sample(Span(1 - min(most / shards.about, 1 - fraction), 1.0))
    held_out = Sample(Span(0.0, min(most / shards.about, fraction)))
    rows = TableRows(encoder, others[0] if others else None)
    found = Pass(rows, Span(fraction, 1.0), seed, (train, held_out)).over(shards)
    if not found.count:
        raise DataError(f"no row of {shards.files.location!r} is left to train on.")
    target = _of_all(guessed, found, task)
    encoder, inputs, filled = _of_all_columns(replace(encoder, task=target.task, classes=target.classes), found, shards)
    rows = replace(rows, encoder=encoder)
    notes = [*target_notes(target, targets), *column_notes(encoder), *_left_out_notes(found, shards), *filled]
    arrays = {f"left_out/{block}": packed for block, packed in found.left_out.items()}
    if apart is not None:
        held_out = Sample(Span(0.0, most / apart.about))
        beside = Pass(rows, Span(0.0, 0.0), seed, (held_out,)).over(apart, known=True)
        arrays |= {f"left_out_apart/{block}": packed for block, packed in beside.left_out.items()}
        if beside.unknown:
            notes.append(f"{beside.unknown:,} held-out rows have a category that the training rows do not")
    arrays |= _kept(train, rows, shards, "train")
    arrays |= _kept(held_out, rows, shards if apart is None else apart, "held_out")
    totals = found.classes.values() if found.classes else [(found.count, found.weight)]
    numbers = found.numbers if target.task == "regression" else None
    plain = {
        "fingerprint": _fingerprint(shards, apart),
        "shards": shards.to_dict(),
        "apart": None if apart is None else apart.to_dict(),
        "encoder": encoder.to_dict(),
        "sampled": list(train.span),
        "inputs": inputs.to_dict(),
        "numbers": None if numbers is None else numbers.to_dict(),
        "totals": [list(sums) for sums in zip(*totals, strict=True)],
        "notes": notes,
    }
    return Kept(plain, arrays)


def _guess(table: Table, targets: tuple[str, ...], task: Task | None) -> Target:
    """The task, by some rows."""
    if not targets:
        require(task or "reconstruction", OneOf(("reconstruction",)), "task", "Any other task needs targets.")
        return Target("reconstruction")
    values, absent = target_values(table, targets, task)
    present = ~absent.all(axis=1)
    if not present.any():
        raise DataError(f"none of the first rows of the blocks of {table.source} has a target.")
    values = as_typed(values[present], table, targets)
    labels = len(targets) > 1 and values.dtype.kind in "biuf" and (np.isin(values, (0, 1)) | np.isnan(values)).all()
    return infer_target(values, task=task, classes=targets if labels else None)


def _of_all(guessed: Target, found: Pass, task: Task | None) -> Target:
    """The target with the classes of all rows, in whose order the pass lists them from here on."""
    if not found.classes:
        return guessed
    found.classes = dict(sorted(found.classes.items()))
    labels = np.array(list(found.classes))
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    if task is None and guessed.task == "binary" and len(labels) > 2:
        guessed = replace(guessed, task="multiclass")
    return replace(infer_target(labels, task=guessed.task), reason=guessed.reason)


def _of_all_columns(
    encoder: TableEncoder, found: Pass, shards: Shards
) -> tuple[TableEncoder, Moments, tuple[str, ...]]:
    """The encoder with all categories and the values to fill in, the moments of the inputs then, and notes."""
    known = {name: tuple(sorted(counts)) for name, counts in found.categories.items()}
    columns = (replace(c, categories=known[c.name]) if c.name in known else c for c in encoder.columns)
    encoder = replace(encoder, columns=tuple(columns))
    pieces = shards.joined(found.samples[0].pieces)
    x = np.concatenate([TableRows(encoder).inputs(piece) for piece in pieces])
    assert found.inputs is not None
    fills, parts, notes, start = {}, [], [], 0
    for column, span in encoder.spans():
        some = x[:, span]
        present = some[~np.isnan(some[:, 0])]
        if column.kind == "category":  # which no scaling changes
            parts.append(Moments.of(some))
            fills[column.name] = found.categories[column.name].most_common(1)[0][0]
            continue
        stop = start + span.stop - span.start
        moments, start = found.inputs.take(slice(start, stop)), stop
        gaps = found.count - moments.count
        if encoder.missing not in LEFT_OUT:
            by_mean = encoder.missing == "mean" or not len(present)
            mean = moments.mean[None].astype(np.float32)
            fill = fill_of(column, mean if by_mean and moments.count.all() else present, encoder.missing)
            fills[column.name] = fill
            moments = moments.merge(Moments.constant(np.atleast_1d(np.array(fill, float)), gaps))
            if gaps.any():
                notes.append(f"{column.name}: {int(gaps.max()):,} missing in the training rows, filled in")
        parts.append(moments)
    if encoder.missing not in LEFT_OUT:
        columns = (replace(c, fill=fills[c.name]) if c.name in fills else c for c in encoder.columns)
        encoder = replace(encoder, columns=tuple(columns))
    if notes and encoder.missing in ("median", "most_frequent"):
        notes.append(
            f"the {encoder.missing.replace('_', ' ')} value of a number is that of {len(x):,} rows drawn by chance"
        )
    return encoder, Moments.beside(parts), tuple(notes)


def _left_out_notes(found: Pass, shards: Shards) -> list[str]:
    others = shards.files.left_out
    notes = [f"files left out: {', '.join(others[:5])}{' …' * (len(others) > 5)}"] if others else []
    if found.blanks:
        notes.append(f"{found.blanks:,} targets are blank: left out of loss and metrics")
    if found.without_target:
        notes.append(f"{found.without_target:,} rows without a target left out")
    if found.incomplete:
        notes.append(f"{found.incomplete:,} rows with missing values left out")
    return notes


def _kept(sample: Sample, rows: TableRows, shards: Shards, name: str) -> dict[str, np.ndarray]:
    """The arrays of a sample."""
    parts = [rows.part(piece, unknown=True) for piece in shards.joined(sample.pieces)]
    if not parts:
        return {}
    arrays = {"x": [part.x for part in parts], "rows": sample.numbers}
    arrays |= {"y": [part.y for part in parts]} if rows.encoder.targets else {}
    arrays |= {"weights": [part.weights for part in parts]} if rows.weights is not None else {}
    return {f"{name}/{key}": np.concatenate(values) for key, values in arrays.items()}


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
        Totals(*map(np.array, plain["totals"])),
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
