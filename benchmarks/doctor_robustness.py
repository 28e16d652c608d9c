"""How far diagnoses depend on the limits: ``python -m benchmarks.doctor_robustness --cases FOLDER [--part tuned]``.

Every limit of every rule, and of what counts as healthy, is multiplied by a random number of its own between 0.75 and
1.25, and each case is diagnosed again from the measures and trials already made. Counted is how often the first cause
changes, or on a healthy case whether there is a problem; with ``--alone`` also which limits do that alone.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np

from benchmarks.doctor_cases import Case, read_cases, run_of
from pellucid.core.xla import keep_compiled_programs
from pellucid.doctor.baselines import HEALTH
from pellucid.doctor.diagnose import SURE, findings_of
from pellucid.doctor.rule import RULES, Limit, Rule
from pellucid.doctor.subject import Subject

SPREAD = 0.25
SUPERVISED = [rule for rule in RULES if rule.kind != "adversarial"]
Limits = dict[tuple[str, str], Limit]
"""By the name of the rule, with its place in the table, and that of the limit."""


def all_limits() -> Limits:
    """Every limit there is."""
    limits = {("health", name): limit for name, limit in HEALTH.items()} | {("diagnose", "sure"): Limit(SURE, "")}
    for place, rule in enumerate(SUPERVISED):
        limits |= {(f"{rule.name} {place}", name): limit for name, limit in rule.limits.items()}
    return limits


def answer(subject: Subject, limits: Limits, control: bool) -> str:
    """The first cause under some limits; of a healthy case the first problem, if there is one."""

    def own(name: str) -> dict[str, Limit]:
        return {limit: value for (owner, limit), value in limits.items() if owner == name}

    def moved(place: int, rule: Rule) -> Rule:
        return replace(rule, limits=own(f"{rule.name} {place}"))

    subject.baselines.limits = own("health")
    rules = [moved(place, rule) for place, rule in enumerate(SUPERVISED)]
    found = findings_of(subject, rules, limits["diagnose", "sure"].value)
    if control:
        return str(any(finding.severity == "problem" for finding in found))
    return found[0].label if found else ""


def shaken(limits: Limits, rng: np.random.Generator) -> Limits:
    """Every limit times a random number of its own."""
    return {
        name: limit._replace(value=limit.value * rng.uniform(1 - SPREAD, 1 + SPREAD)) for name, limit in limits.items()
    }


def culprits(subject: Subject, limits: Limits, control: bool) -> Iterator[str]:
    """The limits that change the answer when they alone are moved to either end."""
    usual = answer(subject, limits, control)
    for name, limit in limits.items():
        for factor in (1 - SPREAD, 1 + SPREAD):
            moved = limits | {name: limit._replace(value=limit.value * factor)}
            if answer(subject, moved, control) != usual:
                yield f"{' '.join(name)} x {factor}"


def subjects(folder: Path, part: str | None) -> Iterator[tuple[Case, Subject]]:
    """Every case that is no GAN, trained."""
    for case in read_cases(folder):
        if part is not None and case.aside != (part == "aside"):
            continue
        run = run_of(case)
        if not run.adversarial:
            yield case, Subject(run)


def measure(case: Case, subject: Subject, draws: int, alone: bool) -> dict[str, Any]:
    """How many of the draws change the answer to a case, and where asked the limits that do so alone."""
    rng, limits, control = np.random.default_rng(0), all_limits(), case.origin == "control"
    usual = answer(subject, limits, control)
    others = [answer(subject, shaken(limits, rng), control) for _ in range(draws)]
    return {
        "case": case.identity,
        "origin": case.origin,
        "answer": usual,
        "changed": sum(other != usual for other in others),
        "draws": draws,
        "alone": list(culprits(subject, limits, control)) if alone else [],
    }


@click.command()
@click.option("--cases", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--part", type=click.Choice(["tuned", "aside"]), help="One part of the cases alone.")
@click.option("--draws", default=10, show_default=True, help="Sets of limits that each case is diagnosed with.")
@click.option("--alone", is_flag=True, help="Also name the limits that change a diagnosis alone: ten times as long.")
@click.option("--json", "as_json", is_flag=True, help="On stdout, for machines.")
def main(folder: Path, part: str | None, draws: int, alone: bool, as_json: bool) -> None:
    """Diagnose every case of a folder under moved limits, and count the diagnoses that change."""
    keep_compiled_programs()
    rows = []
    for number, (case, subject) in enumerate(subjects(folder, part)):
        rows.append(measure(case, subject, draws, alone))
        click.echo(f"{case.identity} {rows[-1]['changed']}/{draws}", err=True)
        if number % 20 == 19:
            jax.clear_caches()  # a process may hold so many compiled programs and no more
    share = sum(row["changed"] for row in rows) / max(1, draws * len(rows))
    if as_json:
        click.echo(json.dumps({"share": share, "limits": len(all_limits()), "cases": rows}, indent=1))
        return
    moved = f"{len(all_limits())} limits moved by up to {SPREAD:.0%}"
    click.echo(f"{share:.1%} of {draws * len(rows)} diagnoses change, with {moved}")
    for row in rows:
        if row["changed"]:
            by_itself = f"; alone: {', '.join(row['alone'])}" if alone else ""
            click.echo(f"{row['case']}: {row['answer']}, {row['changed']} of {draws}{by_itself}")
    for limit, count in Counter(limit for row in rows for limit in row["alone"]).most_common(10):
        click.echo(f"{count:3d} {limit}")


if __name__ == "__main__":
    main()
