"""``pellucid lesson``: the claims of the subject, put to the test."""

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
  pellucid lesson 9 --seeds 10 --figure dying.png  by number, more seeds, with its picture
  pellucid lesson xor-by-hand                      every number; also and-by-hand, forward-and-backward
  pellucid lesson --all --output lessons           all of them, as pages to read; can be interrupted
"""
)
@click.argument("name", required=False)
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="How many seeds.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed.")
@click.option("--figure", type=click.Path(path_type=Path), help="Save the picture: .png, .svg or .pdf.")
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

        if name in WALKTHROUGHS:
            _show(walk_through(name), figure, as_json)
            return
        result = study(name, seeds=seeds, seed=seed)
        if figure is not None:
            _save(result, figure)
        if as_json:
            print_json(result.to_dict())
        else:
            click.echo(result)


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
    from pellucid_textbook.lessons import list_lessons

    lessons = list_lessons()
    if as_json:
        print_json([{"number": x.number, "name": x.name, "claim": x.claim, "items": list(x.items)} for x in lessons])
        return
    width = max(len(x.name) for x in lessons)
    for x in lessons:
        click.echo(f"{x.number:>2}  {x.name.ljust(width)}  {x.claim}")
    say("\npellucid lesson NAME puts one to the test.")
    say("Worked step by step: and-by-hand, xor-by-hand, forward-and-backward.")


def _study_all(output: Path, seeds: int, seed: int, markdown: bool, as_json: bool) -> None:
    from pellucid_textbook.lessons.claims import list_lessons
    from pellucid_textbook.lessons.pages import study_all, write_html, write_markdown

    count = len(list_lessons())
    results = []
    for result in study_all(output, seeds, seed):
        results.append(result)
        say(f"{len(results):>2}/{count}  {result.name}: {result.verdict}  ({result.seconds:.1f} s)")
    (write_markdown if markdown else write_html)(output, results)
    say(f"written: {output / ('index.md' if markdown else 'index.html')}")
    if as_json:
        print_json([result.to_dict() for result in results])


def _save(result: Any, path: Path) -> None:
    from pellucid.core.errors import StorageError

    try:
        result.figure().savefig(path, dpi=130)
    except OSError as error:
        raise StorageError(f"the figure cannot be written to {path}: {error}") from error
    say(f"figure: {path}")
