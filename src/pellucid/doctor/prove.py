"""Proof by experiment: the original and its remedies trained on the same seeds, scored on held-out rows.

Candidates race; what is left is held against the original on seeds that no race has seen, by a paired test. Beside it
races as large a field of changes drawn at random: a doctor that does no better has found nothing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import tomli_w

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset
from pellucid.doctor.adversarial import with_gan_rows
from pellucid.doctor.baselines import Baselines
from pellucid.doctor.diagnose import diagnose
from pellucid.doctor.findings import Finding
from pellucid.doctor.gan_remedies import GAN_REMEDIES, gan_candidates
from pellucid.doctor.gan_setup import GanSetup
from pellucid.doctor.passes import Passes
from pellucid.doctor.remedies import REMEDIES, candidates
from pellucid.doctor.setup import Setup, train_all, with_rows
from pellucid.doctor.skill import skill
from pellucid.doctor.successive_halving import (
    Arm,
    Candidate,
    Field,
    Judge,
    Propose,
    Watch,
    finalists,
    ordered,
    race,
    test,
)
from pellucid.optimizers import FromOptax
from pellucid.runs.experiment import Experiment
from pellucid.runs.trained import Trained

USUAL = (
    "a fitting loss",
    "adam",
    "standardise the inputs",
    "relu in the hidden layers",
    "larger learning rate",
    "smaller learning rate",
    "He initialisation",
    "more epochs",
)
"""Remedies that are tried after those of the findings: what most often helps."""
SCALES = (
    "standardise inputs and targets",
    "standardise the targets",
    "standardise the inputs",
    "min-max the inputs",
    "scale the targets into the range",
)
"""Remedies of the findings that are tried first, whatever their rank: a learning rate that is proven on raw numbers
only makes up for their size."""
OF_OPTAX = (
    "not tried: another learning rate, clipping or L1 penalty, for the optimizer came from Optax and keeps its numbers "
    "to itself; train with one of pellucid's to have them tried"
)
MORE_FINALISTS = 2
"""Arms that are tested where the winners of the race prove nothing."""


@dataclass(frozen=True)
class Proof:
    """What was tried, and what came of it.

    Attributes:
        original: the training as it was.
        tried: all candidates, the best first.
        random: the best of the changes drawn at random, tried with as many trainings; None without that arm.
        trainings: how many were made for the candidates and the original.
        random_trainings: how many for the changes drawn at random, beside the original's.
        seconds: what all took.
        untried: what could not be changed, and why; empty where nothing stood in the way.
    """

    original: Arm
    tried: tuple[Arm, ...]
    random: Arm | None
    trainings: int
    random_trainings: int
    seconds: float
    untried: str = ""

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
            "random_trainings": self.random_trainings,
            "seconds": round(self.seconds, 2),
            "untried": self.untried,
        }

    def __str__(self) -> str:
        lines = [f"original: {self.original.mean:.3f} on the held-out rows, {len(self.original.scores)} seeds"]
        for arm in self.tried:
            change = arm.candidate.change if arm.candidate else ""
            if arm.test is None:
                lines.append(f"  dropped   {arm.mean:.3f} after {len(arm.scores)} seeds: {change}")
                continue
            lines.append(f"  {arm}")
        if self.random is not None and self.random.candidate is not None:
            gained = f"{self.random.test.difference:+.3f}" if self.random.test is not None else "nothing gained"
            lines.append(f"random changes, as many trainings: {gained} at best ({self.random.candidate.change})")
        best = self.best.candidate if self.best else None
        ends = f"best: {best.change}" if best else "nothing tried beats the original"
        if self.untried:
            lines.append(self.untried)
        lines.append(f"{ends}   ({self.trainings} trainings, {self.seconds:.0f} s)")
        return "\n".join(lines)


def prove(
    run: Trained,
    data: Dataset | None = None,
    *,
    findings: Sequence[Finding] | None = None,
    judge: Callable[..., float] | None = None,
    seeds: int = 10,
    budget: float = 60.0,
    most: int = 12,
    random_arm: bool = True,
    progress: Watch | None = None,
) -> Proof:
    """Try what may help, and say what does.

    Args:
        run: the training that does not learn.
        data: its data, where the run was loaded and its data came as arrays.
        findings: what the doctor says of it, the likeliest first, whose remedies are tried in this order, those that
            scale inputs or targets before all others; None asks `diagnose`.
        judge: (decided, truth) of the held-out rows → a score of at least 0, higher is better; None for `skill`. Of a
            GAN: samples → score; None for the share of the real rows that they cover. What diverges scores 0.
        seeds: paired seeds of the last test, at least 3.
        budget: seconds of each arm's race; it is looked at between trainings.
        most: candidates that begin the race.
        random_arm: also try as many changes drawn at random.
        progress: is called before trainings are made.

    Returns:
        The proof.

    Raises:
        DataError: no rows, or no held-out targets to judge on.
        InvalidValue: fewer than 3 seeds.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.api import train
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
    parts = _parts_of_gan(run, data, judge) if run.adversarial else _parts_of(run, data, judge)
    if findings is None:
        findings = diagnose(parts.run)
    named = [name for finding in findings for name in finding.remedies]
    names = dict.fromkeys(sorted(named, key=lambda name: name not in SCALES) + list(parts.usual))
    field_ = Field(parts.setup, parts.judge, parts.goal, train_all, progress)
    guided = _guided(names, parts.make)
    drawn = _drawn(np.random.default_rng(0), parts.table, parts.make)
    tried, random, trainings, of_random = experiments(field_, guided, drawn, most, seeds, budget, random_arm)
    jax.clear_caches()  # a process has room for some hundred compiled programs
    untried = OF_OPTAX if isinstance(parts.setup.optimizer, FromOptax) else ""
    return Proof(field_.original, tried, random, trainings, of_random, time.perf_counter() - began, untried)


