"""Rows that are read while the program runs: windows of an epoch, mixed, read ahead in a thread.

An epoch takes the blocks of its source in a new order and keeps several open at once; pieces of each in turn fill a
window of as many rows as all windows have, so that nothing is compiled again. Within a window the rows are in a random
order. Order and windows follow from the seed, the number of the epoch and the rows of each block alone, so that a
training can be resumed at any step without reading what came before it.
"""

import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.types import PyTree
from pellucid.data import Part
from pellucid.data.arrays import aligned_empty
from pellucid.data.stream import Span, Stream
from pellucid.training.rows import Rows, Window, steps_per_epoch

WINDOW_BYTES = 2**26
"""Most bytes of the rows of a window; three are held: one that is trained on, one that waits, one that is filled."""
OPEN_BYTES = 2**28
"""Most bytes of the blocks that are open at once …"""
MOST_OPEN = 8
"""… and most blocks: rows that are neighbours on disk are spread over as many times the rows of a window."""
PIECE = 2**14
"""Rows that are taken of an open block before the next one has its turn."""


class Slice(NamedTuple):
    """Some neighbouring rows of a block."""

    block: int
    start: int
    stop: int


class Feed:
    """The rows of a stream that a training sees, window by window.

    Args:
        stream: the rows.
        span: those to train on.
        batch_size: rows of a step.
        seed: of the orders.
        to_rows: converts the rows of a window to arrays of the program.
        shuffle: False takes the rows in their own order.
        example: some rows, for the bytes that a row takes.
    """

    def __init__(
        self,
        stream: Stream,
        span: Span,
        batch_size: int,
        seed: int,
        to_rows: Callable[[Part], Rows],
        *,
        shuffle: bool = True,
        example: Part,
    ) -> None:
        self.stream, self.span, self.batch_size, self.seed = stream, span, batch_size, seed
        self.to_rows, self.shuffle = to_rows, shuffle
        self.rows = stream.rows(span)
        self.steps_per_epoch = steps_per_epoch(self.rows, batch_size)
        row_bytes = sum(array.nbytes for array in jax.tree.leaves(_arrays(example))) / len(example)
        most = max(1, int(WINDOW_BYTES / (row_bytes * batch_size)))
        windows = -(-self.steps_per_epoch // most)
        self.steps = -(-self.steps_per_epoch // windows)
        """Steps of a window, but for the last of an epoch."""
        self.open = min(MOST_OPEN, max(1, OPEN_BYTES // max(1, stream.source.block_bytes))) if shuffle else 1
        """Blocks that are open at once."""
        self._reader: _Reader | None = None
        self._now: tuple[int, int, Rows] | None = None

    def at(self, step: int) -> tuple[Rows, int]:
        """The window that a step takes its rows from, and the step after its last one.

        Where it is not the next one, as after resuming, reading begins anew at it.
        """
        first, end = self.steps_of_window(step)
        if self._now is None or self._now[0] != first:
            if self._reader is None or self._reader.next_step != first:
                self.close()
                self._reader = _Reader(self._windows(first), first)
            self._now = None  # lets go of the rows before the next ones are taken
            window = self._reader.take()
            self._reader.next_step = end
            self._now = (first, end, window)
        return self._now[2], end

    def close(self) -> None:
        """Stop reading ahead."""
        if self._reader is not None:
            self._reader.stop()
        self._reader = self._now = None

    def steps_of_window(self, step: int) -> tuple[int, int]:
        """The first step of the window that a step belongs to, and the one after its last."""
        epoch, in_epoch = divmod(step, self.steps_per_epoch)
        first = in_epoch // self.steps * self.steps
        begin = epoch * self.steps_per_epoch
        return begin + first, begin + min(first + self.steps, self.steps_per_epoch)

    def _windows(self, step: int) -> Iterator[Rows]:
        epoch, in_epoch = divmod(step, self.steps_per_epoch)
        while True:
            yield from self._windows_of_epoch(epoch, in_epoch // self.steps)
            epoch, in_epoch = epoch + 1, 0

    def _windows_of_epoch(self, epoch: int, number: int) -> Iterator[Rows]:
        """The windows of an epoch from one on."""
        size = self.steps * self.batch_size
        to_skip, readers = number * size, {}
        left = self.rows - to_skip
        window = None
        for piece in self.slices(epoch):
            mask = self.stream.mask(self.span, *piece)
            chosen = np.flatnonzero(mask)
            if piece.block not in readers and to_skip >= len(chosen):
                to_skip -= len(chosen)  # of a window before, and not even read
                continue
            chosen, to_skip = chosen[to_skip:], 0
            if piece.block not in readers:
                readers[piece.block] = _Block(self.stream.source.read(piece.block, piece.start))
            for part, taken in readers[piece.block].take(piece.stop - piece.start, chosen):
                while len(taken):
                    window = window or _Filled(part, size)
                    taken = window.fill(part, taken)
                    if window.count == min(size, left):
                        left -= window.count
                        yield self._finished(window, epoch, number)
                        window, number = None, number + 1
            if piece.stop == self.stream.source.block_rows[piece.block]:
                del readers[piece.block]

    def _finished(self, window: "_Filled", epoch: int, number: int) -> Rows:
        order = np.arange(window.count, dtype=np.int32)
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch, number, 1)).permutation(order)
        first = epoch * self.steps_per_epoch + number * self.steps
        numbers = (np.resize(order, self.steps * self.batch_size), window.count, first, self.steps_per_epoch)
        place = Window(*(jax.device_put(np.asarray(one, np.int32)) for one in numbers))
        return self.to_rows(window.part())._replace(window=place)

    def slices(self, epoch: int) -> Iterator[Slice]:
        """The pieces of blocks that an epoch reads, in order."""
        source = self.stream.source
        blocks = np.arange(len(source.block_rows))
        if self.shuffle:
            blocks = np.random.default_rng((self.seed, epoch)).permutation(blocks)
        waiting = iter([int(block) for block in blocks if source.block_rows[block]])
        turns = [(block, 0) for block in itertools.islice(waiting, self.open)]
        while turns:
            after = []
            for block, start in turns:
                rows = int(source.block_rows[block])
                stop = min(start + PIECE, rows)
                yield Slice(block, start, stop)
                if stop < rows:
                    after.append((block, stop))
                elif (following := next(waiting, None)) is not None:
                    after.append((following, 0))
            turns = after


class _Block:
    """A block that is being read."""

    def __init__(self, parts: Iterator[Part]) -> None:
        self.parts = parts
        self.part: Part | None = None
        self.position = 0

    def take(self, rows: int, chosen: np.ndarray) -> Iterator[tuple[Part, np.ndarray]]:
        """Read on by some rows; of each part that these are in, the chosen ones by their numbers in the part."""
        done = 0
        while done < rows:
            if self.part is None or self.position == len(self.part):
                self.part, self.position = next(self.parts, None), 0
                if self.part is None:
                    raise DataError("a block has fewer rows than it had when they were counted: its file has changed.")
            count = min(rows - done, len(self.part) - self.position)
            low, high = np.searchsorted(chosen, (done, done + count))
            yield self.part, chosen[low:high] + (self.position - done)
            self.position, done = self.position + count, done + count


class _Filled:
    """Arrays that the rows of a window are written to."""

    def __init__(self, like: Part, size: int) -> None:
        self.arrays = jax.tree.map(lambda array: aligned_empty((size, *array.shape[1:]), array.dtype), _arrays(like))
        self.size, self.count = size, 0

    def fill(self, part: Part, chosen: np.ndarray) -> np.ndarray:
        """Write chosen rows of a part, and return those for which there was no room."""
        some = chosen[: self.size - self.count]
        stop = self.count + len(some)
        for into, array in zip(jax.tree.leaves(self.arrays), jax.tree.leaves(_arrays(part)), strict=True):
            np.take(array, some, axis=0, out=into[self.count : stop], mode="clip")
        self.count = stop
        return chosen[len(some) :]

    def part(self) -> Part:
        """The rows; behind those that count, in the last window of an epoch, the first one again and again."""
        for array in jax.tree.leaves(self.arrays):
            array[self.count :] = array[:1]
            array.flags.writeable = False
        x, y, weights = self.arrays
        return Part(x, x if y is None else y, weights)


def _arrays(part: Part) -> PyTree:
    return part.x, None if part.y is part.x else part.y, part.weights


class _Reader:
    """A thread that makes one thing ahead."""

    def __init__(self, windows: Iterator[Rows], next_step: int) -> None:
        self.next_step = next_step
        self.ready: queue.Queue[tuple[Rows | None, BaseException | None]] = queue.Queue(maxsize=1)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(windows,), daemon=True, name="pellucid-feed")
        self.thread.start()

    def _run(self, windows: Iterator[Rows]) -> None:
        try:
            for window in windows:
                if not self._put((window, None)):
                    return
        except BaseException as error:  # raised where the window is taken
            self._put((None, error))

    def _put(self, item: Any) -> bool:
        while not self.stopped.is_set():
            try:
                self.ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def take(self) -> Rows:
        """The next window, once it is there.

        Raises:
            DataError: rows that cannot be read; as all errors of reading.
        """
        window, error = self.ready.get()
        if error is not None:
            raise error
        assert window is not None
        return window

    def stop(self) -> None:
        """End the thread."""
        self.stopped.set()
        self.thread.join()
