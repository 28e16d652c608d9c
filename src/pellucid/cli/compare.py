"""``pellucid compare``."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pellucid.cli.options import as_json, print_json, say
from pellucid.cli.train import SPECIFICATION, data_settings, hidden_units, train

SHARED = (
    "target",
    "weights",
    "ignore",
    "categorical",
    "missing",
    "task",
    "held_out",
    "network",
    "activation",
    "initializer",
    "dropout",
    "loss",
    "metric",
    "optimizer",
    "learning_rate",
    "regularizer",
    "epochs",
    "batch_size",
)
"""Options of ``pellucid train`` that mean the same here."""


@click.command(
    epilog="""\b
Examples:
  pellucid compare digits --over activation=relu,tanh,sigmoid
  pellucid compare digits --over activation=relu,tanh --over learning_rate=0.001,0.01 --figure compared.png
  pellucid compare iris --network 16 --over optimizer=sgd,adam:beta1=0.8,adam:beta1=0.95 --seeds 20
  pellucid compare mnist-5k --over network=32,64-32,128-128 --epochs 5 --against first
  pellucid compare houses.csv --target price --over loss=mean_squared_error,huber --json
  pellucid compare digits --regularizer l2 --over regularizer.strength=0,1e-4,1e-2

\b
--over takes any setting of train: activation, initializer, dropout, network, loss, optimizer, learning_rate,
regularizer, batch_size, epochs, …; or a dotted name within one, as optimizer.momentum."""
)
@click.argument("source", metavar="DATA")
@click.option(
    "--over",
    multiple=True,
    required=True,
    metavar="SETTING=VALUE,…",
    help="A setting and its values; several are crossed.",
)
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="Seeds of each setting.")
@click.option(
    "--against",
    type=click.Choice(["best", "first"]),
    default="best",
    show_default=True,
    help="Setting that the others are held against.",
)
@click.option("--figure", type=click.Path(path_type=Path), help="Draw the comparison to this file (.png, .svg, .pdf).")
@click.option("--quiet", is_flag=True, help="No progress.")
@as_json
def compare(
    source: str,
    over: tuple[str, ...],
    seeds: int,
    against: Any,
    figure: Path | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train settings with the same seeds on DATA, and hold them against one another on the held-out rows.

    The table gives mean, standard deviation and 95 % interval of each setting, and its difference from the
    best (or the first), seed by seed: interval, p of the paired t-test corrected for the number of settings (Holm),
    and effect size d.
    """
    crossed = dict(_values(text) for text in over)
    from pellucid.runs.compare import compare as compare_settings
    from pellucid.runs.experiment import open_data

    data = open_data(data_settings(source, options, seed=0))
    say(str(data))
    common = {
        name: options[name] if name != "batch_size" else _value(options[name])
        for name in SHARED[SHARED.index("network") :]
        if _is_given(name)
    }
    if "network" in common:
        common["network"] = _network(common["network"])
    found = compare_settings(data, crossed, seeds=seeds, against=against, progress=not quiet, **common)
    if figure is not None:
        found.plot().savefig(figure, dpi=150)
        say(f"figure saved to {figure}")
    if as_json:
        print_json(found.to_dict())
    else:
        click.echo(str(found))


# The same objects as train's, so that help, checks and defaults are said once.
compare.params[2:2] = [parameter for parameter in train.params if parameter.name in SHARED]


def _values(text: str) -> tuple[str, list[Any]]:
    """A setting and its values; fields that follow a value's colon belong to that value."""
    name, sign, rest = text.partition("=")
    if not sign or not rest:
        raise click.BadParameter(f"{text!r} is not of the form setting=value,value.", param_hint="--over")
    pieces: list[str] = []
    for piece in rest.split(","):
        if pieces and ":" in pieces[-1] and "=" in piece:
            pieces[-1] += f",{piece}"
        else:
            pieces.append(piece)
    convert = _network if name == "network" else _value
    return name, [convert(piece.strip()) for piece in pieces]


def _value(text: str) -> Any:
    """A number, true or false where the text is one, else a specification."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return (
        {"true": True, "false": False}[text] if text in ("true", "false") else SPECIFICATION.convert(text, None, None)
    )


def _network(text: str) -> Any:
    if text == "none" or text[:1].isdecimal():
        return hidden_units(text)
    return SPECIFICATION.convert(text, None, None)


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
