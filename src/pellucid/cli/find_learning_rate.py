"""``pellucid find-learning-rate``."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, print_document, print_json, say
from pellucid.cli.settings import SettingsCommand, given_settings
from pellucid.cli.sources import data_options, data_settings
from pellucid.cli.train import network_of


@click.command(
    "find-learning-rate",
    cls=SettingsCommand,
    by_recipe=True,
    epilog="""\b
Examples:
  pellucid find-learning-rate digits
  pellucid find-learning-rate churn.csv --target left --network 64-32 --optimizer momentum
  pellucid find-learning-rate mnist-5k --network cnn --steps 100 --figure rates.png
""",
)
@click.argument("source", metavar="DATA")
@data_options
@click.option("--seeds", type=click.IntRange(2), default=5, show_default=True, help="Trainings of each rate.")
@click.option("--steps", type=click.IntRange(10), default=200, show_default=True, help="Steps of each training.")
@click.option("--low", type=float, default=1e-5, show_default=True, help="The lowest rate.")
@click.option("--high", type=float, default=10.0, show_default=True, help="The highest rate.")
@click.option("--figure", type=click.Path(path_type=Path), help="Plot loss by rate to this file (.png, .svg, .pdf).")
@click.option("--progress/--no-progress", default=True, help="Show the progress.  [default: progress]")
@as_json
def find_learning_rate(
    source: str,
    seeds: int,
    steps: int,
    low: float,
    high: float,
    figure: Path | None,
    progress: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find a learning rate for a network on DATA by short trainings at many rates, repeated over seeds.

    Each is scored on training rows that are set aside. Nothing is suggested, with exit code 2, where the loss is flat
    or lowest at an end of the rates.
    """
    from pellucid.api import find_learning_rate as find
    from pellucid.runs.experiment import open_data

    settings = given_settings(options)
    network = settings.pop("network", None)
    data = open_data(data_settings(source, network, options, settings.get("seed", 0)))
    say(str(data))
    tried = find(network_of(network), data, seeds=seeds, steps=steps, low=low, high=high, progress=progress, **settings)
    if figure is not None:
        tried.plot().savefig(figure, dpi=150)
        say(f"figure saved to {figure}")
    if as_json:
        print_json(tried.to_dict())
    else:
        print_document(tried.to_document(), 120)
    _ = tried.suggestion
