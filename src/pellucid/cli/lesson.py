"""``pellucid lesson``: claims about neural networks, put to the test."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, print_json, say

PICTURES = (".png", ".svg", ".pdf")


@click.command(
    epilog="""\b
Examples:
  pellucid lesson                                  all claims
  pellucid lesson dying-relu                       run its experiment
  pellucid lesson 15 --seeds 10 --figure dying.svg  by number, more seeds, with its picture
  pellucid lesson xor-by-hand                      every number; also and-by-hand, forward-and-backward
  pellucid lesson --all --output lessons           all of them, as pages to read; can be interrupted
"""
)
@click.argument("name", required=False)
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="How many seeds.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed.")
@click.option("--figure", type=click.Path(path_type=Path), help="Save the charts: .svg, .png or .pdf.")
@click.option("--all", "everything", is_flag=True, help="Every lesson; results already there are reused.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("lessons"),
    show_default=True,
    help="Folder for the pages of --all.",
)
@click.option("--markdown", is_flag=True, help="Pages of --all as Markdown instead of HTML.")
@as_json
def lesson(
    name: str | None,
    seeds: int,
    seed: int,
    figure: Path | None,
    everything: bool,
    output: Path,
    markdown: bool,
    as_json: bool,
) -> None:
    """Put a claim on neural networks to the test: run the experiment of lesson NAME, compute the verdict.

    Without NAME it lists the claims.
    """
    if name is not None and everything:
        raise click.UsageError("give the NAME of one lesson, or --all, not both.")
    if figure is not None and figure.suffix.lower() not in PICTURES:
        raise click.UsageError(f"--figure must end in {', '.join(PICTURES)}. Received: {figure}")
    if everything:
        _study_all(output, seeds, seed, markdown, as_json)
    elif name is None:
        _list(as_json)
    else:
        from pellucid_textbook.lessons import lesson as study
        from pellucid_textbook.lessons.walkthroughs import WALKTHROUGHS, walk_through

        _show(walk_through(name) if name in WALKTHROUGHS else study(name, seeds=seeds, seed=seed), figure, as_json)


def _show(page: Any, figure: Path | None, as_json: bool) -> None:
    from rich.console import Console

    if figure is not None:
        page.save_figure(figure)
        say(f"figure: {figure}")
    if as_json:
        print_json(page.data)
    else:
        Console().print(page)


def _list(as_json: bool) -> None:
    from pellucid_textbook.texts import read_texts  # the experiments would import jax

    texts = read_texts("lessons/lessons")
    if as_json:
        lessons = enumerate(texts.items(), 1)
        print_json([{"number": i, "name": name, "claim": x["claim"], "after": x["after"]} for i, (name, x) in lessons])
        return
    width = max(map(len, texts))
    for number, (name, text) in enumerate(texts.items(), 1):
        click.echo(f"{number:>2}  {name.ljust(width)}  {text['claim']}")
    say("\npellucid lesson NAME puts one to the test.")
    say("Worked step by step: and-by-hand, xor-by-hand, forward-and-backward.")


def _study_all(output: Path, seeds: int, seed: int, markdown: bool, as_json: bool) -> None:
    from pellucid_textbook.lessons import list_lessons
    from pellucid_textbook.lessons.pages import study_all, write_pages

    count = len(list_lessons())
    results = []
    for result in study_all(output, seeds, seed):
        results.append(result)
        say(f"{len(results):>2}/{count}  {result.name}: {result.verdict}  ({result.seconds:.1f} s)")
    say(f"written: {write_pages(output, results, as_markdown=markdown)}")
    if as_json:
        print_json([result.data for result in results])
