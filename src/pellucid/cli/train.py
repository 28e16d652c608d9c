"""``pellucid train``."""

import warnings
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pellucid.cli.gan import begin_gan, is_gan
from pellucid.cli.options import Specification, as_json, is_table, print_json, say

SPECIFICATION = Specification()
CHOICES = ("auto", "standardise", "min_max", "none")


@click.command(
    epilog="""\b
Examples:
  pellucid train mnist --network 128-128 --optimizer adam --learning-rate 1e-3 --batch-size 128
  pellucid train iris --network 16 --optimizer momentum:momentum=0.95 --schedule cosine_decay:epochs=50 --epochs 50
  pellucid train houses.csv --target price --ignore id --missing median --patience 10
  pellucid train churn.csv --target left --class-weights balanced --network 64-32 --dropout 0.2
  pellucid train mnist --network cnn --batch-size 128 --epochs 5
  pellucid train mnist --network lstm:bidirectional=true --batch-size 128
  pellucid train mnist --network autoencoder:code=16,noise=0.3,sparsity=kl_activity --batch-size 128
  pellucid train mnist --network wgan:critic_steps=3 --epochs 100
  pellucid train mnist-5k --network network.toml --regularizer l1:strength=1e-4
  pellucid train --resume runs/mnist-001
  pellucid train --resume runs/mnist-001 --epochs 20 --learning-rate 1e-4
  pellucid train runs/mnist-001/experiment.toml --seed 1

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
"""
)
@click.argument("source", metavar="[DATA]", required=False)
@click.option("--target", help="Column to predict, for a table.")
@click.option("--weights", metavar="COLUMN", help="Column of what each row weighs, at least 0; for a table.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Column to leave out; may be repeated.")
@click.option("--categorical", multiple=True, metavar="COLUMN", help="Column of numbers that are categories.")
@click.option(
    "--missing",
    type=click.Choice(["refuse", "drop", "mean", "median", "most_frequent"]),
    default="refuse",
    show_default=True,
    help="What to do with missing values of a table.",
)
@click.option(
    "--task",
    type=click.Choice(["binary", "multiclass", "regression"]),
    help="Task; inferred from the target if not given.",
)
@click.option("--held-out", type=float, default=0.2, show_default=True, help="Share of a table's rows held out.")
@click.option(
    "--network",
    default="128",
    show_default=True,
    help="Units of the hidden layers (128-128), 'none', a network by name (cnn, lstm, autoencoder, gan, wgan …) with "
    "its fields, or a TOML file of layers or nodes.",
)
@click.option("--activation", type=SPECIFICATION, default="relu", show_default=True, help="Of the hidden layers.")
@click.option(
    "--initializer", type=SPECIFICATION, default="he_normal", show_default=True, help="Of the hidden layers' weights."
)
@click.option(
    "--dropout", type=float, default=0.0, show_default=True, help="Share dropped after each hidden layer, below 1."
)
@click.option("--loss", type=SPECIFICATION, help="Loss; chosen from the target if not given.")
@click.option("--metric", type=SPECIFICATION, help="What is measured beside the loss.")
@click.option(
    "--optimizer", type=SPECIFICATION, default="adam", show_default=True, help="Optimizer and its hyperparameters."
)
@click.option("--learning-rate", type=float, help="Learning rate η; the optimizer's default if not given.")
@click.option("--schedule", type=SPECIFICATION, help="Learning-rate schedule and its hyperparameters.")
@click.option("--regularizer", type=SPECIFICATION, help="l1, l2 or elastic_net, with its strength.")
@click.option("--epochs", type=int, default=None, help="Passes over the training rows.  [default: 10]")
@click.option("--batch-size", help="Rows a step, or 'all'.  [default: 32]")
@click.option("--shuffle/--no-shuffle", default=True, help="A new order of the rows in each epoch.  [default: shuffle]")
@click.option("--class-weights", metavar="balanced|NAME=W,…", help="Weights of the classes.")
@click.option(
    "--scale-inputs",
    type=click.Choice(CHOICES),
    default="auto",
    show_default=True,
    help="How inputs are scaled; auto: tables standardised, pixels by 1/255.",
)
@click.option(
    "--scale-targets",
    type=click.Choice(CHOICES),
    default="auto",
    show_default=True,
    help="How the targets of a regression are scaled for training; auto: standardised, where output and loss allow it. "
    "Predictions and metrics are in the target's own units.",
)
@click.option("--patience", type=int, help="Early stopping: epochs without a better loss on a validation part.")
@click.option(
    "--validation",
    type=float,
    default=0.1,
    show_default=True,
    help="Share of the training rows watched by early stopping.",
)
@click.option(
    "--record-every",
    type=int,
    default=20,
    show_default=True,
    help="Steps between measurements of the layers; 0 for none.",
)
@click.option(
    "--record",
    default="activations,gradients,updates,weights",
    show_default=True,
    callback=lambda context, option, text: tuple(group.strip() for group in text.split(",")),
    help="What is measured of the layers; also: noise.",
)
@click.option(
    "--histograms-every",
    type=int,
    default=0,
    show_default=True,
    help="Steps between histograms of what is measured; 0 for none.",
)
@click.option(
    "--snapshots",
    type=int,
    default=0,
    show_default=True,
    help="States along the training to keep at most, for pellucid replay; 0 for none.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=None, help="Seed of weights, order and split.  [default: 0]"
)
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME-NNN]")
@click.option("--overwrite", is_flag=True, help="Replace the run folder if it is there.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with this run; --epochs, --optimizer, --learning-rate and --patience may be others.",
)
@click.option("--checkpoint-every", type=float, default=10.0, show_default=True, help="Seconds between checkpoints.")
@click.option("--quiet", is_flag=True, help="No progress.")
@as_json
def train(source: str | None, resume: Path | None, as_json: bool, **options: Any) -> None:
    """Train a network on DATA: the name of a dataset, a table file, or an experiment.toml.

    The output layer and the loss are chosen from the target, and said. The run is saved to a folder with its settings,
    weights, history and report; Ctrl-C leaves it resumable.
    """
    if resume is not None:
        run = _resume(resume, source, options)
    elif source is None:
        raise click.UsageError("give DATA (a dataset's name, a table file, an experiment.toml) or --resume RUN.")
    elif source.endswith(".toml"):
        run = _repeat(Path(source), options)
    else:
        run = _begin(source, options)
    if as_json:
        print_json({"run": str(run.folder), "stopped": run.stopped, **run.result})
    say(f"{run}\nrun saved to {run.folder} (report: {Path(run.folder) / 'report.html'})")
    if run.stopped == "interrupted":
        say(f"go on with: pellucid train --resume {run.folder}")
        raise SystemExit(130)
    _tell_suspicion(run)


