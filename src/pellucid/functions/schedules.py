"""Learning-rate schedules: the rate as a function of how far training has come.

Progress is counted in epochs, in fractions within one (``step / steps per epoch``), so that a schedule
means the same at every batch size. A schedule is `tunable`: its numbers may be arrays in the training
state, and a population may hold a different number in each member.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from typing import Any, ClassVar, TypeAlias

import jax.numpy as jnp

from pellucid.core.constraints import NOT_NEGATIVE, POSITIVE, Interval, WholeNumber, constrained, require, validate
from pellucid.core.display import Displayed
from pellucid.core.formula import UNSTATED, Formula
from pellucid.core.registry import Registry
from pellucid.core.tunable import nested, tunable
from pellucid.core.types import Array, Float

Progress: TypeAlias = Float[Array, "..."] | float
Rate: TypeAlias = Float[Array, "..."]

_FACTOR = Interval(0, 1, closed="right")


class Schedule(Displayed, ABC):
    """A learning rate that changes while the network is trained.

    Attributes:
        formula: the rate after t epochs, of the fields.
        watches_loss: whether `observe` depends on the losses.

    Raises:
        InvalidValue: a field outside what is allowed.
    """

    name: ClassVar[str]
    formula: ClassVar[Formula] = UNSTATED
    watches_loss: ClassVar[bool] = False

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def rate(self, progress: Progress) -> Rate:
        """Compute the learning rate after ``progress`` epochs, at least 0."""

    def observe(self, losses: Sequence[float]) -> "Schedule":
        """Adapt the schedule to the monitored loss of every epoch so far.

        Called between epochs, outside any program. Only `OnPlateau` reads the losses; the others stay as they are.
        """
        return self


schedules = Registry("schedule", Schedule, tunable)
"""Every learning-rate schedule by name."""


def rate_at(learning_rate: Any, progress: Progress) -> Any:
    """Look up a learning rate, a number or a schedule, after ``progress`` epochs.

    Example:
        >>> rate_at(0.5, 3.0), float(rate_at(StepDecay(0.5, factor=0.5, every=2), 3.0))
        (0.5, 0.25)
    """
    return learning_rate.rate(progress) if isinstance(learning_rate, Schedule) else learning_rate


def check_with_rate(item: Any, advice: str) -> None:
    """Check the fields of an object with a ``learning_rate``, a number or a schedule.

    A schedule's name or table is replaced by the schedule.

    Raises:
        InvalidValue: a field outside what is allowed; ``advice`` ends the text on the learning rate.
    """
    if isinstance(item.learning_rate, str | Mapping):
        object.__setattr__(item, "learning_rate", schedules.build(item.learning_rate))
    if not isinstance(item.learning_rate, Schedule):
        require(item.learning_rate, POSITIVE, f"{type(item).__name__}.learning_rate", advice)
    validate(item)


@schedules.register("step_decay")
class StepDecay(Schedule):
    """Cut by a factor at regular intervals: ``η(t) = η₀ · factor^⌊t / every⌋``.

    Args:
        learning_rate: η₀, above 0.
        factor: what the rate is multiplied by, above 0 and at most 1.
        every: epochs between two cuts, above 0.

    Example:
        >>> StepDecay(1.0, factor=0.5, every=10).rate(jnp.array([0.0, 9.9, 10.0, 20.0])).tolist()
        [1.0, 1.0, 0.5, 0.25]

    Others: PyTorch's ``StepLR``, stepped once an epoch.
    """

    learning_rate: float = constrained(MISSING, POSITIVE, "at the start")
    factor: float = constrained(0.1, _FACTOR, "what the rate is multiplied by")
    every: float = constrained(10.0, POSITIVE, "epochs between two cuts")

    formula = Formula("learning_rate * factor**floor(t / every)", learning_rate="eta0")

    def rate(self, progress: Progress) -> Rate:
        return self.learning_rate * jnp.power(self.factor, jnp.floor(progress / self.every))


@schedules.register("exponential_decay")
class ExponentialDecay(Schedule):
    """Smaller by the same factor every epoch: ``η(t) = η₀ · factorᵗ``.

    Args:
        learning_rate: η₀, above 0.
        factor: what the rate is multiplied by in an epoch, above 0 and at most 1.

    Example:
        >>> ExponentialDecay(1.0, factor=0.25).rate(jnp.array([0.0, 0.5, 2.0])).tolist()
        [1.0, 0.5, 0.0625]

    Others: PyTorch's ``ExponentialLR`` changes only between epochs; this one falls within them too.
    """

    learning_rate: float = constrained(MISSING, POSITIVE, "at the start")
    factor: float = constrained(0.95, _FACTOR, "what the rate is multiplied by in an epoch")

    formula = Formula("learning_rate * factor**t", learning_rate="eta0")

    def rate(self, progress: Progress) -> Rate:
        return self.learning_rate * jnp.power(self.factor, progress)


@schedules.register("inverse_decay")
class InverseDecay(Schedule):
    """Ever more slowly down: ``η(t) = η₀ / (1 + k · ⌊t⌋)^p``.

    Args:
        learning_rate: η₀, above 0.
        decay: k, growth of the divisor in an epoch, at least 0; the number of rows, where examples are to be counted.
        power: p, at least 0. Above ½ and at most 1, the sum of all rates is infinite and that of their squares is not.

    Example:
        >>> InverseDecay(1.0, decay=3.0).rate(jnp.array([0.0, 0.9, 1.0, 5.0])).tolist()
        [1.0, 1.0, 0.5, 0.25]

    Others: scikit-learn's ``"invscaling"``, with the number of rows as decay.

    Source: Robbins & Monro, "A stochastic approximation method", 1951.
    """

    learning_rate: float = constrained(MISSING, POSITIVE, "at the start")
    decay: float = constrained(1.0, NOT_NEGATIVE, "growth of the divisor in an epoch")
    power: float = constrained(0.5, NOT_NEGATIVE, "exponent of the divisor")

    formula = Formula("learning_rate / (1 + decay * floor(t))**power", learning_rate="eta0", decay="k", power="p")

    def rate(self, progress: Progress) -> Rate:
        return self.learning_rate / jnp.power(1 + self.decay * jnp.floor(progress), self.power)


@schedules.register("cosine_decay")
class CosineDecay(Schedule):
    """Half a cosine wave down: ``η(t) = η₁ + (η₀ − η₁) · (1 + cos(π · min(t / T, 1))) / 2``.

    Args:
        learning_rate: η₀, above 0.
        epochs: T, the epochs until the final rate, above 0.
        final: η₁, at least 0.

    Example:
        >>> CosineDecay(1.0, epochs=10).rate(jnp.array([0.0, 10.0, 20.0])).tolist()
        [1.0, 0.0, 0.0]

    Others: PyTorch's ``CosineAnnealingLR`` rises again after T; ``optax.cosine_decay_schedule`` stays low, as here.

    Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """

    learning_rate: float = constrained(MISSING, POSITIVE, "at the start")
    epochs: float = constrained(MISSING, POSITIVE, "epochs until the final rate")
    final: float = constrained(0.0, NOT_NEGATIVE, "rate at the end")

    formula = Formula(
        "final + (learning_rate - final) * (1 + cos(pi * min(t / epochs, 1))) / 2",
        learning_rate="eta0",
        final="eta1",
        epochs="T",
    )

    def rate(self, progress: Progress) -> Rate:
        fraction = jnp.minimum(progress / self.epochs, 1)
        return self.final + (self.learning_rate - self.final) * (1 + jnp.cos(jnp.pi * fraction)) / 2


@schedules.register("cosine_restarts")
class CosineRestarts(Schedule):
    """Half cosine waves down, each from the full rate again: warm restarts.

    Formula:
        n = ⌊t / T⌋; η₁ + (η₀ − η₁) · (1 + cos(π · (t − n · T) / (T · growth^n))) / 2

    n counts the restarts. With growth > 1 these follow at longer and longer distances::

        n = ⌊log(1 + (growth − 1) · t / T) / log(growth)⌋;
        η₁ + (η₀ − η₁) · (1 + cos(π · (t − T · (growth^n − 1) / (growth − 1)) / (T · growth^n))) / 2

    Args:
        learning_rate: η₀, above 0, after each restart.
        epochs: T, the length of the first wave, above 0.
        growth: by which each wave is longer than the one before, a whole number of at least 1.
        final: η₁, at least 0, which each wave falls to.

    Example:
        >>> CosineRestarts(1.0, epochs=4, growth=2).rate(jnp.array([0.0, 2.0, 4.0, 8.0])).round(3).tolist()
        [1.0, 0.5, 1.0, 0.5]

    Others: PyTorch's ``CosineAnnealingWarmRestarts`` calls them ``T_0``, ``T_mult`` and ``eta_min``.

    Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """

    learning_rate: float = constrained(MISSING, POSITIVE, "after each restart")
    epochs: float = constrained(MISSING, POSITIVE, "epochs of the first wave")
    growth: int = constrained(1, WholeNumber(1), "by which each wave is longer than the one before")
    final: float = constrained(0.0, NOT_NEGATIVE, "rate at the end of a wave")

    @property
    def formula(self) -> Formula:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rate, with waves of one length or of growing ones."""
        restarts, start = "floor(t / epochs)", "n * epochs"
        if self.growth > 1:
            restarts = "floor(log(1 + (growth - 1) * t / epochs) / log(growth))"
            start = "epochs * (growth**n - 1) / (growth - 1)"
        wave = f"(1 + cos(pi * (t - {start}) / (epochs * growth**n))) / 2"
        return Formula(
            f"n = {restarts}; final + (learning_rate - final) * {wave}", learning_rate="eta0", final="eta1", epochs="T"
        )

    def rate(self, progress: Progress) -> Rate:
        waves = progress / self.epochs
        if self.growth == 1:
            fraction = waves - jnp.floor(waves)
        else:
            # A logarithm may round to just below a whole number: at a restart it counts as that number.
            n = jnp.floor(jnp.log1p((self.growth - 1) * waves) / math.log(self.growth) + 1e-6)
            length = jnp.power(float(self.growth), n)
            fraction = jnp.maximum(waves - (length - 1) / (self.growth - 1), 0) / length
        return self.final + (self.learning_rate - self.final) * (1 + jnp.cos(jnp.pi * fraction)) / 2


