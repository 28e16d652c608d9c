"""Write docs/findings: a page for each cause that the doctor knows, from its rules, and how it was fixed in a case.

``python tools/make_findings.py`` writes the pages again from what is kept in docs/findings/cases.json;
``--cases FOLDER --proofs FILE`` measures anew: FILE is what ``python -m benchmarks.doctor --cases FOLDER --keep FILE``
kept, and the faulty program of each page is trained once for its curves.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import pellucid.doctor  # noqa: F401 (enters the rules)
from pellucid.doctor.diagnose import BEFORE
from pellucid.doctor.rule import CAUSES, RULES
from pellucid.report.chart import LineChart, Series
from pellucid.report.doctor import proof_chart
from pellucid.report.document import Chart
from pellucid.report.drawing import svg_file

FOLDER = Path("docs/findings")
KEPT = FOLDER / "cases.json"
POINTS = 60
"""Of a curve that is kept."""


def main() -> None:
    """Read the command line, measure where asked, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, help="folder of cases to measure anew")
    parser.add_argument("--proofs", type=Path, help="what benchmarks.doctor --keep wrote of it")
    given = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if given.cases and given.proofs:
        measure(given.cases, given.proofs, kept)
    for label in CAUSES:
        (FOLDER / f"{label}.md").write_text(page(label, kept.get(label)))
    (FOLDER / "index.md").write_text(index(kept))


# ---------------------------------------------------------------------------------------------- measuring


def measure(folder: Path, proofs: Path, kept: dict[str, Any]) -> None:
    """Keep a case for each label: that primary fault proven fastest; one set aside only if there is no other."""
    from benchmarks.doctor_cases import read_cases, run_of

    from pellucid.runs.fit import keep_compiled_programs

    keep_compiled_programs()
    lines = [json.loads(line) for line in proofs.read_text().splitlines()]
    proven = {line["case"]: line["repair"] for line in lines if line.get("repair") and line["repair"]["change"]}
    cases = [case for case in read_cases(folder) if case.identity in proven]
    for label in CAUSES:
        fitting = sorted(
            (case for case in cases if label in case.faults),
            key=lambda case: (case.aside, case.primary != label, proven[case.identity]["seconds"]),
        )
        if not fitting:
            continue
        case, proof = fitting[0], proven[fitting[0].identity]["proof"]
        same = label in kept and kept[label]["case"] == case.identity and kept[label]["proof"] == tested(proof)
        if same or (label in kept and case.aside):
            continue
        plain = json.loads((folder / f"{case.identity}.json").read_text())
        kept[label] = {
            "case": case.identity,
            "title": plain["title"],
            "primary": case.primary,
            "proof": tested(proof),
            "curves": curves(run_of(case)),
        }
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        print(label, case.identity, flush=True)


def tested(proof: dict[str, Any]) -> dict[str, Any]:
    """A proof without what was dropped early, which pages do not show."""
    dropped = sum(arm.get("p") is None for arm in proof["tried"])
    shown = [arm for arm in proof["tried"] if arm.get("p") is not None]
    return {
        "original": proof["original"],
        "best": proof["best"],
        "tried": shown,
        "dropped": dropped,
        "random": proof.get("random"),
    }


def curves(run: Any) -> dict[str, list[float | None]]:
    """The loss of each epoch, on training and held-out rows."""
    epochs = run.history.epochs
    count = len(epochs["epoch"])
    at = np.unique(np.linspace(0, count - 1, min(count, POINTS)).astype(int)) if count else np.zeros(0, int)
    names = {"epoch": "epoch", "training": "loss", "held out": "held_out_loss"}
    columns = {name: np.asarray(epochs[column])[at] for name, column in names.items() if column in epochs}
    return {
        name: [float(f"{value:.5g}") if np.isfinite(value) else None for value in column.tolist()]
        for name, column in columns.items()
    }


# ------------------------------------------------------------------------------------------------- writing


