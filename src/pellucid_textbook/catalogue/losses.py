"""Losses: value and gradient along one prediction, and what a large error does to them (subject 5)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.functions.losses import Loss, PerOutput, losses
from pellucid.functions.metrics import default_metric
from pellucid.report.figures import COLOURS, STYLES
from pellucid_textbook.catalogue.kind import Kind, Text
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Formulas, Range, Table
from pellucid_textbook.catalogue.plots import draw_family, new_figure, tidy

TEXTS = {
    "mean_squared_error": Text(
        "Smooth; its gradient shrinks with the error, so descent settles; the mean is its best constant.",
        "Errors count squared: a few outliers rule it; poor for probabilities.",
        "Regression without outliers; reconstruction.",
        "5.1, 5.9",
        "Legendre, 1805; Gauss, 1809.",
    ),
    "mean_absolute_error": Text(
        "Robust: every error pulls alike, however large; the median is its best constant.",
        "Not differentiable at 0; the gradient stays 1 near the end, so descent swings around it.",
        "Regression with outliers.",
        "5.2",
        "Boscovich, 1757; Laplace, 1774.",
    ),
    "huber": Text(
        "Smooth near 0 as squares, robust far away as absolute values.",
        "δ must be chosen in the units of the target.",
        "Regression with some outliers; reinforcement learning.",
        "5.3",
    ),
    "log_cosh": Text(
        "Like Huber's, with all derivatives; no number to choose.",
        "The scale at which it turns linear is fixed at about 1; costs an exponential and a logarithm.",
        "Regression with some outliers.",
        "5.4",
        "Green, Iteratively reweighted least squares, 1990.",
    ),
    "binary_cross_entropy": Text(
        "The likelihood of a yes or no; the gradient of a confident mistake is large.",
        "Infinite at a certain mistake, so probabilities are clipped; sensitive to wrong labels.",
        "Binary and multi-label classifiers with a sigmoid; reconstruction of black-and-white images.",
        "5.5, 5.9",
        "Good, Rational decisions, 1952.",
    ),
    "categorical_cross_entropy": Text(
        "The likelihood of the true class; with softmax the gradient on the logits is simply ŷ − y.",
        "One-hot targets take a number a class; infinite at a certain mistake, so it is clipped.",
        "Multi-class classifiers with a softmax.",
        "5.6",
        "Bridle, Probabilistic interpretation of feedforward classification network outputs, 1990.",
    ),
    "sparse_categorical_cross_entropy": Text(
        "The same loss from integer labels: one number an example.",
        "No soft labels.",
        "Multi-class classifiers with a softmax; many classes, words.",
        "5.7",
        "As for categorical_cross_entropy.",
    ),
    "kl_divergence": Text(
        "Distance of a distribution from a target distribution, 0 where they agree.",
        "Not symmetric; infinite where ŷ is 0 and y is not.",
        "Soft labels, distillation, variational autoencoders, sparsity.",
        "5.8",
    ),
    "wasserstein": Text(
        "Its gradient never vanishes, however well the critic tells real from generated: against mode collapse.",
        "Unbounded; means a distance only if the critic is kept Lipschitz by clipping or a penalty.",
        "The critic and generator of a WGAN.",
        "5.10",
    ),
    "sigmoid_binary_cross_entropy": Text(
        "Exact from logits: no clipping, gradient σ(z) − y for any z.",
        "Predictions are logits, not probabilities.",
        "What a sigmoid output with binary_cross_entropy is trained by.",
        "5.5",
        "As for binary_cross_entropy.",
    ),
    "softmax_cross_entropy": Text(
        "Exact from logits: no clipping, gradient softmax(z) − y for any z.",
        "Predictions are logits, not probabilities.",
        "What a softmax output with categorical_cross_entropy is trained by.",
        "5.6",
        "As for categorical_cross_entropy.",
    ),
    "sparse_softmax_cross_entropy": Text(
        "Exact from logits, with integer labels.",
        "Predictions are logits, not probabilities.",
        "What a softmax output with sparse_categorical_cross_entropy is trained by.",
        "5.7",
        "As for categorical_cross_entropy.",
    ),
    "hinge": Text(
        "Examples beyond the margin cost nothing: few of them decide.",
        "A kink at the margin; its scores are no probabilities; labels must be ±1.",
        "Maximum-margin classifiers.",
        "5",
    ),
    "squared_hinge": Text(
        "As the hinge, without its kink.",
        "Outliers count squared; scores are no probabilities.",
        "Maximum-margin classifiers.",
        "5",
        "As for hinge.",
    ),
}


@dataclass(frozen=True)
class Probe:
    """One prediction that is varied while the target stays.

    Attributes:
        label: of the horizontal axis.
        low: of the graph.
        high: of the graph.
        points: where values are shown.
        target: the target of that prediction; of a distribution the share of the first class.
        pair: the prediction beside it: "rest" for probabilities (p, 1 − p), "zero" for logits (z, 0), "" for none.
        range: of the loss.
    """

    label: str
    low: float
    high: float
    points: tuple[float, ...]
    target: float
    pair: str = ""
    range: Range = Range(0, math.inf, True)


ERROR = Probe("error ŷ − y", -4, 4, (0.0, 1e-30, 0.5, 1.0, 10.0, 1e4, 1e30), 0.0)
PROBABILITY = Probe("probability ŷ of what is true", 0.01, 1, (0.0, 1e-30, 1e-7, 0.1, 0.5, 0.9, 1.0), 1.0)
LOGIT = Probe("logit z of what is true", -6, 6, (-1e4, -88.0, -1.0, 0.0, 1.0, 88.0, 1e4), 1.0)
SCORE = Probe("score ŷ, target y = 1", -4, 4, (-1e4, -1.0, 0.0, 1.0, 2.0, 1e4), 1.0)
SHARES = Probe("share ŷ₁ of the first class, target (0.7, 0.3)", 0.01, 0.99, (0.0, 0.3, 0.7, 0.9, 1.0), 0.7, "rest")

PROBES = {
    "binary_cross_entropy": PROBABILITY,
    "sigmoid_binary_cross_entropy": LOGIT,
    "categorical_cross_entropy": Probe(**{**vars(PROBABILITY), "pair": "rest"}),
    "sparse_categorical_cross_entropy": Probe(**{**vars(PROBABILITY), "pair": "rest"}),
    "softmax_cross_entropy": Probe(**{**vars(LOGIT), "pair": "zero"}),
    "sparse_softmax_cross_entropy": Probe(**{**vars(LOGIT), "pair": "zero"}),
    "kl_divergence": SHARES,
    "wasserstein": Probe(**{**vars(SCORE), "range": Range(-math.inf, math.inf)}),
    "hinge": SCORE,
    "squared_hinge": SCORE,
}
"""Losses that are not functions of the error alone."""


POINTS = 401
"""Of a graph."""


def probe_of(loss: Loss) -> Probe:
    """What is varied to measure a loss."""
    return PROBES.get(loss.name, ERROR)


def value_and_gradient(loss: Loss, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """The loss of one example and its gradient on the varied prediction, for each number of x, in float32."""
    probe = probe_of(loss)
    count = len(x)
    first = jnp.asarray(np.resize(np.asarray(x, np.float32), POINTS))[:, None]  # one shape: each is compiled once
    second = {"": None, "rest": 1 - first, "zero": jnp.zeros_like(first)}[probe.pair]
    prediction = first if second is None else jnp.concatenate([first, second], axis=1)
    if loss.target_kind == "classes":
        target = jnp.zeros(len(first), jnp.int32)
    else:
        row = jnp.array([probe.target] if second is None else [probe.target, 1 - probe.target])
        target = jnp.broadcast_to(row, prediction.shape)
    value, gradient = loss.value(prediction, target), loss.gradient(prediction, target)
    return np.asarray(value)[:count], np.asarray(gradient)[:count, 0]


def facts(loss: Loss) -> Facts:
    """What a loss takes, how it is put together, and what a large error does."""
    probe = probe_of(loss)
    known: dict[str, Any] = {
        "range": probe.range,
        "target": {
            "numbers": "numbers, of the shape of the prediction",
            "one_hot": "one-hot or a distribution, of the shape of the prediction",
            "classes": "integer labels, one an example",
        }[loss.target_kind],
        "over the examples": loss.reduction,
    }
    if isinstance(loss, PerOutput):
        known["over the outputs"] = loss.over_outputs
    if probe is ERROR:
        near, far = value_and_gradient(loss, [1.0, 100.0])[1]
        known["pull of an error of 100"] = f"{float(far / near):.4g} times that of an error of 1"
        small, large = value_and_gradient(loss, [1e4, 2e4])[0]
        known["growth"] = f"an error twice as large costs {float(large / small):.4g} times as much, far out"
        known["gradient at error 0"] = float(value_and_gradient(loss, [0.0])[1][0])
    for fused in map(losses.find, losses):
        if fused.activation is not None and fused.of_probabilities is type(loss):
            known[f"after a {fused.activation.name}"] = f"one stable step, {fused.name}"
    known["metric beside it"] = default_metric(loss).name
    return Facts(known)


def _formulas(loss: Loss) -> Formulas:
    return Formulas({"L": loss.formula.text, "∂L/∂ŷ": loss.gradient_formula.text})


def _measured(loss: Loss) -> Mapping[str, Content]:
    probe = probe_of(loss)
    x = np.linspace(probe.low, probe.high, POINTS, dtype=np.float32)
    value, gradient = value_and_gradient(loss, x)
    values, gradients = (map(float, part) for part in value_and_gradient(loss, probe.points))
    heading = probe.label.split(" of ")[0].split(",")[0]
    return {
        "graph": (Curve("loss", probe.label, x, value), Curve("gradient", probe.label, x, gradient)),
        "behaviour": facts(loss),
        "in float32": Table((heading, "loss", "gradient"), tuple(zip(probe.points, values, gradients, strict=True))),
    }


def _row(loss: Loss) -> Mapping[str, Any]:
    known = facts(loss)
    value, gradient = _formulas(loss).values()
    return {
        "formula": value,
        "gradient": gradient,
        "range": known["range"],
        "target": loss.target_kind.replace("_", "-"),
        "over examples": loss.reduction,
        "pull of 100 / 1": known.get("pull of an error of 100", "–").split(" ")[0],
    }


def _draw(items: Mapping[str, Loss]) -> Any:
    figure = new_figure((11.5, 8.6))
    top, bottom = figure.subfigures(2, 1, height_ratios=[3.4, 5.2])
    of_error = {name: loss for name, loss in items.items() if probe_of(loss) is ERROR}
    e = np.linspace(ERROR.low, ERROR.high, POINTS, dtype=np.float32)
    curves = {name: value_and_gradient(loss, e) for name, loss in of_error.items()}
    for part, (axes, title) in enumerate(zip(top.subplots(1, 2), ("loss", "gradient"), strict=True)):
        for number, (name, pair) in enumerate(curves.items()):
            look = {"color": COLOURS[number % len(COLOURS)], "ls": STYLES[number % len(STYLES)], "lw": 2}
            axes.plot(e, pair[part], label=name, **look)
        axes.set(title=f"{title} against the error", xlabel=ERROR.label, ylim=((0, 8), (-3, 3))[part])
        tidy(axes)
    top.axes[0].legend(frameon=False)
    across, pairs, limits = {}, {}, {}
    for name, loss in items.items():
        if name not in of_error:
            probe = probe_of(loss)
            across[name] = np.linspace(probe.low, probe.high, POINTS, dtype=np.float32)
            pairs[name] = value_and_gradient(loss, across[name])
            limits |= {name: (-10, 6)} if probe.label.startswith(("probability", "share")) else {}
    label = "probability or logit of what is true; for margins and critics the score"
    draw_family(bottom, label, across, pairs, limits)
    return figure


KIND = Kind(
    name="losses",
    title="Losses: what training makes small",
    registry=losses,
    texts=TEXTS,
    formulas=_formulas,
    measured=_measured,
    row=_row,
    draw=_draw,
)
