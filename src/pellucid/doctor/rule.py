"""A rule is data: a cause, the evidence it asks for, and its limits, each with the reason why it lies where it does."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from pellucid.doctor.examination import Examination
from pellucid.doctor.findings import Finding, Severity
from pellucid.doctor.limits import HELPS, Limit, values
from pellucid.doctor.reference import Reference
from pellucid.doctor.trials import Trials
from pellucid.doctor.vocabulary import VOCABULARY
from pellucid.models.run import Run


class Evidence(NamedTuple):
    """What a rule found."""

    probability: float
    numbers: dict[str, Any]
    because: str
    holds_back: bool = True
    """Whether it can keep a network behind what plain methods reach; what cannot is never called a problem."""


@dataclass
class Subject:
    """What a rule may ask: the examination, the yardstick, the trials.

    Args:
        run: the run.
        with_trials: whether trials may be made, and all plain methods asked. Without, rules judge by the records.
    """

    run: Run
    with_trials: bool = True

    @cached_property
    def e(self) -> Examination:
        """What is measured of the run."""
        return Examination(self.run, looks=self.with_trials)

    @cached_property
    def reference(self) -> Reference:
        """What plain methods reach."""
        return Reference(self.e, thorough=self.with_trials)

    @cached_property
    def trials(self) -> Trials:
        """The same training with one number changed."""
        return Trials(self.e)

    def gain(self, cure: str) -> float | None:
        """What a trial adds to the skill, the best of them where there are several; None where none may be made."""
        if not self.with_trials:
            return None
        reached = getattr(self.trials, cure)
        return (max(reached.values()) if isinstance(reached, dict) else reached) - self.e.skill_new

    def refuted(self, cure: str) -> bool:
        """Whether a trial of a finished training shows that a cure gains nothing."""
        if not self.with_trials or not self.e.steps or self.reference.healthy:
            return False
        gain = self.gain(cure)
        return gain is not None and gain < HELPS.value


@dataclass(frozen=True)
class Rule:
    """One entry of a table of rules.

    Args:
        label: the cause, a key of `VOCABULARY`.
        judge: from a subject and the limits by name to evidence, or None where the cause does not show.
        reason: why this evidence speaks for this cause.
        limits: what the evidence is held against, by name.
    """

    label: str
    judge: Callable[..., Evidence | None]
    reason: str
    limits: dict[str, Limit]

    def find(self, subject: Subject) -> Evidence | None:
        """The evidence for this cause in a subject."""
        return self.judge(subject, **values(self.limits))

    def finding(self, evidence: Evidence, severity: Severity) -> Finding:
        """What the evidence is told as; nothing is wholly certain."""
        sure = min(evidence.probability, 0.995)
        return Finding(self.label, severity, sure, evidence.numbers, evidence.because)

    @property
    def explanation(self) -> str:
        """What the cause means."""
        return VOCABULARY[self.label].definition

    @property
    def remedies(self) -> tuple[str, ...]:
        """What may help, by name."""
        return VOCABULARY[self.label].remedies


def table_of(rules: list[Rule]) -> Callable[..., Callable[[Any], Any]]:
    """A decorator that enters a function of a `Subject` into ``rules``: its label, its reason, its limits by name."""

    def rule(label: str, reason: str, **limits: Limit) -> Callable[[Any], Any]:
        def enter(judge: Callable[..., Evidence | None]) -> Callable[..., Evidence | None]:
            rules.append(Rule(label, judge, reason, limits))
            return judge

        return enter

    return rule
