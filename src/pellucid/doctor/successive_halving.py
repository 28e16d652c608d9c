"""A race of changed trainings: all are tried on a seed, the losers are dropped, the rest go on with more seeds."""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from pellucid.core.statistics import Paired, holm, paired
from pellucid.training import Training

Judge = Callable[[np.ndarray, np.ndarray], float]
"""(decided, truth) of the held-out rows → a score, higher is better."""
Watch = Callable[[str, int, int], None]
"""(what is under way, trainings made, trainings asked for so far)."""

SIGNIFICANCE = 0.05
"""Largest corrected p of a proven difference."""
EFFECT = 0.5
"""Smallest effect size of one, in standard deviations of the paired differences."""
SURE = 4
"""Candidates trained at a time; so many are, however long it takes."""
KEPT = 4
"""Candidates that go on to `MORE` seeds."""
MORE = 2
FRESH = 1000
"""First of the seeds of the last test, which no race has seen."""
NEAR = 0.95
"""Share of what there is to reach at which nothing more is tried: the rest is what the choice of a method is worth."""
CLEAR = 0.1
"""Gain on one seed that ends the search of single changes there; it is tested on fresh seeds before it counts."""
LONG = 2.0
"""Trainings this many times as long as the original are tried after the others."""


class Trainable(Protocol):
    """What a race needs of a training that may be changed."""

    @property
    def epochs(self) -> int:
        """Passes over the rows."""
        ...

    @property
    def steps(self) -> int:
        """Updates of the whole training."""
        ...

    @property
    def structure(self) -> Hashable:
        """What trainings must have in common to be made by one compiled program."""
        ...

    @property
    def stackable(self) -> bool:
        """Whether those of one structure train faster side by side than one after another."""
        ...

    def training(self, seed: int) -> Training:
        """The training of one seed, at its beginning."""
        ...

    def score(self, training: Training, judge: Judge) -> float:
        """How good a trained one is on held-out rows."""
        ...


@dataclass(frozen=True, eq=False)
class Candidate:
    """A training to try.

    Args:
        remedy: the name of the remedy that made it.
        change: what was changed, in words and numbers.
        setup: the changed training.
    """

    remedy: str
    change: str
    setup: Any

    def then(self, other: "Candidate") -> "Candidate":
        """This one, said together with what was done to it."""
        return Candidate(f"{self.remedy} + {other.remedy}", f"{self.change}; {other.change}", other.setup)


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

    def __str__(self) -> str:
        change = "the original" if self.candidate is None else self.candidate.change
        if self.candidate is None or self.test is None:
            return f"{self.mean:.3f} over {len(self.scores)} seeds: {change}"
        verdict = "PROVEN  " if self.proven else "unproven"
        return (
            f"{verdict}  {self.test.difference:+.3f} (p {self.p:.2g}, d {self.test.d:.2f}, {self.test.count} "
            f"fresh seeds): {change}"
        )

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
        plain["scores"] = {str(seed): score for seed, score in self.scores.items()}
        if self.test is not None:
            plain |= {"difference": self.test.difference, "interval": list(self.test.interval)}
            plain |= {"p": self.p, "d": self.test.d}
        return plain


class Attempt(NamedTuple):
    """A training that was made."""

    training: Training | None
    """None where what was to be trained does not fit together."""
    seconds: float
    """What its steps took, without compiling."""


Propose = Callable[[Any, frozenset[str]], list[Candidate]]
"""(training to begin with, remedies already in it) → what to try on it."""
TrainAll = Callable[[Sequence[tuple[Any, int]]], list[Attempt]]


