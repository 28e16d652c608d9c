"""Spiking neurons: constant inputs over time, and spikes."""

import dataclasses

import jax
import jax.numpy as jnp

from pellucid.core.constraints import POSITIVE, Interval, OneOf, WholeNumber, constrained
from pellucid.core.types import Array, Cache, Float, Num, Params, Shape, State
from pellucid.layers.layer import AnyKey, Layer, Mask, Units, layers
from pellucid.layers.sequences import broadcast_mask, keep

Series = Float[Array, "batch time *units"]


@layers.register("leaky_integrate_and_fire")
class LeakyIntegrateAndFire(Layer):
    """Neurons that add up their input currents, leak, and spike past a threshold.

    Formula:
        v_t = leak · v_{t−1} + I_t − threshold · s_{t−1}        (reset "subtract")

        v_t = leak · v_{t−1} · (1 − s_{t−1}) + I_t              (reset "zero")

        s_t = 1 where v_t ≥ threshold, else 0; v_0 = s_0 = 0

        backward, with the surrogate gradient h(v) = 1 / (1 + sharpness · |v − threshold|)²,
        δ_t = ds_t · h(v_t) + r_t · δ_{t+1}, ∂L/∂I_t = δ_t; r_t = leak, or leak · (1 − s_t) with reset "zero"

    Over padded steps the potential is carried unchanged, without a spike.

    A spike has gradient 0 everywhere but at the threshold, so training would not reach what lies before it; backward
    takes the gradient h in its place, a smooth bump around the threshold. The reset counts as a constant there: no
    gradient flows through s_{t−1} into v_t.

    Args:
        leak: fraction of the membrane potential kept at each step, from 0 (no memory) to 1 (no leak).
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
    output_range = (0.0, 1.0)
    precise = True
    surrogate = True
    formula = "spikes of v_t = leak·v_{t−1} + x_t"
    example = {"leak": 0.7, "threshold": 0.5, "reset": "zero"}, (4, 3)

    leak: float = constrained(0.9, Interval(0, 1), "fraction of the membrane potential kept at each step")
    threshold: float = constrained(1.0, POSITIVE, "potential at which a neuron spikes")
    reset: str = constrained("subtract", OneOf(("subtract", "zero")), "after a spike")
    sharpness: float = constrained(5.0, POSITIVE, "how quickly the surrogate gradient falls off")

    def forward(
        self, params: Params, state: State, x: Series, *, key: AnyKey = None, training: bool = False, mask: Mask = None
    ) -> tuple[Series, State, Cache]:

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
        real = None if mask is None else broadcast_mask(mask, x.shape).swapaxes(0, 1)
        _, potentials = jax.lax.scan(step, jnp.zeros_like(currents[0]), (currents, real))
        spikes = keep(real, self._spikes(potentials), jnp.zeros_like(potentials))
        return spikes.swapaxes(0, 1), state, (potentials, real)

    def backward(self, params: Params, cache: Cache, dy: Series) -> tuple[Series, Params]:
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

    linear = True
    formula = "the same at every step"
    example = {"steps": 3}, (4,)

    steps: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of time steps")

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        return {}, {}, (self.steps, *input_shape)

    def forward(
        self, params: Params, state: State, x: Num[Array, "batch *units"], *, key: AnyKey = None, training: bool = False
    ) -> tuple[Num[Array, "batch steps *units"], State, Cache]:
        return jnp.repeat(x[:, None], self.steps, axis=1), state, None

    def backward(self, params: Params, cache: Cache, dy: Float[Array, "batch steps *units"]) -> tuple[Units, Params]:
        return dy.sum(axis=1), {}
