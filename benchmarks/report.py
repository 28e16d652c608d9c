"""Results as a file, as tables on the terminal, and as ``docs/decisions/benchmarks.md``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Case, Spread
from benchmarks.workload import Workload
from benchmarks.workloads import WORKLOADS
from pellucid.core.files import write_bytes

TARGET_HEAD = ["case", "target", "reached", "result"]


@dataclass
class Result:
    """What one workload measured, and where.

    Args:
        cases: its comparisons.
        machine: of `benchmarks.machine.describe`.
        rounds: rounds of each comparison.
        quick: whether it was a trial run, whose values mean nothing.
    """

    cases: list[Case]
    machine: dict[str, str]
    rounds: int
    quick: bool


def read_results(path: Path) -> dict[str, Result]:
    """The results of a file by workload; none where there is no file."""
    if not path.is_file():
        return {}
    table = json.loads(path.read_text())
    return {
        name: Result(**{**entry, "cases": [Case(**case) for case in entry["cases"]]}) for name, entry in table.items()
    }


def write_results(path: Path, results: dict[str, Result]) -> None:
    """Write the file as a whole."""
    table = {
        name: {**vars(result), "cases": [case.to_dict() for case in result.cases]} for name, result in results.items()
    }
    write_bytes(path, (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode())


def case_table(case: Case) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a case: medians, and ratios to the reference (marked 1), with their quartiles."""
    head = ["contender", f"median, {case.unit}", "25–75 %", "ratio", "25–75 %"]
    rows = []
    for name in case.samples:
        own, ratio = case.spread(name), case.ratio(name)
        to_reference = ["1", ""] if name == case.reference else [f"{ratio.median:.2f}", _range(ratio, ".2f")]
        rows.append([name, f"{own.median:.4g}", _range(own, ".4g"), *to_reference])
    rows += [[name, f"not run: {reason}", "", "", ""] for name, reason in case.skipped.items()]
    return head, rows


def target_table(workload: Workload, cases: list[Case]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a workload's targets."""
    rows = [[target.case, target.text, *target.judge(cases)] for target in workload.targets]
    return TARGET_HEAD, rows


def _range(spread: Spread, form: str) -> str:
    return f"{spread.low:{form}} – {spread.high:{form}}"


def print_result(name: str, result: Result, console: Console) -> None:
    """Tables on the terminal."""
    workload = WORKLOADS[name]
    for case in result.cases:
        console.print(_rich(f"{workload.title}: {case.name}", *case_table(case)))
    if workload.targets:
        console.print(_rich("targets", *target_table(workload, result.cases)))


def _rich(title: str, head: list[str], rows: list[list[str]]) -> Table:
    table = Table(*head, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    return table


MARKS = ("<!-- comparison -->", "<!-- end of comparison -->")
"""Where the README holds the short comparison, which is written from the results too."""


def render_comparison(readme: str, results: dict[str, Result]) -> str:
    """The README with the times of the reference network, as ratios to pellucid's, between its marks."""
    before, rest = readme.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    cases = results["multilayer"].cases if "multilayer" in results else []
    names = [name for name in cases[0].samples if name != cases[0].reference] if cases else []
    rows = [[name, *(f"{case.ratio(name).median:.2f}×" for case in cases)] for name in names]
    head = ["time of a step, over pellucid's", *(case.name for case in cases)]
    table = "\n".join(_markdown(head, rows)) if cases else ""
    return f"{before}{MARKS[0]}\n\n{table}\n{MARKS[1]}{after}"


def render(results: dict[str, Result]) -> str:
    """The page of all workloads, in the order of their table."""
    return "\n".join(_lines(results))


def _lines(results: dict[str, Result]) -> Iterator[str]:
    yield "# Benchmarks\n"
    yield "<!-- Written by `python -m benchmarks --render` from `benchmarks/results.json`: do not edit. -->\n"
    yield (
        "Every contender does the same work in turn, round after round; the values are medians over "
        "the rounds. A ratio is taken within each round, over the reference's value of that round, and "
        "then its median and quartiles are given: noise that lasts longer than a round cancels. A "
        "target is met where the median meets it.\n\n"
        "To repeat them: [benchmarks/README.md](../../benchmarks/README.md).\n"
    )
    yield "## Targets\n"
    yield from _markdown(["workload", *TARGET_HEAD], _all_targets(results))
    for name, workload in WORKLOADS.items():
        yield f"## {workload.title}\n"
        yield f"`python -m benchmarks {name}`\n\n{workload.text}\n"
        if name not in results:
            yield "Not run yet.\n"
            continue
        result = results[name]
        if result.quick:
            yield "**A trial run on little data: these values show that it runs, not how fast.**\n"
        for case in result.cases:
            yield f"### {case.name}\n"
            yield from _markdown(*case_table(case))
            yield f"Ratios are to {case.reference}.\n"
        facts = ", ".join(f"{key} {value}" for key, value in result.machine.items())
        yield f"{result.rounds} rounds. {facts}.\n"


def _all_targets(results: dict[str, Result]) -> list[list[str]]:
    rows = []
    for name, workload in WORKLOADS.items():
        cases = results[name].cases if name in results else []
        rows += [[name, *row] for row in target_table(workload, cases)[1]]
    return rows


def _markdown(head: list[Any], rows: list[list[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(row) + " |"
    yield ""
