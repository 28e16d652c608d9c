"""What a lesson is: a claim of the subject, the experiment that could refute it, and a rule that decides.

A lesson file holds one function a claim, under the decorator `claim`::

    @claim(
        1,
        "deep-linear",
        "A deep linear network computes no more than one linear layer.",
        items=("4.1",),
        reason="…why it should be so…",
        experiment="…what is done, on which data…",
        rule=(Condition("greatest difference", "below", 1e-5),),
    )
    def deep_linear(seeds):
        ...
        return Measured([Quantity("greatest difference", values)], [Curves(...)])

The rule is data: its text and its verdict come from the same conditions, so that neither can say what the other
does not, and it knows nothing but the measured quantities.
"""

import difflib
import hashlib
import inspect
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pellucid.core.errors import InvalidValue, UnknownName
from pellucid_textbook.lessons.panels import Panel
from pellucid_textbook.lessons.quantity import Quantity, number

VERDICTS = {True: "holds", False: "does not hold here"}
CLAIMS = 30
"""Claims of the subject's chapter 9."""

_SIDES = {"above": operator.gt, "below": operator.lt}


class Measured(NamedTuple):
    """What an experiment leaves."""

    quantities: Sequence[Quantity]
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Condition:
    """A bound that the whole 95 % interval of a quantity keeps to.

    Args:
        quantity: its name.
        side: on which side of the bound it must lie.
        bound: the bound.

    Example:
        >>> condition = Condition("tanh − sigmoid", "below", 0.0)
        >>> print(condition)
        the 95 % interval of “tanh − sigmoid” lies below 0
        >>> condition.is_met({"tanh − sigmoid": Quantity("tanh − sigmoid", (-1.0, -1.1, -0.9))})
        True
    """

    quantity: str
    side: Literal["above", "below"]
    bound: float

    def is_met(self, quantities: Mapping[str, Quantity]) -> bool:
        """Whether the quantities meet it."""
        measured = quantities[self.quantity]
        return all(_SIDES[self.side](end, self.bound) for end in (measured.low, measured.high))

    def __str__(self) -> str:
        return f"the 95 % interval of “{self.quantity}” lies {self.side} {number(self.bound)}"


@dataclass(frozen=True)
class Lesson:
    """A claim and how it is put to the test.

    Args:
        number: of the claim in chapter 9 of the subject.
        name: short, for the command line.
        claim: what is claimed, in a sentence.
        items: numbers of the subject that it belongs to.
        reason: why the claim should be true.
        experiment: what is done, on which data.
        rule: the claim holds if all these conditions are met.
        measure: runs the experiment for the seeds it is given.
    """

    number: int
    name: str
    claim: str
    items: tuple[str, ...]
    reason: str
    experiment: str
    rule: tuple[Condition, ...]
    measure: Callable[[Sequence[int]], Measured]

    @property
    def fingerprint(self) -> str:
        """Changes with the file that the lesson is written in, so that an old result is told from a new one."""
        source = inspect.getsource(sys.modules[self.measure.__module__])
        return hashlib.sha256(source.encode()).hexdigest()[:16]

    @property
    def rule_text(self) -> str:
        """The rule as a sentence."""
        return "Holds if " + ", and ".join(map(str, self.rule)) + "."

    def judged(self, quantities: Mapping[str, Quantity]) -> list[tuple[str, bool]]:
        """Each condition of the rule as text, and whether the quantities meet it."""
        return [(str(condition), condition.is_met(quantities)) for condition in self.rule]

    def holds(self, quantities: Mapping[str, Quantity]) -> bool:
        """Whether the quantities meet every condition of the rule."""
        return all(condition.is_met(quantities) for condition in self.rule)


_LESSONS: dict[str, Lesson] = {}


def claim(
    number: int,
    name: str,
    text: str,
    *,
    items: tuple[str, ...],
    reason: str,
    experiment: str,
    rule: tuple[Condition, ...],
) -> Callable[[Callable[[Sequence[int]], Measured]], Lesson]:
    """Decorator that makes a lesson of the function that measures; the fields are those of `Lesson`.

    Line breaks within the texts are not kept.
    """

    def enter(measure: Callable[[Sequence[int]], Measured]) -> Lesson:
        taken = {lesson.number for lesson in _LESSONS.values()}
        if name in _LESSONS or number in taken or not 1 <= number <= CLAIMS:
            raise ValueError(f"lesson {number} {name!r}: number or name is taken, or there is no such claim")
        words, plan = " ".join(reason.split()), " ".join(experiment.split())
        _LESSONS[name] = Lesson(number, name, text, items, words, plan, rule, measure)
        return _LESSONS[name]

    return enter


def list_lessons() -> list[Lesson]:
    """All lessons, in the order of the subject's claims. Runs none.

    Example:
        >>> list_lessons()[0].name
        'deep-linear'
    """
    return sorted(_LESSONS.values(), key=lambda lesson: lesson.number)


def find_lesson(name: str | int) -> Lesson:
    """The lesson of a name, or of the number of its claim.

    Raises:
        UnknownName: no such lesson, with the nearest name.
    """
    for lesson in _LESSONS.values():
        if str(name) in (lesson.name, str(lesson.number)):
            return lesson
    near = difflib.get_close_matches(str(name), _LESSONS, n=1)
    advice = f"Did you mean {near[0]!r}? " if near else ""
    raise UnknownName(
        f"no lesson is named {name!r}. {advice}Known: {', '.join(lesson.name for lesson in list_lessons())}."
    )


def check_seeds(seeds: int) -> None:
    """Refuse fewer seeds than an interval needs.

    Raises:
        InvalidValue: fewer than 2.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 2:
        raise InvalidValue(
            f"seeds must be a whole number of at least 2: an interval needs two values. Received: {seeds!r}."
        )
