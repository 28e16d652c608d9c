"""Progress: a live bar in a terminal, one place in a notebook, few lines in a log."""

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from pellucid.runs.notebook import Place, in_notebook
from pellucid.training import History, Progress

EPOCH_LINES = 50
"""Most epochs that get a line in a terminal: small networks make hundreds a second."""
LOG_LINES = 10
"""Epochs that get a line elsewhere, evenly; before the first of them those that double: 1, 2, 4 …"""
BETWEEN_LINES = 5.0
"""Seconds between lines within a slow epoch of a log, at first …"""
WAIT = 0.2
"""… and later this fraction of the time so far, so that a day has fifty lines."""


class ProgressReport:
    """Display of the progress of a training; a context manager.

    Args:
        history: what the training measures.
        epochs: how many it will make.
        steps_per_epoch: steps of one epoch.
        watched: what the rows are called that are evaluated after each epoch.
    """

    def __init__(self, history: History, epochs: int, steps_per_epoch: int, watched: str = "held out") -> None:
        self.watched = watched
        self.history = history
        self.epochs = epochs
        self.total = epochs * steps_per_epoch
        self.console = Console(file=sys.stderr, highlight=False)
        self.bar: Bar | None = None
        self.task: Any = None
        self.shown_epochs = history.epochs_made
        self.began = self.shown_at = time.monotonic()
        self.rate = 0.0
        self.every = -(-epochs // (EPOCH_LINES if self.console.is_terminal else LOG_LINES))
        self.notebook = Notebook() if in_notebook() else None

    def __enter__(self) -> "ProgressReport":
        if self.console.is_terminal:
            self.bar = Bar(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                console=self.console,
                transient=True,
            )
            self.bar.start()
            self.task = self.bar.add_task("", total=self.total, epoch=f"1/{self.epochs}", text="compiling …")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
        if self.notebook is not None:
            self.notebook.show()

    def show(self, progress: Progress) -> None:
        """Show the progress after a call."""
        if not progress.compiled:
            rate = progress.examples / progress.seconds
            self.rate = rate if self.rate == 0 else 0.7 * self.rate + 0.3 * rate
        metric = f"{self.history.metric_name.replace('_', ' ')} {progress.metric:.4f}"
        text = f"loss {progress.loss:.4f} · {metric}{self._speed(progress)}"
        self._epoch_lines()
        if self.bar is not None:
            epoch = min(progress.epoch + 1, self.epochs)
            self.bar.update(self.task, completed=progress.step, epoch=f"{epoch}/{self.epochs}", text=text)
        elif self.notebook is not None:
            self.notebook.show(f"step {progress.step}/{self.total}: {text}")
        elif (now := time.monotonic()) - self.shown_at > max(BETWEEN_LINES, WAIT * (now - self.began)):
            self._line(f"step {progress.step}/{self.total}: {text}")

    def _speed(self, progress: Progress) -> str:
        if self.rate == 0:
            return ""
        left = (self.total - progress.step) * self.history.batch_size / self.rate
        return f" · {self.rate:,.0f} examples/s · {_duration(left)} left"

    def _epoch_lines(self) -> None:
        table = self.history.epochs
        made = self.history.epochs_made
        for i in range(self.shown_epochs, made):
            if not self._has_line(i + 1):
                continue
            metrics = " · ".join(
                f"{name.replace('held_out', self.watched).replace('_', ' ')} {column[i]:.4f}"
                for name, column in table.items()
                if name not in ("epoch", "learning_rate")
            )
            self._line(f"epoch {i + 1}/{self.epochs}: {metrics}")
        self.shown_epochs = made

    def _has_line(self, epoch: int) -> bool:
        doubled = not self.console.is_terminal and epoch < self.every and epoch & (epoch - 1) == 0
        return epoch % self.every == 0 or epoch == self.epochs or doubled

    def _line(self, text: str) -> None:
        if self.notebook is not None:
            self.notebook.lines.append(text)
            return
        self.console.print(text, soft_wrap=True)
        self.shown_at = time.monotonic()


class Notebook:
    """Text in one place of a notebook: lines that stay, and one that changes."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.place = Place()

    def show(self, now: str = "") -> None:
        """Show the lines, and below them what changes."""
        self.place.show({"text/plain": "\n".join([*self.lines, *filter(None, [now])])})


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