def page(label: str, case: dict[str, Any] | None) -> str:
    """The page of a finding."""
    cause = CAUSES[label]
    parts = [f"# {label.replace('_', ' ').capitalize()}", f"*{sentence(cause.meaning)}*", cause.about]
    if cause.formula:
        parts.append(f"    {cause.formula}")
    parts += ["## How it is detected", *detected(label)]
    parts += ["## What looks alike", cause.alike]
    parts += [
        "## What may help",
        "\n".join(f"- {remedy}" for remedy in cause.remedies),
        "Which of them does, `pellucid prove RUN` tries on your training.",
    ]
    if case is not None:
        parts += ["## How it was fixed", *fixed(label, case)]
    parts.append("All findings: [index](index.md). Written by `python tools/make_findings.py` from the doctor's rules.")
    return "\n\n".join(parts) + "\n"


def detected(label: str) -> list[str]:
    """The rules of a label, with their limits."""
    parts: list[str] = []
    for rule in (rule for rule in RULES if rule.name == label):
        when = "before the first step" if rule.kind in BEFORE else "after the training"
        doc = (rule.judge.__doc__ or "").strip().splitlines()[0]
        parts.append(f"{sentence(doc)} Looked for {when}. The evidence speaks for it because: {rule.reason}.")
        if rule.limits:
            rows = [
                f"| {name.replace('_', ' ')} | {limit.value:.4g} | {limit.reason} |"
                for name, limit in rule.limits.items()
            ]
            parts.append("\n".join(["| limit | value | why it lies there |", "|---|---|---|", *rows]))
    return parts


def fixed(label: str, case: dict[str, Any]) -> list[str]:
    """What a proof found in a case."""
    proof, best = case["proof"], case["proof"]["best"]
    told = f"{case['title'].rstrip('.')} (case `{case['case']}`)."
    if case["primary"] != label:
        primary = f"[{case['primary'].replace('_', ' ')}]({case['primary']}.md)"
        told += f" Its primary fault is {primary}; this one holds as well."
    count = best.get("count") or 10
    effect = "∞" if best["d"] is None else f"{best['d']:.2f}"
    figures = (
        f"The original scores {proof['original']['mean']:.3f} on the held-out rows (0 is guessing, 1 perfect). With "
        f"**{best['change']}** the score is {best['difference']:+.3f} over {count} paired seeds "
        f"(p {best['p']:.1g}, d {effect}). "
    )
    if proof["dropped"]:
        figures += f"{proof['dropped']} other changes were dropped on the way. "
    random = proof.get("random")
    if random is not None and random.get("difference") is not None:
        figures += f"The best of as many random changes: {random['difference']:+.3f}."
    loss = draw(label, case)
    picture = f"![Loss of the faulty program]({loss})" if loss else "Its loss was never finite at the end of an epoch."
    parts = [told, figures.strip(), picture]
    strips = proof_chart(case["proof"])
    if strips:
        parts.append(f"![Scores of the changes, paired by seed]({write_picture(f'{label}_proof.svg', strips)})")
    return parts


def draw(label: str, case: dict[str, Any]) -> str | None:
    """The loss of the faulty program: the name of the picture, None where it was never finite."""
    of = {name: np.array([np.nan if v is None else v for v in values]) for name, values in case["curves"].items()}
    lines = [Series(name, of["epoch"], of[name]) for name in ("training", "held out") if name in of]
    if not any(np.isfinite(line.y).any() for line in lines):
        return None
    return write_picture(f"{label}.svg", LineChart("loss of the faulty program", lines, "epoch", whole=True))


def write_picture(name: str, chart: Chart) -> str:
    """An SVG that stands alone."""
    (FOLDER / name).write_text(svg_file(chart.draw(540)))
    return name


def index(kept: dict[str, Any]) -> str:
    """The page that lists all."""
    lines = [
        f"| [{label.replace('_', ' ')}]({label}.md) | {cause.meaning} | {_fix(kept.get(label))} |"
        for label, cause in CAUSES.items()
    ]
    return "\n".join(
        [
            "# Findings",
            "",
            "What the doctor finds, a page each: what it is, how it is detected, what looks alike, and how it was "
            "fixed in a case. How the doctor judges: [the doctor](../guide/doctor.md); how a change is proven: "
            "[proofs](../guide/prove.md).",
            "",
            "| finding | meaning | fixed in a case by |",
            "|---|---|---|",
            *lines,
            "",
        ]
    )


def _fix(case: dict[str, Any] | None) -> str:
    return "" if case is None else f"{case['proof']['best']['change']} ({case['proof']['best']['difference']:+.2f})"


def sentence(text: str) -> str:
    """A clause as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


if __name__ == "__main__":
    main()
