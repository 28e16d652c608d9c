"""Optimisers: update rules for one array, applied to every array of the parameters.

An optimiser is a frozen dataclass of hyperparameters. ``init(params)`` makes its state, in which those
hyperparameters are arrays: readable, schedulable, saved, mapped over by ``vmap``; another value never
recompiles. ``update(grads, state, params)`` moves every array of the parameters by its rule::

    w ← w − η · direction(g, w, slots, t)

Any `optax.GradientTransformation` is accepted instead (`as_optimizer`).
"""

import dataclasses
import inspect
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from pellucid import kernels
from pellucid.core.constraints import FRACTION, NOT_NEGATIVE, POSITIVE, constrained
from pellucid.core.display import Displayed
from pellucid.core.errors import InvalidValue
from pellucid.core.formula import UNSTATED, Formula
from pellucid.core.registry import Registry
from pellucid.core.tunable import as_arrays, nested, tunable
from pellucid.core.types import Array, Float, PyTree, Scalar
from pellucid.functions.schedules import Schedule, check_with_rate, rate_at

Slots = dict[str, Array]


class OptimizerState(NamedTuple):
    """State that an optimiser carries from step to step."""

    rule: Any
    """The optimiser itself, its hyperparameters as arrays."""
    step: Array
    """Updates made so far."""
    slots: dict[str, PyTree]
    """Running averages by name (``momentum``, ``square`` …), each shaped as the parameters."""


class Update(NamedTuple):
    """The result of one update."""

    params: PyTree
    state: OptimizerState
    learning_rate: Scalar
    """The rate η in force, after the schedule."""
    changes: PyTree
    """The change added to the parameters."""
    sums: PyTree = None
    """For each array (4,): Σ g², Σ Δ², Σ w² and the number of w == 0, where the update has them from its own pass."""


class Coefficients(NamedTuple):
    """A rule as numbers, for the kernel that updates all parameters in one pass.

    Formula:
        m ← mean_decay · m + mean_gain · g; v ← square_decay · v + square_gain · g²;
        direction = (of_mean · m + of_gradient · g) / (√(of_square · v) + ε) + decay · w

    The slots ``momentum`` m and ``square`` v; of a rule without ``square`` the divisor is 1.
    """

    mean_decay: Scalar | float = 0.0
    mean_gain: Scalar | float = 0.0
    square_decay: Scalar | float = 0.0
    square_gain: Scalar | float = 0.0
    of_mean: Scalar | float = 0.0
    of_gradient: Scalar | float = 0.0
    of_square: Scalar | float = 1.0
    epsilon: Scalar | float = 0.0
    decay: Scalar | float = 0.0


@dataclass(frozen=True)
class Optimizer(Displayed, ABC):
    """An update rule.

    A concrete optimiser names its ``slots`` and states the ``direction`` of a single array; the base applies it to all,
    after clipping the gradient and with the learning rate that the schedule gives.

    Attributes:
        slots: the running averages by name, each with its letter in the formula.
        formula: the update of one weight, of g, w, t, the slots' letters and the fields; it ends in the new w.
        full_batch: whether a training takes all rows as its batch where no batch size is given.

    Args:
        learning_rate: η > 0, or a schedule.
        clip_norm: largest norm of all gradients together; None for no limit.
        clip_value: largest size of any one gradient; None for no limit.
    """

    learning_rate: float | Schedule = nested(0.001, "learning rate")
    _: KW_ONLY
    clip_norm: float | None = constrained(None, POSITIVE, "largest norm of all gradients together")
    clip_value: float | None = constrained(None, POSITIVE, "largest size of any one gradient")

    name: ClassVar[str]
    slots: ClassVar[dict[str, str]] = {}
    formula: ClassVar[Formula] = UNSTATED
    full_batch: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_with_rate(self, "Usual values: 1e-4 to 1e-1.")

    @abstractmethod
    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        """Compute the direction that η multiplies, for one array, and its new running averages.

        Args:
            g: gradient of the loss for this array.
            w: the array itself.
            slots: this array's running averages.
            t: number of this update, from 1.
        """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "direction" in vars(cls) and "coefficients" not in vars(cls):
            cls.coefficients = Optimizer.coefficients  # those of the parent describe another direction

    def coefficients(self, t: Scalar) -> Coefficients | None:
        """State ``direction`` as numbers; None where it has no such form."""
        return None

    def init(self, params: PyTree) -> OptimizerState:
        """Make the first state: averages 0, hyperparameters as arrays of the parameters' dtype."""
        slots = {slot: jax.tree.map(jnp.zeros_like, params) for slot in self.slots}
        return OptimizerState(as_arrays(self, dtype_of(params)), jnp.zeros((), jnp.int32), slots)

    @staticmethod
    def update(
        grads: PyTree,
        state: OptimizerState,
        params: PyTree,
        progress: Scalar | None = None,
        factors: PyTree | None = None,
    ) -> Update:
        """Update every array once.

        Args:
            grads: gradients, shaped as ``params``.
            state: from ``init`` or the last update.
            params: the parameters.
            progress: epochs passed, for the schedule; the number of updates where it is None.
            factors: a factor of the learning rate for each array; None for 1.
        """
        rule = state.rule
        t = (state.step + 1).astype(dtype_of(params))
        learning_rate = rate_at(rule.learning_rate, t - 1 if progress is None else progress)
        clipped = clip(grads, rule.clip_norm, rule.clip_value)
        update = _update(clipped, state, params, learning_rate, t, factors)
        coefficients = rule.coefficients(t)
        if factors is not None or coefficients is None or not kernels.covers(params, clipped):
            return update
        # Of the definition only `changes` are left, computed where something reads them.
        new_params, slots, sums = _native(clipped, state, params, learning_rate, t)
        described = sums if clipped is grads else None
        return update._replace(params=new_params, state=update.state._replace(slots=slots), sums=described)


