"""``pellucid train`` and ``pellucid resume``."""

import warnings
from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, print_json, say
from pellucid.cli.settings import SettingsCommand, given_settings, is_given, progress_options, run_options
from pellucid.cli.sources import data_options, data_settings
from pellucid.cli.track import track_option, trackers


@click.command(
    cls=SettingsCommand,
    by_recipe=True,
    epilog="""\b
Examples:
  pellucid train churn.csv --target left                   all defaults
  pellucid train mnist --network 128-128 --optimizer adam --learning-rate 1e-3 --batch-size 128
  pellucid train iris --network 16 --optimizer momentum:momentum=0.95 --schedule cosine_decay:epochs=50 --epochs 50
  pellucid train houses.csv --target price --as id=ignored --test sold-later.csv
  pellucid train sales.csv.gz --target shoes --target hats --time day --window 28 --horizon 7 --network lstm
  pellucid train visits.xlsx --target ill --group patient --na '?,-999'
  pellucid train photos/ --network cnn                    a folder of images, one subfolder a class
  pellucid train clicks/ --target clicked                 a folder of Parquet files, larger than memory
  pellucid train digits.zip --network cnn --file-names '{label}_{group}_*' --seconds 1      recordings
  pellucid train - --target price < houses.jsonl
  pellucid train churn.csv --target left --class-weights balanced --network 64-32 --dropout 0.2
  pellucid train churn.csv --target left --network 16 --folds 5
  pellucid train mnist --network cnn --track tensorboard   then: tensorboard --logdir runs
  pellucid train mnist --network cnn --batch-size 128 --epochs 5
  pellucid train mnist --network lstm:bidirectional=true --batch-size 128
  pellucid train mnist --network autoencoder:code=16,noise=0.3,sparsity=kl_activity --batch-size 128
  pellucid train mnist --network wgan --critic-steps 3 --epochs 100
  pellucid train pairs.tsv --network translator --epochs 20
  pellucid train mnist-5k --network network.toml --regularizer l1:strength=1e-4
  pellucid train sixes.npz --network cnn --initial runs/mnist-cnn-001 --freeze 'conv2d_*' --epochs 5
  pellucid train runs/mnist-cnn-001/experiment.toml --seed 1

\b
A network file lists its layers in order:
  [[layers]]
  name = "dense"
  units = 128
  activation = "relu"

\b
or names them, with what each reads, where the network branches:
  inputs = "x"
  outputs = "out"
  [nodes.out]
  name = "dense"
  units = 3
  activation = "softmax"
  reads = "x"
""",
)
@click.argument("source", metavar="DATA")
@data_options
@click.option("--folds", type=int, help="Cross-validate: hold each of so many folds of the rows out once.")
@track_option
@run_options
@as_json
def train(source: str, folds: int | None, track: tuple, as_json: bool, **options: Any) -> None:
    """Train a network on DATA: the name of a dataset, a file, a folder of files, or an experiment.toml.

    A file is a table (separated values, JSON lines, Parquet, Excel, compressed or not; - for standard input), arrays
    (.npz with x and y) or, for a translator, sentence pairs; a folder, or a zip file, holds images or recordings. The
    tables of a folder, or of an address such as s3://bucket/folder, are read while they are trained on: they may be
    larger than memory.

    The output layer and the loss are chosen from the target, and reported. Without --epochs the network is trained
    until a part of the rows, set aside, stops improving; up to 20,000 rows then all of them are trained on for twice as
    many steps. The run is saved to a folder with its settings, weights, history and report; Ctrl-C leaves it resumable.
    """
    from pellucid.api import finish
    from pellucid.cli.folds import cross_validate
    from pellucid.runs.fit import begin
    from pellucid.runs.retrain import on_all_rows

    if folds is not None:
        cross_validate(source, folds, as_json, options)
        return
    repeated = source.endswith(".toml")
    plan = _repeated(Path(source), options) if repeated else planned(source, options, by_recipe=True)
    trained = begin(plan)
    for name, summary in trained.summaries.items():
        say(f"{name}\n{summary}".strip())
    folder = options["folder"] or free_folder(plan.experiment.name)
    trained.notes = _with_problems(trained, folder / "experiment.toml")
    if plan.retraining is not None:
        trained = on_all_rows(trained, plan, options["progress"])
    run = finish(
        trained,
        folder=folder,
        overwrite=options["overwrite"],
        checkpoint_every=options["checkpoint_every"],
        progress=options["progress"],
        callbacks=trackers(track),
    )
    _conclude(run, as_json)


