"""What can be said of output, loss and target before a single step: most is certain whatever the seed."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

from pellucid.doctor.examination import DISTANCES, LOGITS, MARGINS, PROBABILITIES
from pellucid.doctor.findings import percent, sample_mask
from pellucid.doctor.limits import Limit
from pellucid.doctor.rule import Evidence, Rule, Subject, table_of

PROGRAM: list[Rule] = []
"""Rules that read the match of output activation, loss and target."""
rule = table_of(PROGRAM)

BENT = ("relu", "tanh", "softsign", "elu", "selu", "leaky_relu", "softplus", "gelu")
"""Activations that give neither probabilities nor any number."""
ROUNDING = Limit(1e-4, "of its size: single precision and another order of sums move a number by 1e-6")


@rule("single_unit_softmax", "e^z / e^z = 1 for every z")
def single_unit_softmax(s: Subject) -> Evidence | None:
    """A softmax whose output has one unit."""
    if s.e.last_name == "softmax" and s.e.outputs == 1:
        return Evidence(0.985, {"units": 1}, "the output is 1 whatever the input")
    return None


@rule("wrong_output_size", "a class without a unit can never be named")
def wrong_output_size(s: Subject) -> Evidence | None:
    """Outputs that are not as many as the classes or targets."""
    outputs = s.e.outputs
    wanted = len(s.e.run.facts.classes) if s.e.task == "multiclass" else s.e.y.shape[-1]
    if outputs == wanted or (s.e.task == "multiclass" and outputs == 1 and wanted == 2):
        return None
    if s.e.loss.name in MARGINS and wanted <= 2:
        return None
    sure = 0.97 if outputs < wanted else 0.6
    return Evidence(
        sure,
        {"outputs": outputs, "wanted": wanted},
        f"{sample_mask(outputs, 'output')} for {wanted} classes or targets",
    )


@rule("target_shape", "each example's loss must be its own, made of its own target alone")
def target_shape(s: Subject) -> Evidence | None:
    """A loss that holds every output of a batch against every target of it."""
    rows = max((*s.e.output_shape, *s.e.y.shape[1:])) + 2  # a number that no other axis has

    def given(like: tuple[int, ...], dtype: Any) -> Any:
        return jax.ShapeDtypeStruct((rows, *like), dtype)

    outputs = given(s.e.output_shape, jnp.float32)
    made = jax.make_jaxpr(s.e.loss.value)(outputs, given(s.e.y.shape[1:], s.e.y.dtype))
    crossed = [shape for shape in _shapes(made.jaxpr) if shape.count(rows) > 1]
    if not crossed:
        return None
    said = f"the loss of {rows} examples is made of a table of {' by '.join(map(str, crossed[0]))} numbers"
    return Evidence(0.985, {}, f"{said}: each output is held against the targets of all")


@rule(
    "output_loss_mismatch",
    "the loss reads its argument as something that the last activation does not give",
    changed=ROUNDING,
)
def output_loss_mismatch(s: Subject, changed: float) -> Evidence | None:
    """Probabilities against logits, outputs that depend on the batch, a range that the loss is not made for."""
    name, last = s.e.loss.name, s.e.last_name
    mixed = _mixes(s)
    if mixed > changed:
        said = "the prediction for an example changes with the other examples beside it"
        return Evidence(0.985, {"change": mixed}, said)
    binary = name.startswith("binary")
    pairs = (
        (
            name in LOGITS and last in ("softmax", "sigmoid"),
            0.95,
            f"{name} takes logits, and the network ends in {last}: the activation is applied twice",
        ),
        (
            name in LOGITS and last in ("tanh", "softsign", "relu"),
            0.75,
            f"{name} takes logits, and the network ends in {last}, which gives only part of them",
        ),
        (name in PROBABILITIES and last in BENT, 0.96, f"{name} takes probabilities, and the network ends in {last}"),
        (s.e.task == "multilabel" and last == "softmax", 0.95, "softmax lets one label win, and several hold at once"),
        (
            name in PROBABILITIES and not binary and last == "sigmoid" and s.e.outputs > 1,
            0.3,
            f"{name} takes one distribution, and sigmoid gives as many numbers apart",
        ),
        (
            name in PROBABILITIES and binary and last == "softmax" and s.e.outputs > 1,
            0.25,
            f"{name} takes probabilities apart, and softmax gives one distribution",
        ),
    )
    return next((Evidence(sure, {}, said) for holds, sure, said in pairs if holds), None)


@rule("missing_output_activation", "the logarithm of a raw output is not defined below 0")
def missing_output_activation(s: Subject) -> Evidence | None:
    """A loss of probabilities on raw outputs."""
    if s.e.loss.name in PROBABILITIES and s.e.last_name == "linear":
        said = f"{s.e.loss.name} takes probabilities, and the network ends without an activation"
        return Evidence(0.97, {}, said)
    return None


@rule(
    "output_activation_range",
    "what an activation cannot give, no training can reach",
    beyond=Limit(0.02, "of the targets' width: a target on the edge is as good as reached"),
    share=Limit(0.01, "of the targets: fewer may be outliers"),
    many=Limit(0.05, "of the targets: so many are no outliers"),
)
def output_activation_range(s: Subject, beyond: float, share: float, many: float) -> Evidence | None:
    """Targets outside the range of the output activation."""
    last, name = s.e.last, s.e.loss.name
    if last is None or (last.name == "softmax" and s.e.outputs == 1):
        return None
    if name in LOGITS and last.name in ("relu", "softplus"):
        return Evidence(0.96, {}, f"logits take any sign, and {last.name} gives none below 0")
    if name not in DISTANCES + PROBABILITIES or s.e.y.ndim < 2:
        return None
    (low, high), y = last.range, s.e.y
    width = max(float(y.max() - y.min()), 1e-12)
    outside = float(((y < low - beyond * width) | (y > high + beyond * width)).mean())
    if outside < share:
        return None
    return Evidence(
        0.97 if outside > many else 0.7,
        {"share of targets": outside, "least": float(y.min()), "greatest": float(y.max())},
        f"{percent(outside)} of the targets lie outside {last.name}'s range from {low:g} to {high:g}",
    )


@rule("wrong_loss", "a distance of probabilities is flat where the network is wrong and sure of it")
def wrong_loss(s: Subject) -> Evidence | None:
    """A loss made for another task."""
    name, last, y = s.e.loss.name, s.e.last_name, s.e.y
    if s.e.task == "regression" and name in PROBABILITIES + LOGITS + MARGINS:
        apart = y.min() < -0.01 or y.max() > 1.01
        return Evidence(0.95 if apart else 0.5, {}, f"{name} is made for classes, and numbers are predicted")
    if not s.e.classifies:
        return None
    squashed, plain = last in ("softmax", "sigmoid"), last in ("linear", "relu")
    pairs = (
        (
            name == "mean_absolute_error",
            0.9,
            "an absolute error has the same gradient for a small mistake and a large one, and gives up rare classes",
        ),
        (
            name in DISTANCES and squashed,
            0.89 if s.e.outputs > 1 else 0.5,
            f"{name} of probabilities is flat where the network is wrong and sure of it",
        ),
        (name in DISTANCES and plain, 0.5, f"{name} treats class numbers as quantities"),
        (name in MARGINS and squashed, 0.93, f"{name} wants scores beyond ±1, and {last} gives none"),
    )
    return next((Evidence(sure, {}, said) for holds, sure, said in pairs if holds), None)


@rule(
    "loss_scale",
    "summed over a batch of B the gradient is B times that of the mean",
    large=Limit(16, "rows: from there on the step is more than ten times the one that was meant"),
)
def loss_scale(s: Subject, large: float) -> Evidence | None:
    """A loss that is summed over the batch."""
    if s.e.loss.reduction != "sum":
        return None
    size = s.e.run.program.batch_size
    plain = getattr(s.e.training.optimizer, "name", "") in ("sgd", "momentum", "nesterov", "gradient_descent")
    # Of plain descent the sum is the rate times the batch: what a smaller rate gains, the mean gains.
    sure = (0.96 if size >= large else 0.6) if plain else 0.75
    return Evidence(sure, {"batch": size}, f"the loss is summed over batches of {size}")


def _mixes(s: Subject) -> float:
    """How far an example's prediction moves when other examples stand beside it."""
    e = s.e
    if len(e.x) < 2 or not np.isfinite(e.x[0]).all() or not (e.looks or _of_ones_own(e.network)):
        return 0.0
    alone = e.predict(np.asarray(e.training.train.x)[e.sample[:1]])[0]
    moved, size = float(np.abs(e.prediction[0] - alone).max()), float(np.abs(alone).max())
    return moved / max(size, 1e-12) if np.isfinite(moved) else 0.0


def _of_ones_own(network: Any) -> bool:
    """Whether a layer or an activation is not pellucid's, whose predictions look at one example at a time."""
    parts = (part for layer in network.layers for part in (layer, getattr(layer, "function", layer)))
    return any(type(part).__module__.partition(".")[0] != "pellucid" for part in parts)


def _shapes(jaxpr: Any) -> Iterator[tuple[int, ...]]:
    """Of all that a traced function makes, the functions that it calls too."""
    for equation in jaxpr.eqns:
        yield from (made.aval.shape for made in equation.outvars)
        for inner in jaxprs_in_params(equation.params):
            yield from _shapes(inner)
