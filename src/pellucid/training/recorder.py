"""The recorder: measurements of activations, gradients and updates inside the program.

Pure functions inside the compiled epoch, so nothing calls back to Python. What is not selected is not computed.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid import kernels
from pellucid.core.constraints import OneOf, WholeNumber, require
from pellucid.core.errors import InvalidValue
from pellucid.core.types import Array, Float, PyTree
from pellucid.layers import Activation
from pellucid.layers.layer import weights_of
from pellucid.network import Backpropagation, Network
from pellucid.network.structure import one_or_several
from pellucid.optimizers import sums_of

MEASURES = (
    "gradient_norm",
    "update_ratio",
    "activation_mean",
    "activation_std",
    "fraction_zero",
    "fraction_saturated",
    "finite",
    "dead_units",
    "weight_norm",
    "weight_zeros",
    "signal_to_noise",
)
"""The measures of each layer; NaN where one does not apply.

- ``gradient_norm``: ‖∂L/∂W‖₂ of the layer's weights.
- ``update_ratio``: ‖ΔW‖₂ / ‖W‖₂, the size of the update relative to the updated weights.
- ``activation_mean``, ``activation_std``: mean and standard deviation of the layer's output over the batch.
- ``fraction_zero``: fraction of outputs that are exactly zero.
- ``fraction_saturated``: fraction of outputs within 1 % of the width of a bounded activation's range from its ends.
- ``finite``: 1 where all outputs and gradients that are measured are finite numbers, else 0.
- ``dead_units``: units of an activation that are zero for every example of the batch (a unit: one index of the last
  axis, so a channel of a convolution).
- ``weight_norm``: ‖W‖₂ after the update.
- ``weight_zeros``: fraction of weights that are exactly zero after the update.
- ``signal_to_noise``: ‖E g‖₂ / √E‖g − E g‖², the size of the gradient that the batches agree on relative to what each
  adds by chance (see `MeanGradient`). Below 1 the noise is larger; with a batch of B / (signal-to-noise)² rows instead
  of B both would be equal, which McCandlish et al. call the noise scale.

Outputs are measured on the first rows of the batch, as many as hold `SAMPLE` numbers of that layer.
"""

GROUPS = {
    "activations": ("activation_mean", "activation_std", "fraction_zero", "fraction_saturated", "finite", "dead_units"),
    "gradients": ("gradient_norm", "finite"),
    "updates": ("update_ratio",),
    "weights": ("weight_norm", "weight_zeros"),
    "noise": ("signal_to_noise",),
}
"""The measures by the group that selects them."""

ALLOWED = f"any of {', '.join(GROUPS)}"
DEFAULT_GROUPS = ("activations", "gradients", "updates", "weights")

OF_OUTPUTS = ("activation_mean", "activation_std", "fraction_zero", "fraction_saturated", "dead_units")
"""The measures of a layer's output, in the order of the kernel that takes them."""
SAMPLE = 32_768
"""Numbers read of a layer's output: all of most dense layers, some rows of a convolution's."""
BINS = 32
"""Bins of a histogram, of equal width between the smallest and the largest number."""
DECAY = 0.9
"""Decay of the mean gradient, over about the last 1 / (1 − 0.9) = 10 measured steps."""


class MeanGradient(NamedTuple):
    """Running averages that separate the gradient from its noise.

    Formula:
        ḡ ← β ḡ + (1 − β) g, s ← β s + (1 − β) ‖g‖², both divided by 1 − βᵗ

    The mean of t gradients keeps a fraction κ = (1 − β)(1 + βᵗ) / ((1 + β)(1 − βᵗ)) of their noise, so that
    E‖ḡ‖² = ‖E g‖² + κ σ² and E s = ‖E g‖² + σ², which give both unknowns::

        σ² = (s − ‖ḡ‖²) / (1 − κ)        ‖E g‖² = (‖ḡ‖² − κ s) / (1 − κ)

    Source: McCandlish et al., An empirical model of large-batch training, 2018 (the noise scale, and two estimates of
    different noise that are solved for it); Kingma, Ba, Adam, 2015 (bias-corrected averages).
    """

    gradient: PyTree
    """ḡ before its correction: the weights of each layer."""
    square: Array
    """(layers,): s before its correction."""
    number: Array
    """t."""


