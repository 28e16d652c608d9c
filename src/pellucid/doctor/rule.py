"""A rule is one decorated function: a cause with its texts and remedies, the limits of its evidence, and the judgement.

Adding a rule is writing one such function. Importing its module enters the cause in `CAUSES` and the rule in `RULES`,
which the diagnosis, the remedies and the pages of the documentation read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Kind = Literal["rows", "program", "probe", "training", "adversarial"]
"""What a rule reads: the rows alone; rows, program and initial parameters; also passes through the network or
baselines, which take seconds; a finished training; a finished adversarial training."""


class Limit(NamedTuple):
    """A number that evidence is compared with, and why it is not another."""

    value: float
    reason: str


class Evidence(NamedTuple):
    """The evidence of a rule.

    Args:
        strength: how strongly it speaks for the cause, from 0 to 1, of which `calibration` makes a probability.
        numbers: the measurements, by name.
        because: a clause with these numbers.
        holds_back: whether the cause can keep a network behind the baselines; one that cannot is never a problem.
    """

    strength: float
    numbers: dict[str, Any]
    because: str
    holds_back: bool = True


@dataclass(frozen=True)
class Cause:
    """A cause that the doctor knows.

    Args:
        name: its label.
        meaning: a clause.
        about: a paragraph for its page.
        alike: what looks alike.
        remedies: names of what may help, the likeliest first.
        formula: of what goes wrong, where there is one.
        symptom_of: causes that bring it about; it ranks below each that is likely.
        trials: the trials that repair it alone.
    """

    name: str
    meaning: str
    about: str
    alike: str
    remedies: tuple[str, ...]
    formula: str = ""
    symptom_of: tuple[str, ...] = ()
    trials: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One way to find a cause.

    Args:
        name: the label of the cause.
        kind: what it reads.
        judge: from a subject and the limits by name to evidence, or None where the cause does not show.
        reason: why this evidence speaks for this cause.
        limits: what the evidence is compared with, by name.
    """

    name: str
    kind: Kind
    judge: Callable[..., Evidence | None]
    reason: str
    limits: dict[str, Limit]

    def find(self, subject: Any) -> Evidence | None:
        """The evidence for this cause in a subject."""
        return self.judge(subject, **{name: limit.value for name, limit in self.limits.items()})


CAUSES: dict[str, Cause] = {}
"""Every cause by its label."""
RULES: list[Rule] = []
"""Every rule; a cause may have several."""


def rule(name: str, kind: Kind, *, reason: str, meaning: str = "", **more: Any) -> Callable[[Any], Any]:
    """Enter a function of a subject and its limits as a rule.

    Args:
        name: the label of the cause.
        kind: what the function reads.
        reason: why this evidence speaks for this cause.
        meaning: of the cause; left out by further rules of a cause that is known.
        more: the other texts of `Cause`, and each `Limit` by the name of the function's argument.

    Raises:
        KeyError: neither a meaning nor a known cause.
    """
    limits = {key: value for key, value in more.items() if isinstance(value, Limit)}
    texts = {key: value for key, value in more.items() if key not in limits}

    def enter(judge: Any) -> Any:
        CAUSES[name] = Cause(name, meaning, **texts) if meaning else CAUSES[name]
        RULES.append(Rule(name, kind, judge, reason, limits))
        return judge

    return enter


CERTAIN = 0.985
"""Strength where the program alone decides: no rows and no seed change it."""
CLEAR = 0.96
"""Where program and rows decide, whatever the seed."""
STRONG = 0.92
"""Where a measurement or trial shows what no other known cause shows."""
LIKELY = 0.85
"""Where other causes show the same only seldom."""
FAIR = 0.75
"""Where it fits better than most others."""
OPEN = 0.65
"""Where it fits, and some others fit as well."""
EVEN = 0.5
"""Where half of such trainings have another cause."""
POSSIBLE = 0.4
"""Where another cause is likelier, and this one often goes with it."""
WEAK = 0.3
"""Where it looks odd and seldom holds a network back: the least strength of a problem."""
FAINT = 0.2
"""Where it alone explains next to nothing: below that of a problem."""


def between(low: float, high: float, grade: float) -> float:
    """The strength that lies a fraction of the way from one to another; of no number (NaN) the first."""
    return low + (high - low) * (min(max(grade, 0.0), 1.0) if grade == grade else 0.0)


def above(value: float, limit: float, steepness: float = 4.0) -> float:
    """How far a positive number lies above a limit, from 0 to 1: no cliff, one half at the limit itself.

    Formula:
        1 / (1 + (limit / value)^steepness)

    Example:
        >>> [round(above(value, 2.0), 2) for value in (1.0, 2.0, 4.0)]
        [0.06, 0.5, 0.94]
    """
    if not value > 0:
        return 0.0
    return 1 / (1 + min(limit / value, 1e6) ** steepness)


def below(value: float, limit: float, steepness: float = 4.0) -> float:
    """How far a positive number lies below a limit: 1 less `above`; of no number (NaN) 0."""
    return 0.0 if value != value else 1 - above(value, limit, steepness)


HELPS = Limit(0.15, "seeds alone rarely add more to the skill")
"""What a trial must gain before its change counts as a cure."""
WORTH = Limit(0.25, "of the skill that is missing: less is not worth another training")
"""What a trial must gain of a network that does as well as the baselines, before it is reported."""
SPIKED = Limit(2, "times the first loss: a training that learns goes down; overly large steps make it spike")
"""The greatest loss above which a training counts as spiked."""
