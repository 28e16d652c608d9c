"""What rules are asked of: a training with its measures, its baselines and its trials."""

from functools import cached_property
from typing import Any

from pellucid.doctor.baselines import Baselines
from pellucid.doctor.passes import Passes, dead_fraction
from pellucid.doctor.rule import HELPS, WORTH, Limit
from pellucid.doctor.trials import Trials
from pellucid.network.tokens import token_layer

MISSING = Limit(0.05, "of skill: a network that lacks no more has learnt")
STILL_FALLING = Limit(0.03, "of the fall in the last fifth: a training that is done falls less")
FEW_STEPS = Limit(400, "updates: with more, a loss that has come to rest has learnt what it will")
DEAD = Limit(0.5, "of a layer before the first step: at most a few are dead by chance")
LIVES = Limit(0.3, "of a layer that other inputs bring to life: units come and go by chance, a few at a time")
OF_INPUTS = ("standardised", "standardised_slower", "scaled_both")
"""The trials with other inputs, of which there are none where the inputs are tokens."""
CURES = ("slower", "faster", "longer", "standardised", "scaled_targets")
"""The trials that cost no compilation and fit every program; the last of numbers alone."""


class Subject:
    """A training that rules are asked of.

    Args:
        run: the run.
        with_trials: whether trials may be made and all baselines fitted. Without, the records decide.
    """

    def __init__(self, run: Any, with_trials: bool = True) -> None:
        self.run, self.with_trials = run, with_trials

    @cached_property
    def e(self) -> Passes:
        """What is measured of the run."""
        return Passes(self.run, compiles=self.with_trials)

    @cached_property
    def baselines(self) -> Baselines:
        """What other methods reach on the same rows."""
        return Baselines(self.e, thorough=self.with_trials)

    @cached_property
    def trials(self) -> Trials:
        """The same training with one number changed."""
        return Trials(self.e)

    @property
    def healthy(self) -> bool:
        """Whether the network is near enough to the baselines that nothing need be wrong."""
        return self.baselines.healthy

    @property
    def compared(self) -> str:
        """The network beside the baselines, in a sentence."""
        return self.baselines.compared

    def gain(self, trial: str) -> float | None:
        """What a trial adds to the skill, the best of them where there are several; None where none may be made."""
        if not self.with_trials or (trial in OF_INPUTS and token_layer(self.e.network) is not None):
            return None
        reached = getattr(self.trials, trial)
        return (max(reached.values()) if isinstance(reached, dict) else reached) - self.e.skill_new

    def gain_made(self, trials: tuple[str, ...]) -> float | None:
        """The best gain of those of some trials that were made; None where none was."""
        made = vars(self.trials) if "trials" in vars(self) else {}
        return max((self.gain(trial) or 0.0 for trial in trials if trial in made), default=None)

    @cached_property
    def slow(self) -> bool:
        """Whether a network that does as well as the baselines, or has none, could have gone further.

        Trials decide; they are made where the loss was still falling, or few updates were made.
        """
        e = self.e
        measured = e.classifies or e.task in ("regression", "multilabel")
        if not (self.with_trials and measured and self.healthy) or e.diverged or e.rate <= 0:
            return False
        unfinished = e.steps < FEW_STEPS.value or e.falling > STILL_FALLING.value
        return unfinished and 1 - e.skill_new > MISSING.value

    @property
    def suspect(self) -> bool:
        """Whether causes in the steps are looked for: the network stays behind, or its training was slow."""
        return not self.healthy or self.slow

    @property
    def worth(self) -> float:
        """What a trial must gain to be reported."""
        return WORTH.value * (1 - self.e.skill_new) if self.slow else HELPS.value

    @cached_property
    def closed(self) -> float:
        """The fraction of the shortfall that the best trial with the same layers closes."""
        if not self.with_trials or self.healthy or self.e.diverged:
            return 0.0
        cures = CURES if self.e.task == "regression" else CURES[:-1]
        gains = [gain for cure in cures if (gain := self.gain(cure)) is not None]
        return max(gains) / max(self.baselines.shortfall, 1e-9)

    @cached_property
    def revived(self) -> float:
        """The fraction of a layer's rectified units that are 0 for every row, and would not be of standardised inputs.

        Before the first step, or at the end of the training and of the trial.
        """
        e = self.e
        rectified = [hidden for hidden in e.hidden if hidden.rectifies]
        if not self.with_trials or self.healthy or not rectified:
            return 0.0
        self.gain("standardised")
        states = [(e.params_start, e.state_start.layer_state)]
        states += [end for end in [self.trials.ends.get("standardised")] if end]
        fractions = [
            (e.dead(hidden)[when], dead_fraction(passed.outputs[hidden.index]))
            for when, passed in enumerate(e.passed_standardised(*state) for state in states)
            for hidden in rectified
        ]
        return max((before - left for before, left in fractions if left < before / 2), default=0.0)

    @cached_property
    def of_both(self) -> float:
        """What standardised inputs and targets together add to the skill."""
        return (self.gain("scaled_both") or 0.0) if self.e.task == "regression" else 0.0

    def refuted(self, trial: str) -> bool:
        """Whether a trial of a finished training shows that a change gains nothing."""
        if not self.with_trials or not self.e.steps or self.healthy:
            return False
        gain = self.gain(trial)
        return gain is not None and gain < HELPS.value
