"""How often the doctor names the true cause: ``python -m benchmarks.doctor --cases FOLDER``.

Every case is trained as it is and the doctor is handed the run. A third of the cases, by a hash of their names, is
set aside: the doctor was not tuned on it, and it is reported apart.
"""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.doctor_cases import Case, read_cases, run_of
from pellucid.doctor import Finding, diagnose
from pellucid.doctor.rule import Subject
from pellucid.models.gan_run import GanRun
from pellucid.models.keeping import keep_compiled_programs

CHANGES = {
    "learning_rate_too_high": lambda trials: max(trials.slower.values()),
    "learning_rate_too_low": lambda trials: max(trials.faster.values()),
    "too_few_epochs": lambda trials: trials.longer,
    "inputs_not_scaled": lambda trials: trials.standardised,
    "targets_not_scaled": lambda trials: trials.scaled_targets,
    "bad_init_large": lambda trials: trials.drawn_anew,
    "over_regularised": lambda trials: trials.unpenalised,
}
"""What the rival tries: a change, under the label that it would confirm."""


@dataclass
class Score:
    """One case, scored."""

    case: str
    origin: str
    aside: bool
    seconds: float
    found: list[str]
    """Labels, likeliest first."""
    problems: list[str]
    first: bool
    """Rank 1 is one of the true causes; on a control, no false alarm."""
    strict: bool
    """Rank 1 is the primary cause."""
    within_three: bool
    rival: bool
    """The best of as many random changes as the doctor made trials is the cure of a true cause."""


def score(
    case: Case, findings: list[Finding], seconds: float, rival: str, equivalents: dict[str, list[str]]
) -> Score:
    """Hold the findings of a case against its answers."""
    accepted = {other for label in case.faults for other in (label, *equivalents.get(label, []))}
    found = [finding.label for finding in findings]
    problems = [finding.label for finding in findings if finding.severity == "problem"]
    sound = not set(problems) - set(case.tolerated)
    control = case.origin == "control"
    return Score(
        case.identity, case.origin, case.aside, seconds, found, problems,
        first=sound if control else bool(found) and found[0] in accepted,
        strict=sound if control else bool(found) and found[0] == case.primary,
        within_three=sound if control else bool(accepted & set(found[:3])),
        rival=not control and rival in accepted,
    )  # fmt: skip


def examine(case: Case, with_rival: bool) -> tuple[list[Finding], float, str]:
    """The findings of a case, the seconds they took, and what the rival would name."""
    run = run_of(case)
    began = time.perf_counter()
    findings = diagnose(run)
    seconds = time.perf_counter() - began
    rival = _rival(run, findings) if with_rival and not isinstance(run, GanRun) and case.faults else ""
    return findings, seconds, rival


def _rival(run: Any, findings: list[Finding]) -> str:
    """Four random changes, as many as the doctor makes in the median; the label of the one that gained most."""
    rng = np.random.default_rng(run.history.rows)
    tried = rng.choice(sorted(CHANGES), 4, replace=False)
    trials = Subject(run).trials
    gains: dict[str, float] = {}
    with np.errstate(all="ignore"):
        for label in tried:
            try:
                gains[label] = CHANGES[label](trials)
            except (TypeError, ValueError, AttributeError):  # a change that the program has no place for
                gains[label] = 0.0
    return max(gains, key=lambda label: gains[label])


def summary(scores: list[Score]) -> dict[str, Any]:
    """The shares of some cases, by origin."""
    of: dict[str, Any] = {}
    for origin in ("real", "injected", "control"):
        part = [one for one in scores if one.origin == origin]
        if not part:
            continue
        share = lambda name, part=part: float(np.mean([getattr(one, name) for one in part]))  # noqa: E731
        if origin == "control":
            of[origin] = {"cases": len(part), "false alarms": 1 - share("first")}
        else:
            of[origin] = {
                "cases": len(part), "rank 1": share("first"), "strict": share("strict"),
                "top 3": share("within_three"), "random changes": share("rival"),
            }  # fmt: skip
    if scores:
        of["seconds a case"] = float(np.median([one.seconds for one in scores]))
    return of


@click.command()
@click.option(
    "--cases", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--json", "as_json", is_flag=True, help="The scores on stdout, for machines.")
@click.option("--only", type=click.Choice(["diagnose"]), help="Diagnose, without the rivals.")
@click.option("--part", type=click.Choice(["tuned", "aside"]), help="One part of the cases alone.")
def main(folder: Path, as_json: bool, only: str | None, part: str | None) -> None:
    """Train every case of a folder, diagnose it, and say how often the doctor is right."""
    keep_compiled_programs()
    vocabulary = json.loads((folder / "faults.json").read_text())["labels"]
    equivalents = {label: entry["equivalents"] for label, entry in vocabulary.items()}
    scores: list[Score] = []
    answers: dict[str, Case] = {}
    for case in read_cases(folder):
        if part is not None and case.aside != (part == "aside"):
            continue
        answers[case.identity] = case
        scores.append(score(case, *examine(case, only is None), equivalents))
        click.echo(f"{'.' if scores[-1].first else 'x'} {case.identity}", err=True)

    parts = {
        "tuned on": [s for s in scores if not s.aside],
        "set aside": [s for s in scores if s.aside],
        "all": scores,
    }
    table = {name: summary(some) for name, some in parts.items() if some}
    faulty = [case for case in answers.values() if case.faults]
    commonest, _ = (
        Counter(label for case in faulty for label in case.faults).most_common(1)[0] if faulty else ("", 0)
    )
    common_share = float(np.mean([commonest in case.faults for case in faulty])) if faulty else 0.0
    if as_json:
        rival = {"commonest label": commonest, "share": common_share}
        click.echo(
            json.dumps({"summary": table, "rival": rival, "cases": [asdict(one) for one in scores]}, indent=1)
        )
        return
    _print(table, scores, answers, commonest, common_share)


def _print(
    table: dict[str, Any], scores: list[Score], answers: dict[str, Case], commonest: str, common_share: float
) -> None:
    console = Console(width=160)
    cases = Table("", "case", "seconds", "true causes", "found (! problem)", title="Cases")
    for one in scores:
        found = " ".join(label + "!" * (label in one.problems) for label in one.found[:3])
        mark = "" if one.first else "x"
        cases.add_row(mark, one.case, f"{one.seconds:.1f}", " ".join(answers[one.case].faults), found)
    console.print(cases)
    for name, of in table.items():
        shares = Table(name, "cases", "rank 1", "strict", "top 3", "random changes", "false alarms")
        for origin, row in of.items():
            if isinstance(row, dict):
                cells = (
                    row.get(column)
                    for column in ("rank 1", "strict", "top 3", "random changes", "false alarms")
                )
                shares.add_row(origin, str(row["cases"]), *("" if c is None else f"{c:.0%}" for c in cells))
        console.print(shares)
        console.print(f"median {of['seconds a case']:.1f} s a case")
    console.print(f"always naming {commonest}: {common_share:.0%}")


if __name__ == "__main__":
    main()
