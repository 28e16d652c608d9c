"""Findings and proofs of the doctor, printed in a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def print_section(section: Any) -> None:
    """Print the blocks of a section of a document."""
    from pellucid.report import terminal
    from pellucid.report.document import Document

    Console(highlight=False).print(terminal.renderable(Document("", *section.blocks)))


@contextmanager
def proving() -> Iterator[Callable[[str, int, int], None]]:
    """Show progress on stderr while candidates are compared: stage, trainings made, time left.

    Yields:
        The function that `prove` calls with its progress. Where stderr is no terminal, each stage is one line.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        stages: list[str] = []

        def line(stage: str, made: int, planned: int) -> None:
            if stage not in stages:
                stages.append(stage)
                console.print(f"{stage} …", soft_wrap=True)

        yield line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trainings"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("diagnosing", total=None)
        yield lambda stage, made, planned: bar.update(task, description=stage, completed=made, total=planned)
