"""``pellucid sweep``."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, print_document, print_json, say
from pellucid.cli.settings import SettingsCommand, given_settings, is_given, named, named_values
from pellucid.cli.sources import data_options, data_settings
from pellucid.cli.train import free_folder, network_of

PROCEEDING = ("source", "trials", "cluster", "folder", "overwrite", "progress", "figure", "as_json")
"""Options that go with a sweep that is there, or with a file."""


@click.command(
    cls=SettingsCommand,
    by_recipe=True,
    epilog="""\b
Examples:
  pellucid sweep mnist-5k --network 64-64 --space learning_rate=log:1e-4:1e-1 --space dropout=0,0.2,0.5 --trials 64
  pellucid sweep digits --space network=32,64,64-64 --space batch_size=16,32,64 --epochs 30 --method grid
  pellucid sweep churn.csv --target left --space learning_rate=log:1e-4:1e-1 --space regularizer=,l2:strength=1e-3
  pellucid sweep mnist-5k --network 64-64 --space learning_rate=log:1e-4:1e-1 --method halving --epochs 27
  pellucid sweep digits --space learning_rate=log:1e-4:1e-1 --method tpe --pruner median --epochs 30
  pellucid sweep digits --network cnn --space network.filters=8,16,32 --folds 5 --seeds 1
  pellucid sweep runs/digits-128-sweep-001                 shows a sweep, or continues one that was killed
  pellucid sweep runs/digits-128-sweep-001 --trials 128    makes more trials
  pellucid sweep sweep.toml                                a sweep that a file describes

\b
--space takes SETTING=VALUE,VALUE,… (an empty value: not given), SETTING=LOW:HIGH or SETTING=log:LOW:HIGH; of whole
ends whole numbers are drawn. Settings are those of train, network too, or a dotted name within one, as
optimizer.momentum or, of a network by name, network.units.

\b
A file has the same in TOML:
  network = [64, 64]
  method = "random"
  trials = 64
  data = {name = "mnist-5k"}
  settings = {epochs = 20}
  [space]
  learning_rate = "log:1e-4:1e-1"
  dropout = [0, 0.2, 0.5]
""",
)
@click.argument("source", metavar="DATA | FOLDER | FILE")
@click.option("--space", multiple=True, metavar="SETTING=VALUES", help="A setting and its values or range; several.")
@data_options
@click.option(
    "--method",
    metavar="random|grid|halving|SAMPLER",
    default="random",
    show_default=True,
    help="How trials are chosen; SAMPLER: of Optuna, such as tpe.",
)
@click.option("--trials", type=click.IntRange(1), help="Number of trials.  [default: 64; grid: all]")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings of each trial.")
@click.option("--folds", type=click.IntRange(2), help="Cross-validate each trial by so many folds.")
@click.option("--pruner", metavar="NAME", help="Pruner of Optuna that drops trials on the way, such as median.")
@click.option("--cluster", metavar="ADDRESS", help="Dask scheduler whose workers make the trials: tcp://10.0.0.5:8786.")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the sweep.  [default: runs/NAME-sweep-NNN]")
@click.option("--overwrite", is_flag=True, help="Replace the sweep in the folder.")
@click.option("--figure", type=click.Path(path_type=Path), help="Plot the sweep to this file (.png, .svg, .pdf).")
@click.option("--progress/--no-progress", default=True, help="Show the progress.  [default: progress]")
@as_json
def sweep(
    source: str,
    space: tuple[str, ...],
    method: str,
    trials: int | None,
    seeds: int,
    folds: int | None,
    pruner: str | None,
    cluster: str | None,
    folder: Path | None,
    overwrite: bool,
    figure: Path | None,
    progress: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Search a space of settings on DATA, and train the best one on all training rows.

    A trial is one setting, trained for each seed with another fifth of the training rows set aside, on which it is
    judged. The held-out rows are evaluated once, with the best. Trials that differ in numbers alone are trained side
    by side. FOLDER, of a sweep that was killed, continues it.
    """
    from pellucid.sweeps.run import load, proceed, run_search
    from pellucid.sweeps.search import Search, SweepFile, from_file

    shared = {"cluster": cluster, "progress": progress}
    if (Path(source) / "sweep.toml").exists():
        _refuse_others("a sweep that is there")
        path = Path(source)
        ended = (path / "sweep.json").exists() and trials is None
        made = load(path) if ended else proceed(path, trials=trials, **shared)
    elif source.endswith(".toml"):
        from pellucid.runs.experiment import open_data
        from pellucid.runs.folder import read_toml

        _refuse_others("the file of a sweep")
        file = SweepFile.from_dict(read_toml(Path(source)))
        file.trials = trials or file.trials
        path = folder or free_folder(f"{Path(source).stem}-sweep")
        data = open_data(file.data)
        say(str(data))
        made = run_search(from_file(file), data, source=file.data, folder=path, overwrite=overwrite, **shared)
    else:
        if not space:
            raise click.UsageError(
                "give the settings to vary: --space learning_rate=log:1e-4:1e-1 --space dropout=0,0.2."
            )
        settings = given_settings(options)
        seed, network = settings.pop("seed", 0), settings.pop("network", None)
        search = Search.of(
            network_of(network),
            dict(map(_space, space)),
            method=method,
            trials=trials,
            seeds=seeds,
            folds=folds,
            seed=seed,
            pruner=pruner,
            settings=settings,
        )
        made, path = _search(search, source, network, options, seed, folder, overwrite, shared)
    if figure is not None:
        made.plot().savefig(figure, dpi=150)
        say(f"figure saved to {figure}")
    if as_json:
        print_json({"folder": str(path), **made.to_dict()})
    else:
        print_document(made.to_document(), 180)
    say(f"sweep in {path} (report: {path / 'report.html'}); the best run: {path / 'best'}")


def _search(
    search: Any,
    source: str,
    network: Any,
    options: dict[str, Any],
    seed: int,
    folder: Path | None,
    overwrite: bool,
    shared: dict[str, Any],
) -> tuple[Any, Path]:
    from pellucid.runs.experiment import open_data
    from pellucid.sweeps.run import run_search

    opened = data_settings(source, network or next(iter(search.space.get("network", (None,)))), options, seed)
    data = open_data(opened)
    say(str(data))
    path = folder or free_folder(f"{data.name}-sweep")
    return run_search(search, data, source=opened, folder=path, overwrite=overwrite, **shared), path


def _space(text: str) -> tuple[str, Any]:
    """Parse a setting and its values or range."""
    from pellucid.sweeps.space import Range

    name, rest = named(text, "--space")
    return name, Range.parse(rest) or named_values(text, "--space")[1]


def _refuse_others(what: str) -> None:
    """Refuse options that are settled already."""
    context = click.get_current_context()
    parameters = context.command.get_params(context)
    settled = [p.opts[0] for p in parameters if p.name and p.name not in PROCEEDING and is_given(p.name)]
    if settled:
        raise click.UsageError(f"{', '.join(settled)}: settled by {what}. Leave it out.")
