"""``pellucid replay``."""

import csv
import math
import sys
from pathlib import Path

import click

from pellucid.cli.options import as_json, print_json, say


@click.command(
    epilog="""\b
Examples:
  pellucid train mnist-5k --snapshots 50
  pellucid replay runs/mnist-5k-128-001 --layer dense_1 --output layer.png
  pellucid replay runs/mnist-5k-128-001 --neuron dense_1:5 --output neuron.png
  pellucid replay runs/mnist-5k-128-001 --weight dense_1:406,5 > weight.csv
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--weight", metavar="LAYER[:ARRAY]:I,J", help="Follow one weight; ARRAY as in lstm_1:recurrent:3,5.")
@click.option("--neuron", metavar="LAYER:UNIT", help="Follow the weights that lead to one unit, and its bias.")
@click.option("--layer", metavar="LAYER", help="Follow all weights of a layer.  [default: the first that has any]")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Draw it to this file: .png, .svg or .pdf."
)
@as_json
def replay(
    run: Path, weight: str | None, neuron: str | None, layer: str | None, output: Path | None, as_json: bool
) -> None:
    """Step through the training of a saved RUN: how a weight, a neuron or a layer moved, and why.

    Needs a run that was trained with --snapshots. Prints CSV on stdout, one row a snapshot: value, its gradient over
    the same training rows, the optimiser's update for it, and the move up to the next snapshot.
    """
    from pellucid.core.errors import InvalidValue
    from pellucid.explanations import through_time
    from pellucid.report.print_figure import save_figure
    from pellucid.runs.fit import load

    if output is not None and output.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InvalidValue(f"a figure's file ends in .png, .svg or .pdf. Received: {output}.")
    followed = through_time(load(run), weight=weight, neuron=neuron, layer=layer)
    if output is not None:
        save_figure(followed.plot(), output)
    names = list(followed.table)
    rows = [
        {name: value if math.isfinite(value) else None for name, value in zip(names, row, strict=True)}
        for row in zip(*(column.tolist() for column in followed.table.values()), strict=True)
    ]
    if as_json:
        print_json({followed.kind: followed.name, "rows": followed.rows, "snapshots": rows})
    else:
        writer = csv.DictWriter(sys.stdout, fieldnames=names)
        writer.writeheader()
        writer.writerows(rows)
    say(str(followed) + ("" if output is None else f"\ndrawn to {output}"))