@click.command(
    cls=SettingsCommand,
    names=("epochs", "optimizer", "critic_optimizer", "learning_rate", "early_stopping"),
    epilog="""\b
Examples:
  pellucid resume runs/mnist-128-001
  pellucid resume runs/mnist-128-001 --epochs 20 --learning-rate 1e-4
""",
)
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@track_option
@progress_options
@as_json
def resume(folder: Path, track: tuple, checkpoint_every: float, progress: bool, as_json: bool, **changes: Any) -> None:
    """Resume RUN, which was interrupted, killed or has ended: bit for bit as if it had never stopped.

    What is changed holds from here on, and is written down in the run.
    """
    from pellucid.api import finish
    from pellucid.core.errors import ResumeWarning
    from pellucid.runs.resume import begin_again

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResumeWarning)
        begun = begin_again(folder, changes=changes)
        run = finish(
            begun, folder=folder, checkpoint_every=checkpoint_every, progress=progress, callbacks=trackers(track)
        )
    for warning in caught:
        say(str(warning.message))
    _conclude(run, as_json)


def _conclude(run: Any, as_json: bool) -> None:
    if as_json:
        print_json({"run": str(run.folder), "stopped": run.stopped, **run.result})
    say(f"{run}\nrun saved to {run.folder} (report: {run.folder / 'report.html'})")
    if run.stopped == "interrupted":
        say(f"resume it with: pellucid resume {run.folder}")
        raise SystemExit(130)
    if run.notes.suspicion:
        say(f"the doctor suspects {run.notes.suspicion}; make sure with: pellucid diagnose {run.folder}")


def planned(source: str, options: dict[str, Any], by_recipe: bool = False) -> Any:
    """Plan the training that the options describe, and report the defaults chosen for it."""
    from pellucid.data.table_source import is_streamed
    from pellucid.runs.experiment import check_values, open_data
    from pellucid.runs.plan import settle

    settings = given_settings(options)
    network = settings.pop("network", None)
    check_values(settings)
    opened = data_settings(source, network, options, settings.get("seed", 0))
    if opened.get("stream") or is_streamed(opened.get("file")):
        say("all rows are read once, for kinds, classes, categories and means")
    data = open_data(opened)
    say(str(data))
    plan = settle(network_of(network), data, settings, source=opened, by_recipe=by_recipe)
    if plan.reported:
        say(plan.reported)
    return plan


def network_of(network: Any) -> Any:
    """The network as it was given, read where it is a file."""
    from pellucid.network import build_network
    from pellucid.runs.folder import read_toml

    return (
        build_network(read_toml(Path(network))) if isinstance(network, str) and network.endswith(".toml") else network
    )


def _repeated(path: Path, options: dict[str, Any]) -> Any:
    """The training of an ``experiment.toml``, with another seed or number of epochs."""
    from pellucid.runs.experiment import Experiment, open_data
    from pellucid.runs.folder import read_toml
    from pellucid.runs.plan import plan_of

    context = click.get_current_context()
    free = {
        "source",
        "seed",
        "epochs",
        "name",
        "folder",
        "overwrite",
        "track",
        "checkpoint_every",
        "progress",
        "as_json",
    }
    parameters = context.command.get_params(context)
    settled = [p.opts[0] for p in parameters if p.name and p.name not in free and is_given(p.name)]
    if settled:
        raise click.UsageError(
            f"{', '.join(settled)}: settled by the experiment. Leave it out; or change a copy of experiment.toml and "
            "give that as DATA."
        )
    experiment = Experiment.from_dict(read_toml(path))
    for name in ("seed", "epochs", "name"):
        if options[name] is not None:
            setattr(experiment, name, options[name])
    if options["seed"] is not None and "seed" in experiment.data:
        experiment.data["seed"] = options["seed"]
    return plan_of(experiment, open_data(experiment.data), path.parent)


def _with_problems(trained: Any, settings: Path) -> Any:
    """Add the doctor's warnings before the first step to the notes, and print them."""
    from dataclasses import replace

    from pellucid.doctor.check import glance

    problems = tuple(f"{finding.severity}: {finding.line}" for finding in glance(trained))
    for problem in problems:
        say(problem)
    if problems:
        say(f"it is trained all the same; more: pellucid check {settings}")
    return replace(trained.notes, problems=problems)


def free_folder(name: str) -> Path:
    """A run folder that is not there yet."""
    number = 1
    while (path := Path("runs") / f"{name}-{number:03d}").exists():
        number += 1
    return path
