"""A rule is data: a cause, the evidence it asks for, and its limits, each with the reason why it lies where it does."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from pellucid.doctor.examination import Examination, dead_share
from pellucid.doctor.findings import Finding, Severity
from pellucid.doctor.limits import HELPS, WORTH, Limit, values
from pellucid.doctor.records import falling
from pellucid.doctor.reference import Reference
from pellucid.doctor.trials import Trials
from pellucid.doctor.vocabulary import VOCABULARY
from pellucid.network.tokens import token_layer
from pellucid.runs.trained import Trained as Run


class Evidence(NamedTuple):
    """What a rule found."""

    probability: float
    numbers: dict[str, Any]
    because: str
    holds_back: bool = True
    """Whether it can keep a network behind what plain methods reach; what cannot is never called a problem."""


MISSING = Limit(0.05, "of skill: a network that has all but so much has learnt")
STILL_FALLING = Limit(0.03, "of the fall in the last fifth: a training that is done falls less")
FEW_STEPS = Limit(400, "updates: with more, a loss that has come to rest has learnt what it will")
DEAD = Limit(0.5, "of a layer before the first step: at most a few are dead by chance")
LIVES = Limit(0.3, "of a layer that other inputs bring to life: units come and go by chance, a few at a time")
OF_INPUTS = ("standardised", "standardised_slower", "scaled_both")
"""The trials with other inputs, of which there are none where the inputs are numbers of tokens."""
CURES = ("slower", "faster", "longer", "standardised", "scaled_targets")
"""The trials that cost no compilation and fit every program; the last of numbers alone."""


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

    @property
    def trials_made(self) -> frozenset[str]:
        """The trials whose outcomes were asked for."""
        made = self.__dict__.get("trials")
        return frozenset() if made is None else frozenset(made.__dict__)

    def gain(self, cure: str) -> float | None:
        """What a trial adds to the skill, the best of them where there are several; None where none may be made."""
        if not self.with_trials or (cure in OF_INPUTS and token_layer(self.e.network) is not None):
            return None
        reached = getattr(self.trials, cure)
        return (max(reached.values()) if isinstance(reached, dict) else reached) - self.e.skill_new

    @cached_property
    def slow(self) -> bool:
        """Whether a network that does as well as plain methods, or has none beside it, could have gone further.

        Trials tell; they are made where the loss was still falling, or few updates were made.
        """
        e = self.e
        measured = e.classifies or e.task in ("regression", "multilabel")
        if not (self.with_trials and measured and self.reference.healthy) or e.diverged or e.rate <= 0:
            return False
        unfinished = e.steps < FEW_STEPS.value or falling(e) > STILL_FALLING.value
        return unfinished and 1 - e.skill_new > MISSING.value

    @property
    def suspect(self) -> bool:
        """Whether causes in the steps are looked for: the network stays behind, or its training was slow."""
        return not self.reference.healthy or self.slow

    @property
    def worth(self) -> float:
        """What a trial must gain to be told of."""
        return WORTH.value * (1 - self.e.skill_new) if self.slow else HELPS.value

    @cached_property
    def closed(self) -> float:
        """The share of the shortfall that the best trial with the same layers closes."""
        if not self.with_trials or self.reference.healthy or self.e.diverged:
            return 0.0
        cures = CURES if self.e.task == "regression" else CURES[:-1]
        gains = [gain for cure in cures if (gain := self.gain(cure)) is not None]
        return max(gains) / max(self.reference.shortfall, 1e-9)

    @cached_property
    def revived(self) -> float:
        """The share of a layer's rectified units that are 0 for every row, and would not be of standardised inputs.

        Before the first step, or at the end of the training and of the trial.
        """
        e = self.e
        rectified = [h for h in e.hidden if h.function.name == "relu"]
        if not self.with_trials or self.reference.healthy or not rectified:
            return 0.0
        self.gain("standardised")
        looks = [e.look_scaled(e.params_start, e.state_start.layer_state)]
        looks += [e.look_scaled(*end) for end in [self.trials.ends.get("standardised")] if end]
        shares = [
            (e.dead(h)[when], dead_share(look.outputs[h.number])) for when, look in enumerate(looks) for h in rectified
        ]
        return max((found - left for found, left in shares if left < found / 2), default=0.0)

    @cached_property
    def of_both(self) -> float:
        """What standardised inputs and targets together add to the skill."""
        return (self.gain("scaled_both") or 0.0) if self.e.task == "regression" else 0.0

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