def _update(
    grads: PyTree,
    state: OptimizerState,
    params: PyTree,
    learning_rate: Scalar,
    t: Scalar,
    factors: PyTree | None = None,
) -> Update:
    rule = state.rule
    gradients = jax.tree.leaves(grads)
    weights, tree = jax.tree.flatten(params)
    rates = [learning_rate] * len(weights)
    if factors is not None:
        rates = [learning_rate * factor for factor in jax.tree.leaves(factors)]
    columns = {slot: jax.tree.leaves(state.slots[slot]) for slot in rule.slots}
    changes: list[Array] = []
    for i, (g, w) in enumerate(zip(gradients, weights, strict=True)):
        direction, slots = rule.direction(g, w, {slot: columns[slot][i] for slot in columns}, t)
        changes.append(-rates[i] * direction)
        for slot, column in columns.items():
            column[i] = slots[slot]
    new_slots = {slot: jax.tree.unflatten(tree, column) for slot, column in columns.items()}
    new_params = jax.tree.unflatten(tree, [w + change for w, change in zip(weights, changes, strict=True)])
    new_state = OptimizerState(rule, state.step + 1, new_slots)
    return Update(new_params, new_state, learning_rate, jax.tree.unflatten(tree, changes))


def _definition(*arguments: Any) -> tuple[PyTree, dict[str, PyTree], PyTree]:
    update, grads = _update(*arguments), arguments[0]
    sums = jax.tree.map(sums_of, grads, update.changes, update.params)
    return update.params, update.state.slots, sums


def _call(
    grads: PyTree, state: OptimizerState, params: PyTree, learning_rate: Scalar, t: Scalar
) -> tuple[PyTree, dict[str, PyTree], PyTree]:
    rule = state.rule
    names = [slot for slot in ("momentum", "square") if slot in rule.slots]
    weights, tree = jax.tree.flatten(params)
    slots = [leaf for name in names for leaf in jax.tree.leaves(state.slots[name])]
    arrays = len(weights)
    numbers = jnp.stack([jnp.asarray(number, jnp.float32) for number in (*rule.coefficients(t), learning_rate)])
    shapes = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in (*weights, *slots)]
    sums, *updated = kernels.call(
        "update",
        [kernels.floats(arrays, 4), *shapes],
        numbers,
        *weights,
        *jax.tree.leaves(grads),
        *slots,
        in_place={1 + i + (arrays if i >= arrays else 0): 1 + i for i in range(len(shapes))},
        arrays=arrays,
        mean="momentum" in names,
        square="square" in names,
    )
    new_params, *new_slots = (jax.tree.unflatten(tree, updated[i : i + arrays]) for i in range(0, len(updated), arrays))
    return new_params, dict(zip(names, new_slots, strict=True)), jax.tree.unflatten(tree, list(sums))


_native = kernels.differentiable(_call, _definition)


def sums_of(g: Array, change: Array, w: Array) -> Float[Array, " 4"]:
    """Σ g², Σ Δ², Σ w² and the number of zeros of one array after its update."""
    return jnp.stack([(g * g).sum(), (change * change).sum(), (w * w).sum(), (w == 0).sum(dtype=w.dtype)])


