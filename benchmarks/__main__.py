"""The command line: ``python -m benchmarks [NAMES…]``."""

from pathlib import Path

import click
from rich.console import Console

from benchmarks import machine
from benchmarks.measure import fresh_process, say
from benchmarks.report import Result, print_result, read_results, render, render_comparison, write_results
from benchmarks.workload import Settings
from benchmarks.workloads import WORKLOADS
from pellucid.core.files import write_bytes

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[1] / "docs" / "decisions" / "benchmarks.md"
README = Path(__file__).parents[1] / "README.md"


@click.command(epilog="Workloads: " + ", ".join(WORKLOADS))
@click.argument("names", nargs=-1, type=click.Choice(list(WORKLOADS)), metavar="[NAMES]...")
@click.option("--rounds", type=click.IntRange(1), help="Rounds of each comparison.  [default: 5; quick: 2]")
@click.option("--quick", is_flag=True, help="A trial run on little data; nothing is kept without --output.")
@click.option("--output", type=click.Path(path_type=Path), help="File of results.  [default: benchmarks/results.json]")
@click.option("--render", "render_only", is_flag=True, help="Write the pages from the results; run nothing.")
def main(names: tuple[str, ...], rounds: int | None, quick: bool, output: Path | None, render_only: bool) -> None:
    """Run the workloads of these names, or all of them, and keep what they measured."""
    path = output or RESULTS
    if render_only:
        results = read_results(path)
        write_bytes(PAGE, render(results).encode())
        write_bytes(README, render_comparison(README.read_text(), results).encode())
        say(f"written: {PAGE}, {README}")
        return
    settings = Settings(rounds or (2 if quick else 5), quick)
    facts = machine.describe()
    for name in names or WORKLOADS:
        say(f"== {name} ==")
        # Each workload in a fresh process: what one leaves in memory and threads is not the next one's.
        with fresh_process() as process:
            cases = process.submit(WORKLOADS[name].measure, settings).result()
        result = Result(cases, facts, settings.rounds, quick)
        if output is not None or not quick:
            write_results(path, read_results(path) | {name: result})
        print_result(name, result, Console())


if __name__ == "__main__":
    main()
