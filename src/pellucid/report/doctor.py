"""Findings and proofs in a document, from plain data."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.report.chart import Strip, StripChart
from pellucid.report.document import Code, Figure, Inline, Meter, Note, Paragraph, Section, Strong, Table, facts, number

Arm = Mapping[str, Any]
"""One training setting and its scores, as `Proof.to_dict` gives it."""


def findings_section(findings: Sequence[Mapping[str, Any]], compared: str | None = None) -> Section:
    """Write a diagnosis: findings as `Finding.to_dict` gives them, a sentence on the network beside baselines."""
    if not findings:
        return Section("Findings", Note("good", f"Nothing was found{f': {compared}' if compared else ''}."))
    return Section(
        "Findings",
        Paragraph(
            "Causes, the likeliest first, each with the probability that it holds here. A problem keeps the network "
            "behind what baselines reach on the same rows; a warning does not. Experiments decide what helps.",
            kind="quiet",
        ),
        *map(_finding, findings),
    )


def _finding(finding: Mapping[str, Any]) -> Note:
    kind, label = finding["severity"], str(finding["label"])
    definition, remedies = _sentence(str(finding["definition"])), finding.get("remedies")
    return Note(
        kind,
        Paragraph(Meter(float(finding["probability"]), kind), f", {kind}"),
        _sentence(str(finding.get("because") or definition)),
        facts((name, _evidence(value)) for name, value in (finding.get("evidence") or {}).items()),
        f"May help: {', '.join(remedies)}." if remedies else None,
        Paragraph(definition, kind="quiet"),
        Paragraph("More: ", Code(f"pellucid show {label}"), kind="quiet"),
        title=label.replace("_", " "),
    )


def _evidence(value: Any) -> Inline:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _sentence(text: str) -> str:
    """A clause as a sentence: a capital in front, a stop at the end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def proof_section(proof: Mapping[str, Any]) -> Section:
    """Write the section of a proof, as `Proof.to_dict` gives it."""
    original, random, chart = proof["original"], proof.get("random"), proof_chart(proof)
    rows = [("the original", _mean(original), None, None, None, None, f"{original['seeds']} seeds")]
    rows += [_row(arm, str(arm["change"])) for arm in proof.get("tried") or ()]
    if random is not None:
        rows.append(_row(random, f"best of as many random changes: {random['change']}"))
    caption = "Each dot is a seed; below it the mean with its 95 % interval. To the right of the line a change helps."
    return Section(
        "Proof",
        _verdict(proof.get("best")),
        Paragraph(
            "Each change was trained on the same seeds as the original, which give the same order of the rows, and "
            "scored on the held-out rows: 0 is guessing, 1 perfect. Candidates that did worse were dropped early; the "
            "others were compared with the original on fresh seeds. Proven: p < 0.05 in a paired test, corrected for "
            "several, and an effect d of at least 0.5 standard deviations of the differences.",
            kind="quiet",
        ),
        None if chart is None else Figure(chart, caption),
        Table(("change", "score", "difference", "95 % interval", "p", "d", "verdict"), rows),
        Paragraph(f"{proof['trainings']} trainings, {proof['seconds']:.0f} s.", kind="quiet"),
    )


def proof_chart(proof: Mapping[str, Any]) -> StripChart | None:
    """Plot the scores of the tested changes against the original, seed by seed; None where no change was tested."""
    tested = [(str(arm["change"]), arm, int(not arm.get("proven"))) for arm in proof.get("tried") or ()]
    if random := proof.get("random"):
        tested.append((f"random: {random['change']}", random, 2))
    strips = [
        Strip(name, differences, arm.get("interval"), style)
        for name, arm, style in tested
        if arm.get("p") is not None and len(differences := paired_differences(arm, proof["original"]))
    ]
    label = "difference of the score, paired by seed"
    return StripChart("Difference from the original, seed by seed", strips, label) if strips else None


def paired_differences(arm: Arm, original: Arm) -> np.ndarray:
    """Compute what an arm scored more than the original on the seeds of both, or on the fresh ones of them."""
    mine, others = dict(arm.get("scores") or {}), dict(original.get("scores") or {})
    both = sorted((seed for seed in mine if seed in others), key=int)
    fresh = both[-int(arm["count"]) :] if arm.get("count") else both
    return np.array([mine[seed] - others[seed] for seed in fresh], float)


def _verdict(best: Arm | None) -> Note:
    if best is None:
        return Note("note", "Nothing tried beats the original.")
    gain = _finite(best.get("difference"))
    return Note("good", f"What helps: {best['change']}. The score rises by {gain} on fresh seeds.")


def _row(arm: Arm, name: str) -> tuple[Inline, ...]:
    if arm.get("p") is None:
        seeds = f"{arm['seeds']} seed{'s' * (arm['seeds'] != 1)}"
        return name, _mean(arm), None, None, None, None, f"dropped after {seeds}"
    ends = arm.get("interval")
    interval = None if ends is None or None in ends else f"{_signed(ends[0])} to {_signed(ends[1])}"
    verdict = Strong("proven") if arm.get("proven") else "not proven"
    return name, _mean(arm), _signed(arm["difference"]), interval, number(arm["p"], 2), _finite(arm.get("d")), verdict


def _mean(arm: Arm) -> str:
    return f"{arm['mean']:.3f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _finite(value: float | None) -> str:
    """A number; what JSON has no number for is an effect without any deviation."""
    return "∞" if value is None or math.isinf(value) else number(value, 3)
