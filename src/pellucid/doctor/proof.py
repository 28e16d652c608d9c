"""Proof by experiment: the original and its remedies trained on the same seeds, judged on held-out rows.

Candidates race: all are trained on a few seeds, the losers are dropped, the rest on more seeds. What is left is held
against the original on seeds that no race has seen, by a paired test. Beside it races as large a field of changes drawn
at random: a doctor that does no better has found nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tomli_w

from pellucid.core.checks import InvalidValue, WholeNumber, require
from pellucid.data import Dataset
from pellucid.doctor.diagnose import diagnose
from pellucid.doctor.examination import skill_of_classes, skill_of_numbers
from pellucid.doctor.findings import Finding
from pellucid.doctor.remedies import REMEDIES, Candidate, candidates
from pellucid.doctor.setup import Judge, Setup, train_all, with_rows
from pellucid.models.experiment import Experiment
from pellucid.models.run import Run
from pellucid.models.statistics import Paired, holm, paired

SIGNIFICANCE = 0.05
"""Largest corrected p of a proven difference."""
EFFECT = 0.5
"""Smallest effect size of one, in standard deviations of the paired differences."""
RACE = ((1, 4), (2, 2))
"""Rounds of a race: how many further seeds, and how many candidates are kept after them."""
SURE = 4
"""Candidates trained at a time; so many each round of a race trains however long it takes."""
FRESH = 1000
"""First of the seeds of the last test, which no race has seen."""
USUAL = (
    "adam", "smaller learning rate", "larger learning rate", "standardise the inputs", "relu in the hidden layers",
    "He initialisation", "more epochs", "a fitting loss",
)  # fmt: skip
"""Remedies that are tried after those of the findings: what most often helps."""


@dataclass
class Arm:
    """One training setting and its scores.

    Args:
        candidate: the changed training; None for the original.
        scores: by seed, higher is better.
        test: against the original on fresh seeds; None where it was dropped before.
        p: the p of that test, corrected for the number of candidates tested (Holm).
    """

    candidate: Candidate | None
    scores: dict[int, float] = field(default_factory=dict)
    test: Paired | None = None
    p: float = np.nan

    @property
    def mean(self) -> float:
        """Mean score over all seeds so far."""
        return float(np.mean(list(self.scores.values())))

    @property
    def proven(self) -> bool:
        """Whether it beats the original."""
        return self.test is not None and self.p < SIGNIFICANCE and self.test.d >= EFFECT

    @property
    def changes(self) -> int:
        """How many remedies it takes."""
        return 0 if self.candidate is None else 1 + self.candidate.remedy.count(" + ")

    def beats(self, other: "Arm") -> bool:
        """Whether it is better than another on the fresh seeds of both."""
        both = [seed for seed in self.scores if seed in other.scores and seed >= FRESH]
        found = paired([self.scores[seed] for seed in both], [other.scores[seed] for seed in both])
        return found.p < SIGNIFICANCE and found.d >= EFFECT

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        plain: dict[str, Any] = {"remedy": None, "change": "the original"}
        if self.candidate is not None:
            plain = {"remedy": self.candidate.remedy, "change": self.candidate.change}
        plain |= {"mean": self.mean, "seeds": len(self.scores), "proven": self.proven}
        if self.test is not None:
            plain |= {"difference": self.test.difference, "p": self.p, "d": self.test.d}
        return plain


@dataclass(frozen=True)
class Proof:
    """What was tried, and what came of it.

    Attributes:
        original: the training as it was.
        tried: all candidates, the best first.
        random: the best of the changes drawn at random, tried with as many trainings; None without that arm.
        trainings: how many were made for the candidates and the original.
        seconds: what all took.
    """

    original: Arm
    tried: tuple[Arm, ...]
    random: Arm | None
    trainings: int
    seconds: float

    @property
    def best(self) -> Arm | None:
        """The best proven candidate, a single change unless two together are better by the same test; None for none."""
        proven = [arm for arm in self.tried if arm.proven]
        for arm in sorted(proven, key=lambda arm: arm.changes):
            if not any(other.beats(arm) for other in proven):
                return arm
        return None

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "original": self.original.to_dict(),
            "best": None if self.best is None else self.best.to_dict(),
            "tried": [arm.to_dict() for arm in self.tried],
            "random": None if self.random is None else self.random.to_dict(),
            "trainings": self.trainings,
            "seconds": round(self.seconds, 2),
        }

    def __str__(self) -> str:
        lines = [
            f"original: {self.original.mean:.3f} on the held-out rows, {len(self.original.scores)} seeds"
        ]
        for arm in self.tried:
            change = arm.candidate.change if arm.candidate else ""
            if arm.test is None:
                lines.append(f"  dropped   {arm.mean:.3f} after {len(arm.scores)} seeds: {change}")
                continue
            verdict = "PROVEN  " if arm.proven else "unproven"
            lines.append(
                f"  {verdict}  {arm.test.difference:+.3f} (p {arm.p:.2g}, d {arm.test.d:.2f}, {arm.test.count} "
                f"fresh seeds): {change}"
            )
        if self.random is not None and self.random.test is not None and self.random.candidate is not None:
            lines.append(
                f"random changes, as many trainings: {self.random.test.difference:+.3f} at best "
                f"({self.random.candidate.change})"
            )
        best = self.best.candidate if self.best else None
        ends = f"best: {best.change}" if best else "nothing tried beats the original"
        lines.append(f"{ends}   ({self.trainings} trainings, {self.seconds:.0f} s)")
        return "\n".join(lines)


def skill(decided: np.ndarray, truth: np.ndarray) -> float:
    """How far decisions are on the way from guessing (0) to perfect (1): mean recall, labels right, or R²."""
    if truth.ndim == 1:
        return skill_of_classes(decided, truth)
    if decided.dtype.kind == "i":
        return float((decided == truth).mean()) if decided.shape == truth.shape else 0.0
    return skill_of_numbers(decided, truth)


def prove(
    run: Run,
    data: Dataset | None = None,
    *,
    findings: Sequence[Finding] | None = None,
    judge: Judge = skill,
    seeds: int = 10,
    budget: float = 60.0,
    most: int = 12,
    random_arm: bool = True,
) -> Proof:
    """Try what may help, and say what does.

    Args:
        run: the training that does not learn.
        data: its data, where the run was loaded and its data came as arrays.
        findings: what the doctor says of it, the likeliest first, whose remedies are tried in this order; None asks
            `diagnose`.
        judge: (decided, truth) of the held-out rows → a score of at least 0, higher is better; a training that diverges
            scores 0.
        seeds: paired seeds of the last test, at least 3.
        budget: seconds of each arm's race; it is looked at between trainings.
        most: candidates that begin the race.
        random_arm: also try as many changes drawn at random.

    Returns:
        The proof.

    Raises:
        DataError: no rows, or no held-out targets to judge on.
        InvalidValue: fewer than 3 seeds.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.models.train import train
        >>> from pellucid.optimizers import SGD
        >>> run = train((8,), load_dataset("iris"), optimizer=SGD(1e-4), epochs=20, progress=False)
        >>> slow = Finding("learning_rate_too_low", "problem", 0.9)
        >>> found = prove(run, findings=[slow], seeds=5, most=3, random_arm=False)
        >>> found.best.proven
        True

    Source: Jamieson, Talwalkar, Non-stochastic best arm identification, 2016 (dropping losers by halves);
    Holm, 1979 (several tests).
    """
    require(seeds, WholeNumber(3), "seeds")
    began = time.perf_counter()
    run = with_rows(run, data)
    if findings is None:
        findings = diagnose(run)
    setup = Setup.of(run)
    field_ = _Field(setup, judge)
    guided = _race(field_, _guided(findings, most), budget)
    _test(field_, _finalists(guided), seeds)
    trainings = field_.trainings
    chance = None
    if random_arm:
        drawn = _race(field_, _drawn(np.random.default_rng(0), len(guided)), budget)[:1]
        _test(field_, drawn, seeds)
        chance = drawn[0] if drawn else None
    order = sorted(guided, key=lambda arm: (arm.proven, arm.test is not None, arm.mean), reverse=True)
    return Proof(field_.original, tuple(order), chance, trainings, time.perf_counter() - began)


class _Field:
    """Trains arms, and remembers what the original scores on each seed."""

    def __init__(self, setup: Setup, judge: Judge) -> None:
        self.setup, self.judge = setup, judge
        self.original = Arm(None)
        self.trainings = 0

    def train(self, arms: Sequence[Arm], seeds: Sequence[int]) -> None:
        """Score arms on some seeds; a training that diverges scores 0."""
        open_ones = [(arm, seed) for arm in arms for seed in seeds if seed not in arm.scores]
        trainings = train_all([(self.setup_of(arm), seed) for arm, seed in open_ones])
        self.trainings += len(trainings)
        for (arm, seed), training in zip(open_ones, trainings, strict=True):
            setup = self.setup_of(arm)
            ended = training.history.epochs_made >= setup.epochs
            score = setup.score(training, self.judge) if ended else 0.0
            arm.scores[seed] = score if np.isfinite(score) else 0.0

    def setup_of(self, arm: Arm) -> Setup:
        """What an arm trains."""
        return self.setup if arm.candidate is None else arm.candidate.setup


Propose = Callable[[Setup, frozenset[str]], list[Candidate]]
"""(training to begin with, remedies already in it) → what to try on it."""


def _race(field_: _Field, propose: Propose, budget: float) -> list[Arm]:
    """All arms, the best first: single changes, then changes on top of the best of them."""
    end = time.perf_counter() + budget
    first = _rounds(field_, [Arm(one) for one in propose(field_.setup, frozenset())], end)
    winner = first[0].candidate if first else None
    if winner is None:
        return first
    second = [Arm(winner.then(one)) for one in propose(winner.setup, frozenset({winner.remedy}))]
    return _rounds(field_, second[: max(3, len(first) // 2)], end, first)


def _rounds(field_: _Field, arms: list[Arm], end: float, others: list[Arm] | None = None) -> list[Arm]:
    """The arms in the order of their success, and ``others`` that raced before them among these."""
    running = list(arms)
    seeds: list[int] = []
    for more, kept in RACE:
        seeds += range(len(seeds), len(seeds) + more)
        # In small groups, between which the time is looked at.
        for place in range(0, len(running), SURE):
            if time.perf_counter() > end and place:
                break
            field_.train(running[place : place + SURE], seeds)
        running = _sorted([arm for arm in running if arm.scores])[:kept]
    return _sorted([arm for arm in [*arms, *(others or [])] if arm.scores])


def _sorted(arms: list[Arm]) -> list[Arm]:
    """Those trained on most seeds first, the better before the worse."""
    return sorted(arms, key=lambda arm: (len(arm.scores), arm.mean), reverse=True)


def _finalists(arms: list[Arm]) -> list[Arm]:
    """The best single change and the best of all, or the two best single ones."""
    single = next((arm for arm in arms if arm.changes == 1), None)
    return ([] if single is None else [single]) + [arm for arm in arms if arm is not single][:1]


def _test(field_: _Field, finalists: list[Arm], seeds: int) -> None:
    """Hold arms against the original on seeds that no race has seen."""
    fresh = range(FRESH, FRESH + seeds)
    field_.train([field_.original, *finalists], fresh)
    for arm in finalists:
        arm.test = paired(
            np.array([arm.scores[seed] for seed in fresh]),
            np.array([field_.original.scores[seed] for seed in fresh]),
        )
    corrected = holm([arm.test.p for arm in finalists if arm.test is not None])
    for arm, p in zip(finalists, corrected, strict=True):
        arm.p = p


def _guided(findings: Sequence[Finding], most: int) -> Propose:
    """The remedies of the findings, the likeliest first, then the usual ones."""
    names = dict.fromkeys([name for finding in findings for name in finding.remedies] + list(USUAL))
    return lambda setup, held: _first(setup, [name for name in names if name not in held], most)


def _drawn(rng: np.random.Generator, most: int) -> Propose:
    """Changes drawn at random from all remedies."""

    def propose(setup: Setup, held: frozenset[str]) -> list[Candidate]:
        names = [name for name in REMEDIES if name not in held]
        return _first(setup, [names[i] for i in rng.permutation(len(names))], most)

    return propose


def _first(setup: Setup, names: Sequence[str], most: int) -> list[Candidate]:
    """The first candidates of these remedies, each change once."""
    found: dict[str, Candidate] = {}
    for name in names:
        for candidate in candidates(name, setup):
            found.setdefault(candidate.change, candidate)
        if len(found) >= most:
            break
    return list(found.values())[:most]


def repaired_settings(proof: Proof, original: Experiment) -> str:
    """The settings of the best proven change as TOML, with the evidence in comments.

    Raises:
        InvalidValue: nothing was proven, or the change is one of the data.
    """
    if proof.best is None or proof.best.candidate is None:
        raise InvalidValue("nothing tried beats the original: there is nothing to apply.")
    settings = proof.best.candidate.setup.experiment(original).to_dict()
    evidence = "".join(f"# {line}\n" for line in str(proof).splitlines())
    return f"# Repaired: {proof.best.candidate.change}\n#\n{evidence}\n{tomli_w.dumps(settings)}"
