"""Causes in the parameters before the first step: how they are initialised, kept and moved."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.doctor.findings import counted
from pellucid.doctor.rule import CERTAIN, CLEAR, EVEN, LIKELY, OPEN, STRONG, Evidence, Limit, between, rule
from pellucid.doctor.subject import Subject
from pellucid.layers import BatchNorm


@rule(
    "batch_norm_statistics",
    "probe",
    meaning="batch normalisation keeps no running statistics",
    about="Batch normalisation uses the batch's mean and variance in training, and running ones in prediction. Where "
    "these are not updated they remain 0 and 1, and the network predicts from inputs that it has never seen.",
    alike="Overfitting and different preparation: good in training, bad on held-out rows.",
    reason="what is not updated stays at mean 0 and variance 1, whatever the inputs are",
    remedies=("update the statistics",),
)
def batch_norm_statistics(s: Subject) -> Evidence | None:
    """Batch normalisation that keeps no running statistics."""
    layers = [i for i, layer in enumerate(s.e.network.layers) if isinstance(layer, BatchNorm)]
    if not layers or not (s.e.steps or s.e.compiles):
        return None
    before, after = s.e.state_start.layer_state, s.e.run.layer_state if s.e.steps else s.e.start.state
    kept = [i for i in layers if _equal(before[i], after[i])]
    because = "in prediction the layer normalises by statistics that it never learnt"
    return Evidence(CLEAR, {"layers": len(kept)}, because) if kept else None


@rule(
    "frozen_parameters",
    "program",
    meaning="parameters that should learn are not updated",
    about="Layers that should learn are not updated. Their outputs were initialised at random, and the rest can only "
    "read it.",
    alike="Vanishing gradients: there the weights move, but little.",
    reason="a layer that is initialised at random and kept can only be read, not learnt",
    remedies=("train all layers",),
)
def frozen_parameters(s: Subject) -> Evidence | None:
    """Layers with weights that are neither trained nor were trained before."""
    network, maps = s.e.network, s.e.maps
    given = () if s.e.run.initial is None else s.e.run.initial.arrays
    kept = [i for i in maps if not network.layers[i].trainable and network.names[i] not in given]
    if not kept:
        return None
    because = f"of {counted(len(maps), 'layer')} with weights {len(kept)} {'is' if len(kept) == 1 else 'are'} frozen"
    return Evidence(CLEAR if maps[-1] in kept else LIKELY, {"frozen": len(kept), "layers": len(maps)}, because)


@rule(
    "constant_init",
    "program",
    meaning="equal initial weights keep the units of a layer identical",
    about="All units of a layer begin with the same weights. They get the same gradients and remain the same for "
    "ever: the layer is one unit wide.",
    alike="Under-capacity: more units that begin alike do not help.",
    reason="units that begin equal get equal gradients and stay equal",
    remedies=("He initialisation", "Glorot initialisation"),
    apart=Limit(1e-6, "of their size: what is initialised at random differs by about its size"),
)
def constant_init(s: Subject, apart: float) -> Evidence | None:
    """A hidden layer whose units are all alike at the start."""
    for i in s.e.maps[:-1]:
        for w in s.e.weights(i):
            flat = w.reshape(-1, w.shape[-1])
            size = max(float(np.abs(flat).max()), 1e-6)
            if flat.shape[1] > 1 and np.ptp(flat, axis=1).max() <= apart * size:
                name = s.e.network.names[i]
                because = f"the units of {name} all begin with the same weights"
                return Evidence(CLEAR, {"layer": name, "weight": float(flat.flat[0])}, because)
    return None


@rule(
    "hidden_softmax",
    "program",
    meaning="softmax used as a hidden activation",
    about="A softmax inside the network makes the units of a layer share a sum of 1. With n units each passes on "
    "about 1/n, and its gradients are smaller still.",
    alike="Vanishing gradients and a rate that is too low, which are its consequences.",
    reason="its outputs sum to 1: a layer of n units passes on numbers of size 1/n",
    remedies=("relu in the hidden layers",),
)
def hidden_softmax(s: Subject) -> Evidence | None:
    """A softmax inside the network."""
    count = sum(hidden.shares for hidden in s.e.hidden)
    return Evidence(CLEAR, {"layers": count}, f"softmax follows {counted(count, 'hidden layer')}") if count else None


@rule(
    "bad_init_large",
    "program",
    meaning="initial weights far too large",
    about="The initial weights are far larger than the number of inputs allows. The standard deviation of the "
    "activations is multiplied in every layer: the first loss is huge, sigmoid-like units saturate.",
    formula="He: variance 2 / inputs; Glorot: 2 / (inputs + outputs)",
    alike="Unscaled inputs do the same to the first layer; a rate that is too high shows only after the first step.",
    reason="a standard deviation of k times He's multiplies the signal by k at every layer",
    remedies=("He initialisation", "Glorot initialisation"),
    trials=("initialised_again",),
    deviation=Limit(2.5, "times He's: the usual rules differ by less than a factor of 2 from each other"),
    bias=Limit(3, "a unit that begins 3 off has lost sight of inputs of size 1"),
    most=Limit(1.7, "powers of ten: fifty times too large is as wrong as any more"),
    several=Limit(0.3, "of the way to certainty: a second layer multiplies the signal once more"),
)
def bad_init_large(s: Subject, deviation: float, bias: float, most: float, several: float) -> Evidence | None:
    """Initial weights or biases far larger than the number of inputs allows."""
    ratio, _, layers = init_ratio(s)
    largest = max((float(np.abs(p["biases"]).max()) for p in s.e.params_start if "biases" in p), default=0.0)
    if layers == 0 or (ratio < deviation and largest < bias):
        return None
    powers = math.log10(max(ratio, largest)) / most + several * (layers > 1)
    because = f"the initial weights are {ratio:.3g} times He's"
    if largest >= bias:
        because += f", biases begin at up to {largest:.3g}"
    return Evidence(between(EVEN, STRONG, powers), {"deviation / He's": ratio, "largest bias": largest}, because)


@rule(
    "bad_init_small",
    "program",
    meaning="initial weights far too small",
    about="The initial weights are so small that the signal dies out between the layers, forward and back.",
    formula="He: variance 2 / inputs; Glorot: 2 / (inputs + outputs)",
    alike="Vanishing gradients, of which it is a cause; a rate that is too low.",
    reason="a tenth of Glorot's standard deviation divides the signal by ten at every layer",
    remedies=("He initialisation", "Glorot initialisation"),
    trials=("initialised_again",),
    deviation=Limit(0.15, "times Glorot's: two such layers pass on a fiftieth"),
    left=Limit(0.0025, "of the signal after all layers: what reaches the output is lost among its biases"),
)
def bad_init_small(s: Subject, deviation: float, left: float) -> Evidence | None:
    """Initial weights so small that the signal dies out between the layers."""
    _, ratio, layers = init_ratio(s)
    if not 0 < ratio < deviation or layers < 2:
        return None
    because = f"the initial weights are {ratio:.2g} times Glorot's"
    return Evidence(STRONG if ratio**layers < left else OPEN, {"deviation / Glorot's": ratio}, because)


@rule(
    "gradient_ascent",
    "program",
    meaning="the update goes up the loss",
    about="The sign of the update is wrong: a learning rate below 0, or a loss that is maximised where it should be "
    "minimised. The loss rises from the first step on.",
    formula="∇L · Δw > 0 in the first step",
    alike="A rate that is too high makes the loss rise as well, but its first step, scaled down, brings the loss down.",
    reason="the first step, scaled down, must bring the loss down",
    remedies=("learning rate above 0",),
)
def gradient_ascent(s: Subject) -> Evidence | None:
    """An update that points up the loss."""
    e = s.e
    if e.rate < 0:
        return Evidence(CERTAIN, {"learning rate": e.rate}, f"the learning rate is negative: {e.rate:g}")
    if not e.compiles or (len(e.losses) > 1 and e.losses[-1] < e.losses[0]):
        return None
    state, grads = e.state_start.optimizer, jax.tree.map(jnp.asarray, e.start.grads)
    if not jax.tree.leaves(e.params_start) or not np.isfinite(e.start.loss):
        return None
    along = float(_along(state, grads, e.params_start))
    if not along > 0:
        return None
    return Evidence(CERTAIN, {"gradient along the update": along}, "the first update goes up the gradient of the loss")


@rule(
    "missing_bias",
    "program",
    meaning="no bias where the target needs an offset",
    about="Without biases a layer gives 0 for 0. Where the targets or the inputs have an offset, the network cannot "
    "follow it.",
    alike="Inputs that are not scaled: centred inputs hide the lack.",
    reason="without an offset a layer gives 0 for 0",
    remedies=("biases",),
)
def missing_bias(s: Subject) -> Evidence | None:
    """Layers without biases where the targets have an offset."""
    if not without_biases(s):
        return None
    layers = len(s.e.maps)
    return Evidence(STRONG, {"layers": layers}, f"no layer with weights has biases ({counted(layers, 'layer')})")


def without_biases(s: Subject) -> bool:
    """Whether no layer with weights has biases."""
    bare = [getattr(s.e.network.layers[i], "use_biases", True) is False for i in s.e.maps]
    return bool(bare) and all(bare)


def init_ratio(s: Subject) -> tuple[float, float, int]:
    """The deviation of the initial weights: the largest against He's, the median against Glorot's; how many layers."""
    of_he, of_glorot = [], []
    for i in s.e.maps:
        if s.e.network.layers[i].vocabulary is not None:
            continue  # a vector is looked up, not summed over the vocabulary
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


def _equal(a: Any, b: Any) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@jax.jit
def _along(state: Any, grads: Any, params: Any) -> Any:
    """The gradient of the loss along the first update."""
    moved = state.rule.update(grads, state, params, jnp.zeros(())).params
    return sum(jax.tree.leaves(jax.tree.map(lambda new, old, g: ((new - old) * g).sum(), moved, params, grads)))