class Memory(NamedTuple):
    """The recorder's memory between measured steps."""

    active: tuple[Array, ...]
    """The last measured step in which each unit was not zero, −1 for never; one array for each activation."""
    mean: MeanGradient | None
    """None where noise is not measured."""


class Measurements(NamedTuple):
    """The measurements of one step."""

    layers: Float[Array, "layers measures"]
    histograms: Float[Array, "layers kinds numbers"] | None
    """Smallest number, largest number, and how many lie in each bin."""
    memory: Memory | None


@dataclass(frozen=True)
class Recorder:
    """The selection of measurements, and how often they are taken.

    Example:
        >>> Recorder(every=5, groups=("gradients",)).measures
        ('gradient_norm', 'finite')
    """

    every: int = 20
    """Steps between two measurements of the layers; 0 for none."""
    groups: tuple[str, ...] = DEFAULT_GROUPS
    histograms_every: int = 0
    """Steps between two histograms of the selected groups, a multiple of ``every``; 0 for none."""

    def __post_init__(self) -> None:
        require(self.every, WholeNumber(0), "record_every")
        require(self.histograms_every, WholeNumber(0), "histograms_every")
        if not self.groups:
            raise InvalidValue(f"record names no group. To measure nothing take record_every=0; else {ALLOWED}.")
        for group in self.groups:
            require(group, OneOf(tuple(GROUPS)), "each group of record")
        if self.histograms_every and (not self.every or self.histograms_every % self.every):
            raise InvalidValue(
                f"histograms_every must be a multiple of record_every = {self.every}: histograms are taken in steps "
                f"that are measured. Received: {self.histograms_every}."
            )
        if self.histograms_every and not self.kinds:
            raise InvalidValue(
                "histograms need one of the groups activations, gradients, updates and weights in record. Received: "
                f"{self.groups!r}."
            )

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures of the selected groups."""
        chosen = {measure for group in self.groups for measure in GROUPS[group]}
        return tuple(measure for measure in MEASURES if measure in chosen)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Groups with histograms."""
        return tuple(group for group in DEFAULT_GROUPS if group in self.groups)

    def begin(self, network: Network, params: tuple, layer_state: tuple, input_shape: Any) -> Memory | None:
        """The memory before the first step; None where none is needed."""
        if not self.every or not {"activations", "noise"} & set(self.groups):
            return None
        active: tuple[Array, ...] = ()
        if "activations" in self.groups:
            active = tuple(
                jnp.full(shape[-1:], -1, jnp.int32)
                for layer, shape in zip(
                    network.layers, output_shapes(network, params, layer_state, input_shape), strict=True
                )
                if isinstance(layer, Activation)
            )
        mean = None
        if "noise" in self.groups:
            gradient = [[jnp.zeros_like(w) for w in weights_of(of_layer)] for of_layer in params]
            mean = MeanGradient(gradient, jnp.zeros(len(params), jnp.float32), jnp.zeros((), jnp.int32))
        return Memory(active, mean)

    def measure(
        self,
        network: Network,
        params: tuple,
        changes: tuple,
        pass_: Backpropagation,
        memory: Memory | None,
        step: Array,
        sums: Any = None,
    ) -> Measurements:
        """Measure one step.

        Args:
            network: whose layers are measured.
            params: the parameters after the step.
            changes: what the step added to them.
            pass_: the step's pass through the network.
            memory: the recorder's memory before the step.
            step: number of the step.
            sums: of the gradients, changes and parameters, where the update has taken them in its own pass
                (`pellucid.optimizers.Update`).
        """
        layers = len(network.layers)
        columns: dict[str, Array] = {}
        active: tuple[Array, ...] = ()
        weighted = [bool(weights_of(of_layer)) for of_layer in params]
        if sums is None:
            sums = jax.tree.map(sums_of, pass_.grads, changes, params)
        gradient, change, weight, zeros = jnp.stack(
            [
                _total(weights_of(sums[i])).astype(jnp.float32) if weighted[i] else jnp.full(4, jnp.nan, jnp.float32)
                for i in range(layers)
            ],
            axis=1,
        )
        columns["gradient_norm"] = jnp.sqrt(gradient)
        columns["update_ratio"] = jnp.sqrt(change) / jnp.maximum(jnp.sqrt(weight), jnp.finfo(weight.dtype).tiny)
        columns["weight_norm"] = jnp.sqrt(weight)
        sizes = [max(1, sum(w.size for w in weights_of(of_layer))) for of_layer in params]
        columns["weight_zeros"] = zeros / jnp.asarray(sizes, zeros.dtype)
        terms = [jnp.where(jnp.asarray(weighted), gradient, 0)] if "gradients" in self.groups else []
        if "activations" in self.groups:
            watched = None if memory is None else memory.active
            statistics, active = _statistics(network, pass_.outputs, watched, step)
            columns |= dict(zip(OF_OUTPUTS, statistics.T, strict=True))
            rearranging = jnp.asarray([layer.rearranges for layer in network.layers])
            terms.append(jnp.where(rearranging, 0, columns["activation_mean"]))
        columns["finite"] = jnp.isfinite(sum(terms, start=jnp.zeros(layers, jnp.float32))).astype(jnp.float32)
        if memory is not None:
            mean = memory.mean
            if mean is not None:
                mean, ratios = _signal_to_noise(mean, pass_.grads)
                columns["signal_to_noise"] = jnp.stack(ratios)
            memory = Memory(active, mean)
        histograms = self._histograms(network, params, changes, pass_, step) if self.histograms_every else None
        chosen = [columns[measure].astype(jnp.float32) for measure in self.measures]
        return Measurements(jnp.stack(chosen, axis=1), histograms, memory)

    def _histograms(
        self, network: Network, params: tuple, changes: tuple, pass_: Backpropagation, step: Array
    ) -> Array:
        def take() -> Array:
            of = {
                "activations": [
                    [] if layer.rearranges else [_sample(output)]
                    for layer, output in zip(network.layers, pass_.outputs, strict=True)
                ],
                "gradients": [weights_of(grads) for grads in pass_.grads],
                "updates": [weights_of(change) for change in changes],
                "weights": [weights_of(of_layer) for of_layer in params],
            }
            return jnp.stack([jnp.stack([histogram(of[kind][i]) for kind in self.kinds]) for i in range(len(params))])

        if self.histograms_every == self.every:
            return take()
        due = step % self.histograms_every == 0
        nothing = jnp.zeros((len(params), len(self.kinds), 2 + BINS), jnp.float32)
        return jax.lax.cond(due, take, lambda: nothing)


