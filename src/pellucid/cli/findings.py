"""Findings and proofs as people read them in a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

COLOURS = {"problem": "red", "warning": "yellow", "note": "blue"}
BAR = 10


def print_findings(findings: Sequence[Any], nothing: str) -> None:
    """Findings, the likeliest first: what and how sure, why, the numbers, what may help and where more is said.

    Args:
        findings: of `pellucid.doctor.Finding`.
        nothing: what is said where there are none.
    """
    from pellucid.report.doctor import page_of_finding

    console = Console(highlight=False)
    if not findings:
        console.print(nothing)
    for place, finding in enumerate(findings):
        filled = round(BAR * finding.probability)
        head = Text.assemble(
            ("█" * filled, COLOURS[finding.severity]),
            ("░" * (BAR - filled), "dim"),
            f" {finding.probability:4.0%}  ",
            (finding.label.replace("_", " "), "bold"),
            "  ",
            (finding.severity, COLOURS[finding.severity]),
        )
        console.print(head)
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="dim", no_wrap=True)
        rows.add_column()
        rows.add_row("why", finding.because or finding.definition)
        evidence = finding.to_dict()["evidence"]
        if evidence:
            rows.add_row("numbers", "; ".join(f"{name} {_short(value)}" for name, value in evidence.items()))
        if finding.remedies:
            rows.add_row("may help", ", ".join(finding.remedies))
        console.print(Padding(rows, (0, 0, 0, 2)))
        more = Text.assemble(("  more      ", "dim"), page_of_finding(finding.label))
        console.print(more, soft_wrap=True, end="\n\n" if place + 1 < len(findings) else "\n")


@contextmanager
def racing() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr while candidates race: what is under way, trainings made, the time that those begun still take.

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


def print_proof(proof: Mapping[str, Any]) -> None:
    """What was tried and what came of it.

    Args:
        proof: as `Proof.to_dict` gives it.
    """
    console = Console(highlight=False)
    arms = [("the original", proof["original"])]
    arms += [(arm["change"], arm) for arm in proof["tried"]]
    if proof.get("random") is not None:
        arms.append((f"best random change: {proof['random']['change']}", proof["random"]))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("verdict", no_wrap=True)
    for name in ("score", "difference", "p", "d"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("change", overflow="fold")
    for name, arm in arms:
        table.add_row(*_cells(arm), name, style="bold" if arm.get("proven") else "")
    console.print(table)
    best = proof.get("best")
    told = "nothing tried beats the original" if best is None else f"what helps: {best['change']}"
    console.print(f"{told}   ({proof['trainings']} trainings, {proof['seconds']:.0f} s)", soft_wrap=True)


def _cells(arm: Mapping[str, Any]) -> list[str]:
    mean = f"{arm['mean']:.3f}"
    if arm.get("p") is None:
        return ["" if arm.get("remedy") is None else "dropped", mean, "", "", ""]
    verdict = "PROVEN" if arm.get("proven") else "not proven"
    return [verdict, mean, f"{arm['difference']:+.3f}", f"{arm['p']:.1g}", _short(arm.get("d"))]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "∞" if value is None else str(value)
