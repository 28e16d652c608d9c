"""Concurrent requests gathered into one forward pass."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

INLINE_SECONDS = 0.002
"""Longest pass that the event loop makes itself: handing it to a thread costs more, and more still under load."""


class Waiting(NamedTuple):
    """A request that waits for its outputs."""

    x: Any
    rows: int
    outputs: "asyncio.Future[Any]"


class Batches:
    """Forward passes for requests: those that wait at the same time are taken together.

    Args:
        forward: from inputs to a tree of arrays, one row for each row of the inputs.
        most: rows of one pass; a request of more has one of its own.
        wait: seconds that the first request of a pass waits for others.
        inline: whether a pass is so short that no thread is used for it.
        made: called with the rows of each pass.
    """

    def __init__(
        self, forward: Callable[[Any], Any], most: int, wait: float, inline: bool, made: Callable[[int], None]
    ) -> None:
        self.forward, self.most, self.wait, self.made = forward, most, wait, made
        self.thread = None if inline else ThreadPoolExecutor(1, "forward passes")
        self.waiting: deque[Waiting] = deque()
        self.rows = 0
        self.timer: asyncio.Handle | None = None
        self.busy = False

    async def outputs(self, x: Any) -> Any:
        """The outputs for the inputs of one request."""
        loop = asyncio.get_running_loop()
        request = Waiting(x, _rows(x), loop.create_future())
        self.waiting.append(request)
        self.rows += request.rows
        self._plan(loop)
        return await request.outputs

    def close(self) -> None:
        """Let the thread end."""
        if self.thread is not None:
            self.thread.shutdown(wait=False)

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make a pass soon where enough rows wait, after the wait where some do, none while another runs."""
        if self.busy or not self.waiting:
            return
        full = self.rows >= self.most
        if self.timer is not None and not full:
            return
        if self.timer is not None:
            self.timer.cancel()
        self.timer = loop.call_soon(self._start, loop) if full else loop.call_later(self.wait, self._start, loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.timer = None
        batch = self._next()
        if batch:
            xs = [request.x for request in batch]
            x = xs[0] if len(xs) == 1 else jax.tree.map(lambda *arrays: np.concatenate(arrays), *xs)
            self.made(_rows(x))
            if self.thread is None:
                try:
                    _resolve(batch, self.forward(x))
                except Exception as error:
                    _fail(batch, error)
            else:
                self.busy = True
                pending = loop.run_in_executor(self.thread, self.forward, x)
                pending.add_done_callback(lambda done: self._done(loop, batch, done))
        self._plan(loop)

    def _next(self) -> list[Waiting]:
        """The next requests that fit into one pass, but for those that nobody waits for any more."""
        batch: list[Waiting] = []
        rows = 0
        while self.waiting and (not batch or rows + self.waiting[0].rows <= self.most):
            request = self.waiting.popleft()
            self.rows -= request.rows
            if not request.outputs.done():
                batch.append(request)
                rows += request.rows
        return batch

    def _done(self, loop: asyncio.AbstractEventLoop, batch: list[Waiting], done: "asyncio.Future[Any]") -> None:
        self.busy = False
        error = done.exception()
        if error is None:
            _resolve(batch, done.result())
        else:
            _fail(batch, error)
        self._plan(loop)


def _rows(x: Any) -> int:
    return len(jax.tree.leaves(x)[0])


def _resolve(batch: list[Waiting], outputs: Any) -> None:
    start = 0
    for request in batch:
        stop = start + request.rows
        if not request.outputs.done():
            own = jax.tree.map(lambda array, rows=slice(start, stop): array[rows], outputs)
            request.outputs.set_result(own)
        start = stop


def _fail(batch: list[Waiting], error: BaseException) -> None:
    for request in batch:
        if not request.outputs.done():
            request.outputs.set_exception(error)
