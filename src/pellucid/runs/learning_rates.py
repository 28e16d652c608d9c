"""Find a learning rate: short trainings at many rates, repeated over seeds, scored on rows set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from pellucid.core.constraints import POSITIVE, Interval, WholeNumber, require
from pellucid.core.errors import InvalidValue
from pellucid.core.registry import describe
from pellucid.core.statistics import paired
from pellucid.data import Dataset, Part, SentencePairs, validation_rows
from pellucid.optimizers import Optimizer
from pellucid.runs.experiment import Experiment, vary
from pellucid.runs.many import many
from pellucid.runs.plan import Plan, settle
from pellucid.runs.trained import Trained
from pellucid.training import steps_per_epoch

PER_DECADE = 3
"""Rates of a decade: neighbours differ by a factor of 2.15."""
LOW, HIGH = 1e-5, 10.0
MORE_DECADES = 2
"""Decades that are tried beyond an end with the lowest loss."""
STEPS = 200
"""Steps of each training; as many more as its last epoch has."""
SET_ASIDE = 0.2
"""Fraction of the training rows that a training is scored on …"""
MOST_SET_ASIDE = 2000
"""… and the most of them."""
ALIKE = 0.05
"""The p above which the best rate has learnt nothing: its loss is that of a constant prediction, seed by seed."""
CONSTANT_RATE = 0.03
"""Adam's rate for the constant prediction, which every output reaches within 100 steps."""


@dataclass(frozen=True)
class LearningRates:
    """Short trainings at many learning rates.

    Attributes:
        rates: the rates, ascending.
        seeds: of the trainings; each sets other rows aside.
        losses: (rates, seeds): the lowest loss on the rows set aside of all epochs; infinite where it diverged.
        constant: (seeds,): the same of a network that sees one and the same row, so that it learns a constant. Of an
            autoencoder, whose targets would be constant too, the loss at the lowest rate.
        steps: of each training.
        experiment: the settings that they have in common.
    """

    rates: np.ndarray
    seeds: tuple[int, ...]
    losses: np.ndarray
    constant: np.ndarray
    steps: int
    experiment: Experiment

    @property
    def means(self) -> np.ndarray:
        """The mean loss of each rate over the seeds; infinite where any of them diverged."""
        return self.losses.mean(axis=1)

    @property
    def best(self) -> int:
        """The index of the rate with the lowest mean loss."""
        return int(np.argmin(self.means))

    @property
    def good(self) -> tuple[float, float]:
        """The lowest and highest rate around the best whose mean loss is within its standard error of it."""
        error = self.losses[self.best].std(ddof=1) / np.sqrt(len(self.seeds))
        within = self.means <= self.means[self.best] + error
        low = high = self.best
        while low and within[low - 1]:
            low -= 1
        while high + 1 < len(within) and within[high + 1]:
            high += 1
        return float(self.rates[low]), float(self.rates[high])

    @property
    def suggestion(self) -> float:
        """The rate with the lowest mean loss, two digits of it.

        Raises:
            InvalidValue: none can be suggested: all rates are alike, all diverged, or the best lies at an end.
        """
        if self.refusal:
            raise InvalidValue(self.refusal)
        return float(f"{self.rates[self.best]:.2g}")

    @property
    def refusal(self) -> str:
        """Why no rate is suggested; empty where one is."""
        reason = self._reason()
        return f"no learning rate can be suggested: {reason}" if reason else ""

    def _reason(self) -> str:
        low, high, best = (f"{self.rates[i]:.2g}" for i in (0, -1, self.best))
        if not np.isfinite(self.means).any():
            return (
                f"at every rate from {low} to {high} a training diverged. Give a lower low, or look at the data: "
                "pellucid.check."
            )
        gain = paired(self.constant, self.losses[self.best])
        if not (gain.difference > 0 and gain.p <= ALIKE):
            return (
                f"the loss is flat. After {self.steps} steps at the best rate, {best}, it is "
                f"{self.means[self.best]:.3g}, that of a constant prediction {self.constant.mean():.3g}, which the "
                f"noise of {len(self.seeds)} seeds explains (p = {gain.p:.2g}). Give more steps, or a wider range; "
                "or nothing can be learnt from these inputs: pellucid.check."
            )
        if self.best == 0:
            return f"the lowest rate tried, {low}, has the lowest loss, so others may be better. Give a lower low."
        if self.best == len(self.rates) - 1:
            return f"the highest rate tried, {high}, has the lowest loss, so others may be better. Give a higher high."
        return ""

    def to_dict(self) -> dict[str, Any]:
        """The rates and losses as plain data; what is no number is None."""
        losses = [[loss if np.isfinite(loss) else None for loss in row] for row in self.losses.tolist()]
        return {
            "suggestion": None if self.refusal else self.suggestion,
            "refusal": self.refusal or None,
            "good": None if self.refusal else list(self.good),
            "steps": self.steps,
            "seeds": list(self.seeds),
            "rates": [{"rate": rate, "losses": row} for rate, row in zip(self.rates.tolist(), losses, strict=True)],
        }


