"""``pellucid explain``."""

import json
from pathlib import Path

import click

from pellucid.cli.options import say
from pellucid.cli.settings import is_given

FORMATS = ("terminal", "json", "markdown", "latex", "html")


@click.command(
    epilog="""\b
Examples:
  pellucid explain runs/mnist-128-001 --example 3
  pellucid explain runs/mnist-128-001 --example 3 --neuron relu_1:17
  pellucid explain runs/mnist-128-001 --example 3 --weight dense_2:17,4
  pellucid explain runs/mnist-128-001 --example 3 --format html --output three.html
  pellucid explain exercise.toml --weight dense_2:0,0

\b
A file of weights written by hand:
  x = [0.05, 0.10]
  y = [0.01, 0.99]
  loss = "mean_squared_error"
  optimizer = { name = "sgd", learning_rate = 0.5 }
  [[layers]]
  name = "dense"
  units = 2
  activation = "sigmoid"
  [weights.dense_1]
  weights = [[0.15, 0.25], [0.20, 0.30]]
  biases = [0.35, 0.35]
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--example", type=click.IntRange(0), default=0, show_default=True, help="Which held-out row.")
@click.option("--neuron", metavar="LAYER:UNIT", help="Follow the weight of this neuron with the largest gradient.")
@click.option("--weight", metavar="LAYER[:ARRAY]:I,J", help="Follow this weight; ARRAY as in dense_1:biases:3.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="By default what the ending of --output says, else terminal."
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
def explain(
    run: Path, example: int, neuron: str | None, weight: str | None, form: str | None, output: Path | None
) -> None:
    """One example through a network, every number forward and backward, checked: of a saved RUN, or of a TOML file.

    The example and the network's answer, the network with its numbers, the inputs that moved the answer, the chain rule
    back to a weight, its update and the new weight. Every derivative is compared with central differences in float64,
    and the relative error shown. Without --neuron or --weight the weight with the largest gradient in the last layer is
    followed. A file holds a network, its weights written by hand, one example and its target.
    """
    from rich.console import Console

    from pellucid.core.errors import InvalidValue
    from pellucid.core.files import write_bytes
    from pellucid.explanations import explain_exercise, explain_row, read_exercise
    from pellucid.report import terminal
    from pellucid.runs.fit import data_of_run, load
    from pellucid.runs.folder import RunFolder

    endings = {".json": "json", ".md": "markdown", ".tex": "latex", ".html": "html", ".htm": "html", ".txt": "terminal"}
    if form is None:
        form = "terminal" if output is None else endings.get(output.suffix.lower())
    if form is None:
        raise InvalidValue(f"the ending of {output} names no format. Endings: {', '.join(endings)}; or give --format.")
    if run.suffix == ".toml":
        if is_given("example"):
            raise click.UsageError("--example: a file of weights written by hand holds one example. Leave it out.")
        explanation = explain_exercise(read_exercise(run), neuron=neuron, weight=weight)
    else:
        loaded = load(run)
        data = data_of_run(RunFolder(run), loaded.experiment.data, None)
        explanation = explain_row(loaded, data, example, neuron=neuron, weight=weight)
    if form == "terminal" and output is None:
        Console().print(terminal.renderable(explanation.to_document()))
        return
    text = {
        "terminal": lambda: str(explanation),
        "json": lambda: json.dumps(explanation.to_dict(), indent=1) + "\n",
        "markdown": explanation.to_markdown,
        "latex": explanation.to_latex,
        "html": explanation.to_html,
    }[form]()
    if output is None:
        click.echo(text, nl=False)
        return
    write_bytes(output, text.encode())
    worst = f"worst relative error of a derivative {explanation.worst_error:.1e}"
    say(f"{explanation.facts.title}, in {output}; {worst}")
