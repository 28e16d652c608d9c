"""A proof, on the page of a run: what was tried on the same seeds, what beat the original, and what did not."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.report.old_chart import strip_chart
from pellucid.report.page import Html, element, figure, number, paragraph, section, table

Arm = Mapping[str, Any]
"""One training setting and its scores, as `Proof.to_dict` gives it."""


def proof_section(proof: Mapping[str, Any]) -> Html:
    """The section of a proof.

    Args:
        proof: as `Proof.to_dict` gives it.
    """
    original, best = proof["original"], proof.get("best")
    tried = list(proof.get("tried") or ())
    random = proof.get("random")
    rows = [["the original", _mean(original), None, None, None, None, f"{original['seeds']} seeds"]]
    rows += [_row(arm, str(arm["change"])) for arm in tried]
    if random is not None:
        rows.append(_row(random, f"best of as many random changes: {random['change']}"))
    tested = [(str(arm["change"]), arm, int(not arm.get("proven"))) for arm in tried if arm.get("p") is not None]
    if random is not None and random.get("p") is not None:
        tested.append((f"random: {random['change']}", random, 2))
    strips = [
        (name, differences, arm.get("interval"), place)
        for name, arm, place in tested
        if len(differences := paired_differences(arm, original))
    ]
    return section(
        "Proof",
        paragraph(_verdict(best), kind="lead"),
        paragraph(
            "Each change was trained on the same seeds as the original, which give the same order of the rows, and "
            "judged on the held-out rows: 0 is guessing, 1 perfect. Losers were dropped early; what was left was held "
            "against the original on seeds that no race had seen. Proven: p < 0.05 in a paired test, corrected for "
            "several, and an effect d of at least 0.5 standard deviations of the differences.",
            kind="quiet",
        ),
        element(
            "div",
            figure(
                strip_chart(
                    "Better than the original, seed by seed", strips, x_label="difference of the score, paired by seed"
                ),
                "Each dot is a seed; below it the mean with its 95 % interval. To the right of the line a change "
                "helps.",
            ),
            class_="figures large",
        )
        if strips
        else None,
        table(("change", "score", "difference", "95 % interval", "p", "d", "verdict"), rows, right=(1, 2, 4, 5)),
        paragraph(f"{proof['trainings']} trainings, {proof['seconds']:.0f} s.", kind="quiet"),
    )


def paired_differences(arm: Arm, original: Arm) -> np.ndarray:
    """What an arm scored more than the original, on the seeds of both; of the fresh ones where there are such."""
    mine, others = dict(arm.get("scores") or {}), dict(original.get("scores") or {})
    both = sorted((seed for seed in mine if seed in others), key=int)
    fresh = both[-int(arm["count"]) :] if arm.get("count") else both
    return np.array([mine[seed] - others[seed] for seed in fresh], float)


def _verdict(best: Arm | None) -> str:
    if best is None:
        return "Nothing tried beats the original."
    return f"What helps: {best['change']}. The score rises by {_number(best.get('difference'))} on fresh seeds."


def _row(arm: Arm, name: str) -> list[Any]:
    if arm.get("p") is None:
        verdict = f"dropped after {arm['seeds']} seed{'s' * (arm['seeds'] != 1)}"
        return [name, _mean(arm), None, None, None, None, verdict]
    low_high = arm.get("interval")
    interval = None if low_high is None or None in low_high else f"{low_high[0]:+.3f} to {low_high[1]:+.3f}"
    return [
        name,
        _mean(arm),
        f"{arm['difference']:+.3f}",
        interval,
        f"{arm['p']:.2g}",
        _number(arm.get("d")),
        element("b", "proven") if arm.get("proven") else "not proven",
    ]


def _mean(arm: Arm) -> str:
    return f"{arm['mean']:.3f}"


def _number(value: float | None) -> str:
    """A figure; what JSON has no number for is an effect without any spread."""
    return "∞" if value is None or math.isinf(value) else number(float(f"{value:.3g}"))
