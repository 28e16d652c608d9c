"""Images and recordings that are read while they are trained on."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.constraints import require
from pellucid.core.errors import DataError
from pellucid.data.arrays import Dataset, Part
from pellucid.data.build import make_dataset
from pellucid.data.media import FileEncoder, Listing, classes_of
from pellucid.data.splits import FRACTION
from pellucid.data.stream import Source, Span, Stream, Totals, draws
from pellucid.data.targets import Target

BLOCK = 256
"""Files of a block."""
AT_ONCE = 32
"""Files that are decoded at once."""
SAMPLE_BYTES = 2**26
"""Most bytes of the examples that are kept in memory as a sample."""


class FileSource(Source):
    """Files of one kind, in an order that mixes their classes.

    Args:
        listing: the files and their classes.
        encoder: reads them.
        target: numbers their classes.
        name: a short name.
        location: their folder.
        seed: of the order.
    """

    def __init__(
        self, listing: Listing, encoder: FileEncoder, target: Target, name: str, location: str, seed: int
    ) -> None:
        order = np.random.default_rng(seed).permutation(len(listing.files))
        self.files = [listing.files[i] for i in order]
        self.labels = listing.labels[order]
        self.y = target.encode(self.labels)
        self.encoder, self.name, self.location = encoder, name, location
        starts = np.arange(0, len(self.files), BLOCK)
        self.block_rows = np.minimum(BLOCK, len(self.files) - starts)
        self.block_bytes = AT_ONCE * encoder.example_bytes
        digest = hashlib.sha256(repr((encoder.to_dict(), seed)).encode())
        for file, label in zip(self.files, self.labels, strict=True):
            digest.update(f"{file.name} {file.stat().st_size} {label}\n".encode())
        self.fingerprint = digest.hexdigest()

    def read(self, block: int, start: int = 0) -> Iterator[Part]:
        """Yield the examples of a block, some files at a time."""
        first = int(self.block_starts[block])
        for row in range(first + start, first + int(self.block_rows[block]), AT_ONCE):
            yield self.part(np.arange(row, min(row + AT_ONCE, first + int(self.block_rows[block]))))

    def part(self, rows: np.ndarray) -> Part:
        """Some rows by their numbers."""
        return Part(self.encoder.read([self.files[row] for row in rows]), self.y[rows], rows=rows)


def stream_files(
    train: Listing,
    rest: Listing | None,
    encoder: FileEncoder,
    folder: str,
    held_out: Any,
    seed: int,
    notes: tuple[str, ...],
    opened: Mapping[str, Any],
) -> Dataset:
    """Make the dataset of files that are read while they are trained on.

    Args:
        train: the files to learn from, or all.
        rest: the files that are held out; None where they are drawn.
        encoder: reads them.
        folder: their folder.
        held_out: a fraction of them, drawn by chance; None or 0.
        seed: of the draw.
        notes: on what was chosen.
        opened: how the dataset is opened again.
    """
    if train.groups is not None:
        raise DataError(
            "{group}: files that are read while they are trained on are held out one by one. Hold groups out by a "
            "folder of their own, or by a pattern of their names."
        )
    fraction = 0.0
    if rest is None and held_out:
        require(held_out, FRACTION, "held_out", "Files that are read while they are trained on are held out by chance.")
        fraction = float(held_out)
    classes = classes_of(train.labels)
    task = "binary" if len(classes) == 2 else "multiclass"
    target = Target(task, classes, classes)
    name = Path(folder).stem
    source = FileSource(train, encoder, target, name, folder, seed)
    apart = None if rest is None else FileSource(rest, encoder, target, name, folder, seed)
    numbers = draws(np.arange(source.rows), seed)
    most = max(1, SAMPLE_BYTES // encoder.example_bytes)
    sampled = Span(1 - min(most / source.rows, 1 - fraction), 1.0)
    parts = [source.part(np.flatnonzero(sampled.holds(numbers)))]
    if apart is not None:
        parts.append(apart.part(np.arange(min(most, apart.rows))))
    elif fraction:
        parts.append(source.part(np.flatnonzero(Span(0.0, min(most / source.rows, fraction)).holds(numbers))))
    trained_on = Span(fraction, 1.0).holds(numbers)
    counts = np.array([np.count_nonzero(source.labels[trained_on] == one) for one in classes])
    labels = np.array(classes)
    data = make_dataset(
        parts[0].x,
        labels[parts[0].labels],
        name=name,
        task=task,
        classes=classes,
        held_out=None if len(parts) == 1 or not len(parts[1]) else (parts[1].x, labels[parts[1].labels]),
        preprocessing=encoder.preprocessing,
        encoder=encoder,
        source=folder,
    )
    return replace(
        data,
        train=replace(data.train, rows=parts[0].rows),
        held_out=None if data.held_out is None else replace(data.held_out, rows=parts[1].rows),
        notes=(*data.notes, *notes),
        stream=Stream(
            source, fraction, seed, apart, sampled, Totals(counts, counts.astype(float)), opened=dict(opened)
        ),
    )