@schedules.register("one_cycle")
class OneCycle(Schedule):
    """One rise to a high rate, then one fall to nearly 0, both half cosine waves.

    Formula:
        η₀ · (a + (1 − a) · (1 − cos(π · t / (p · T))) / 2) if t < p · T,
        else η₀ · (b + (1 − b) · (1 + cos(π · min((t / T − p) / (1 − p), 1))) / 2)

    The rate alone is cycled: the momentum of the optimiser stays as it is.

    Args:
        learning_rate: η₀, the highest, above 0.
        epochs: T, the length of the cycle, above 0.
        rise: p, the fraction of the cycle in which the rate rises, between 0 and 1.
        start_factor: a, the first rate as a fraction of the highest.
        final_factor: b, the last rate as a fraction of the highest.

    Example:
        >>> OneCycle(1.0, epochs=10, start_factor=0.25).rate(jnp.array([0.0, 3.0, 10.0])).round(3).tolist()
        [0.25, 1.0, 0.0]

    Others: PyTorch's ``OneCycleLR`` divides: its ``div_factor`` is 1 / a, its ``final_div_factor`` a / b. It counts
    steps, reaches the ends one step earlier, and by default lowers the momentum while the rate is high.

    Source: Smith, "A disciplined approach to neural network hyper-parameters", 2018 (there with straight lines).
    """

    learning_rate: float = constrained(MISSING, POSITIVE, "the highest")
    epochs: float = constrained(MISSING, POSITIVE, "epochs of the cycle")
    rise: float = constrained(0.3, Interval(0, 1, closed="neither"), "fraction of the cycle in which the rate rises")
    start_factor: float = constrained(0.04, _FACTOR, "first rate as a fraction of the highest")
    final_factor: float = constrained(4e-6, Interval(0, 1), "last rate as a fraction of the highest")

    formula = Formula(
        "learning_rate * (start_factor + (1 - start_factor) * (1 - cos(pi * t / (rise * epochs))) / 2) "
        "if t < rise * epochs else learning_rate * (final_factor + (1 - final_factor) "
        "* (1 + cos(pi * min((t / epochs - rise) / (1 - rise), 1))) / 2)",
        learning_rate="eta0",
        epochs="T",
        rise="p",
        start_factor="a",
        final_factor="b",
    )

    def rate(self, progress: Progress) -> Rate:
        done = progress / self.epochs
        rising = (1 - jnp.cos(jnp.pi * jnp.minimum(done / self.rise, 1))) / 2
        falling = (1 + jnp.cos(jnp.pi * jnp.clip((done - self.rise) / (1 - self.rise), 0, 1))) / 2
        factor = jnp.where(
            done < self.rise,
            self.start_factor + (1 - self.start_factor) * rising,
            self.final_factor + (1 - self.final_factor) * falling,
        )
        return self.learning_rate * factor


