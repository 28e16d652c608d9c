"""From the strength of evidence to a probability: ``python -m benchmarks.doctor_calibration --cases FOLDER``.

Every faulty case that the doctor may be tuned on is trained and diagnosed. Each cause whose evidence makes it a problem
is one observation: its strength, and whether the case has that cause. A logistic regression on the log-odds of the
strength gives the curve, whose two numbers are written into the package. How well it holds is measured on cases that it
was not fitted to, in five folds of whole cases, and on the cases set aside where ``--aside`` adds them.
"""

import json
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from benchmarks.doctor_cases import Case, read_cases, run_of
from pellucid.core.xla import keep_compiled_programs
from pellucid.doctor.calibration import FILE, log_odds
from pellucid.doctor.diagnose import BEFORE, SURE, evidence_of
from pellucid.doctor.rule import RULES
from pellucid.doctor.subject import Subject
from pellucid.report.chart import LineChart, Series
from pellucid.report.drawing import svg_file

CHART = Path("docs/guide/doctor_calibration.svg")
FOLDS, BINS = 5, 6


def observe(case: Case, equivalents: dict[str, list[str]]) -> list[dict[str, Any]]:
    """The strength of each cause that is a problem in a case, and whether the case has it."""
    run = run_of(case)
    if run.adversarial:
        return []
    subject, kinds = Subject(run), (*BEFORE, "training")
    with np.errstate(all="ignore"):
        evidence = evidence_of(subject, [rule for rule in RULES if rule.kind in kinds])
        healthy = subject.healthy
    accepted = {other for label in case.faults for other in (label, *equivalents.get(label, []))}
    return [
        {"cause": name, "strength": found.strength, "holds": name in accepted, "because": found.because}
        for name, found in evidence.items()
        if not healthy and found.holds_back and found.strength >= SURE
    ]


def collect(cases: list[Case], kept: Path, equivalents: dict[str, list[str]]) -> list[dict[str, Any]]:
    """The observations of all cases; what ``kept`` holds already is not measured again."""
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    known = {row["case"] for row in rows}
    for case in (case for case in cases if case.identity not in known):
        rows.append({"case": case.identity, "aside": case.aside, "observed": observe(case, equivalents)})
        with kept.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        click.echo(f"{case.identity}: {len(rows[-1]['observed'])} problems", err=True)
        jax.clear_caches()
    wanted = {case.identity for case in cases}
    return [row for row in rows if row["case"] in wanted]


def table(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds of the strengths, whether the causes hold, and the number of each one's case."""
    observed = [(log_odds(one["strength"]), one["holds"], i) for i, row in enumerate(rows) for one in row["observed"]]
    x, holds, groups = (np.array(column) for column in zip(*observed, strict=True))
    return x[:, None], holds.astype(int), groups


def fitted() -> LogisticRegression:
    """The regression, without a penalty."""
    return LogisticRegression(C=np.inf)


def brier(probabilities: np.ndarray, holds: np.ndarray) -> float:
    """Mean squared distance of probabilities from what came true: 0 is perfect, the variance of ``holds`` guessing."""
    return float(((probabilities - holds) ** 2).mean())


def calibration(probabilities: np.ndarray, holds: np.ndarray) -> list[tuple[float, float, int]]:
    """Mean probability, fraction that holds, and number of observations, in parts of equal number."""
    parts = np.array_split(np.argsort(probabilities, kind="stable"), BINS)
    return [(float(probabilities[part].mean()), float(holds[part].mean()), len(part)) for part in parts]


@click.command()
@click.option("--cases", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--keep", "kept", type=click.Path(dir_okay=False, path_type=Path), default=Path("doctor_evidence.jsonl"))
@click.option("--aside", is_flag=True, help="Also measure the cases set aside, which nothing is fitted to.")
@click.option("--limit", type=int, help="Only so many cases that are not kept yet, and no fit.")
def main(folder: Path, kept: Path, aside: bool, limit: int | None) -> None:
    """Collect evidence over the tuned cases, fit the curve, write it, and draw how well it holds."""
    keep_compiled_programs()
    vocabulary = json.loads((folder / "faults.json").read_text())["labels"]
    equivalents = {label: entry["equivalents"] for label, entry in vocabulary.items()}
    faulty = [case for case in read_cases(folder) if case.faults and (aside or not case.aside)]
    if limit is not None:
        known = {json.loads(line)["case"] for line in kept.read_text().splitlines()} if kept.exists() else set()
        collect([case for case in faulty if case.identity not in known][:limit], kept, equivalents)
        return
    rows = collect(faulty, kept, equivalents)
    x, holds, groups = table([row for row in rows if not row["aside"]])
    method = fitted().fit(x, holds)
    intercept, slope = float(method.intercept_[0]), float(method.coef_[0, 0])
    new = cross_val_predict(fitted(), x, holds, groups=groups, cv=GroupKFold(FOLDS), method="predict_proba")[:, 1]
    cases = len({row["case"] for row in rows if not row["aside"]})
    raw = 1 / (1 + np.exp(-x[:, 0]))
    FILE.write_text(
        "# From strength to probability: p = 1 / (1 + exp(−(intercept + slope · ln(s / (1 − s))))).\n"
        "# Written by `python -m benchmarks.doctor_calibration --cases FOLDER`.\n"
        f"intercept = {intercept:.4f}\nslope = {slope:.4f}\ncases = {cases}\nobservations = {len(holds)}\n"
        f"brier = {brier(new, holds):.4f}\nbrier_of_strengths = {brier(raw, holds):.4f}\n"
        f"brier_of_guessing = {float(holds.var()):.4f}\n"
    )
    click.echo(FILE.read_text())
    lines = [Series("as certain as right", np.array([0.0, 1.0]), np.array([0.0, 1.0]))]
    parts = {"cases not fitted to, by cross-validation": (new, holds)}
    if aside:
        x, holds, _ = table([row for row in rows if row["aside"]])
        parts["cases set aside"] = (method.predict_proba(x)[:, 1], holds)
    for name, (probabilities, came_true) in parts.items():
        points = calibration(probabilities, came_true)
        lines.append(Series(name, np.array([p for p, _, _ in points]), np.array([f for _, f, _ in points])))
        click.echo(f"{name}: Brier score {brier(probabilities, came_true):.3f} of {len(came_true)}")
        for probability, fraction, count in points:
            click.echo(f"  probability {probability:.2f}: {fraction:.2f} of {count} hold")
    chart = LineChart("Causes that hold, by their probability", lines, x_label="probability", fractions=True, log=False)
    CHART.write_text(svg_file(chart.draw(540)))


if __name__ == "__main__":
    main()
