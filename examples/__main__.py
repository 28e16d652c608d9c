"""The command line: ``python -m examples NAME``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markdown import Markdown

from examples import harness
from pellucid.core.errors import PellucidError

console = Console(stderr=True)


@click.command(epilog="Examples: " + ", ".join(harness.names()))
@click.argument("name", required=False, type=click.Choice(harness.names()), metavar="[NAME]")
@click.option("--seed", "seeds", type=click.IntRange(0), multiple=True, default=(0, 1, 2), show_default=True)
@click.option("--quick", is_flag=True, help="A trial on little data; nothing is kept but the runs and pictures.")
@click.option("--folder", type=click.Path(path_type=Path), default="runs/examples", show_default=True, help="Runs.")
@click.option("--draw", is_flag=True, help="Only draw the pictures anew, from the runs of the first seed.")
@click.option("--render", is_flag=True, help="Only write the pages anew, from the results.")
def main(name: str | None, seeds: tuple[int, ...], quick: bool, folder: Path, draw: bool, render: bool) -> None:
    r"""Train and measure the example NAME for each seed, draw its pictures, and fill its page in docs/gallery.

    \b
    python -m examples                          the examples there are
    python -m examples spam-filter              three seeds, as in the gallery
    python -m examples spam-filter --quick --seed 0
    """
    if render:
        for each in [name] if name else [each for each in harness.names() if harness.results(each)["seeds"]]:
            harness.render(each)
        harness.render_index()
    elif name is None:
        for each in harness.names():
            click.echo(f"{each:22} {harness.title(harness.load(each))}")
    else:
        try:
            _run(name, seeds, quick, folder, draw)
        except PellucidError as error:
            raise click.ClickException(str(error)) from error


def _run(name: str, seeds: tuple[int, ...], quick: bool, folder: Path, draw: bool) -> None:
    example, kept = harness.load(name), harness.results(name)
    found = {"seeds": {}, "outputs": {}} if quick else kept
    settings = {seed: _setting(name, seed, quick, folder) for seed in seeds}
    for seed, setting in () if draw else settings.items():
        console.rule(f"{harness.title(example)}, seed {seed}")
        found["seeds"][str(seed)] = harness.measure(example, setting)
        found["seeds"] = dict(sorted(found["seeds"].items()))
        if not quick:
            harness.keep(name, found)  # after each seed: nothing that was measured is lost
    found["outputs"] = dict(example.draw(settings[seeds[0]]))
    if found["seeds"]:
        Console().print(Markdown(harness.tables(found)))
    if not quick:
        harness.keep(name, found)
        harness.render(name)
        harness.render_index()
        _judge(example, found)


def _judge(example: harness.Example, found: Mapping[str, Any]) -> None:
    verdicts = harness.judged(example, found)
    for bar, reached, asked, met in verdicts:
        verdict = "met" if met else "NOT met"
        click.echo(f"{verdict:7}  {bar.data}: {bar.score} of {bar.method} {reached:.4g} {bar.relation} {asked:.4g}")
    if not all(met for *_, met in verdicts):
        raise click.exceptions.Exit(1)


def _setting(name: str, seed: int, quick: bool, folder: Path) -> harness.Setting:
    runs = folder / name / ("quick" if quick else "full") / f"seed-{seed}"
    runs.mkdir(parents=True, exist_ok=True)
    return harness.Setting(seed, quick, runs, (runs if quick else harness.GALLERY) / name)


if __name__ == "__main__":
    main()