def dtype_of(params: PyTree) -> Any:
    """Find the dtype of parameters; float32 where there are none."""
    leaves = jax.tree.leaves(params)
    return leaves[0].dtype if leaves else jnp.float32


def clip(grads: PyTree, norm: Float[Array, ""] | None, value: Float[Array, ""] | None) -> PyTree:
    """Clip gradients by value, then by the norm of all together.

    Formula:
        g ← min(max(g, −value), value); g ← g · min(1, norm / ‖g‖₂)

    Source: Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013.
    """
    if value is not None:
        grads = jax.tree.map(lambda g: jnp.clip(g, -value, value), grads)
    if norm is not None:
        total = jnp.sqrt(sum((g * g).sum() for g in jax.tree.leaves(grads)))
        factor = norm / jnp.maximum(norm, total)
        grads = jax.tree.map(lambda g: g * factor, grads)
    return grads


optimizers: Registry[Optimizer] = Registry("optimizer", Optimizer, tunable)
"""Every optimiser by name."""
register = optimizers.register


@optimizers.register("sgd")
class SGD(Optimizer):
    """Stochastic gradient descent, on mini-batches.

    Formula:
        w ← w − η · g

    Example:
        >>> rule = SGD(learning_rate=0.5)
        >>> w = {"weights": jnp.array([1.0])}
        >>> rule.update({"weights": jnp.array([0.2])}, rule.init(w), w).params["weights"].tolist()
        [0.8999999761581421]

    Source: Robbins, Monro, A stochastic approximation method, 1951.
    """

    learning_rate: float | Schedule = nested(0.01, "learning rate")

    formula = Formula("w = w - learning_rate * g")

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        return g, slots

    def coefficients(self, t: Scalar) -> Coefficients | None:
        return Coefficients(of_gradient=1.0)


@optimizers.register("gradient_descent")
class GradientDescent(SGD):
    """Gradient descent on all the data at once.

    Formula:
        w ← w − η · g

    g is the gradient over the whole training set: training with it takes all rows as its batch unless a batch size is
    given. The rule, and its fields, are those of `SGD`.

    Example:
        >>> GradientDescent().full_batch, SGD().full_batch
        (True, False)

    Source: Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées, 1847.
    """

    full_batch: ClassVar[bool] = True


