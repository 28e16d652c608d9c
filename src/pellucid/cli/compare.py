"""``pellucid compare``."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, print_document, print_json, say
from pellucid.cli.settings import SettingsCommand, given_settings, named_values
from pellucid.cli.sources import data_options, data_settings


@click.command(
    cls=SettingsCommand,
    epilog="""\b
Examples:
  pellucid compare digits --over activation=relu,tanh,sigmoid
  pellucid compare digits --over activation=relu,tanh --over learning_rate=0.001,0.01 --figure compared.png
  pellucid compare iris --network 16 --over optimizer=sgd,adam:beta1=0.8,adam:beta1=0.95 --seeds 20
  pellucid compare mnist-5k --over network=32,64-32,128-128 --epochs 5 --against first
  pellucid compare houses.csv --target price --over loss=mean_squared_error,huber --json
  pellucid compare digits --regularizer l2 --over regularizer.strength=0,1e-4,1e-2
  pellucid compare runs/digits-64-001 runs/digits-cnn-001       saved runs side by side

\b
--over takes any setting of train: activation, initializer, dropout, network, loss, optimizer, learning_rate,
regularizer, batch_size, epochs, …; or a dotted name within one, as optimizer.momentum.""",
)
@click.argument("sources", metavar="DATA | RUN RUN…", nargs=-1, required=True)
@click.option("--over", multiple=True, metavar="SETTING=VALUE,…", help="A setting and its values; several are crossed.")
@data_options
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="Seeds of each setting.")
@click.option(
    "--against",
    type=click.Choice(["best", "first"]),
    default="best",
    show_default=True,
    help="Setting that the others are compared with.",
)
@click.option("--figure", type=click.Path(path_type=Path), help="Plot the comparison to this file (.png, .svg, .pdf).")
@click.option("--progress/--no-progress", default=True, help="Show the progress.  [default: progress]")
@as_json
def compare(
    sources: tuple[str, ...],
    over: tuple[str, ...],
    seeds: int,
    against: Any,
    figure: Path | None,
    progress: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train settings with the same seeds on DATA and compare them on the held-out rows; or put saved runs side by side.

    The table gives mean, standard deviation and 95 % interval of each setting, and its difference from the
    best (or the first), seed by seed: interval, p of the paired t-test corrected for the number of settings (Holm),
    and effect size d.
    """
    from pellucid.api import compare as compare_settings
    from pellucid.runs.experiment import open_data

    if len(sources) != 1 or not over:
        _side_by_side(sources, over, as_json)
        return
    crossed = dict(named_values(text, "--over") for text in over)
    settings = given_settings(options)
    network = settings.get("network")
    data = open_data(data_settings(sources[0], network, options, settings.pop("seed", 0)))
    say(str(data))
    comparison = compare_settings(data, crossed, seeds=seeds, against=against, progress=progress, **settings)
    if figure is not None:
        comparison.plot().savefig(figure, dpi=150)
        say(f"figure saved to {figure}")
    if as_json:
        print_json(comparison.to_dict())
    else:
        print_document(comparison.to_document(), 180)


def _side_by_side(sources: tuple[str, ...], over: tuple[str, ...], as_json: bool) -> None:
    from pellucid.report.listing import compare_runs

    if over:
        raise click.UsageError("--over is for one DATA; saved runs are compared as they are.")
    if len(sources) < 2:
        raise click.UsageError("give --over SETTING=VALUE,… to compare settings on DATA, or two saved runs or more.")
    runs = compare_runs(sources)
    if as_json:
        print_json(runs.to_dict())
    else:
        print_document(runs.to_document(), 200)
