"""Successive halving: candidates are trained on a seed, those that do worse are dropped, the others get more seeds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.statistics import Paired, holm, paired

Watch = Callable[[str, int, int], None]
"""(what is under way, trainings made, trainings asked for so far)."""

SIGNIFICANCE = 0.05
"""Largest corrected p of a proven difference."""
EFFECT = 0.5
"""Smallest effect size of one, in standard deviations of the paired differences."""
FIRST = 4
"""Candidates trained at a time; so many are, however long it takes."""
KEPT = 4
"""Candidates that get `MORE` seeds."""
MORE = 2
FRESH = 1000
"""First of the seeds of the last test, which no candidate was chosen by."""
NEAR = 0.95
"""Fraction of what there is to reach above which nothing more is tried: the rest is worth a choice of method."""
CLEAR = 0.1
"""Gain on one seed that ends the search of single changes there; it is tested on fresh seeds before it counts."""
LONG = 2.0
"""Trainings this many times as long as the original are tried after the others."""


@dataclass(frozen=True, eq=False, repr=False)
class Change:
    """A changed training.

    Args:
        remedy: the name of the remedy that made it.
        text: what was changed, in words and numbers.
        plan: the changed training, settled.
    """

    remedy: str
    text: str
    plan: Any

    def then(self, other: "Change") -> "Change":
        """This change together with one of its result."""
        return Change(f"{self.remedy} + {other.remedy}", f"{self.text}; {other.text}", other.plan)

    def __repr__(self) -> str:
        return f"<Change: {self.text}>"


@dataclass(repr=False)
class Candidate:
    """A change and its scores.

    Args:
        change: the changed training; None for the original.
        scores: by seed, higher is better.
        test: against the original on fresh seeds; None where it was dropped before.
        p: the p of that test, corrected for the number of candidates tested (Holm).
    """

    change: Change | None
    scores: dict[int, float] = field(default_factory=dict)
    test: Paired | None = None
    p: float = np.nan

    @property
    def text(self) -> str:
        """What was changed."""
        return "the original" if self.change is None else self.change.text

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
        return 0 if self.change is None else 1 + self.change.remedy.count(" + ")

    def beats(self, other: "Candidate") -> bool:
        """Whether it is better than another on the fresh seeds of both."""
        both = [seed for seed in self.scores if seed in other.scores and seed >= FRESH]
        test = paired([self.scores[seed] for seed in both], [other.scores[seed] for seed in both])
        return test.p < SIGNIFICANCE and test.d >= EFFECT

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        plain: dict[str, Any] = {"remedy": None if self.change is None else self.change.remedy, "change": self.text}
        plain |= {"mean": self.mean, "seeds": len(self.scores), "proven": self.proven}
        plain["scores"] = {str(seed): score for seed, score in self.scores.items()}
        if self.test is not None:
            plain |= {"difference": self.test.difference, "interval": list(self.test.interval)}
            plain |= {"p": self.p, "d": self.test.d, "count": self.test.count}
        return plain

    def __repr__(self) -> str:
        return f"<Candidate: {self.text}, {len(self.scores)} scores>"


@dataclass
class Trial:
    """What came of one training.

    Args:
        score: on held-out rows; 0 where it diverged or could not be made.
        seconds: what a step took, without compiling where that is known.
    """

    score: float
    seconds: float = 0.0


Propose = Callable[[Any, frozenset[str]], list[Change]]
"""(training to begin with, remedies already in it) → what to try on it."""
TrainAll = Callable[[Sequence[tuple[Change | None, int]]], list[Trial]]
"""Changes, None for the original, each with a seed → what came of them."""


class Field:
    """Trains candidates, and keeps what the original scores on each seed.

    Args:
        train_all: makes and scores the trainings.
        steps: updates of the training of a change.
        goal: the score that there is to reach; NaN where that is not known.
        watch: is told the progress.
    """

    def __init__(
        self,
        train_all: TrainAll,
        steps: Callable[[Change | None], int],
        goal: float = np.nan,
        watch: Watch | None = None,
    ) -> None:
        self.train_all, self.steps, self.watch = train_all, steps, watch
        self.enough = NEAR * (goal if np.isfinite(goal) else 1.0)
        self.original = Candidate(None)
        self.trainings = 0
        self.pace = 0.0

    def seconds(self, candidate: Candidate) -> float:
        """What a training of a candidate may take, by the slowest step so far."""
        return self.pace * self.steps(candidate.change)

    def train(self, candidates: Sequence[Candidate], seeds: Sequence[int], stage: str) -> None:
        """Score candidates and the original on some seeds."""
        everybody = (self.original, *candidates)
        missing = [(candidate, seed) for candidate in everybody for seed in seeds if seed not in candidate.scores]
        if self.watch is not None:
            self.watch(stage, self.trainings, self.trainings + len(missing))
        trials = self.train_all([(candidate.change, seed) for candidate, seed in missing])
        self.trainings += len(missing)
        for (candidate, seed), trial in zip(missing, trials, strict=True):
            self.pace = max(self.pace, trial.seconds)
            candidate.scores[seed] = trial.score if np.isfinite(trial.score) else 0.0

    def gain(self, candidate: Candidate) -> float:
        """What a candidate adds to the original, by the seeds that it was trained on."""
        return candidate.mean - float(np.mean([self.original.scores[seed] for seed in candidate.scores]))

    def reached(self, candidate: Candidate, gain: float) -> bool:
        """Whether a candidate is as good as can be, and on each seed better than the original by ``gain`` at least."""
        pairs = [(score, self.original.scores[seed]) for seed, score in candidate.scores.items()]
        return candidate.mean >= self.enough and all(score > before + gain for score, before in pairs)


def halve(
    field_: Field, plan: Any, propose: Propose, most: tuple[int, int], budget: float
) -> tuple[list[Candidate], list[Candidate]]:
    """Single changes, then changes on top of the best of them where it leaves something to reach.

    Args:
        field_: the field.
        plan: the original training.
        propose: what to try.
        most: single changes, and changes on top of the best.
        budget: seconds; looked at between trainings.

    Returns:
        The candidates of both kinds, the best first.
    """
    end = time.perf_counter() + budget
    first = _rounds(field_, [Candidate(change) for change in propose(plan, frozenset())[: most[0]]], end)
    best = first[0].change if first else None
    if best is None or field_.reached(first[0], 0.0) or time.perf_counter() > end:
        return first, []
    more = propose(best.plan, frozenset({best.remedy}))[: most[1]]
    return first, _rounds(field_, [Candidate(best.then(change)) for change in more], end)


def _rounds(field_: Field, candidates: list[Candidate], end: float) -> list[Candidate]:
    """The candidates in the order of their success."""
    candidates = sorted(candidates, key=lambda one: field_.steps(one.change) > LONG * field_.steps(None))
    while left := [candidate for candidate in candidates if not candidate.scores]:
        seconds = end - time.perf_counter()
        if len(left) < len(candidates):
            left = [candidate for candidate in left if 2 * field_.seconds(candidate) < seconds]
        if not left:
            break
        group = left[:FIRST]
        field_.train(group, [0], "successive halving")
        if any(field_.reached(candidate, CLEAR) for candidate in group):
            break
    running = ordered(candidates)[:KEPT]
    # One that is best by far is tested at once; the others get more seeds.
    if running and not field_.reached(running[0], CLEAR):
        field_.train(running, range(1, 1 + MORE), "successive halving")
    return ordered(candidates)


def ordered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that were trained, on most seeds first, the better before the worse."""
    trained = (candidate for candidate in candidates if candidate.scores)
    return sorted(trained, key=lambda candidate: (len(candidate.scores), candidate.mean), reverse=True)


def finalists(field_: Field, first: list[Candidate], second: list[Candidate]) -> list[Candidate]:
    """The best single change, and the best of those on top of it where it did better; none that gained nothing."""
    best = first[:1] + [candidate for candidate in second[:1] if candidate.mean > first[0].mean]
    return [candidate for candidate in best if field_.gain(candidate) > 0]


def test(field_: Field, candidates: Sequence[Candidate], seeds: int) -> None:
    """Compare candidates with the original on seeds that they were not chosen by."""
    fresh = range(FRESH, FRESH + seeds)
    field_.train(candidates, fresh, "test")
    original = [field_.original.scores[seed] for seed in fresh]
    tests = [paired([candidate.scores[seed] for seed in fresh], original) for candidate in candidates]
    for candidate, result, p in zip(candidates, tests, holm([result.p for result in tests]), strict=True):
        candidate.test, candidate.p = result, p
