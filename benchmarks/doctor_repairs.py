"""Whether the doctor's proof repairs the program of a case, beside as many changes drawn at random."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.doctor_cases import Case
from pellucid.doctor import Finding, prove

MODE = 0.02
"""Least share of the samples that must lie near a centre for it to be reached."""


def judge_of(case: Case) -> Callable[..., float] | None:
    """The measure that a case's author judges by, higher is better.

    None, for all that is neither a share of right answers nor of modes reached, is the doctor's own: mean recall, or
    variance explained, which orders as the squared error does.
    """
    metric = case.program["metric"]
    if metric in ("accuracy", "bit_accuracy"):
        return _share_right
    if metric == "modes":
        with np.load(case.folder / case.program["data"]["file"]) as archive:
            centres = archive["centres"]
        return partial(_modes, centres=centres, radius=case.program["data"]["radius"])
    return None


def _share_right(decided: np.ndarray, truth: np.ndarray) -> float:
    return float((decided == truth).mean()) if decided.shape == truth.shape else 0.0


def _modes(samples: np.ndarray, *, centres: np.ndarray, radius: float) -> float:
    near = np.linalg.norm(np.asarray(samples)[:, None] - centres, axis=2) < radius
    return float((near.mean(0) >= MODE).mean())


ALIKE = 0.9
"""Share of the doctor's gain at which random changes did as well."""


@dataclass
class Repair:
    """What came of one case."""

    change: str
    """The proven change; empty where nothing tried beats the original."""
    gain: float
    """What it adds to the score on fresh seeds."""
    random: bool
    """Whether the best of as many random changes was proven too."""
    random_gain: float
    trainings: int
    random_trainings: int
    seconds: float
    proof: dict[str, Any]
    """All that was tried."""


def repair(case: Case, run: Any, findings: list[Finding], budget: float) -> Repair:
    """The proof of a trained and diagnosed case, by the measure that its author judges by."""
    proof = prove(run, findings=findings, judge=judge_of(case), budget=budget)
    best, chance = proof.best, proof.random
    return Repair(
        change=best.candidate.change if best is not None and best.candidate is not None else "",
        gain=best.test.difference if best is not None and best.test is not None else 0.0,
        random=chance is not None and chance.proven,
        random_gain=chance.test.difference if chance is not None and chance.proven and chance.test else 0.0,
        trainings=proof.trainings,
        random_trainings=proof.random_trainings,
        seconds=proof.seconds,
        proof=proof.to_dict(),
    )


def summary(repairs: list[Repair | None]) -> dict[str, float]:
    """The shares, mean gains and medians of some faulty cases; None for one that failed counts as not repaired."""
    made = [one for one in repairs if one is not None]
    share = lambda proven: float(np.sum(proven) / len(repairs))  # noqa: E731
    return {
        "cases": len(repairs),
        "repaired": share([bool(one.change) for one in made]),
        "gain": share([one.gain for one in made]),
        "by random changes": share([one.random for one in made]),
        "gain of random changes": share([one.random_gain for one in made]),
        "as good by random changes": share([one.random and one.random_gain >= ALIKE * one.gain for one in made]),
        "trainings": float(np.median([one.trainings for one in made])) if made else float("nan"),
        "seconds": float(np.median([one.seconds for one in made])) if made else float("nan"),
    }
