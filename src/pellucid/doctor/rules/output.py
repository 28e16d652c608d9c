"""What can be said of output, loss and target before a single step: most is certain whatever the seed."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

from pellucid.doctor.findings import counted, percent
from pellucid.doctor.losses import has_constant_gradient, is_distance
from pellucid.doctor.rule import CERTAIN, CLEAR, EVEN, FAINT, FAIR, OPEN, STRONG, WEAK, Evidence, Limit, rule
from pellucid.doctor.subject import Subject
from pellucid.functions.activations import Elementwise

ROUNDING = Limit(1e-4, "of its size: single precision and another order of sums move a number by 1e-6")


@rule(
    "single_unit_softmax",
    "program",
    meaning="softmax over one unit is always 1",
    about="A softmax over one unit divides a number by itself: the output is 1 whatever the input, and its gradient "
    "is 0.",
    formula="e^z / e^z = 1",
    alike="A frozen network: the loss does not move at all.",
    reason="e^z / e^z = 1 for every z",
    remedies=("sigmoid output", "linear output"),
)
def single_unit_softmax(s: Subject) -> Evidence | None:
    """A softmax whose output has one unit."""
    if s.e.outputs == 1 and s.e.last is not None and not isinstance(s.e.last, Elementwise):
        return Evidence(CERTAIN, {"units": 1}, "the output is 1 whatever the input")
    return None


@rule(
    "wrong_output_size",
    "program",
    meaning="the outputs are not as many as the classes",
    about="The network has fewer outputs than there are classes, or other than the targets have columns. A class "
    "without a unit can never be named.",
    alike="Under-capacity, since some classes are never learnt.",
    reason="a class without a unit can never be named",
    remedies=("one unit a class",),
)
def wrong_output_size(s: Subject) -> Evidence | None:
    """Outputs that are not as many as the classes or targets."""
    outputs = s.e.outputs
    wanted = len(s.e.run.facts.classes) if s.e.task == "multiclass" else s.e.y.shape[-1]
    if outputs == wanted or (s.e.task == "multiclass" and outputs == 1 and wanted == 2):
        return None
    if s.e.reads == "margins" and wanted <= 2:
        return None
    numbers = {"outputs": outputs, "wanted": wanted}
    because = f"{counted(outputs, 'output')} for {wanted} classes or targets"
    return Evidence(CLEAR if outputs < wanted else OPEN, numbers, because)


@rule(
    "target_shape",
    "program",
    meaning="every output is compared with every target",
    about="Targets of shape (n,) against outputs of shape (n, 1) are broadcast to a table of n by n: every output is "
    "compared with every target. The best answer is then the mean of the targets for each row.",
    alike="Under-capacity and a rate that is too low: the network only learns the mean.",
    reason="each example's loss must be its own, made of its own target alone",
    remedies=("targets of the outputs' shape",),
)
def target_shape(s: Subject) -> Evidence | None:
    """A loss that compares every output of a batch with every target of it."""
    rows = max((*s.e.output_shape, *s.e.y.shape[1:])) + 2  # a number that no other axis has

    def batch(shape: tuple[int, ...], dtype: Any) -> Any:
        return jax.ShapeDtypeStruct((rows, *shape), dtype)

    outputs, targets = batch(s.e.output_shape, jnp.float32), batch(s.e.y.shape[1:], s.e.y.dtype)
    traced = jax.make_jaxpr(s.e.loss.value)(outputs, targets)
    crossed = next((shape for shape in _shapes(traced.jaxpr) if shape.count(rows) > 1), None)
    if crossed is None:
        return None
    size = " by ".join(map(str, crossed))
    because = f"the loss of {rows} examples is made of a table of {size} numbers: each output is compared with the "
    return Evidence(CERTAIN, {}, f"{because}targets of all")


@rule(
    "output_loss_mismatch",
    "probe",
    meaning="the last activation and the loss do not belong together",
    about="The loss reads its argument as something that the last activation does not give: probabilities taken for "
    "logits, a softmax over the wrong axis, several labels that have to share one sum of 1.",
    alike="A missing output activation; a loss that is made for another task.",
    reason="the loss reads its argument as something that the last activation does not give",
    remedies=("the output the loss asks for", "a fitting loss"),
    changed=ROUNDING,
)
def output_loss_mismatch(s: Subject, changed: float) -> Evidence | None:
    """Probabilities against logits, outputs that depend on the batch, a range that the loss is not made for."""
    name, last, reads = s.e.loss.name, s.e.last_name, s.e.reads
    moved = _depends_on_batch(s)
    if moved > changed:
        because = "the prediction for an example changes with the other examples beside it"
        return Evidence(CERTAIN, {"change": moved}, because)
    if s.e.last is None or last == "linear":
        return None
    (low, high), together = s.e.last.range, not isinstance(s.e.last, Elementwise)
    squashed, apart, several = low >= 0 and high <= 1, s.e.loss.target_kind == "numbers", s.e.outputs > 1
    logits, probabilities = reads == "logits", reads == "probabilities"
    cases = (
        (logits and squashed, CLEAR, f"{name} takes logits, and the network ends in {last}: it is applied twice"),
        (logits and (low >= 0 or np.isfinite(high)), FAIR, f"{name} takes logits, and {last} gives only part of them"),
        (probabilities and not squashed, CLEAR, f"{name} takes probabilities, and the network ends in {last}"),
        (s.e.task == "multilabel" and together, CLEAR, f"{last} lets one label win, and several hold at once"),
        (
            probabilities and not apart and squashed and not together and several,
            WEAK,
            f"{name} takes one distribution, and {last} gives as many numbers apart",
        ),
        (
            probabilities and apart and together and several,
            FAINT,
            f"{name} takes probabilities apart, and {last} gives one distribution",
        ),
    )
    return next((Evidence(strength, {}, because) for holds, strength, because in cases if holds), None)


@rule(
    "missing_output_activation",
    "program",
    meaning="a loss of probabilities gets raw outputs",
    about="A loss of probabilities is given raw outputs. Their logarithm is not defined below 0, and where they are "
    "clipped there the gradient is 0.",
    alike="A rate that is too high, which leaves NaN or a loss that stands still as well.",
    reason="the logarithm of a raw output is not defined below 0",
    remedies=("softmax or sigmoid output", "the loss of logits"),
)
def missing_output_activation(s: Subject) -> Evidence | None:
    """A loss of probabilities on raw outputs."""
    if s.e.reads == "probabilities" and s.e.last_name == "linear":
        because = f"{s.e.loss.name} takes probabilities, and the network ends without an activation"
        return Evidence(CLEAR, {}, because)
    return None


@rule(
    "output_activation_range",
    "program",
    meaning="the output activation cannot reach the targets",
    about="The last activation cannot give the values of the targets: a sigmoid ends at 1, tanh at −1 and 1, a "
    "rectifier gives nothing below 0. What lies outside can never be reached.",
    alike="Under-capacity: the loss stops at a floor as well.",
    reason="what an activation cannot give, no training can reach",
    remedies=("linear output", "scale the targets into the range"),
    beyond=Limit(0.02, "of the targets' width: a target on the edge is as good as reached"),
    outliers=Limit(0.01, "of the targets: fewer may be outliers"),
    many=Limit(0.05, "of the targets: so many are no outliers"),
)
def output_activation_range(s: Subject, beyond: float, outliers: float, many: float) -> Evidence | None:
    """Targets outside the range of the output activation."""
    last, y = s.e.last, s.e.y
    if last is None or (s.e.outputs == 1 and not isinstance(last, Elementwise)):
        return None
    low, high = last.range
    if s.e.reads == "logits" and low >= 0 and not np.isfinite(high):
        return Evidence(CLEAR, {}, f"logits take any sign, and {last.name} gives none below 0")
    if not (is_distance(s.e.loss) or s.e.reads == "probabilities") or y.ndim < 2:
        return None
    width = max(float(y.max() - y.min()), 1e-12)
    outside = float(((y < low - beyond * width) | (y > high + beyond * width)).mean())
    if outside < outliers:
        return None
    return Evidence(
        CLEAR if outside > many else FAIR,
        {"fraction of targets": outside, "least": float(y.min()), "greatest": float(y.max())},
        f"{percent(outside)} of the targets lie outside {last.name}'s range from {low:g} to {high:g}",
    )


@rule(
    "wrong_loss",
    "program",
    meaning="the loss does not suit the task",
    about="The loss does not suit the task: a squared error of probabilities is flat where the network is wrong and "
    "sure of it; a cross-entropy of numbers that are no probabilities has no minimum at them.",
    alike="A rate that is too low, since the gradients are small; an output that does not fit the loss.",
    reason="a distance of probabilities is flat where the network is wrong and sure of it",
    remedies=("cross-entropy", "squared error"),
    rounded=Limit(0.01, "beyond 0 and 1: probabilities that were rounded still pass for some"),
)
def wrong_loss(s: Subject, rounded: float) -> Evidence | None:
    """A loss made for another task."""
    name, last, y, reads = s.e.loss.name, s.e.last_name, s.e.y, s.e.reads
    if s.e.task == "regression" and reads in ("probabilities", "logits", "margins"):
        beyond = y.min() < -rounded or y.max() > 1 + rounded
        return Evidence(CLEAR if beyond else EVEN, {}, f"{name} is made for classes, and numbers are predicted")
    if not s.e.classifies:
        return None
    low, high = (-np.inf, np.inf) if s.e.last is None else s.e.last.range
    squashed, plain = low >= 0 and high <= 1, last == "linear" or (low >= 0 and not np.isfinite(high))
    distance = is_distance(s.e.loss)
    cases = (
        (
            distance and has_constant_gradient(s.e.loss),
            STRONG,
            "an absolute error has the same gradient for a small mistake and a large one, and gives up rare classes",
        ),
        (
            distance and squashed,
            STRONG if s.e.outputs > 1 else EVEN,
            f"{name} of probabilities is flat where the network is wrong and sure of it",
        ),
        (distance and plain, EVEN, f"{name} treats class numbers as quantities"),
        (reads == "margins" and squashed, STRONG, f"{name} wants scores beyond ±1, and {last} gives none"),
    )
    return next((Evidence(strength, {}, because) for holds, strength, because in cases if holds), None)


@rule(
    "loss_scale",
    "program",
    meaning="the loss is summed where it should be averaged",
    about="The loss is summed over the batch where it should be averaged. The gradient is as many times larger as the "
    "batch has rows, and so is the step.",
    formula="∇ Σᵢ Lᵢ = B · ∇ (1/B) Σᵢ Lᵢ",
    alike="A rate that is too high: divided by the batch size it may be right.",
    reason="summed over a batch of B the gradient is B times that of the mean",
    remedies=("mean instead of sum",),
    large=Limit(16, "rows: from there on the step is more than ten times the one that was meant"),
)
def loss_scale(s: Subject, large: float) -> Evidence | None:
    """A loss that is summed over the batch."""
    if s.e.loss.reduction != "sum":
        return None
    size = s.e.run.program.batch_size
    plain = getattr(s.e.training.optimizer, "name", "") in ("sgd", "momentum", "nesterov", "gradient_descent")
    # Of plain descent the sum is the rate times the batch: what a smaller rate gains, the mean gains.
    strength = (CLEAR if size >= large else OPEN) if plain else FAIR
    return Evidence(strength, {"batch": size}, f"the loss is summed over batches of {size}")


def _depends_on_batch(s: Subject) -> float:
    """How far an example's prediction moves when other examples stand beside it."""
    e = s.e
    if len(e.x) < 2 or not np.isfinite(e.x[0]).all() or not (e.compiles or _is_custom(e.network)):
        return 0.0
    alone = e.predict(np.asarray(e.training.train.x)[e.sample[:1]])[0]
    moved, size = float(np.abs(e.prediction[0] - alone).max()), float(np.abs(alone).max())
    return moved / max(size, 1e-12) if np.isfinite(moved) else 0.0


def _is_custom(network: Any) -> bool:
    """Whether a layer or an activation is not pellucid's, whose predictions depend on one example at a time."""
    parts = (part for layer in network.layers for part in (layer, getattr(layer, "function", layer)))
    return any(type(part).__module__.partition(".")[0] != "pellucid" for part in parts)


def _shapes(jaxpr: Any) -> Iterator[tuple[int, ...]]:
    """Of all that a traced function makes, the functions that it calls too."""
    for equation in jaxpr.eqns:
        yield from (made.aval.shape for made in equation.outvars)
        for inner in jaxprs_in_params(equation.params):
            yield from _shapes(inner)
