"""What can be said of the network's parameters before a single step: how they are drawn, kept and moved."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.doctor.findings import sample_mask
from pellucid.doctor.limits import Limit
from pellucid.doctor.rule import Evidence, Rule, Subject, table_of
from pellucid.layers import BatchNorm, Frozen

INITIAL: list[Rule] = []
"""Rules that read the network at its start."""
rule = table_of(INITIAL)


@rule("batch_norm_statistics", "what is not updated stays at mean 0 and variance 1, whatever the inputs are")
def batch_norm_statistics(s: Subject) -> Evidence | None:
    """Batch normalisation that keeps no running statistics."""
    if any(isinstance(layer, BatchNorm) and not layer.update_statistics for layer in s.e.network.layers):
        return Evidence(0.97, {}, "in prediction the layer normalises by statistics that it never learnt")
    return None


@rule("frozen_parameters", "a layer that is drawn at random and kept can only be read, not learnt")
def frozen_parameters(s: Subject) -> Evidence | None:
    """Layers with weights that are not trained."""
    layers = s.e.network.layers
    frozen = sum(isinstance(layer, Frozen) for layer in layers)
    if not frozen:
        return None
    last = isinstance(layers[s.e.maps[-1]], Frozen)
    said = f"of {sample_mask(len(s.e.maps), 'layer')} with weights {frozen} {'is' if frozen == 1 else 'are'} frozen"
    return Evidence(0.97 if last else 0.88, {"frozen": frozen, "layers": len(s.e.maps)}, said)


@rule(
    "constant_init",
    "units that begin equal get equal gradients and stay equal",
    apart=Limit(1e-6, "of their size: what is drawn at random differs by about its size"),
)
def constant_init(s: Subject, apart: float) -> Evidence | None:
    """A hidden layer whose units are all alike at the start."""
    for i in s.e.maps[:-1]:
        for w in s.e.weights(i):
            flat = w.reshape(-1, w.shape[-1])
            size = max(float(np.abs(flat).max()), 1e-6)
            if flat.shape[1] > 1 and np.ptp(flat, axis=1).max() <= apart * size:
                name = s.e.network.names[i]
                said = f"the units of {name} all begin with the same weights"
                return Evidence(0.97, {"layer": name, "weight": float(flat.flat[0])}, said)
    return None


@rule("hidden_softmax", "its outputs sum to 1: a layer of n units passes on numbers of size 1/n")
def hidden_softmax(s: Subject) -> Evidence | None:
    """A softmax inside the network."""
    count = sum(h.function.name == "softmax" for h in s.e.hidden)
    return Evidence(0.96, {"layers": count}, f"softmax follows {sample_mask(count, 'hidden layer')}") if count else None


@rule(
    "bad_init_large",
    "a spread of k times He's multiplies the signal by k at every layer",
    spread=Limit(2.5, "times He's: the usual rules differ by less than a factor of 2 from each other"),
    bias=Limit(3, "a unit that begins 3 off has lost sight of inputs of size 1"),
)
def bad_init_large(s: Subject, spread: float, bias: float) -> Evidence | None:
    """Initial weights or biases far larger than the number of inputs allows."""
    ratio, _, layers = init_ratio(s)
    largest = max((float(np.abs(p["biases"]).max()) for p in s.e.params_start if "biases" in p), default=0.0)
    if layers == 0 or (ratio < spread and largest < bias):
        return None
    sure = 0.5 + 0.25 * math.log10(max(ratio, largest)) + 0.15 * (layers > 1)
    said = f"the initial weights are {ratio:.3g} times He's"
    if largest >= bias:
        said += f", biases begin at up to {largest:.3g}"
    return Evidence(min(0.93, sure), {"spread / He's": ratio, "largest bias": largest}, said)


@rule(
    "bad_init_small",
    "a tenth of Glorot's spread divides the signal by ten at every layer",
    spread=Limit(0.15, "times Glorot's: two such layers pass on a fiftieth"),
    left=Limit(0.0025, "of the signal after all layers: what reaches the output is lost among its biases"),
)
def bad_init_small(s: Subject, spread: float, left: float) -> Evidence | None:
    """Initial weights so small that the signal dies out between the layers."""
    _, ratio, layers = init_ratio(s)
    if not 0 < ratio < spread or layers < 2:
        return None
    said = f"the initial weights are {ratio:.2g} times Glorot's"
    return Evidence(0.94 if ratio**layers < left else 0.6, {"spread / Glorot's": ratio}, said)


@rule("gradient_ascent", "the first step, made small, must bring the loss down")
def gradient_ascent(s: Subject) -> Evidence | None:
    """An update that points up the loss."""
    e = s.e
    if e.rate < 0:
        return Evidence(0.995, {"learning rate": e.rate}, f"the learning rate is negative: {e.rate:g}")
    if not e.looks or (len(e.losses) > 1 and e.losses[-1] < e.losses[0]):
        return None
    state, grads = e.state_start.optimizer, jax.tree.map(jnp.asarray, e.start.grads)
    if not jax.tree.leaves(e.params_start) or not np.isfinite(e.start.loss):
        return None
    along = float(_along(state, grads, e.params_start))
    if not along > 0:
        return None
    return Evidence(0.995, {"gradient along the update": along}, "the first update goes up the gradient of the loss")


@rule("missing_bias", "without an offset a layer gives 0 for 0")
def missing_bias(s: Subject) -> Evidence | None:
    """Layers without biases where the targets have an offset."""
    if not without_biases(s):
        return None
    layers = len(s.e.maps)
    return Evidence(0.9, {"layers": layers}, f"no layer with weights has biases ({sample_mask(layers, 'layer')})")


def without_biases(s: Subject) -> bool:
    """Whether no layer with weights has biases."""
    bare = [getattr(s.e.network.layers[i], "use_biases", True) is False for i in s.e.maps]
    return bool(bare) and all(bare)


def init_ratio(s: Subject) -> tuple[float, float, int]:
    """The spread of the initial weights: the largest against He's, the median against Glorot's; how many layers."""
    of_he, of_glorot = [], []
    for i in s.e.maps:
        for w in s.e.weights(i)[:1]:
            inputs = int(np.prod(w.shape[:-1]))
            outputs = w.shape[-1] * int(np.prod(w.shape[:-2]))
            size = float(np.sqrt((w.astype(np.float64) ** 2).mean()))
            if w.size > 3 and size > 0:
                of_he.append(size / math.sqrt(2 / inputs))
                of_glorot.append(size / math.sqrt(2 / (inputs + outputs)))
    if not of_he:
        return 1.0, 1.0, 0
    return max(of_he), float(np.median(of_glorot)), len(of_he)


@jax.jit
def _along(state: Any, grads: Any, params: Any) -> Any:
    """The gradient of the loss along the first update."""
    moved = state.rule.update(grads, state, params, jnp.zeros(())).params
    return sum(jax.tree.leaves(jax.tree.map(lambda new, old, g: ((new - old) * g).sum(), moved, params, grads)))
