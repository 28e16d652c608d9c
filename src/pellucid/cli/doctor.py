"""``pellucid check`` and ``pellucid diagnose``."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, print_json, say
from pellucid.cli.settings import SettingsCommand
from pellucid.cli.sources import data_options
from pellucid.cli.train import planned

PROBLEMS = 1
"""The exit code where a problem was found."""


@click.command(
    cls=SettingsCommand,
    epilog="""\b
Examples:
  pellucid check experiment.toml                   before it is trained; code 1 where it cannot work
  pellucid check houses.csv --target price         the rows, and the network that train would take
  pellucid check mnist-5k --network 64-64 --json
""",
)
@click.argument("source", metavar="DATA")
@data_options
@as_json
def check(source: str, as_json: bool, **options: Any) -> None:
    """Check a training before its first step: DATA is a dataset, a table file, or an experiment.toml.

    Says what is wrong with rows and program, compares the first loss with that of guessing and the backward pass
    with a finite difference, and lets the network learn one small batch by heart. Ends with code 1 where a problem
    was found.
    """
    from pellucid.cli.findings import print_section
    from pellucid.doctor.check import check_plan
    from pellucid.report.doctor import findings_section
    from pellucid.runs.experiment import Experiment, open_data
    from pellucid.runs.folder import read_toml
    from pellucid.runs.plan import plan_of

    if source.endswith(".toml"):
        experiment = Experiment.from_dict(read_toml(Path(source)))
        plan = plan_of(experiment, open_data(experiment.data), Path(source).parent)
    else:
        plan = planned(source, options)
    checkup = check_plan(plan)
    plain = [finding.to_dict() for finding in checkup.findings]
    if as_json:
        print_json({"findings": plain, "facts": checkup.facts})
    else:
        for name, value in checkup.facts.items():
            click.echo(f"{name}: {value:.4g}")
        print_section(findings_section(plain))
    if checkup.problems:
        raise SystemExit(PROBLEMS)


@click.command(
    epilog="""\b
Examples:
  pellucid diagnose runs/houses-128-001                why it did not learn, likeliest cause first
  pellucid diagnose runs/houses-128-001 --json
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
    from pellucid.api import load
    from pellucid.cli.findings import print_section
    from pellucid.report.doctor import findings_section

    findings = load(folder).diagnose()
    plain = [finding.to_dict() for finding in findings]
    if as_json:
        print_json(plain)
    else:
        print_section(findings_section(plain, findings.compared))
    say(f"written to {folder / 'findings.json'} and {folder / 'report.html'}")
    if any(finding.severity == "problem" for finding in findings):
        say(f"what fixes it, proven by experiment: pellucid prove {folder}")
        raise SystemExit(PROBLEMS)