class _Parts(NamedTuple):
    """What a proof needs of a run, supervised or adversarial."""

    run: Trained
    setup: Any
    judge: Any
    goal: float
    """The score that there is to reach; NaN where that is not known."""
    table: Iterable[str]
    """The names of all remedies."""
    usual: Iterable[str]
    """Those that are tried after the findings'."""
    make: Callable[[str, Any], list[Candidate]]
    """(remedy, setup) → the changed trainings."""


def _parts_of(run: Trained, data: Dataset | None, judge: Any) -> _Parts:
    run, judge = with_rows(run, data), judge or skill
    return _Parts(run, Setup.of(run), judge, reachable(run, judge), REMEDIES, USUAL, candidates)


def _parts_of_gan(run: Trained, data: Dataset | None, judge: Any) -> _Parts:
    run = with_gan_rows(run, data)
    return _Parts(run, GanSetup.of(run), judge, 1.0, GAN_REMEDIES, GAN_REMEDIES, gan_candidates)


def experiments(
    field_: Field, guided: Propose, drawn: Propose, most: int, seeds: int, budget: float, random_arm: bool
) -> tuple[tuple[Arm, ...], Arm | None, int, int]:
    """Race and test what is proposed, then as many changes drawn at random.

    Returns:
        The arms tried, the best first; the best of those drawn at random; how many trainings each of the two took.
    """
    first, second = race(field_, guided, (most, max(3, most // 2)), budget)
    finals = finalists(field_, first, second)
    test(field_, finals, seeds)
    if not any(arm.proven for arm in finals):
        # What the race put behind by luck; all that are tested share one correction.
        others = [arm for arm in ordered([*first, *second]) if arm not in finals and field_.gain(arm) > 0]
        finals = [*finals, *others[:MORE_FINALISTS]]
        test(field_, finals, seeds)
    trainings = field_.trainings
    order = sorted(ordered([*first, *second]), key=lambda arm: (arm.proven, arm.test is not None), reverse=True)
    if not random_arm:
        return tuple(order), None, trainings, 0
    first, second = race(field_, drawn, (len(first), len(second)), budget)
    chance = finalists(field_, first, second)[: max(1, len(finals))]
    test(field_, chance, seeds)
    chance = sorted(chance, key=lambda arm: (arm.proven, arm.mean), reverse=True) or ordered(first)
    return tuple(order), chance[0] if chance else None, trainings, field_.trainings - trainings


def reachable(run: Trained, judge: Judge) -> float:
    """The best score of baselines on the held-out rows, NaN where they do not apply."""

    class Judged(Baselines):
        def skill(self, decided: np.ndarray, target: np.ndarray) -> float:
            return judge(np.asarray(decided).reshape(target.shape), target)

    with np.errstate(all="ignore"):
        return Judged(Passes(run)).best


def _guided(names: Iterable[str], make: Callable[[str, Any], list[Candidate]]) -> Propose:
    """The remedies of these names, in their order."""
    return lambda setup, held: _changes([name for name in names if name not in held], setup, make)


def _drawn(rng: np.random.Generator, table: Iterable[str], make: Callable[[str, Any], list[Candidate]]) -> Propose:
    """All changes that there are, in an order drawn at random."""

    def propose(setup: Any, held: frozenset[str]) -> list[Candidate]:
        found = _changes([name for name in table if name not in held], setup, make)
        return [found[i] for i in rng.permutation(len(found))]

    return propose


def _changes(names: Iterable[str], setup: Any, make: Callable[[str, Any], list[Candidate]]) -> list[Candidate]:
    """The candidates of these remedies, each change once."""
    found: dict[str, Candidate] = {}
    for name in names:
        for candidate in make(name, setup):
            found.setdefault(candidate.change, candidate)
    return list(found.values())


def repaired_settings(proof: Proof, original: Experiment) -> str:
    """The settings of the best proven change as TOML, with the evidence in comments.

    Raises:
        InvalidValue: nothing was proven, or the change is one of the data.
    """
    if proof.best is None or proof.best.candidate is None:
        raise InvalidValue("nothing tried beats the original: there is nothing to apply.")
    settings = proof.best.candidate.setup.experiment(original).to_dict()
    if settings["optimizer"] == FromOptax.name:
        raise InvalidValue(
            f"experiment.toml cannot hold the Optax optimizer of this training. Make the change in your program: "
            f"{proof.best.candidate.change}."
        )
    evidence = "".join(f"# {line}\n" for line in str(proof).splitlines())
    return f"# Repaired: {proof.best.candidate.change}\n#\n{evidence}\n{tomli_w.dumps(settings)}"
