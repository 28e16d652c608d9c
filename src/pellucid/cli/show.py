"""``pellucid show``: the catalogue."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import Specification, as_json, print_json, say


@click.command(
    epilog="""\b
Examples:
  pellucid show                                 all pages
  pellucid show relu                            formula, graph, range, gradient, behaviour, for and against
  pellucid show leaky_relu:alpha=0.3            with other hyperparameters than the defaults
  pellucid show activations                     all activations side by side
  pellucid show optimizers --output paths.svg   their ways down a valley
  pellucid show adam --output adam.md           the page as Markdown, formulas as LaTeX
"""
)
@click.argument("name", type=Specification(), required=False)
@click.option("--kind", help="Plural of its kind, where two kinds share a name: losses, metrics …")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the charts (.svg, .png, .pdf), or the page as Markdown (.md).",
)
@as_json
def show(name: Any, kind: str | None, output: Path | None, as_json: bool) -> None:
    """The page of NAME in the catalogue, measured when it is first shown.

    NAME is an activation, loss, optimizer, regularizer, initializer, schedule, metric or layer, or the plural of a kind
    for a comparison.
    """
    from rich.console import Console

    from pellucid.core.errors import InvalidValue
    from pellucid.core.files import write_bytes
    from pellucid_textbook.kept import kept_page

    page = kept_page(name, kind=kind)
    if as_json:
        print_json(page.data)
    elif output is None:
        Console().print(page)
    if output is None:
        return
    if output.suffix == ".md":
        write_bytes(output, page.markdown().encode())
    elif not page.charts:
        raise InvalidValue(f"the page {page.name!r} has no figure. Write it as Markdown: --output {page.name}.md")
    else:
        page.save_figure(output)
    say(f"wrote {output}")
