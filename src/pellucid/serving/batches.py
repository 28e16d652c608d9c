"""Concurrent requests gathered into one forward pass."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

INLINE_SECONDS = 0.002
"""Longest pass that the loop of events makes itself: a thread costs more than it, and more still under load."""


class Batches:
    """Forward passes for requests: those that wait at the same time are taken together.

    Args:
        forward: from inputs to a tree of arrays, one row for each row of the inputs.
        most: rows of one pass.
        wait: seconds that the first request of a pass waits for others.
        inline: whether a pass is so short that no thread is used for it.
        made: called with the rows of each pass.
    """

    def __init__(
        self, forward: Callable[[Any], Any], most: int, wait: float, inline: bool, made: Callable[[int], None]
    ) -> None:
        self.forward, self.most, self.wait, self.made = forward, most, wait, made
        self.thread = None if inline else ThreadPoolExecutor(1, "forward passes")
        self.waiting: list[tuple[Any, int, asyncio.Future[Any]]] = []
        self.timer: asyncio.TimerHandle | None = None
        self.busy = False

    async def outputs(self, x: Any) -> Any:
        """The outputs for the inputs of one request."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.waiting.append((x, _rows(x), future))
        if not self.busy and sum(rows for _, rows, _ in self.waiting) >= self.most:
            self._start(loop)
        elif not self.busy and self.timer is None:
            self.timer = loop.call_later(self.wait, self._start, loop)
        return await future

    def close(self) -> None:
        """Let the thread end."""
        if self.thread is not None:
            self.thread.shutdown(wait=False)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        batch = self._next()
        if not batch:
            return
        x = jax.tree.map(
            lambda *arrays: arrays[0] if len(arrays) == 1 else np.concatenate(arrays), *[x for x, *_ in batch]
        )
        self.made(_rows(x))
        if self.thread is None:
            try:
                outputs = self.forward(x)
            except Exception as error:
                _fail(batch, error)
            else:
                _resolve(batch, outputs)
            if self.waiting:
                self.timer = loop.call_later(0, self._start, loop)
            return
        self.busy = True
        loop.run_in_executor(self.thread, self.forward, x).add_done_callback(lambda done: self._done(loop, batch, done))

    def _next(self) -> list[tuple[Any, int, asyncio.Future[Any]]]:
        """The next requests, at least one, of at most ``most`` rows; those that nobody waits for are left out."""
        batch, rows = [], 0
        while self.waiting and (not batch or rows + self.waiting[0][1] <= self.most):
            request = self.waiting.pop(0)
            if not request[2].done():
                batch.append(request)
                rows += request[1]
        return batch

    def _done(self, loop: asyncio.AbstractEventLoop, batch: list[Any], done: "asyncio.Future[Any]") -> None:
        self.busy = False
        error = done.exception()
        if error is not None:
            _fail(batch, error)
        else:
            _resolve(batch, done.result())
        if self.waiting:
            self._start(loop)


def _rows(x: Any) -> int:
    return len(jax.tree.leaves(x)[0])


def _resolve(batch: list[Any], outputs: Any) -> None:
    start = 0
    for _, rows, future in batch:
        if not future.done():
            future.set_result(jax.tree.map(lambda array, i=start, n=rows: array[i : i + n], outputs))
        start += rows


def _fail(batch: list[Any], error: BaseException) -> None:
    for _, _, future in batch:
        if not future.done():
            future.set_exception(error)
