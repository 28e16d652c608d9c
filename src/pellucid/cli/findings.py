"""Sections of documents, and the progress of a proof, on the terminal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

COLOURS = {"problem": "red", "warning": "yellow", "note": "blue"}
WIDTH = 110
"""Columns of a document at least: addresses are not cut."""


def print_section(section: Any) -> None:
    """Print a `pellucid.report.document.Section`."""
    from pellucid.report import terminal
    from pellucid.report.document import Document

    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    console.print(terminal.renderable(Document(section.title, *section.blocks)))


def print_findings(findings: Sequence[Any], compared: str = "") -> None:
    """Print findings, the likeliest first, and the address of each one's page."""
    from pellucid.report.doctor import findings_section, page_of_finding

    print_section(findings_section([finding.to_dict() for finding in findings], compared))
    for finding in findings:
        click.echo(f"{finding.name}: {page_of_finding(finding.label)}")


@contextmanager
def proving() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr while candidates are trained: the stage, trainings made, the time that those begun still take.

    Yields:
        What `prove` is to tell its progress to. Where stderr is no terminal, each stage is one line.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        told: list[str] = []

        def line(stage: str, made: int, planned: int) -> None:
            if stage not in told:
                told.append(stage)
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