class Field:
    """Trains arms, and remembers what the original scores on each seed.

    Args:
        setup: the original.
        judge: what is scored.
        goal: the score that there is to reach; NaN where that is not known.
        train_all: makes the trainings.
        watch: is told how far it is.
    """

    def __init__(
        self, setup: Trainable, judge: Judge, goal: float, train_all: TrainAll, watch: Watch | None = None
    ) -> None:
        self.setup, self.judge, self.train_all, self.watch = setup, judge, train_all, watch
        self.enough = NEAR * (goal if np.isfinite(goal) else 1.0)
        self.original = Arm(None)
        self.trainings = 0
        self.pace = 0.0

    def steps(self, arm: Arm) -> int:
        """Updates that a training of an arm makes."""
        return self._setup(arm).steps

    def seconds(self, arm: Arm) -> float:
        """What a training of an arm may take, by the slowest step so far."""
        return self.pace * self.steps(arm)

    def train(self, arms: Sequence[Arm], seeds: Sequence[int], stage: str) -> None:
        """Score arms and the original on some seeds; a training that diverges scores 0."""
        missing = [(arm, seed) for arm in (self.original, *arms) for seed in seeds if seed not in arm.scores]
        if self.watch is not None:
            self.watch(stage, self.trainings, self.trainings + len(missing))
        made = self.train_all([(self._setup(arm), seed) for arm, seed in missing])
        self.trainings += len(missing)
        for (arm, seed), (training, seconds) in zip(missing, made, strict=True):
            setup = self._setup(arm)
            if training is None:
                arm.scores[seed] = 0.0
                continue
            if training.history.steps_made:
                self.pace = max(self.pace, seconds / training.history.steps_made)
            ended = training.history.epochs_made >= setup.epochs
            score = setup.score(training, self.judge) if ended else 0.0
            arm.scores[seed] = score if np.isfinite(score) else 0.0

    def _setup(self, arm: Arm) -> Any:
        return self.setup if arm.candidate is None else arm.candidate.setup

    def gain(self, arm: Arm) -> float:
        """What an arm adds to the original, by the seeds that it was trained on."""
        return arm.mean - float(np.mean([self.original.scores[seed] for seed in arm.scores]))

    def reached(self, arm: Arm, gain: float) -> bool:
        """Whether an arm is as good as can be, and better than the original on each seed by ``gain`` at least."""
        pairs = [(score, self.original.scores[seed]) for seed, score in arm.scores.items()]
        return arm.mean >= self.enough and all(score > before + gain for score, before in pairs)


def race(field_: Field, propose: Propose, most: tuple[int, int], budget: float) -> tuple[list[Arm], list[Arm]]:
    """Single changes, then changes on top of the best of them where it leaves something to reach.

    Args:
        field_: the field.
        propose: what to try.
        most: single changes, and changes on top of the winner.
        budget: seconds; looked at between trainings.

    Returns:
        The arms of both kinds, the best first.
    """
    end = time.perf_counter() + budget
    first = _rounds(field_, [Arm(one) for one in propose(field_.setup, frozenset())[: most[0]]], end)
    winner = first[0].candidate if first else None
    if winner is None or field_.reached(first[0], 0.0) or time.perf_counter() > end:
        return first, []
    more = propose(winner.setup, frozenset({winner.remedy}))[: most[1]]
    return first, _rounds(field_, [Arm(winner.then(one)) for one in more], end)


def _rounds(field_: Field, arms: list[Arm], end: float) -> list[Arm]:
    """The arms in the order of their success."""
    arms = sorted(arms, key=lambda arm: field_.steps(arm) > LONG * field_.setup.steps)
    while arms_left := [arm for arm in arms if not arm.scores]:
        left = end - time.perf_counter()
        if len(arms_left) < len(arms):
            arms_left = [arm for arm in arms_left if 2 * field_.seconds(arm) < left]
        if not arms_left:
            break
        group = arms_left[:SURE]
        field_.train(group, [0], "race")
        if any(field_.reached(arm, CLEAR) for arm in group):
            break
    running = ordered(arms)[:KEPT]
    # A winner by far is tested at once; the others race on.
    if running and not field_.reached(running[0], CLEAR):
        field_.train(running, range(1, 1 + MORE), "race")
    return ordered(arms)


def ordered(arms: Sequence[Arm]) -> list[Arm]:
    """Those that were trained, on most seeds first, the better before the worse."""
    return sorted((arm for arm in arms if arm.scores), key=lambda arm: (len(arm.scores), arm.mean), reverse=True)


def finalists(field_: Field, first: list[Arm], second: list[Arm]) -> list[Arm]:
    """The best single change, and the best of those on top of it where it did better; none that gained nothing."""
    best = first[:1] + [arm for arm in second[:1] if arm.mean > first[0].mean]
    return [arm for arm in best if field_.gain(arm) > 0]


def test(field_: Field, arms: Sequence[Arm], seeds: int) -> None:
    """Hold arms against the original on seeds that no race has seen."""
    fresh = range(FRESH, FRESH + seeds)
    field_.train(arms, fresh, "test")
    for arm in arms:
        arm.test = paired([arm.scores[seed] for seed in fresh], [field_.original.scores[seed] for seed in fresh])
    for arm, p in zip(arms, holm([arm.test.p for arm in arms if arm.test is not None]), strict=True):
        arm.p = p