def _tell_suspicion(run: Any) -> None:
    from pellucid.runs.run import Run

    if isinstance(run, Run) and run.notes.suspicion:
        say(f"the doctor suspects {run.notes.suspicion}; make sure with: pellucid diagnose {run.folder}")


def _begin(source: str, options: dict[str, Any]) -> Any:
    from pellucid.architectures.feedforward import OUTPUTS, RAW, choices_of, loss_and_network
    from pellucid.core.registry import describe
    from pellucid.functions.metrics import metrics
    from pellucid.functions.regularizers import regularizers
    from pellucid.optimizers import as_optimizer
    from pellucid.runs.experiment import Experiment, open_data, with_usual_batch_size
    from pellucid.runs.scaling import scaled_inputs
    from pellucid.runs.train import run_experiment, suspicion_of

    seed = options["seed"] or 0
    settings = data_settings(source, options, seed)
    data = open_data(settings)
    say(str(data))
    if is_gan(options["network"]):
        open_ones = {
            "source",
            "network",
            "epochs",
            "batch_size",
            "seed",
            "record_every",
            "record",
            "histograms_every",
            "folder",
            "overwrite",
        }
        _settled("the GAN", open_ones | {"optimizer", "learning_rate", "schedule", "target", "ignore", "categorical"})
        options["folder"] = options["folder"] or _free_folder(data.name)
        return begin_gan(data, settings, options, _optimizer)
    network, data = _network(options, scaled_inputs(data, options["scale_inputs"]))
    if data.task == "reconstruction":
        settings["task"] = data.task
    end = OUTPUTS[data.task]
    optimizer = as_optimizer(_optimizer(options))
    loss, ended = loss_and_network(options["loss"], network, data)
    if not options["network"].endswith(".toml"):
        network = ended
    activation = "linear" if loss.reads in RAW else end.activation
    say(f"output layer: {activation}, {data.outputs} wide ({end.reason}); loss: {loss.name}")
    experiment = Experiment(
        network=network.describe(),
        loss=describe(loss),
        metric=describe(metrics.build(options["metric"] or end.metric)),
        optimizer=describe(optimizer),
        regularizer=None if options["regularizer"] is None else describe(regularizers.build(options["regularizer"])),
        epochs=10 if options["epochs"] is None else options["epochs"],
        batch_size=_batch_size(options["batch_size"]),
        shuffle=options["shuffle"],
        seed=seed,
        class_weights=_class_weights(options["class_weights"]),
        scale_inputs=options["scale_inputs"],
        scale_targets=options["scale_targets"],
        patience=options["patience"],
        validation=options["validation"],
        record_every=options["record_every"],
        record=options["record"],
        histograms_every=options["histograms_every"],
        snapshots=options["snapshots"],
        data=settings,
    )
    if options["batch_size"] is None:
        experiment = with_usual_batch_size(experiment, len(data.train), optimizer.full_batch)
    from pellucid.network import summarize

    asked_for = {
        "output layer": options["network"].endswith(".toml"),
        "loss": options["loss"] is not None,
        "metric": options["metric"] is not None,
    }
    choices = choices_of(data, experiment, asked_for)
    say(str(summarize(network.accepting(data.input_shape), data.input_shape)))
    folder = options["folder"] or _free_folder(data.name)
    return run_experiment(
        experiment,
        data,
        folder=folder,
        overwrite=options["overwrite"],
        checkpoint_every=options["checkpoint_every"],
        progress=not options["quiet"],
        choices=choices,
        before=lambda run: _tell_problems(run, folder / "experiment.toml"),
        after=suspicion_of,
    )