@optimizers.register("momentum")
class Momentum(Optimizer):
    """SGD with momentum: smooths, speeds up, damps oscillation.

    Formula:
        v ← β · v + (1 − β) · g; w ← w − η · v

    Args:
        momentum: β, 0 ≤ β < 1.
        average: True for the exponential average above; False for ``v ← β · v + g``.

    PyTorch and Keras leave the factor (1 − β) out (``average=False``): the same rate then moves 1/(1 − β) times as far.

    Example:
        >>> Momentum(0.1).momentum
        0.9

    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
    """

    learning_rate: float | Schedule = nested(0.01, "learning rate")
    momentum: float = constrained(0.9, FRACTION, "decay of the running average")
    average: bool = True

    slots: ClassVar[dict[str, str]] = {"momentum": "v"}

    @property
    def formula(self) -> Formula:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rule, with or without the average."""
        added = "(1 - momentum) * g" if self.average else "g"
        return Formula(f"v = momentum * v + {added}; w = w - learning_rate * v")

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        v = self.momentum * slots["momentum"] + (g * (1 - self.momentum) if self.average else g)
        return v, {"momentum": v}

    def coefficients(self, t: Scalar) -> Coefficients | None:
        return Coefficients(self.momentum, 1 - self.momentum if self.average else 1.0, of_mean=1.0)


@optimizers.register("nesterov")
class Nesterov(Optimizer):
    """Nesterov's momentum: the gradient of the point that the momentum leads to.

    Formula:
        v ← β · v + g; w ← w − η · (g + β · v)

    Args:
        momentum: β, 0 ≤ β < 1.

    Example:
        >>> Nesterov(0.1).momentum
        0.9

    Source: Nesterov, A method of solving a convex programming problem with convergence rate O(1/k²), 1983;
    in this form Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.
    """

    learning_rate: float | Schedule = nested(0.01, "learning rate")
    momentum: float = constrained(0.9, FRACTION, "decay of the running sum")

    slots: ClassVar[dict[str, str]] = {"momentum": "v"}
    formula = Formula("v = momentum * v + g; w = w - learning_rate * (g + momentum * v)")

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        v = self.momentum * slots["momentum"] + g
        return g + self.momentum * v, {"momentum": v}

    def coefficients(self, t: Scalar) -> Coefficients | None:
        return Coefficients(self.momentum, 1.0, of_mean=self.momentum, of_gradient=1.0)


@optimizers.register("adagrad")
class Adagrad(Optimizer):
    """Adagrad: the rate of each weight shrinks with all its past gradients.

    Formula:
        s ← s + g²; w ← w − η · g / (√(s₀ + s) + ε)

    Args:
        initial_accumulator: s₀, the sum of squares before the first update, at least 0.
        epsilon: ε > 0.

    Example:
        >>> Adagrad().learning_rate
        0.01

    Keras and Optax start s at 0.1 (``initial_accumulator=0.1``); this and PyTorch at 0.

    Source: Duchi, Hazan, Singer, Adaptive subgradient methods for online learning and stochastic optimization, 2011.
    """

    learning_rate: float | Schedule = nested(0.01, "learning rate")
    initial_accumulator: float = constrained(0.0, NOT_NEGATIVE, "sum of squares before the first update")
    epsilon: float = constrained(1e-10, POSITIVE, "keeps the division finite")

    slots: ClassVar[dict[str, str]] = {"square": "s"}
    formula = Formula(
        "s = s + g**2; w = w - learning_rate * g / (sqrt(initial_accumulator + s) + epsilon)", initial_accumulator="s0"
    )

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        s = slots["square"] + g * g
        return g / (jnp.sqrt(self.initial_accumulator + s) + self.epsilon), {"square": s}


@optimizers.register("adadelta")
class Adadelta(Optimizer):
    """Adadelta: Adagrad with a fading memory, in the units of the weights.

    Formula:
        s ← ρ · s + (1 − ρ) · g²; Δ = g · √(u + ε) / √(s + ε); u ← ρ · u + (1 − ρ) · Δ²; w ← w − η · Δ

    Args:
        learning_rate: η > 0, or a schedule; 1 in the paper.
        decay: ρ, 0 ≤ ρ < 1 (Keras calls it rho, its default is 0.95).
        epsilon: ε > 0; it decides how large the first steps are (Keras takes 1e-7).

    Example:
        >>> Adadelta().learning_rate
        1.0

    Keras's default rate is 0.001, a thousandth of the paper's.

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    learning_rate: float | Schedule = nested(1.0, "learning rate")
    decay: float = constrained(0.9, FRACTION, "decay of both mean squares")
    epsilon: float = constrained(1e-6, POSITIVE, "starts the steps, keeps the division finite")

    slots: ClassVar[dict[str, str]] = {"square": "s", "update": "u"}
    formula = Formula(
        "s = decay * s + (1 - decay) * g**2; Delta = g * sqrt(u + epsilon) / sqrt(s + epsilon);"
        "u = decay * u + (1 - decay) * Delta**2; w = w - learning_rate * Delta"
    )

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        s = self.decay * slots["square"] + (1 - self.decay) * (g * g)
        step = g * jnp.sqrt((slots["update"] + self.epsilon) / (s + self.epsilon))
        u = self.decay * slots["update"] + (1 - self.decay) * (step * step)
        return step, {"square": s, "update": u}