def try_rates(
    network: Any,
    data: Any,
    settings: Mapping[str, Any],
    *,
    seeds: int | Sequence[int] = 5,
    low: float = LOW,
    high: float = HIGH,
    steps: int = STEPS,
    progress: bool = False,
) -> LearningRates:
    """Train at many rates for a short while; see `pellucid.find_learning_rate`."""
    for name in ("learning_rate", "schedule"):
        if settings.get(name) is not None:
            raise InvalidValue(f"{name} is what is looked for: leave it out.")
    if isinstance(seeds, int):
        require(seeds, WholeNumber(2), "seeds", "One training says nothing of the noise.")
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    require(low, POSITIVE, "low")
    require(high, Interval(low=10 * low), "high", "The rates span a factor of 10 at least.")
    require(steps, WholeNumber(10), "steps")
    plan = settle(network, data, settings, by_recipe=True)
    if plan.experiment.adversarial or isinstance(plan.data.train, SentencePairs):
        raise InvalidValue(
            "a learning rate is found by the loss of rows set aside, which a GAN does not have and a translator is not "
            "cut into. Compare some rates instead: pellucid.compare(data, {'optimizer.learning_rate': [1e-4, 1e-3]})."
        )
    if not isinstance(plan.optimizer, Optimizer):
        raise InvalidValue("an optimizer from Optax holds its rate inside: use one of pellucid's to find one.")
    plan = plan._replace(data=plan.data.sample())
    parts = [_parts(plan, seed, steps) for seed in numbers]
    experiment = _experiment(plan, len(parts[0].train), steps)

    def train(rates: Sequence[float]) -> np.ndarray:
        varied = [
            vary(experiment, {"optimizer.learning_rate": rate, "seed": seed}) for rate in rates for seed in numbers
        ]
        records = many(varied, [part for _ in rates for part in parts], **_alike(plan, len(varied)), progress=progress)
        return _lowest(records).reshape(len(rates), -1)

    rates = np.geomspace(low, high, round(PER_DECADE * np.log10(high / low)) + 1).tolist()
    losses = train(rates)
    decade = np.geomspace(1, 10, PER_DECADE + 1)[1:]
    for _ in range(MORE_DECADES):
        best = int(np.argmin(losses.mean(axis=1)))
        if best == 0:
            lower = (rates[0] / decade[::-1]).tolist()
            rates, losses = lower + rates, np.concatenate([train(lower), losses])
        elif best == len(rates) - 1:
            higher = (rates[-1] * decade).tolist()
            rates, losses = rates + higher, np.concatenate([losses, train(higher)])
    constant = losses[0]
    if plan.data.task != "reconstruction":
        optimizer = {"name": "adam", "learning_rate": CONSTANT_RATE}
        blind = [vary(experiment, {"optimizer": optimizer, "seed": seed}) for seed in numbers]
        constant = _lowest(many(blind, list(map(_blind, parts)), **_alike(plan, len(blind))))
    made = experiment.epochs * steps_per_epoch(len(parts[0].train), experiment.rows_of_step(len(parts[0].train)))
    return LearningRates(np.array(rates), numbers, losses, constant, made, experiment)


def _alike(plan: Plan, count: int) -> dict[str, Any]:
    """The network and the weights that all trainings start from."""
    return {"networks": [plan.network] * count, "initials": [plan.initial] * count}


def _lowest(records: Sequence[Trained]) -> np.ndarray:
    """The lowest loss of each training on the rows set aside; infinite where it diverged."""
    losses = [np.inf if one.stopped == "diverged" else np.min(one.history.held_out[:, 0]) for one in records]
    return np.where(np.isnan(losses), np.inf, losses)


def _blind(data: Dataset) -> Dataset:
    """The dataset with the inputs of its first row in all rows."""

    def same(part: Part) -> Part:
        firsts = tuple(np.broadcast_to(x[:1], (len(part), *x.shape[1:])).copy() for x in data.train.inputs)
        return replace(part, x=firsts if isinstance(part.x, tuple) else firsts[0])

    assert data.held_out is not None
    return replace(data, train=same(data.train), held_out=same(data.held_out))


def _parts(plan: Plan, seed: int, steps: int) -> Dataset:
    """The rows of a seed: as many as its steps take, and those set aside."""
    data, size = plan.data, plan.experiment.rows_of_step(len(plan.data.train))
    rows, aside = validation_rows(data, SET_ASIDE, seed)
    if data.order != "time":
        chance = np.random.default_rng(seed)
        rows, aside = (
            np.sort(chance.permutation(chosen)[:most])
            for chosen, most in ((rows, steps * size), (aside, MOST_SET_ASIDE))
        )
    return replace(data, train=data.train.take(rows), held_out=data.train.take(aside))


def _experiment(plan: Plan, rows: int, steps: int) -> Experiment:
    """The settings of all trainings: at a constant rate, so many steps, nothing measured."""
    size = min(plan.experiment.rows_of_step(rows), rows)
    optimizer = replace(plan.optimizer, learning_rate=1.0)
    return msgspec.structs.replace(
        plan.experiment,
        optimizer=describe(optimizer),
        epochs=-(-steps // -(-rows // size)),
        batch_size=plan.experiment.batch_size if size < rows else "all",
        early_stopping=None,
        record_every=0,
        histograms_every=0,
        snapshots=0,
    )