def _tell_problems(run: Any, settings: Path) -> list[str]:
    """One line for each thing that is certainly wrong, or to be known, before the first step; told, and returned."""
    from rich.console import Console
    from rich.text import Text

    from pellucid.cli.findings import COLOURS
    from pellucid.doctor.check import glance

    console = Console(stderr=True, highlight=False)
    found = glance(run)
    for finding in found:
        head = (f"{finding.severity}: {finding.name}", f"bold {COLOURS[finding.severity]}")
        console.print(Text.assemble(head, f" ({finding.probability:.0%}): {finding.because}"), soft_wrap=True)
    if found:
        console.print(f"it is trained all the same; more: pellucid check {settings}", soft_wrap=True)
    return [finding.line for finding in found]


def _repeat(path: Path, options: dict[str, Any]) -> Any:
    from pellucid.runs.experiment import GanExperiment, experiment_of, open_data
    from pellucid.runs.folder import read_toml
    from pellucid.runs.gan import run_gan
    from pellucid.runs.train import run_experiment, suspicion_of

    _settled("the experiment", {"source", "seed", "epochs", "folder", "overwrite"})
    experiment = experiment_of(read_toml(path))
    if options["seed"] is not None:
        experiment.seed = options["seed"]
        if "seed" in experiment.data:
            experiment.data["seed"] = options["seed"]
    if options["epochs"] is not None:
        experiment.epochs = options["epochs"]
    data = open_data(experiment.data)
    folder = options["folder"] or _free_folder(data.name)
    kept: dict[str, Any] = {
        "folder": folder,
        "overwrite": options["overwrite"],
        "checkpoint_every": options["checkpoint_every"],
        "progress": not options["quiet"],
    }
    if isinstance(experiment, GanExperiment):
        return run_gan(experiment, data, **kept)
    return run_experiment(
        experiment, data, before=lambda run: _tell_problems(run, folder / "experiment.toml"), after=suspicion_of, **kept
    )


def _resume(folder: Path, source: str | None, options: dict[str, Any]) -> Any:
    from pellucid.core.errors import ResumeWarning
    from pellucid.runs.folder import RunFolder
    from pellucid.runs.gan import resume_gan
    from pellucid.runs.train import resume_run

    if source is not None:
        raise click.UsageError("--resume takes the data from the run: leave DATA out.")
    gan = "generator" in RunFolder(folder).read_experiment()
    open_ones = {"resume", "epochs", "optimizer", "learning_rate"}
    _settled("the run", open_ones if gan else open_ones | {"patience"})
    changes = {name: options[name] for name in ("epochs", "learning_rate")}
    if _is_given("optimizer"):
        changes["optimizer"] = options["optimizer"]
    if not gan:
        changes["early_stopping"] = options["patience"]
    again: Any = resume_gan if gan else resume_run
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResumeWarning)
        run = again(folder, checkpoint_every=options["checkpoint_every"], progress=not options["quiet"], **changes)
    for warning in said:
        say(str(warning.message))
    return run


