"""``pellucid check`` and ``pellucid diagnose``."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, is_table, print_json, say

PROBLEMS = 1
"""The exit code where a problem was found."""


@click.command(
    epilog="""\b
Examples:
  pellucid check experiment.toml                   before it is trained; code 1 where it cannot work
  pellucid check houses.csv --target price         the rows, and the network that train would take
  pellucid check mnist-5k --network 64-64 --json
"""
)
@click.argument("source", metavar="DATA")
@click.option("--target", help="Column to predict, of a table.")
@click.option("--network", default="128", show_default=True, help="Units of the hidden layers (128-128), or 'none'.")
@as_json
def check(source: str, target: str | None, network: str, as_json: bool) -> None:
    """Look at a training before its first step: DATA is a dataset, a table file, or an experiment.toml.

    Says what is wrong with rows and program, holds the first loss against that of guessing and the backward pass
    against a finite difference, and lets the network learn one small batch by heart. Ends with code 1 where a problem
    was found.
    """
    from pellucid.cli.findings import print_findings
    from pellucid.doctor.check import check_plan
    from pellucid.runs.train import plan

    if source.endswith(".toml"):
        planned = _plan_of(Path(source))
    else:
        units = () if network == "none" else tuple(int(units) for units in network.split("-"))
        planned = plan(units, _data(source, target))
    checkup = check_plan(planned)
    if as_json:
        print_json({"findings": [one.to_dict() for one in checkup.findings], "facts": checkup.facts})
    else:
        for name, value in checkup.facts.items():
            click.echo(f"{name}: {value:.4g}")
        print_findings(checkup.findings, "nothing found")
    if checkup.problems:
        raise SystemExit(PROBLEMS)


@click.command(
    epilog="""\b
Examples:
  pellucid diagnose runs/houses-001                why it did not learn, likeliest cause first
  pellucid diagnose runs/houses-001 --json
"""
)
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@as_json
def diagnose(folder: Path, as_json: bool) -> None:
    """Name the likeliest causes why the training of RUN did not learn as it could, with their evidence.

    The network is compared with baselines on the same rows; causes are tried by short trainings on the same seed.
    The findings are kept as findings.json in RUN and shown on its report.html. Ends with code 1 where a problem was
    found. What fixes it, proven: pellucid prove RUN.
    """
    from pellucid.cli.findings import print_findings
    from pellucid.doctor.keep import diagnose_and_keep

    findings = diagnose_and_keep(load_any(folder))
    if as_json:
        print_json([finding.to_dict() for finding in findings])
    else:
        print_findings(findings, str(findings))
    say(f"written to {folder / 'findings.json'} and {folder / 'report.html'}")
    if any(finding.severity == "problem" for finding in findings):
        say(f"what fixes it, proven by experiment: pellucid prove {folder}")
        raise SystemExit(PROBLEMS)


def load_any(folder: Path) -> Any:
    """A saved run, of one network or of a GAN's two."""
    from pellucid.runs.folder import RunFolder
    from pellucid.runs.gan_run import load_gan
    from pellucid.runs.run import load_run

    return load_gan(folder) if "generator" in RunFolder(folder).read_experiment() else load_run(folder)


def _data(source: str, target: str | None) -> Any:
    from pellucid.data import load_dataset, load_table

    if not is_table(source):
        return load_dataset(source)
    if target is None:
        raise click.UsageError("a table needs --target, the column to predict.")
    return load_table(source, target=target)


def _plan_of(path: Path) -> Any:
    import tomllib

    from pellucid.core.errors import StorageError
    from pellucid.network import build_network
    from pellucid.optimizers import as_optimizer
    from pellucid.runs.experiment import Experiment, open_data
    from pellucid.runs.train import Plan

    if not path.is_file():
        raise StorageError(f"there is no file {path}.")
    experiment = Experiment.from_dict(tomllib.loads(path.read_text()))
    optimizer = as_optimizer(experiment.optimizer)
    return Plan(experiment, open_data(experiment.data), build_network(experiment.network), optimizer)