@schedules.register("warm_up")
class WarmUp(Schedule):
    """Linear rise from 0, then another schedule: ``η(t) = min(t / T, 1) · η₀(max(t − T, 0))``.

    The inner schedule starts when the rise ends. In the very first step the rate is 0.

    Args:
        learning_rate: the rate after the rise: a number above 0, a schedule, or the table that describes one.
        epochs: T, the length of the rise, above 0.

    Example:
        >>> WarmUp(1.0, epochs=4).rate(jnp.array([0.0, 1.0, 4.0, 9.0])).tolist()
        [0.0, 0.25, 1.0, 1.0]
        >>> WarmUp(CosineDecay(1.0, epochs=6), epochs=4).rate(jnp.array([2.0, 4.0, 10.0])).tolist()
        [0.5, 1.0, 0.0]

    Source: Goyal and others, "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    """

    learning_rate: float | Schedule | Mapping[str, Any] = nested(MISSING, "after the rise")
    epochs: float = constrained(1.0, POSITIVE, "epochs of the rise")

    formula = Formula("min(t / epochs, 1) * inner(max(t - epochs, 0))", epochs="T", inner="eta0")

    def __post_init__(self) -> None:
        check_with_rate(self, "A schedule is allowed too.")

    def rate(self, progress: Progress) -> Rate:
        inner = rate_at(self.learning_rate, jnp.maximum(progress - self.epochs, 0))
        return jnp.minimum(progress / self.epochs, 1) * inner

    @property
    def watches_loss(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the inner schedule does."""
        return watches_loss(self.learning_rate)

    def observe(self, losses: Sequence[float]) -> "WarmUp":
        if not isinstance(self.learning_rate, Schedule):
            return self
        return _changed(self, learning_rate=self.learning_rate.observe(losses))


@schedules.register("on_plateau")
class OnPlateau(Schedule):
    """Cut by a factor when the loss stops improving: ``η₀ · scale``.

    A cut follows ``patience`` epochs in a row none of which fell more than ``min_delta`` below the lowest loss so far;
    then counting starts again. A program cannot see whole epochs, so between epochs `observe` works out ``scale`` from
    the losses of all epochs so far. It depends on nothing else: a run that was stopped and resumed has the same rates.

    Args:
        learning_rate: η₀, above 0.
        factor: what the rate is multiplied by in a cut, above 0 and at most 1.
        patience: epochs without improvement before a cut.
        min_delta: the fall of the loss that counts as an improvement, at least 0.
        scale: the product of the cuts so far.

    Example:
        >>> schedule = OnPlateau(1.0, factor=0.5, patience=2).observe([0.9, 0.8, 0.8, 0.8, 0.7])
        >>> schedule.scale, float(schedule.rate(5.0))
        (0.5, 0.5)

    Others: PyTorch's ``ReduceLROnPlateau`` cuts one epoch later for the same patience, and by default asks
    for a relative improvement of 10⁻⁴; Keras cuts when this one does.
    """

    learning_rate: float = constrained(MISSING, POSITIVE, "at the start")
    factor: float = constrained(0.1, _FACTOR, "what the rate is multiplied by in a cut")
    patience: int = constrained(5, WholeNumber(1), "epochs without improvement before a cut")
    min_delta: float = constrained(1e-4, NOT_NEGATIVE, "fall of the loss that counts as an improvement")
    scale: float = constrained(1.0, Interval(0, 1), "product of the cuts so far")

    formula = Formula("learning_rate * scale", learning_rate="eta0")
    watches_loss = True

    def rate(self, progress: Progress) -> Rate:
        return jnp.full_like(progress, self.learning_rate * self.scale)

    def observe(self, losses: Sequence[float]) -> "OnPlateau":
        """Set the scale from the losses of all epochs so far.

        Args:
            losses: the monitored loss of each epoch since the start of training; nan is no improvement.
        """
        best, waited, cuts = float("inf"), 0, 0
        for loss in losses:
            improved = loss < best - self.min_delta
            best = min(best, loss) if improved else best
            waited = 0 if improved else waited + 1
            if waited == self.patience:
                waited, cuts = 0, cuts + 1
        return _changed(self, scale=self.factor**cuts)


def _changed(schedule: Any, **fields: Any) -> Any:
    # Not through __init__: fields that are arrays of the training state cannot be judged by a constraint.
    changed = copy.copy(schedule)
    for name, value in fields.items():
        object.__setattr__(changed, name, value)
    return changed


def watches_loss(learning_rate: Any) -> bool:
    """Tell whether a learning rate depends on the losses of the epochs.

    Example:
        >>> watches_loss(WarmUp(OnPlateau(0.1))), watches_loss(CosineDecay(0.1, epochs=5)), watches_loss(0.1)
        (True, False, False)
    """
    return isinstance(learning_rate, Schedule) and learning_rate.watches_loss
