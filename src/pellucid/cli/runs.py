"""``pellucid runs``."""

from pathlib import Path

import click

from pellucid.cli.options import as_json, print_document, print_json


@click.command(
    epilog="""\b
Examples:
  pellucid runs                                    those of the folder runs, the newest first
  pellucid runs results --json
"""
)
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@as_json
def runs(folder: Path, as_json: bool) -> None:
    """List the saved runs of FOLDER: date, name, network, result, and what the doctor found."""
    from pellucid.report.listing import list_runs

    listed = list_runs(folder)
    if as_json:
        print_json(listed.to_dict())
    else:
        print_document(listed.to_document(), 200)
