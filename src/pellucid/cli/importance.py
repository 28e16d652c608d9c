"""``pellucid importance`` and ``pellucid dependence``."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, print_document, print_json, say

output = click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures to this file (.html)."
)


@click.command(
    epilog="""\b
Examples:
  pellucid importance runs/churn-128-001
  pellucid importance runs/churn-128-001 --metric roc_auc --repeats 20
  pellucid importance runs/churn-128-001 --output importance.html
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--metric", help="By which; one of the run, or any that fits its task.  [default: that of the training]")
@click.option("--repeats", type=int, default=5, show_default=True, help="How often each column is shuffled.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random orders.")
@output
@as_json
def importance(run: Path, metric: str | None, repeats: int, seed: int, output: Path | None, as_json: bool) -> None:
    """What a saved RUN loses when a column of its held-out rows is shuffled: permutation importance."""
    from pellucid.api import load

    found = load(run).permutation_importance(metric=metric, repeats=repeats, seed=seed)
    _show(found, output, as_json)


@click.command(
    epilog="""\b
Examples:
  pellucid dependence runs/houses-128-001 rooms
  pellucid dependence runs/houses-128-001 rooms age --output dependence.html
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("columns", nargs=-1, required=True)
@click.option("--points", type=int, default=40, show_default=True, help="Values of a column of numbers.")
@output
@as_json
def dependence(run: Path, columns: tuple[str, ...], points: int, output: Path | None, as_json: bool) -> None:
    """The mean answer of a saved RUN as COLUMNS take value after value: partial dependence on its held-out rows."""
    from pellucid.api import load

    found = load(run).partial_dependence(columns, points=points)
    _show(found, output, as_json)


def _show(found: Any, output: Path | None, as_json: bool) -> None:
    from pellucid.core.files import write_bytes
    from pellucid.report import html

    if output is not None:
        write_bytes(output, html.page(found.to_document()).encode())
        say(f"page saved to {output}")
    if as_json:
        print_json(found.to_dict())
    elif output is None:
        print_document(found.to_document(), 100)