def _settled(by: str, open_ones: set[str]) -> None:
    """Refuse options that ``by`` has settled already; passing over them would deceive."""
    open_ones |= {"checkpoint_every", "quiet", "as_json"}
    given = [
        parameter.opts[0]
        for parameter in click.get_current_context().command.params
        if parameter.name is not None and parameter.name not in open_ones and _is_given(parameter.name)
    ]
    if given:
        raise click.UsageError(
            f"{', '.join(given)}: settled by {by}. Leave it out; or change a copy of experiment.toml and "
            "give that as DATA."
        )


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def data_settings(source: str, options: dict[str, Any], seed: int) -> dict[str, Any]:
    """How the data of the options are opened."""
    if not is_table(source):
        for name in ("target", "weights"):
            if options.get(name) is not None:
                raise click.UsageError(f"--{name} is for table files; {source!r} is not one (.csv, .tsv, .parquet).")
        return {"name": source, "seed": seed}
    if options["target"] is None:
        raise click.UsageError("name the column to predict: --target COLUMN.")
    settings: dict[str, Any] = {"file": str(Path(source).resolve()), "target": options["target"]}
    settings |= {"held_out": options["held_out"], "missing": options["missing"], "seed": seed}
    settings |= {name: list(options[name]) for name in ("ignore", "categorical") if options[name]}
    settings |= {"weights": options["weights"]} if options.get("weights") else {}
    return settings if options["task"] is None else settings | {"task": options["task"]}


def _network(options: dict[str, Any], data: Any) -> tuple[Any, Any]:
    """The network, and the data as it takes them: an autoencoder's targets are its inputs."""
    from pellucid.architectures.by_name import build_model
    from pellucid.architectures.feedforward import feedforward
    from pellucid.network import build_network
    from pellucid.runs.folder import read_toml

    text = options["network"]
    if text.endswith(".toml"):
        return build_network(read_toml(Path(text))), data
    if text != "none" and not text[:1].isdecimal():
        named = SPECIFICATION.convert(text, None, None)
        given = ("activation", "dropout", "initializer")
        return build_model(
            ({"name": named} if isinstance(named, str) else named)
            | {name: options[name] for name in given if _is_given(name)},
            data,
        )
    network = feedforward(
        data,
        hidden_units(text),
        activation=options["activation"],
        dropout=options["dropout"],
        weights=options["initializer"],
    )
    return network, data


def hidden_units(text: str) -> list[int]:
    """The units of the hidden layers: ``128-64``, or ``none``."""
    try:
        return [] if text == "none" else [int(units) for units in text.split("-")]
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not units joined by dashes, such as 128-128.", param_hint="--network"
        ) from None


def _optimizer(options: dict[str, Any]) -> Any:
    from pellucid.optimizers import optimizers

    given = options["optimizer"]
    table: dict[str, Any] = {"name": given} if isinstance(given, str) else dict(given)
    rate = options["learning_rate"]
    if options["schedule"] is not None:
        schedule = options["schedule"]
        schedule = {"name": schedule} if isinstance(schedule, str) else dict(schedule)
        usual = optimizers.build(table["name"]).learning_rate
        table["learning_rate"] = {"learning_rate": usual if rate is None else rate} | schedule
    elif rate is not None:
        table["learning_rate"] = rate
    return table


def _batch_size(text: str | None) -> Any:
    if text is None or text == "all":
        return "all"
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a whole number nor 'all'.", param_hint="--batch-size") from None


def _class_weights(text: str | None) -> Any:
    if text is None or text == "balanced":
        return text
    try:
        pairs = (pair.rsplit("=", 1) for pair in text.split(","))
        return {name.strip(): float(weight) for name, weight in pairs}
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither 'balanced' nor NAME=WEIGHT,NAME=WEIGHT.", param_hint="--class-weights"
        ) from None


def _free_folder(name: str) -> Path:
    number = 1
    while (path := Path("runs") / f"{name}-{number:03d}").exists():
        number += 1
    return path
