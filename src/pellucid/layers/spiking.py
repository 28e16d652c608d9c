"""Spiking neurons: values in, spikes over time, and the mean rate of them out."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pellucid.core.constraints import POSITIVE, Interval, OneOf, WholeNumber, constrained, validate
from pellucid.core.types import Array, Bool, Cache, Float, Key, Num, Params, Shape, State
from pellucid.layers.layer import Layer, layers
from pellucid.layers.sequences import keep, spread_over


@layers.register("leaky_integrate_and_fire")
@dataclass(frozen=True)
class LeakyIntegrateAndFire(Layer):
    """Neurons that add up their input currents, leak, and spike past a threshold (subject 2.1).

    Formula:
        v_t = leak · v_{t−1} + I_t − threshold · s_{t−1}        (reset "subtract")

        v_t = leak · v_{t−1} · (1 − s_{t−1}) + I_t              (reset "zero")

        s_t = 1 where v_t ≥ threshold, else 0; v_0 = s_0 = 0

        backward, with the surrogate gradient h(v) = 1 / (1 + sharpness · |v − threshold|)²,
        δ_t = ds_t · h(v_t) + r_t · δ_{t+1}, ∂L/∂I_t = δ_t; r_t = leak, or leak · (1 − s_t) with reset "zero"

    Over padded steps the potential is carried unchanged, without a spike.

    A spike has gradient 0 everywhere but at the threshold, so nothing would be learnt through it; backward takes the
    gradient h in its place, a smooth bump around the threshold. The reset counts as a constant there: no gradient flows
    through s_{t−1} into v_t.

    Args:
        leak: share of the membrane potential kept at each step, from 0 (no memory) to 1 (no leak).
        threshold: potential at which a neuron spikes, above 0.
        reset: "subtract" takes the threshold off after a spike, so that what was above it counts on; "zero" begins
            again from 0.
        sharpness: how quickly h falls off on both sides of the threshold, above 0.

    Raises:
        InvalidValue: a field outside its range.

    Example:
        >>> current = jnp.full((1, 6, 1), 0.5)
        >>> spikes, _, _ = LeakyIntegrateAndFire(leak=0.9).forward({}, {}, current)
        >>> spikes.ravel().tolist()
        [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]

    snnTorch's ``Leaky`` spikes only where v > threshold, and its reset "zero" also drops the current I_t of the step
    after a spike; with "subtract" the two agree.

    Source: Gerstner, Kistler, Spiking neuron models, 2002, chapter 4; Neftci, Mostafa, Zenke, Surrogate gradient
    learning in spiking neural networks, 2019; the gradient h is that of Zenke, Ganguli, SuperSpike, 2018.
    """

    masks = "passes"
    takes_mask = True

    leak: float = constrained(0.9, Interval(0, 1), "share of the membrane potential kept at each step")
    threshold: float = constrained(1.0, POSITIVE, "potential at which a neuron spikes")
    reset: str = constrained("subtract", OneOf(("subtract", "zero")), "after a spike")
    sharpness: float = constrained(5.0, POSITIVE, "how quickly the surrogate gradient falls off")

    def __post_init__(self) -> None:
        validate(self)

    def init(self, key: Key[Array, ""] | None, input_shape: Shape) -> tuple[Params, State, Shape]:
        """No parameters; the shape (time, units) stays."""
        return {}, {}, input_shape

    def forward(
        self,
        params: Params,
        state: State,
        x: Float[Array, "batch time *units"],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
        mask: Bool[Array, "batch time"] | None = None,
    ) -> tuple[Float[Array, "batch time *units"], State, Cache]:
        """Currents I to spikes s, both (batch, time, units)."""

        def step(before: Array, arrays: tuple[Array, Array | None]) -> tuple[Array, Array]:
            current, real = arrays
            spike = self._spikes(before)
            kept = before * (1 - spike) if self.reset == "zero" else before
            v = self.leak * kept + current
            if self.reset == "subtract":
                v = v - self.threshold * spike
            v = keep(real, v, before)
            return v, v

        currents = x.swapaxes(0, 1)
        real = None if mask is None else spread_over(mask, x.shape).swapaxes(0, 1)
        _, potentials = jax.lax.scan(step, jnp.zeros_like(currents[0]), (currents, real))
        spikes = keep(real, self._spikes(potentials), jnp.zeros_like(potentials))
        return spikes.swapaxes(0, 1), state, (potentials, real)

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch time *units"]
    ) -> tuple[Float[Array, "batch time *units"], Params]:
        """δ_t = ds_t · h(v_t) + r_t · δ_{t+1}, from the last step to the first."""
        potentials, real = cache
        gradient = 1 / (1 + self.sharpness * jnp.abs(potentials - self.threshold)) ** 2
        kept = 1 - self._spikes(potentials) if self.reset == "zero" else jnp.ones_like(potentials)

        def step(later: Array, at_t: tuple[Array, Array, Array | None]) -> tuple[Array, Array]:
            through_spike, kept, real = at_t
            delta = through_spike + self.leak * kept * later
            return keep(real, delta, later), keep(real, delta, jnp.zeros_like(delta))

        through_spikes = dy.swapaxes(0, 1) * gradient
        _, deltas = jax.lax.scan(step, jnp.zeros_like(potentials[0]), (through_spikes, kept, real), reverse=True)
        return deltas.swapaxes(0, 1), {}

    def _spikes(self, v: Array) -> Array:
        return (v >= self.threshold).astype(v.dtype)


@layers.register("repeat")
@dataclass(frozen=True)
class Repeat(Layer):
    """The same input at every time step: a constant current.

    Formula:
        y_t = x for t = 1 … steps; backward dx = Σ_t dy_t

    Args:
        steps: number of time steps, at least 1.

    Raises:
        InvalidValue: fewer than one step.

    Example:
        >>> Repeat(3).forward({}, {}, jnp.array([[1.0, 2.0]]))[0].tolist()
        [[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]]
    """

    steps: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of time steps")

    def __post_init__(self) -> None:
        validate(self)

    def init(self, key: Key[Array, ""] | None, input_shape: Shape) -> tuple[Params, State, Shape]:
        """No parameters; a time axis comes first."""
        return {}, {}, (self.steps, *input_shape)

    def forward(
        self,
        params: Params,
        state: State,
        x: Num[Array, "batch *units"],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
    ) -> tuple[Num[Array, "batch steps *units"], State, Cache]:
        """(batch, …) → (batch, steps, …)."""
        return jnp.repeat(x[:, None], self.steps, axis=1), state, None

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch steps *units"]
    ) -> tuple[Float[Array, "batch *units"], Params]:
        """dx = Σ_t dy_t."""
        return dy.sum(axis=1), {}


@layers.register("mean_over_time")
@dataclass(frozen=True)
class MeanOverTime(Layer):
    """The mean over the time steps: of spikes, the firing rate per step.

    Formula:
        y = 1/T Σ_t x_t; backward dx_t = dy / T

    Padded steps are left out of sum and T; the mean of a sequence without a real step is 0.

    Example:
        >>> MeanOverTime().forward({}, {}, jnp.array([[[0.0], [1.0], [0.0], [1.0]]]))[0].tolist()
        [[0.5]]
    """

    masks = "ends"
    takes_mask = True

    def init(self, key: Key[Array, ""] | None, input_shape: Shape) -> tuple[Params, State, Shape]:
        """No parameters; the time axis, the first, goes."""
        return {}, {}, input_shape[1:]

    def forward(
        self,
        params: Params,
        state: State,
        x: Float[Array, "batch time *units"],
        *,
        key: Key[Array, ""] | None = None,
        training: bool = False,
        mask: Bool[Array, "batch time ..."] | None = None,
    ) -> tuple[Float[Array, "batch *units"], State, Cache]:
        """(batch, time, …) → (batch, …)."""
        if mask is None:
            return x.mean(axis=1), state, (x, None)
        real = mask.astype(x.dtype)
        shares = (real / jnp.maximum(real.sum(axis=1, keepdims=True), 1)).reshape(
            *mask.shape, *(1 for _ in x.shape[mask.ndim :])
        )
        return (x * jnp.broadcast_to(shares, x.shape)).sum(axis=1), state, (x, shares)

    def backward(
        self, params: Params, cache: Cache, dy: Float[Array, "batch *units"]
    ) -> tuple[Float[Array, "batch time *units"], Params]:
        """Dx_t = dy / T, 0 at padding."""
        x, shares = cache
        if shares is None:
            return jnp.broadcast_to(dy[:, None] / x.shape[1], x.shape), {}
        return jnp.broadcast_to(dy[:, None], x.shape) * jnp.broadcast_to(shares, x.shape), {}
