"""The progress of a sweep on stderr."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pellucid.report.document import number
from pellucid.sweeps.trial import Trial, ordered


class Bar:
    """A bar of trials, with the best value so far.

    Args:
        trials: number of trials in all.
        metric: its name in words.
        higher: whether more of it is better.
        shown: False to show nothing.
    """

    def __init__(self, trials: int, metric: str, higher: bool, shown: bool) -> None:
        console = Console(file=sys.stderr, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not (shown and console.is_terminal)
        )
        self._task = self._progress.add_task("trials", total=trials)
        self._metric, self._higher = metric, higher
        self._best: Trial | None = None
        self._count = 0

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.stop()

    def within(self, trials: float, epochs: float) -> Callable[[float], None]:
        """A function that moves the bar by ``trials`` over so many epochs of single trainings."""
        return lambda made: self._progress.advance(self._task, trials * made / max(epochs, 1))

    def made(self, trial: Trial) -> None:
        """Count a trial that ended."""
        self._count += 1
        candidates = [trial] if self._best is None else [self._best, trial]
        self._best = ordered(candidates, self._higher)[0]
        text = f"trials; best {self._metric} {number(self._best.value)}"
        self._progress.update(self._task, completed=self._count, description=text)
