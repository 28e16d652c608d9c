"""A rule: one cause, the evidence it asks for, and why its threshold lies where it does."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from pellucid.doctor.examination import Examination
from pellucid.doctor.reference import Reference
from pellucid.doctor.trials import Trials
from pellucid.models.run import Run


class Evidence(NamedTuple):
    """What a rule found."""

    probability: float
    numbers: dict[str, Any]
    because: str


@dataclass
class Subject:
    """What a rule may ask: the examination, the yardstick, the trials."""

    run: Run

    @cached_property
    def e(self) -> Examination:
        """What is measured of the run."""
        return Examination(self.run)

    @cached_property
    def reference(self) -> Reference:
        """What plain methods reach."""
        return Reference(self.e)

    @cached_property
    def trials(self) -> Trials:
        """The same training with one number changed."""
        return Trials(self.e)


class Rule(NamedTuple):
    """One entry of a table of rules."""

    label: str
    find: Callable[[Subject], Evidence | None]
    reason: str
    """Why its thresholds lie where they do."""


def table_of(rules: list[Rule]) -> Callable[[str, str], Callable[[Any], Any]]:
    """A decorator that enters a function of a `Subject` into ``rules`` under a label."""

    def rule(label: str, reason: str) -> Callable[[Any], Any]:
        def enter(find: Callable[[Subject], Evidence | None]) -> Callable[[Subject], Evidence | None]:
            rules.append(Rule(label, find, reason))
            return find

        return enter

    return rule
