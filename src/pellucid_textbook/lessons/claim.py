"""A lesson: a claim, the experiment that could refute it, and a rule that decides.

The texts and the rule of every lesson stand in ``lessons.toml``, in the order to learn them in; ``{NAME}`` there is a
constant of the module that measures. The experiment is a function under the decorator `experiment`::

    @experiment("deep-linear")
    def deep_linear(seeds):
        ...
        return Measured({"largest difference": values}, [lines(...)])

A rule is a list of bounds on the measured quantities. Both its text and the verdict are made from it.
"""

import hashlib
import inspect
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pellucid as pel
from pellucid.core.errors import did_you_mean
from pellucid.report.document import number
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.texts import read_texts

VERDICTS = {True: "holds", False: "does not hold here"}
_SIDES = {"above": operator.gt, "below": operator.lt}


class Measured(NamedTuple):
    """The result of an experiment: one value a seed for each quantity, and charts."""

    quantities: Mapping[str, Any]
    charts: Sequence[Any]


@dataclass(frozen=True)
class Condition:
    """A bound that the whole 95 % interval of a quantity keeps to.

    Args:
        quantity: its name.
        side: the side of the bound on which it must lie, ``"above"`` or ``"below"``.
        bound: the bound.

    Example:
        >>> condition = Condition.read("tanh − sigmoid < 0")
        >>> print(condition)
        the 95 % interval of “tanh − sigmoid” lies below 0
        >>> condition.is_met({"tanh − sigmoid": Quantity("tanh − sigmoid", (-1.0, -1.1, -0.9))})
        True
    """

    quantity: str
    side: str
    bound: float

    @staticmethod
    def read(text: str) -> "Condition":
        """The condition that ``quantity < bound`` or ``quantity > bound`` states."""
        quantity, sign, bound = text.rsplit(" ", 2)
        return Condition(quantity, {"<": "below", ">": "above"}[sign], float(bound))

    def is_met(self, quantities: Mapping[str, Quantity]) -> bool:
        """True if the quantities meet it."""
        measured = quantities[self.quantity]
        return all(_SIDES[self.side](end, self.bound) for end in (measured.low, measured.high))

    def __str__(self) -> str:
        return f"the 95 % interval of “{self.quantity}” lies {self.side} {number(self.bound, 3)}"


@dataclass(frozen=True)
class Exercise:
    """Something to try after a lesson: a task, what to run if anything, and what comes out, with its reason."""

    task: str
    expect: str
    run: str = ""


@dataclass(frozen=True)
class Lesson:
    """A claim and its test.

    Attributes:
        number: its number in the order to learn in.
        name: short, for the command line.
        part: the part of the textbook it belongs to.
        after: names of the lessons to study before.
        claim: what is claimed, in a sentence.
        reason: why the claim should be true.
        experiment: what is done, on which data.
        rule: the claim holds if all these conditions are met.
        exercises: what to try afterwards.
        measure: runs the experiment for the seeds it is given.
    """

    number: int
    name: str
    part: str
    after: tuple[str, ...]
    claim: str
    reason: str
    experiment: str
    rule: tuple[Condition, ...]
    exercises: tuple[Exercise, ...]
    measure: Callable[[Sequence[int]], Measured]

    @property
    def fingerprint(self) -> str:
        """Changes with the module that measures and with the shared one, so that an outdated result is recognised."""
        names = (self.measure.__module__, "pellucid_textbook.lessons.trainings")
        source = "".join(inspect.getsource(sys.modules[name]) for name in names)
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
        return all(met for _, met in self.judged(quantities))


_LESSONS: dict[str, Lesson] = {}


def experiment(name: str) -> Callable[[Callable[[Sequence[int]], Measured]], Lesson]:
    """Decorator that makes the lesson ``name`` of its texts and the function that measures it."""
    texts = read_texts("lessons/lessons")
    if name in _LESSONS or name not in texts:
        raise ValueError(f"lesson {name!r} has an experiment already, or no texts in lessons.toml")

    def enter(measure: Callable[[Sequence[int]], Measured]) -> Lesson:
        text = texts[name]
        _LESSONS[name] = Lesson(
            number=list(texts).index(name) + 1,
            name=name,
            part=text["part"],
            after=tuple(text["after"]),
            claim=text["claim"],
            reason=text["reason"],
            experiment=text["experiment"].format_map(vars(sys.modules[measure.__module__])),
            rule=tuple(map(Condition.read, text["rule"])),
            exercises=tuple(Exercise(**fields) for fields in text["exercises"]),
            measure=measure,
        )
        return _LESSONS[name]

    return enter


def list_lessons() -> list[Lesson]:
    """All lessons, in the order to learn in. Runs none.

    Example:
        >>> list_lessons()[0].name
        'firing-rate'
    """
    return sorted(_LESSONS.values(), key=lambda lesson: lesson.number)


def find_lesson(name: str | int) -> Lesson:
    """The lesson of a name or a number.

    Raises:
        UnknownName: no such lesson, with the nearest name.
    """
    for lesson in _LESSONS.values():
        if str(name) in (lesson.name, str(lesson.number)):
            return lesson
    names = [lesson.name for lesson in list_lessons()]
    raise pel.UnknownName(f"no lesson is named {name!r}.{did_you_mean(str(name), names)} Known: {', '.join(names)}.")


def check_seeds(seeds: int) -> None:
    """Refuse fewer seeds than an interval needs.

    Raises:
        InvalidValue: fewer than 2.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 2:
        raise pel.InvalidValue(
            f"seeds must be a whole number of at least 2: an interval needs two values. Received: {seeds!r}."
        )
