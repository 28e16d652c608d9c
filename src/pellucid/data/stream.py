"""Rows that are read while they are trained on: the contract of a source, and how its rows are divided.

A `Source` says how many rows each of its blocks has and reads a block from any row on. Everything else (which rows are
held out, in what order a training sees them, what is read ahead, how it is resumed) is the same for every source, and
follows from the numbers of the rows and a seed alone: no row is read to know it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.data.arrays import Part
from pellucid.data.moments import Moments


class Span(NamedTuple):
    """The rows whose number, drawn from 0 to 1 for each row, is in [low, high)."""

    low: float
    high: float

    @property
    def whole(self) -> bool:
        """True where all rows are in it."""
        return self.low <= 0 and self.high >= 1

    def holds(self, draws: np.ndarray) -> np.ndarray:
        """Mask of the drawn numbers that are in it."""
        return (draws >= self.low) & (draws < self.high)


EVERY = Span(0.0, 1.0)


class Source(ABC):
    """Rows in blocks: row groups of Parquet files, parts of text files, files of a folder of images.

    A subclass has these attributes, and `read`; what it needs of all rows (categories, means) it knows before.

    Attributes:
        name: a short name.
        location: where the rows are, for messages.
        block_rows: the rows of each block, int64 ``(blocks,)``; the rows are numbered through all blocks.
        block_bytes: memory that an open block takes, about; it limits how many are open at once.
        fingerprint: SHA-256 of what tells these rows from others, without reading them: names, sizes, footers.
    """

    name: str
    location: str
    block_rows: np.ndarray
    block_bytes: int
    fingerprint: str

    @abstractmethod
    def read(self, block: int, start: int = 0) -> Iterator[Part]:
        """Yield the rows of a block, from its row ``start`` on and in their order, some at a time.

        Args:
            block: number of the block.
            start: first row, counted in the block.
        """

    def used(self, block: int) -> np.ndarray | None:
        """Mask of the rows of a block to use, bool; None for all. The others may hold anything."""
        return None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.block_rows.sum())

    @cached_property
    def block_starts(self) -> np.ndarray:
        """The number of the first row of each block."""
        return np.concatenate([[0], np.cumsum(self.block_rows)])


class Totals(NamedTuple):
    """Sums over the rows to train on: for each class, in the order of the classes, or for all in one."""

    rows: np.ndarray
    """How many there are."""
    weights: np.ndarray
    """The sum of their weights; where they have none, as ``rows``."""

    def mean_weight(self, by_class: np.ndarray) -> float:
        """The mean weight of a row, times a weight for each class; of all classes where one is given."""
        return float((by_class * self.weights).sum() / self.rows.sum())


class Kept(NamedTuple):
    """What was found out about all rows, as a run folder keeps it so that nothing is read to find it out again."""

    plain: dict[str, Any]
    """JSON-like."""
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Stream:
    """The rows of a source, divided by chance into those to train on and those held out.

    Args:
        source: the rows.
        held_out: fraction of them that is held out.
        seed: of the draw.
        apart: another source, all of whose rows are held out instead.
        sampled: the rows to train on that are in memory too, as a sample; a validation part is taken of them.
        totals: of the rows to train on; None where no row has a weight and there are no classes.
        inputs: moments of the inputs to train on; None where their scaling is fitted to the sample.
        numbers: moments of the targets of a regression, likewise.
        opened: how the dataset is opened again, as the ``data`` of an experiment.
        kept: what need not be found out again then.
    """

    source: Source
    held_out: float = 0.0
    seed: int = 0
    apart: Source | None = None
    sampled: Span = EVERY
    totals: Totals | None = None
    inputs: Moments | None = None
    numbers: Moments | None = None
    opened: Mapping[str, Any] = field(default_factory=dict)
    kept: Kept | None = None
    _counts: dict[Span, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @property
    def training(self) -> Span:
        """The rows to train on, those for validation among them."""
        return Span(self.held_out, 1.0)

    @property
    def fingerprint(self) -> str:
        """What tells these rows and their division from others."""
        apart = "" if self.apart is None else self.apart.fingerprint
        return f"{self.source.fingerprint} {apart} {self.held_out!r} {self.seed}"

    def mask(self, span: Span, block: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Mask of the rows of a block, from ``start`` to ``stop``, that are in a span and used."""
        stop = int(self.source.block_rows[block]) if stop is None else stop
        used = self.source.used(block)
        mask = np.ones(stop - start, bool) if used is None else used[start:stop].copy()
        if not span.whole:
            first = self.source.block_starts[block]
            mask &= span.holds(draws(np.arange(first + start, first + stop), self.seed))
        return mask

    def counts(self, span: Span) -> np.ndarray:
        """The rows of a span in each block, int64 ``(blocks,)``."""
        if span not in self._counts:
            blocks = range(len(self.source.block_rows))
            self._counts[span] = np.array([np.count_nonzero(self.mask(span, block)) for block in blocks], np.int64)
        return self._counts[span]

    def rows(self, span: Span) -> int:
        """Number of rows of a span."""
        return int(self.counts(span).sum())

    @cached_property
    def _apart(self) -> "Stream":
        assert self.apart is not None
        return Stream(self.apart)

    @property
    def held_out_rows(self) -> int:
        """Number of rows held out."""
        if self.apart is not None:
            return self._apart.rows(EVERY)
        return self.rows(Span(0.0, self.held_out)) if self.held_out else 0

    def read(self, span: Span) -> Iterator[Part]:
        """Yield the rows of a span in their order, some at a time."""
        for block in range(len(self.source.block_rows)):
            start = 0
            for part in self.source.read(block):
                mask = self.mask(span, block, start, start + len(part))
                start += len(part)
                if mask.all():
                    yield part
                elif mask.any():
                    yield part.take(np.flatnonzero(mask))

    def read_held_out(self) -> Iterator[Part]:
        """Yield the held-out rows, some at a time."""
        if self.apart is not None:
            yield from self._apart.read(EVERY)
        elif self.held_out:
            yield from self.read(Span(0.0, self.held_out))


def draws(rows: np.ndarray, seed: int) -> np.ndarray:
    """A number from 0 to 1 for each number of a row, the same each time.

    Formula:
        SplitMix64 of row + seed · 2³²: multiply and shift, so that every bit depends on every bit.

    Example:
        >>> draws(np.arange(3), seed=0).round(3).tolist()
        [0.883, 0.567, 0.591]

    Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014.
    """
    x = rows.astype(np.uint64) + np.uint64(seed << 32) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def refuse_stream(data: Any, what: str) -> None:
    """Refuse rows that are read while they are trained on.

    Raises:
        InvalidValue: saying how to go on.
    """
    if getattr(data, "stream", None) is not None:
        raise InvalidValue(
            f"{what} takes rows in memory, and those of {data.name!r} are read while they are trained on. Take a "
            f"sample of them: data.sample() has {len(data.train):,}."
        )