@optimizers.register("rmsprop")
class RMSprop(Optimizer):
    """RMSprop: the rate of each weight scaled by its recent gradient magnitudes.

    Formula:
        s ← ρ · s + (1 − ρ) · g²; w ← w − η · g / (√s + ε)

    Args:
        decay: ρ, 0 ≤ ρ < 1 (PyTorch's default is 0.99 and its name alpha; Keras calls it rho).
        epsilon: ε > 0, outside the root (Optax by default puts it inside).
        momentum: β, 0 ≤ β < 1, of a running sum of the scaled gradients, ``v ← β · v + g / (√s + ε); w ← w − η · v``;
            None keeps no such sum.

    Example:
        >>> RMSprop().decay
        0.9

    Source: Tieleman, Hinton, Lecture 6.5, Neural networks for machine learning, 2012.
    """

    decay: float = constrained(0.9, FRACTION, "decay of the mean square")
    epsilon: float = constrained(1e-8, POSITIVE, "keeps the division finite")
    momentum: float | None = constrained(None, FRACTION, "decay of a running sum of the scaled gradients")

    @property
    def slots(self) -> dict[str, str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The mean square; with momentum the running sum too."""
        return {"square": "s"} if self.momentum is None else {"square": "s", "momentum": "v"}

    @property
    def formula(self) -> Formula:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rule, with or without momentum."""
        scaled = "g / (sqrt(s) + epsilon)"
        moved = f"learning_rate * {scaled}" if self.momentum is None else "learning_rate * v"
        summed = "" if self.momentum is None else f"v = momentum * v + {scaled};"
        return Formula(f"s = decay * s + (1 - decay) * g**2; {summed} w = w - {moved}")

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        s = self.decay * slots["square"] + (1 - self.decay) * (g * g)
        scaled = g / (jnp.sqrt(s) + self.epsilon)
        if self.momentum is None:
            return scaled, {"square": s}
        v = self.momentum * slots["momentum"] + scaled
        return v, {"square": s, "momentum": v}

    def coefficients(self, t: Scalar) -> Coefficients | None:
        if self.momentum is not None:
            return None
        return Coefficients(square_decay=self.decay, square_gain=1 - self.decay, of_gradient=1.0, epsilon=self.epsilon)


_MOMENTS = "m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g**2;"
_CORRECTED = f"{_MOMENTS} mhat = m / (1 - beta1**t); vhat = v / (1 - beta2**t);"


@optimizers.register("adam")
class Adam(Optimizer):
    """Adam: momentum with adaptive rates.

    Formula:
        m ← β₁ · m + (1 − β₁) · g; v ← β₂ · v + (1 − β₂) · g²; m̂ = m / (1 − β₁ᵗ); v̂ = v / (1 − β₂ᵗ);
        w ← w − η · m̂ / (√v̂ + ε)

    Args:
        beta1: β₁, 0 ≤ β₁ < 1.
        beta2: β₂, 0 ≤ β₂ < 1.
        epsilon: ε > 0 (Keras takes 1e-7).

    Example:
        >>> Adam().learning_rate, Adam().beta2
        (0.001, 0.999)

    Source: Kingma, Ba, Adam: a method for stochastic optimization, 2015.
    """

    beta1: float = constrained(0.9, FRACTION, "decay of the mean gradient")
    beta2: float = constrained(0.999, FRACTION, "decay of the mean square")
    epsilon: float = constrained(1e-8, POSITIVE, "keeps the division finite")

    slots: ClassVar[dict[str, str]] = {"momentum": "m", "square": "v"}
    formula = Formula(f"{_CORRECTED} w = w - learning_rate * mhat / (sqrt(vhat) + epsilon)")

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        m = self.beta1 * slots["momentum"] + (1 - self.beta1) * g
        v = self.beta2 * slots["square"] + (1 - self.beta2) * (g * g)
        v_hat = v * (1 / (1 - self.beta2**t))
        return self._mean(m, g, t) / (jnp.sqrt(v_hat) + self.epsilon), {"momentum": m, "square": v}

    def _mean(self, m: Array, g: Array, t: Scalar) -> Array:
        # The correction is a scalar, so it costs one multiplication and no pass over the array.
        return m * (1 / (1 - self.beta1**t))

    def coefficients(self, t: Scalar) -> Coefficients:
        return Coefficients(
            self.beta1,
            1 - self.beta1,
            self.beta2,
            1 - self.beta2,
            of_mean=1 / (1 - self.beta1**t),
            of_square=1 / (1 - self.beta2**t),
            epsilon=self.epsilon,
        )


@optimizers.register("nadam")
class NAdam(Adam):
    """Adam with Nesterov's look ahead.

    Formula:
        m ← β₁ · m + (1 − β₁) · g; v ← β₂ · v + (1 − β₂) · g²;
        m̂ = β₁ · m / (1 − β₁ᵗ⁺¹) + (1 − β₁) · g / (1 − β₁ᵗ); v̂ = v / (1 − β₂ᵗ); w ← w − η · m̂ / (√v̂ + ε)

    Example:
        >>> NAdam().learning_rate
        0.001

    As Optax's ``nadam``; PyTorch and Keras let β₁ grow during the first steps.

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """

    formula = Formula(
        f"{_MOMENTS} mhat = beta1 * m / (1 - beta1**(t + 1)) + (1 - beta1) * g / (1 - beta1**t);"
        "vhat = v / (1 - beta2**t); w = w - learning_rate * mhat / (sqrt(vhat) + epsilon)"
    )

    def _mean(self, m: Array, g: Array, t: Scalar) -> Array:
        return m * (self.beta1 / (1 - self.beta1 ** (t + 1))) + g * ((1 - self.beta1) / (1 - self.beta1**t))

    def coefficients(self, t: Scalar) -> Coefficients:
        of_mean, of_gradient = self.beta1 / (1 - self.beta1 ** (t + 1)), (1 - self.beta1) / (1 - self.beta1**t)
        return super().coefficients(t)._replace(of_mean=of_mean, of_gradient=of_gradient)


@optimizers.register("adamax")
class Adamax(Adam):
    """Adam with the largest recent gradient instead of the mean square.

    Formula:
        m ← β₁ · m + (1 − β₁) · g; u ← max(β₂ · u, |g| + ε); w ← w − η · m / ((1 − β₁ᵗ) · u)

    Example:
        >>> Adamax().learning_rate
        0.002

    As PyTorch's; Keras's default rate is 0.001.

    Source: Kingma, Ba, Adam: a method for stochastic optimization, 2015, section 7.1.
    """

    learning_rate: float | Schedule = nested(0.002, "learning rate")

    slots: ClassVar[dict[str, str]] = {"momentum": "m", "largest": "u"}
    formula = Formula(
        "m = beta1 * m + (1 - beta1) * g; u = max(beta2 * u, abs(g) + epsilon);"
        "w = w - learning_rate * m / ((1 - beta1**t) * u)"
    )

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        m = self.beta1 * slots["momentum"] + (1 - self.beta1) * g
        u = jnp.maximum(self.beta2 * slots["largest"], jnp.abs(g) + self.epsilon)
        return m / (u * (1 - self.beta1**t)), {"momentum": m, "largest": u}


@optimizers.register("adamw")
class AdamW(Adam):
    """Adam with the weight decay kept apart from the gradient.

    Formula:
        m ← β₁ · m + (1 − β₁) · g; v ← β₂ · v + (1 − β₂) · g²; m̂ = m / (1 − β₁ᵗ); v̂ = v / (1 − β₂ᵗ);
        w ← w − η · (m̂ / (√v̂ + ε) + λ · w)

    Args:
        weight_decay: λ ≥ 0; biases decay too, as in PyTorch and Optax.

    Example:
        >>> AdamW().weight_decay
        0.01

    Source: Loshchilov, Hutter, Decoupled weight decay regularization, 2019.
    """

    weight_decay: float = constrained(0.01, NOT_NEGATIVE, "strength of the decay")

    formula = Formula(f"{_CORRECTED} w = w - learning_rate * (mhat / (sqrt(vhat) + epsilon) + weight_decay * w)")

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        direction, slots = super().direction(g, w, slots, t)
        return direction + self.weight_decay * w, slots

    def coefficients(self, t: Scalar) -> Coefficients:
        return super().coefficients(t)._replace(decay=self.weight_decay)


@optimizers.register("radam")
class RAdam(Adam):
    """Adam that waits to divide until it can trust its mean square.

    Formula:
        m ← β₁ · m + (1 − β₁) · g; v ← β₂ · v + (1 − β₂) · g²; m̂ = m / (1 − β₁ᵗ); v̂ = v / (1 − β₂ᵗ);
        k = 2 / (1 − β₂) − 1; ρ = k − 2 · t · β₂ᵗ / (1 − β₂ᵗ);
        r = √max((ρ − 4) · (ρ − 2) · k / ((k − 4) · (k − 2) · ρ), 0);
        w ← w − η · (r · m̂ / (√v̂ + ε) if ρ > 5, else m̂)

    ρ is about the number of gradients that v̂ is a mean of, r makes up for the variance of v̂. The first steps (five with
    the default β₂) are those of momentum: a warm-up without a number of its own.

    Example:
        >>> RAdam().learning_rate
        0.001

    As Optax's ``radam``; PyTorch adds ε to √v, before its correction.

    Source: Liu et al., On the variance of the adaptive learning rate and beyond, 2020.
    """

    formula = Formula(
        f"{_CORRECTED} k = 2 / (1 - beta2) - 1; rho = k - 2 * t * beta2**t / (1 - beta2**t);"
        "r = sqrt(max((rho - 4) * (rho - 2) * k / ((k - 4) * (k - 2) * rho), 0));"
        "w = w - learning_rate * (r * mhat / (sqrt(vhat) + epsilon) if rho > 5 else mhat)"
    )

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        m = self.beta1 * slots["momentum"] + (1 - self.beta1) * g
        v = self.beta2 * slots["square"] + (1 - self.beta2) * (g * g)
        trusted, r = self._rectification(t)
        m_hat, v_hat = m * (1 / (1 - self.beta1**t)), v * (1 / (1 - self.beta2**t))
        divided = m_hat * r / (jnp.sqrt(v_hat) + self.epsilon)
        return jnp.where(trusted, divided, m_hat), {"momentum": m, "square": v}

    def _rectification(self, t: Scalar) -> tuple[Array, Array]:
        k, power = 2 / (1 - self.beta2) - 1, self.beta2**t
        rho = k - 2 * t * power / (1 - power)
        return rho > 5, jnp.sqrt(jnp.maximum((rho - 4) * (rho - 2) * k / ((k - 4) * (k - 2) * rho), 0))

    def coefficients(self, t: Scalar) -> Coefficients:
        usual = super().coefficients(t)
        trusted, r = self._rectification(t)
        return usual._replace(
            of_mean=usual.of_mean * jnp.where(trusted, r, 1),
            of_square=jnp.where(trusted, usual.of_square, 0),
            epsilon=jnp.where(trusted, self.epsilon, 1),
        )


@optimizers.register("lion")
class Lion(Optimizer):
    """Lion: steps of one size, by the sign of the momentum alone.

    Formula:
        u = sign(β₁ · m + (1 − β₁) · g); m ← β₂ · m + (1 − β₂) · g; w ← w − η · (u + λ · w)

    Every weight moves by η, so the rate is 3 to 10 times smaller than Adam's and the decay as much larger.

    Args:
        beta1: β₁, 0 ≤ β₁ < 1, of the mean whose sign is taken.
        beta2: β₂, 0 ≤ β₂ < 1, of the mean that is kept.
        weight_decay: λ ≥ 0; biases decay too (Optax takes 0.001 by default).

    Example:
        >>> Lion().learning_rate
        0.0001

    Source: Chen et al., Symbolic discovery of optimization algorithms, 2023.
    """

    learning_rate: float | Schedule = nested(0.0001, "learning rate")
    beta1: float = constrained(0.9, FRACTION, "decay of the mean whose sign is taken")
    beta2: float = constrained(0.99, FRACTION, "decay of the mean that is kept")
    weight_decay: float = constrained(0.0, NOT_NEGATIVE, "strength of the decay")

    slots: ClassVar[dict[str, str]] = {"momentum": "m"}
    formula = Formula(
        "u = sign(beta1 * m + (1 - beta1) * g);"
        "m = beta2 * m + (1 - beta2) * g;"
        "w = w - learning_rate * (u + weight_decay * w)"
    )

    def direction(self, g: Array, w: Array, slots: Slots, t: Scalar) -> tuple[Array, Slots]:
        m = slots["momentum"]
        sign = jnp.sign(self.beta1 * m + (1 - self.beta1) * g)
        return sign + self.weight_decay * w, {"momentum": self.beta2 * m + (1 - self.beta2) * g}


@jax.tree_util.register_static
@dataclass(frozen=True)
class FromOptax:
    """An `optax.GradientTransformation` as an optimiser.

    Its hyperparameters stay inside it, so another value is another program; it cannot be written into an
    ``experiment.toml``, so resuming takes it as an argument again. The learning rate is known, and reported, where
    `optax.inject_hyperparams` keeps it in the state; else it is reported as NaN.
    """

    transformation: Any = dataclasses.field(metadata={"described": False})
    name: ClassVar[str] = "optax"
    full_batch: ClassVar[bool] = False
    learning_rate: ClassVar[None] = None
    """Inside the transformation, where nothing else reads or changes it."""

    def init(self, params: PyTree) -> OptimizerState:
        """Make Optax's own state, and try one update on shapes alone.

        Raises:
            InvalidValue: the transformation needs more than gradients and parameters, or does not fit these.
        """
        try:
            with _optax_promotion():
                slots = self.transformation.init(params)
            state = OptimizerState(self, jnp.zeros((), jnp.int32), {"optax": slots})
            update = jax.eval_shape(lambda: self.update(params, state, params))
        except Exception as error:
            raise InvalidValue(_why_not(error)) from error
        if _shapes(update.state) != _shapes(state):
            raise InvalidValue(
                "the Optax optimizer cannot be taken: the state after an update has other shapes or dtypes than the "
                "one that its init returns."
            )
        return state

    @staticmethod
    def update(
        grads: PyTree,
        state: OptimizerState,
        params: PyTree,
        progress: Scalar | None = None,
        factors: PyTree | None = None,
    ) -> Update:
        """Compute ``params + updates``, as `optax.apply_updates` does; each update times its factor."""
        rule, old_slots = state.rule, state.slots["optax"]
        with _optax_promotion():
            updates, slots = rule.transformation.update(grads, old_slots, params)
        changes = jax.tree.map(lambda w, u: u.astype(w.dtype), params, updates)
        if factors is not None:
            changes = jax.tree.map(jnp.multiply, changes, factors)
        new_params = jax.tree.map(jnp.add, params, changes)
        # Numbers that a transformation computes in another precision than it was given would not fit the loop.
        slots = jax.tree.map(lambda old, new: jnp.asarray(new, jnp.asarray(old).dtype), old_slots, slots)
        rate = rule.rate_of(slots)
        rate = jnp.asarray(jnp.nan if rate is None else rate, jnp.float32)
        return Update(new_params, OptimizerState(rule, state.step + 1, {"optax": slots}), rate, changes)

    @staticmethod
    def rate_of(slots: PyTree) -> Scalar | None:
        """Find the learning rate that `optax.inject_hyperparams` keeps in the state."""
        leaves, _ = jax.tree_util.tree_flatten_with_path(slots)
        rates = [
            leaf
            for path, leaf in leaves
            if jax.tree_util.keystr(path, simple=True, separator="/").endswith("hyperparams/learning_rate")
        ]
        return rates[0] if len(rates) == 1 else None


@contextmanager
def _optax_promotion() -> Iterator[None]:
    """JAX's usual promotion, which Optax's code counts on."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _shapes(tree: PyTree) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves]


INSTEAD = {
    "reduce_on_plateau": "Adam(OnPlateau(0.001)), whose schedule watches the loss of the validation part",
    "scale_by_zoom_linesearch": "optax.lbfgs(0.1, linesearch=None), with a learning rate instead of the line search",
    "scale_by_backtracking_linesearch": "a learning rate instead of the line search, as in optax.sgd(0.1)",
    "scale_by_polyak": 'optax.sgd(0.1), or "adam"',
    "lookahead": "its inner optimizer alone, as in optax.adam(1e-3)",
}
"""Alternatives to Optax transformations that need more than gradients and parameters."""


def _why_not(error: Exception) -> str:
    """Why an Optax transformation cannot be taken, from what it raised."""
    files = {Path(frame.filename).stem for frame in traceback.extract_tb(error.__traceback__)}
    text = str(error)
    source = text.partition(".<locals>")[0]
    named = next((name for name in INSTEAD if name == source or name in files), source)
    instead = INSTEAD.get(named, '"adam", or another of Optax\'s')
    if isinstance(error, TypeError) and "missing" in text and ".<locals>" in text:
        needed = text.partition("missing")[2].partition(": ")[2]
        return (
            f"the Optax optimizer {named} needs {needed} at each update; a training gives it the gradients and "
            f"parameters alone. Use {instead}."
        )
    return (
        "the Optax optimizer cannot be used: from gradients and parameters alone, each a tuple with one dictionary of "
        f"arrays for each layer, it raises {type(error).__name__}: {text.rstrip('.')}. Use {instead}."
    )


def as_optimizer(specification: Any) -> Optimizer | FromOptax:
    """Make the optimiser of a name, a table or an Optax transformation.

    Raises:
        UnknownName: no optimiser of that name.
        InvalidValue: none of these; or the word ``"optax"``, by which the settings of a run name an optimiser that they
            cannot describe.

    Example:
        >>> as_optimizer("adam")
        Adam(learning_rate=0.001, clip_norm=None, clip_value=None, beta1=0.9, beta2=0.999, epsilon=1e-08)
    """
    if isinstance(specification, FromOptax):
        return specification
    if isinstance(specification, str) and specification == FromOptax.name:
        raise InvalidValue(
            "the optimizer of this training came from Optax, which its settings cannot describe. To resume, give it "
            "again: resume(folder, optimizer=optax.adam(1e-3)). A loaded run predicts, evaluates and explains; to "
            "diagnose it or try what helps, train it again and use the run that train returns."
        )
    if inspect.isroutine(specification) and (specification.__module__ or "").startswith("optax"):
        name = specification.__name__
        raise InvalidValue(f"the function optax.{name} makes an optimizer: call it, as in optax.{name}(1e-3).")
    if hasattr(specification, "init") and not isinstance(specification, Optimizer | type):
        if not callable(getattr(specification, "update", None)):
            raise InvalidValue(f"not an optimizer: {specification!r} has init but no update.")
        return FromOptax(specification)
    return optimizers.build(specification)


__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "FromOptax",
    "GradientDescent",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "SGD",
    "as_optimizer",
    "optimizers",
    "register",
]
