"""The command ``pellucid``: its verbs, exit codes and error messages."""

import gc
import sys
from typing import Any

import click

from pellucid.cli.compare import compare
from pellucid.cli.data import data
from pellucid.cli.doctor import check, diagnose
from pellucid.cli.explain import explain
from pellucid.cli.export import export
from pellucid.cli.find_learning_rate import find_learning_rate
from pellucid.cli.generate import sample, translate
from pellucid.cli.importance import dependence, importance
from pellucid.cli.info import info
from pellucid.cli.lesson import lesson
from pellucid.cli.prove import prove
from pellucid.cli.replay import replay
from pellucid.cli.runs import runs
from pellucid.cli.serve import serve
from pellucid.cli.show import show
from pellucid.cli.sweep import sweep
from pellucid.cli.train import resume, train
from pellucid.cli.use import evaluate, predict
from pellucid.core.errors import DataError, PellucidError, StorageError, TrainingDiverged

EXIT_CODES = {DataError: 3, StorageError: 4, TrainingDiverged: 5}
"""2 for any other wrong value or usage, 130 for Ctrl-C."""
COLLECTED = 50_000
"""New objects between two collections of cyclic garbage: Python's 700 cost a start a tenth of its time."""


class Verbs(click.Group):
    """The group of verbs; prints pellucid's own errors as one paragraph instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        from pellucid.core.interface import command_line

        gc.set_threshold(COLLECTED)
        try:
            with command_line():
                return super().invoke(ctx)
        except PellucidError as error:
            click.echo(f"pellucid: {error}", err=True)
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 2)
            sys.exit(code)
        except KeyboardInterrupt:
            click.echo("pellucid: interrupted", err=True)
            sys.exit(130)


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  pellucid train mnist-5k                                  a first network, in seconds
  pellucid train mnist --network 128-128                   the reference network on all of MNIST
  pellucid train houses.csv --target price                 a table of your own
  pellucid evaluate runs/houses-128-001 new.csv            how good it is on other rows
  pellucid explain runs/mnist-128-128-001 --example 3      every number of one example, checked
  pellucid importance runs/houses-128-001                  what it loses without a column
  pellucid replay runs/mnist-128-128-001 --layer dense_1   how its weights moved (train with --snapshots 50)
  pellucid serve runs/houses-128-001                       its predictions over HTTP
  pellucid sample runs/mnist-wgan-001 --output new.png     what a GAN makes
  pellucid export runs/houses-128-001 --output houses.onnx --preprocessing   a file for ONNX Runtime
  pellucid lesson dying-relu                               put a claim of the field to the test
  pellucid compare digits --over activation=relu,tanh      settings against one another, by the same seeds
  pellucid sweep digits --space learning_rate=log:1e-4:1e-1 the best settings of a space
  pellucid find-learning-rate digits                       a learning rate, by short trainings at many
  pellucid show relu                                       an activation, loss, optimizer … on one page
  pellucid data list                                       the datasets it knows
  pellucid info                                            versions, devices, native kernels

\b
Exit codes: 0 done · 1 problems found · 2 wrong value or usage · 3 unusable data · 4 file cannot be read or written ·
5 training diverged · 130 interrupted (the run can be resumed).
Completion: eval "$(_PELLUCID_COMPLETE=bash_source pellucid)"   (also zsh_source, fish_source)""",
)
@click.version_option(package_name="pellucid")
def main() -> None:
    """Neural networks you can see through: train them, use them, look inside."""


VERBS = (
    train,
    resume,
    runs,
    predict,
    evaluate,
    explain,
    importance,
    dependence,
    check,
    diagnose,
    prove,
    compare,
    replay,
    sample,
    translate,
)
for verb in (*VERBS, export, serve, find_learning_rate, lesson, show, sweep, data, info):
    main.add_command(verb)

if __name__ == "__main__":
    main()
