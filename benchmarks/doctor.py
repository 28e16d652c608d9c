"""How often the doctor is right: ``python -m benchmarks.doctor --cases FOLDER``.

Every case of a folder is trained as it is, the doctor is handed the run and names the cause; of every faulty one it
then proves a repair, with `pellucid.prove`. It never sees the case. A third of the cases, by a hash of their names, is
set aside: the doctor was not tuned on it, and it is reported apart. A case that fails is a failure of the doctor.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import jax
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.doctor_cases import Case, read_cases, run_of
from benchmarks.doctor_repairs import Repair, repair
from benchmarks.doctor_repairs import summary as summary_of_repairs
from pellucid.core.xla import keep_compiled_programs
from pellucid.doctor import Finding, diagnose
from pellucid.doctor.subject import Subject

CHANGES = {
    "learning_rate_too_high": lambda trials: max(trials.slower.values()),
    "learning_rate_too_low": lambda trials: max(trials.faster.values()),
    "too_few_epochs": lambda trials: trials.longer,
    "inputs_not_scaled": lambda trials: trials.standardised,
    "targets_not_scaled": lambda trials: trials.scaled_targets,
    "bad_init_large": lambda trials: trials.initialised_again,
    "over_regularised": lambda trials: trials.unpenalised,
}
"""What the rival of the diagnosis tries: a change, under the label that it would confirm."""


@dataclass
class Score:
    """One diagnosis, scored."""

    seconds: float
    found: list[str]
    """Labels, likeliest first."""
    problems: list[str]
    first: bool
    """Rank 1 is one of the true causes; on a control, no false alarm."""
    strict: bool
    """Rank 1 is the primary cause."""
    within_three: bool
    rival: bool | None
    """The best of as many random changes as the doctor made trials is the cure of a true cause; None if not tried."""


@dataclass
class Outcome:
    """What came of one case."""

    case: str
    origin: str
    aside: bool
    faults: tuple[str, ...]
    seconds: float
    """What all took: training, diagnosis, proof."""
    training: float = 0.0
    """What the training took, compiled, with its outputs for the held-out rows."""
    score: Score | None = None
    """None where it was not asked for or failed."""
    repair: Repair | None = None
    error: str = ""

    @property
    def faulty(self) -> bool:
        """Whether there is something to name and to repair."""
        return self.origin != "control"


def score(case: Case, findings: list[Finding], seconds: float, rival: str, equivalents: dict[str, list[str]]) -> Score:
    """Hold the findings of a case against its answers."""
    accepted = {other for label in case.faults for other in (label, *equivalents.get(label, []))}
    found = [finding.label for finding in findings]
    problems = [finding.label for finding in findings if finding.severity == "problem"]
    sound = not set(problems) - set(case.tolerated)
    control = case.origin == "control"
    return Score(
        seconds,
        found,
        problems,
        first=sound if control else bool(found) and found[0] in accepted,
        strict=sound if control else bool(found) and found[0] == case.primary,
        within_three=sound if control else bool(accepted & set(found[:3])),
        rival=rival in accepted if rival else None,
    )


def examine(case: Case, only: str | None, budget: float, equivalents: dict[str, list[str]]) -> Outcome:
    """Train a case, diagnose it, prove its repair."""
    began = time.perf_counter()
    outcome = Outcome(case.identity, case.origin, case.aside, case.faults, 0.0)
    try:
        run = run_of(case)
        if not run.adversarial and run.training is not None and run.training.monitor is not None:
            run.outputs(np.asarray(run.training.monitor.x))  # as ``pellucid.train`` does at its end
        asked = time.perf_counter()
        outcome.training = asked - began
        findings = diagnose(run, trials=only != "records")
        seconds = time.perf_counter() - asked
        if only != "repairs":
            rival = "" if only or not outcome.faulty or run.adversarial else _rival(run)
            outcome.score = score(case, findings, seconds, rival, equivalents)
        if only not in ("diagnose", "records") and outcome.faulty:
            outcome.repair = repair(case, run, findings, budget)
            outcome.repair.seconds += seconds
    except Exception as error:  # whatever it is, the other cases go on
        outcome.error = f"{type(error).__name__}: {error}"
    outcome.seconds = time.perf_counter() - began
    jax.clear_caches()  # the next case has other programs
    return outcome


def _rival(run: Any) -> str:
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


def outcomes(
    cases: list[Case], kept: Path | None, only: str | None, budget: float, equivalents: dict[str, list[str]]
) -> Iterator[Outcome]:
    """The outcome of each case; those that ``kept`` holds already are read there, new ones are added to it."""
    lines = kept.read_text().splitlines() if kept is not None and kept.exists() else []
    known = {one.case: one for one in (msgspec.json.decode(line, type=Outcome) for line in lines)}
    for case in cases:
        if case.identity in known:
            yield known[case.identity]
            continue
        outcome = examine(case, only, budget, equivalents)
        if kept is not None:
            with kept.open("a") as file:
                file.write(msgspec.json.encode(outcome).decode() + "\n")
        yield outcome


def summary(some: list[Outcome]) -> dict[str, Any]:
    """The shares of some cases, by origin; what failed counts against the doctor."""
    of: dict[str, Any] = {}
    for origin in ("real", "injected", "control"):
        part = [one for one in some if one.origin == origin]
        if not part:
            continue
        row: dict[str, Any] = {"cases": len(part), "failed": sum(bool(one.error) for one in part)}
        share = lambda name, part=part: float(  # noqa: E731
            np.mean([one.score is not None and getattr(one.score, name) for one in part])
        )
        if any(one.score for one in part):
            if origin == "control":
                row["false alarms"] = 1 - share("first")
            else:
                row |= {"rank 1": share("first"), "strict": share("strict"), "top 3": share("within_three")}
                tried = [one.score.rival for one in part if one.score and one.score.rival is not None]
                row |= {"random changes": float(np.mean(tried))} if tried else {}
            scored = [(one.score.seconds, one.training) for one in part if one.score]
            row["seconds a diagnosis"] = float(np.median([seconds for seconds, _ in scored]))
            row["of the training"] = float(np.median([seconds / training for seconds, training in scored]))
        if any(one.repair for one in part):
            row["repairs"] = summary_of_repairs([one.repair for one in part])
        of[origin] = row
    return of


@click.command()
@click.option("--cases", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--json", "as_json", is_flag=True, help="The results on stdout, for machines.")
@click.option(
    "--only",
    type=click.Choice(["diagnose", "records", "repairs"]),
    help="One half, without the rival's diagnoses; records: diagnoses without trials.",
)
@click.option("--part", type=click.Choice(["tuned", "aside"]), help="One part of the cases alone.")
@click.option("--every", default=1, show_default=True, help="Take each so-many-th case.")
@click.option("--budget", default=15.0, show_default=True, help="Seconds of each race of candidates.")
@click.option(
    "--keep",
    "kept",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Add each outcome to this file as it ends; what it holds already is not done again.",
)
def main(
    folder: Path, as_json: bool, only: str | None, part: str | None, every: int, budget: float, kept: Path | None
) -> None:
    """Train every case of a folder, diagnose it, prove its repair, and say how often the doctor is right."""
    keep_compiled_programs()
    vocabulary = json.loads((folder / "faults.json").read_text())["labels"]
    equivalents = {label: entry["equivalents"] for label, entry in vocabulary.items()}
    cases = [case for case in read_cases(folder) if part is None or case.aside == (part == "aside")]
    if only == "repairs":
        cases = [case for case in cases if case.faults]
    done: list[Outcome] = []
    for one in outcomes(cases[::every], kept, only, budget, equivalents):
        done.append(one)
        click.echo(_line(one), err=True)

    parts = {"tuned on": [o for o in done if not o.aside], "set aside": [o for o in done if o.aside]}
    if all(parts.values()):
        parts["all"] = done
    table = {name: summary(some) for name, some in parts.items() if some}
    faulty = [one for one in done if one.faulty]
    labels = Counter(label for one in faulty for label in one.faults).most_common(1)
    commonest = labels[0][0] if labels else ""
    rival = {"label": commonest, "share": labels[0][1] / len(faulty) if labels else 0.0}
    if as_json:
        plain = {"summary": table, "commonest label": rival, "cases": [asdict(one) for one in done]}
        click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=1).decode())
        return
    console = Console(width=160)
    console.print(_cases(done))
    for name, of in table.items():
        for shares in _tables(name, of):
            console.print(shares)
    if only != "repairs":
        console.print(f"always naming {commonest}: {rival['share']:.0%}")


def _line(one: Outcome) -> str:
    """A case in a line, while the rest is under way."""
    marks = (
        "!"
        if one.error
        else "".join(
            "." if good else "x"
            for good in (one.score and one.score.first, one.repair and bool(one.repair.change))
            if good is not None
        )
    )
    return f"{marks:2} {one.case} {one.seconds:.0f} s {one.error}"


def _cases(done: list[Outcome]) -> Table:
    table = Table(
        "", "case", "seconds", "true causes", "found (! problem)", "proven repair", "by chance", title="Cases"
    )
    for one in done:
        mark, found, repaired, chance = "", "", "", ""
        if one.score is not None:
            mark = "" if one.score.first else "x"
            found = " ".join(label + "!" * (label in one.score.problems) for label in one.score.found[:3])
        if one.repair is not None:
            repaired = f"{one.repair.gain:+.3f} {one.repair.change}" if one.repair.change else "none"
            chance = f"{one.repair.random_gain:+.3f}" if one.repair.random else "none"
        table.add_row(
            "!" if one.error else mark,
            one.case,
            f"{one.seconds:.1f}",
            " ".join(one.faults),
            one.error or found,
            repaired,
            chance,
        )
    return table


def _tables(name: str, of: dict[str, Any]) -> Iterator[Table]:
    """The shares of a part: of its diagnoses and of its repairs, where they were made."""
    shares = ("rank 1", "strict", "top 3", "random changes", "false alarms")
    if any("seconds a diagnosis" in row for row in of.values()):
        table = Table(name, "cases", "failed", *shares, "seconds", "of the training", title="Diagnoses")
        for origin, row in of.items():
            cells = (f"{row[column]:.0%}" if column in row else "" for column in shares)
            seconds = f"{row.get('seconds a diagnosis', np.nan):.2f}"
            of_training = f"{row.get('of the training', np.nan):.0%}"
            table.add_row(origin, str(row["cases"]), str(row["failed"]), *cells, seconds, of_training)
        yield table
    shares = ("repaired", "by random changes", "as good by random changes")
    gains = ("gain", "gain of random changes")
    if any("repairs" in row for row in of.values()):
        table = Table(name, "cases", *shares, *gains, "trainings", "seconds", title="Proven repairs")
        for origin, row in of.items():
            if repairs := row.get("repairs"):
                cells = [f"{repairs[column]:.0%}" for column in shares]
                cells += [f"{repairs[column]:+.3f}" for column in gains]
                cells += [f"{repairs['trainings']:.0f}", f"{repairs['seconds']:.1f}"]
                table.add_row(origin, str(repairs["cases"]), *cells)
        yield table


if __name__ == "__main__":
    main()
