"""``pellucid export``."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, print_json


@click.command(
    epilog="""\b
Examples:
  pellucid export runs/houses-128-001 --output houses.onnx --preprocessing    rows of the table in, prices out
  pellucid export runs/mnist-cnn-001 --output digits.onnx                     the network alone
  pellucid export runs/mnist-cnn-001 --output digits.stablehlo --preprocessing
  pellucid export runs/iris-8-001 --output iris.py --preprocessing            a module that needs NumPy alone
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option(
    "--format",
    type=click.Choice(["onnx", "stablehlo", "numpy"]),
    help="Of the file; by its ending where none is given: .onnx, .stablehlo or .py.",
)
@click.option(
    "--preprocessing", is_flag=True, help="Include what predict does around the network: raw rows in, labels out."
)
@as_json
def export(run: Path, output: Path, format: Any, preprocessing: bool, as_json: bool) -> None:
    """Write a saved RUN as a file that other programs run, and compare it with the run on random rows.

    Prints the file's size, what it reads and gives, and the largest difference. Without --preprocessing the network
    alone is exported, which reads scaled arrays. ONNX needs pip install 'pellucid[export]'.
    """
    from pellucid.api import load
    from pellucid.exporting import export as write

    exported = write(load(run), output, format=format, preprocessing=preprocessing)
    if as_json:
        print_json(exported.to_dict())
    else:
        click.echo(str(exported))