def output_shapes(network: Network, params: tuple, layer_state: tuple, input_shape: Any) -> list[tuple[int, ...]]:
    """The shape of each layer's output for one example, by abstract evaluation."""
    shapes = network.each_input(input_shape)
    x = one_or_several(tuple(jax.ShapeDtypeStruct((1, *shape), network.dtype) for shape in shapes))
    outputs = jax.eval_shape(lambda x: network.forward(params, layer_state, x).outputs, x)
    return [output.shape[1:] for output in outputs]


def unit_layers(network: Network) -> tuple[str, ...]:
    """The activation layers, whose units are watched for being dead."""
    return tuple(
        name for name, layer in zip(network.names, network.layers, strict=True) if isinstance(layer, Activation)
    )


def _sample(output: Array) -> Array:
    # The first rows, as many as hold SAMPLE numbers.
    return output[: max(1, SAMPLE // max(1, output[0].size))]


def _total(sums: list[Array]) -> Array:
    return sum(sums[1:], start=sums[0])


def _statistics(
    network: Network, outputs: tuple[Array, ...], active: tuple[Array, ...] | None, step: Array
) -> tuple[Float[Array, "layers numbers"], tuple[Array, ...]]:
    # `OF_OUTPUTS` of each layer, NaN where one does not apply; and the last steps in which the units were not zero.
    measured = [i for i, layer in enumerate(network.layers) if not layer.rearranges]
    if active is not None and kernels.covers([outputs[i] for i in measured]):
        return _native_statistics(network, outputs, active, step)
    rows, new_active = [], []
    for layer, output in zip(network.layers, outputs, strict=True):
        row, silent = ({}, None) if layer.rearranges else _of_output(layer, _sample(output))
        rows.append(jnp.stack([jnp.asarray(row.get(name, jnp.nan), jnp.float32) for name in OF_OUTPUTS]))
        if silent is not None and active is not None:
            new_active.append(jnp.where(silent, active[len(new_active)], step))
    return jnp.stack(rows), tuple(new_active)


def _native_statistics(
    network: Network, outputs: tuple[Array, ...], active: tuple[Array, ...], step: Array
) -> tuple[Array, tuple[Array, ...]]:
    layers = network.layers
    measured = [i for i, layer in enumerate(layers) if not layer.rearranges]
    ends = [_ends(layers[i]) or (math.nan, math.nan) for i in measured]
    statistics, *new_active = kernels.call(
        "statistics",
        [kernels.floats(len(layers), len(OF_OUTPUTS)), *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in active)],
        step,
        *(_sample(outputs[i]) for i in measured),
        *active,
        layers=np.asarray(measured, np.int64),
        watched=np.asarray([isinstance(layers[i], Activation) for i in measured], np.int64),
        low=np.asarray([low for low, _ in ends], np.float32),
        high=np.asarray([high for _, high in ends], np.float32),
    )
    return statistics, tuple(new_active)


def _ends(layer: object) -> tuple[float, float] | None:
    # Below and above which an output counts as saturated; None where the layer is no bounded activation.
    if not isinstance(layer, Activation):
        return None
    low, high = layer.output_range
    margin = 0.01 * (high - low)
    return (low + margin, high - margin) if math.isfinite(margin) else None


def _of_output(layer: object, output: Array) -> tuple[dict[str, Array], Array | None]:
    # The measures of a layer's output, and which of its units are zero throughout, where it has units.
    mean = output.mean()
    row = {"activation_mean": mean}
    row["activation_std"] = jnp.sqrt(jnp.maximum((output * output).mean() - mean * mean, 0))
    if not isinstance(layer, Activation):
        return row | {"fraction_zero": (output == 0).mean(dtype=output.dtype)}, None
    if ends := _ends(layer):
        row["fraction_saturated"] = ((output < ends[0]) | (output > ends[1])).mean(dtype=output.dtype)
    zeros = (output == 0).sum(tuple(range(output.ndim - 1)), dtype=output.dtype)
    row["fraction_zero"] = zeros.sum() / output.size
    silent = zeros == output.size // zeros.size
    return row | {"dead_units": silent.sum(dtype=output.dtype)}, silent


def _norm(arrays: list[Array]) -> Array:
    return jnp.sqrt(sum([(array * array).sum() for array in arrays]))


def _signal_to_noise(mean: MeanGradient, grads: tuple) -> tuple[MeanGradient, list[Array]]:
    # The averages with one more gradient, and the signal-to-noise of each layer.
    of_layers = [weights_of(of_layer) for of_layer in grads]
    gradient = jax.tree.map(lambda mean, g: DECAY * mean + (1 - DECAY) * g, mean.gradient, of_layers)
    squares = jnp.stack([jnp.square(_norm(of_layer)) if of_layer else jnp.nan for of_layer in of_layers])
    square = DECAY * mean.square + (1 - DECAY) * squares.astype(jnp.float32)
    number = mean.number + 1
    left = DECAY ** number.astype(jnp.float32)
    kept = (1 - DECAY) * (1 + left) / ((1 + DECAY) * (1 - left))
    ratios: list[Array] = []
    for i, of_layer in enumerate(gradient):
        total = square[i] / (1 - left)
        of_mean = jnp.asarray(jnp.nan, jnp.float32)
        if of_layer:
            of_mean = jnp.square(_norm(of_layer).astype(jnp.float32) / (1 - left))
        signal, noise = jnp.maximum(of_mean - kept * total, 0), total - of_mean
        # The first gradient alone gives no estimate: rounding over rounding.
        ratios.append(jnp.where(number > 1, jnp.sqrt(signal / noise), jnp.nan).astype(jnp.float32))
    return MeanGradient(gradient, square, number), ratios


def histogram(arrays: list[Array]) -> Float[Array, " numbers"]:
    """Smallest and largest number, and the counts of `BINS` equal bins.

    Example:
        >>> histogram([jnp.arange(64.0)]).tolist()[:4]
        [0.0, 63.0, 2.0, 2.0]
    """
    if not arrays:
        return jnp.full(2 + BINS, jnp.nan, jnp.float32)
    x = jnp.concatenate([array.reshape(-1) for array in arrays]).astype(jnp.float32)
    low, high = x.min(), x.max()
    scale = jnp.where(high > low, BINS / (high - low), 0)
    # Adding takes half the time of comparing each number with every edge on a CPU; sorting takes 80 times as long.
    index = jnp.clip(((x - low) * scale).astype(jnp.int32), 0, BINS - 1)
    counts = jnp.zeros(BINS, jnp.float32).at[index].add(1.0)
    return jnp.concatenate([jnp.stack([low, high]), counts])
