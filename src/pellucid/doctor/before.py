"""What can be said of the program before a single step: output, loss, layers. Most is certain whatever the seed."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.doctor.examination import DISTANCES, LOGITS, MARGINS, PROBABILITIES
from pellucid.doctor.rows import ROWS
from pellucid.doctor.rule import Evidence, Rule, Subject, table_of
from pellucid.layers import BatchNorm, Frozen

PROGRAM: list[Rule] = []
"""Rules that read the program."""
rule = table_of(PROGRAM)


# ------------------------------------------------------------------------------- output, loss, target


@rule("single_unit_softmax", "e^z / e^z = 1 for every z")
def single_unit_softmax(s: Subject) -> Evidence | None:
    """A softmax whose output has one unit."""
    if s.e.last_name == "softmax" and s.e.prediction.shape[-1] == 1:
        return Evidence(0.985, {"units": 1}, "the output is 1 whatever the input")
    return None


@rule("wrong_output_size", "a class without a unit can never be named")
def wrong_output_size(s: Subject) -> Evidence | None:
    """Outputs that are not as many as the classes or targets."""
    outputs = s.e.prediction.shape[-1]
    wanted = len(s.e.run.facts.classes) if s.e.task == "multiclass" else s.e.y.shape[-1]
    if outputs == wanted or (s.e.task == "multiclass" and outputs == 1 and wanted == 2):
        return None
    if s.e.loss.name in MARGINS and wanted <= 2:
        return None
    sure = 0.97 if outputs < wanted else 0.6
    return Evidence(
        sure, {"outputs": outputs, "wanted": wanted}, f"{outputs} outputs for {wanted} classes or targets"
    )


@rule(
    "target_shape", "each example's loss must be its own: it may not change when the targets of the others do"
)
def target_shape(s: Subject) -> Evidence | None:
    """A loss in which an output is compared with the targets of other examples."""
    rows = s.e.probe[:16]
    if len(rows) < 3:
        return None
    outputs = jnp.asarray(s.e.start.outputs[-1][: len(rows)])
    y = np.asarray(s.e.y[s.e.probe[: len(rows)]])
    turned = np.concatenate([y[:1], y[1:][::-1] + (y.max() - y[1:][::-1]) * (y.dtype.kind == "f")])
    before = np.asarray(s.e.loss.value(outputs, jnp.asarray(y)))
    after = np.asarray(s.e.loss.value(outputs, jnp.asarray(turned.astype(y.dtype))))
    changed = float(abs(after[0] - before[0]))
    if not changed > 1e-4 * max(abs(float(before[0])), 1e-6):
        return None
    return Evidence(
        0.985, {"change": changed}, "the loss of one example changes with the targets of the others"
    )


@rule(
    "output_loss_mismatch", "the loss reads its argument as something that the last activation does not give"
)
def output_loss_mismatch(s: Subject) -> Evidence | None:
    """Probabilities against logits, outputs that depend on the batch, a range that the loss is not made for."""
    name, last = s.e.loss.name, s.e.last_name
    outputs = s.e.prediction.shape[-1]
    mixed = _mixes(s)
    if mixed > 1e-4:
        return Evidence(
            0.985,
            {"change": mixed},
            "the prediction for an example changes with the other examples beside it",
        )
    if name in LOGITS and last in ("softmax", "sigmoid"):
        return Evidence(
            0.95, {}, f"{name} takes logits, and the network ends in {last}: the activation is applied twice"
        )
    if name in LOGITS and last in ("tanh", "softsign", "relu"):
        return Evidence(
            0.75, {}, f"{name} takes logits, and the network ends in {last}, which gives only part of them"
        )
    if name in PROBABILITIES and last in (
        "relu",
        "tanh",
        "softsign",
        "elu",
        "selu",
        "leaky_relu",
        "softplus",
        "gelu",
    ):
        return Evidence(0.96, {}, f"{name} takes probabilities, and the network ends in {last}")
    if s.e.task == "multilabel" and last == "softmax":
        return Evidence(0.95, {}, "softmax lets one label win, and several hold at once")
    if name in PROBABILITIES and not name.startswith("binary") and last == "sigmoid" and outputs > 1:
        return Evidence(0.3, {}, f"{name} takes one distribution, and sigmoid gives as many numbers apart")
    if name.startswith("binary") and name in PROBABILITIES and last == "softmax" and outputs > 1:
        return Evidence(0.25, {}, f"{name} takes probabilities apart, and softmax gives one distribution")
    return None


@rule("missing_output_activation", "the logarithm of a raw output is not defined below 0")
def missing_output_activation(s: Subject) -> Evidence | None:
    """A loss of probabilities on raw outputs."""
    if s.e.loss.name in PROBABILITIES and s.e.last_name == "linear":
        return Evidence(
            0.97, {}, f"{s.e.loss.name} takes probabilities, and the network ends without an activation"
        )
    return None


@rule("output_activation_range", "what an activation cannot give, no training can reach")
def output_activation_range(s: Subject) -> Evidence | None:
    """Targets outside the range of the output activation."""
    last = s.e.last
    if last is None:
        return None
    if s.e.loss.name in LOGITS and last.name in ("relu", "softplus"):
        return Evidence(0.96, {}, f"logits take any sign, and {last.name} gives none below 0")
    if s.e.loss.name not in DISTANCES + MARGINS + PROBABILITIES or (
        last.name == "softmax" and s.e.prediction.shape[-1] == 1
    ):
        return None
    if s.e.loss.name in MARGINS:
        return None
    low, high = last.range
    y = s.e.y if s.e.y.ndim > 1 else None
    if y is None:
        return None
    width = max(float(y.max() - y.min()), 1e-12)
    outside = float(((y < low - 0.02 * width) | (y > high + 0.02 * width)).mean())
    if outside < 0.01:
        return None
    sure = 0.97 if outside > 0.05 else 0.7
    return Evidence(
        sure, {"share of targets": outside, "least": float(y.min()), "greatest": float(y.max())},
        f"{outside:.0%} of the targets lie outside {last.name}'s range from {low:g} to {high:g}",
    )  # fmt: skip


@rule("wrong_loss", "a distance of probabilities is flat where the network is wrong and sure of it")
def wrong_loss(s: Subject) -> Evidence | None:
    """A loss made for another task."""
    name, outputs = s.e.loss.name, s.e.prediction.shape[-1]
    if s.e.task == "regression" and name in PROBABILITIES + LOGITS + MARGINS:
        y = s.e.y
        apart = y.min() < -0.01 or y.max() > 1.01
        return Evidence(0.95 if apart else 0.5, {}, f"{name} is made for classes, and numbers are predicted")
    if not s.e.classifies:
        return None
    if name == "mean_absolute_error":
        return Evidence(
            0.9,
            {},
            "an absolute error has the same slope for a small mistake and a large one, and gives up rare classes",
        )
    if name in DISTANCES and s.e.last_name in ("softmax", "sigmoid"):
        return Evidence(
            0.89 if outputs > 1 else 0.5,
            {},
            f"{name} of probabilities is flat where the network is wrong and sure of it",
        )
    if name in DISTANCES and s.e.last_name in ("linear", "relu"):
        return Evidence(0.5, {}, f"{name} treats class numbers as quantities")
    if name in MARGINS and s.e.last_name in ("softmax", "sigmoid"):
        return Evidence(0.93, {}, f"{name} wants scores beyond ±1, and {s.e.last_name} gives none")
    return None


@rule("loss_scale", "summed over a batch of B the gradient is B times that of the mean")
def loss_scale(s: Subject) -> Evidence | None:
    """A loss that is summed over the batch."""
    if s.e.loss.reduction != "sum":
        return None
    size = s.e.run.program.batch_size
    plain = getattr(s.e.training.optimizer, "name", "") in ("sgd", "momentum", "nesterov", "gradient_descent")
    return Evidence(
        (0.9 if size >= 16 else 0.6) if plain else 0.75,
        {"batch": size},
        f"the loss is summed over batches of {size}",
    )


# ---------------------------------------------------------------------------------------- the network


@rule("batch_norm_statistics", "what is not updated stays at mean 0 and variance 1, whatever the inputs are")
def batch_norm_statistics(s: Subject) -> Evidence | None:
    """Batch normalisation that keeps no running statistics."""
    if any(isinstance(layer, BatchNorm) and not layer.update_statistics for layer in s.e.network.layers):
        return Evidence(0.97, {}, "in prediction the layer normalises by statistics that it never learnt")
    return None


@rule("frozen_parameters", "a layer that is drawn at random and kept can only be read, not learnt")
def frozen_parameters(s: Subject) -> Evidence | None:
    """Layers with weights that are not trained."""
    frozen = sum(isinstance(layer, Frozen) for layer in s.e.network.layers)
    still = 0
    for i in s.e.maps:
        if isinstance(s.e.network.layers[i], Frozen):
            continue
        before, after = s.e.weights(i), s.e.weights(i, s.run.params)
        still += all(np.array_equal(b, a) for b, a in zip(before, after, strict=True)) and s.e.steps > 5
    if not frozen + still or (still and not frozen):
        return None
    last = isinstance(s.e.network.layers[s.e.maps[-1]], Frozen)
    return Evidence(
        0.97 if last else 0.88,
        {"frozen": frozen, "layers": len(s.e.maps)},
        f"{frozen} of {len(s.e.maps)} layers with weights are frozen",
    )


@rule("constant_init", "units that begin equal get equal gradients and stay equal")
def constant_init(s: Subject) -> Evidence | None:
    """A hidden layer whose units are all alike at the start."""
    for i in s.e.maps[:-1]:
        for w in s.e.weights(i):
            flat = w.reshape(-1, w.shape[-1])
            if flat.shape[1] > 1 and np.ptp(flat, axis=1).max() <= 1e-6 * max(
                float(np.abs(flat).max()), 1e-6
            ):
                name = s.e.network.names[i]
                return Evidence(
                    0.97,
                    {"layer": name, "weight": float(flat.flat[0])},
                    f"the units of {name} all begin with the same weights",
                )
    return None


@rule("hidden_softmax", "its outputs sum to 1: a layer of n units passes on numbers of size 1/n")
def hidden_softmax(s: Subject) -> Evidence | None:
    """A softmax inside the network."""
    count = sum(h.function.name == "softmax" for h in s.e.hidden)
    return Evidence(0.96, {"layers": count}, f"{count} hidden layers end in softmax") if count else None


@rule("bad_init_large", "three times He's spread multiplies by three at every layer")
def bad_init_large(s: Subject) -> Evidence | None:
    """Initial weights or biases far larger than the number of inputs allows."""
    ratio, _, layers = init_ratio(s)
    bias = max((float(np.abs(p["biases"]).max()) for p in s.e.params_start if "biases" in p), default=0.0)
    if layers == 0 or (ratio < 2.5 and bias < 3):
        return None
    sure = 0.5 + 0.25 * math.log10(max(ratio, bias)) + 0.15 * (layers > 1)
    return Evidence(
        min(0.93, sure),
        {"spread / He's": ratio, "largest bias": bias},
        f"the initial weights are {ratio:.3g} times He's",
    )


@rule("bad_init_small", "a tenth of Glorot's spread divides by ten at every layer")
def bad_init_small(s: Subject) -> Evidence | None:
    """Initial weights so small that the signal dies out between the layers."""
    _, ratio, layers = init_ratio(s)
    if not 0 < ratio < 0.15 or layers < 2:
        return None
    sure = 0.94 if ratio < 0.05 else 0.6
    return Evidence(sure, {"spread / Glorot's": ratio}, f"the initial weights are {ratio:.2g} times Glorot's")


@rule("gradient_ascent", "the first step, made small, must bring the loss down")
def gradient_ascent(s: Subject) -> Evidence | None:
    """An update that points up the loss."""
    e = s.e
    state, grads = e.state_start.optimizer, jax.tree.map(jnp.asarray, e.start.grads)
    if not jax.tree.leaves(e.params_start) or not np.isfinite(e.start.loss):
        return None
    update = state.rule.update(grads, state, e.params_start, jnp.zeros(()))
    moved = jax.tree.map(
        lambda new, old, g: float(((new - old) * g).sum()), update.params, e.params_start, grads
    )
    along = sum(jax.tree.leaves(moved))
    if not along > 0:
        return None
    return Evidence(
        0.995, {"slope along the update": along}, "the first update goes up the slope of the loss"
    )


@rule("missing_bias", "without an offset a layer gives 0 for 0")
def missing_bias(s: Subject) -> Evidence | None:
    """Layers without biases where the targets have an offset."""
    bare = [i for i in s.e.maps if getattr(s.e.network.layers[i], "use_biases", True) is False]
    if len(bare) < len(s.e.maps) or not bare:
        return None
    left = (s.e.prediction - s.e.y).mean() if s.e.y.shape == s.e.prediction.shape else np.nan
    return Evidence(
        0.9, {"layers": len(bare), "mean error": float(left)}, f"{len(bare)} layers have no biases"
    )


BEFORE = (*ROWS, *PROGRAM)
"""Every rule that needs no history."""


def _mixes(s: Subject) -> float:
    """How far an example's prediction moves when the examples beside it change."""
    x = s.e.x[s.e.probe[:8]]
    if len(x) < 2 or not np.isfinite(x).all():
        return 0.0
    together = s.e.network.forward(s.run.params, s.run.layer_state, jnp.asarray(x)).outputs[-1]
    alone = s.e.network.forward(s.run.params, s.run.layer_state, jnp.asarray(x[:1])).outputs[-1]
    moved = float(jnp.abs(together[0] - alone[0]).max())
    size = float(jnp.abs(alone).max())
    return moved / max(size, 1e-12) if np.isfinite(moved) else 0.0


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
