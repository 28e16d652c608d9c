"""Metrics: what is said of a prediction, ties and numbers that are not finite included."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.functions.metrics import Metric, metrics
from pellucid_textbook.catalogue.kind import Kind, Text
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Formulas, Table

TEXTS = {
    "accuracy": Text(
        "What people ask: the share that is right.",
        "Says nothing of rare classes, nor how sure a prediction was; has no gradient to train by.",
        "Multi-class classifiers.",
        "3.6",
        "Convention.",
    ),
    "top_5_accuracy": Text(
        "Forgives confusions among many similar classes.",
        "Meaningless for few classes.",
        "ImageNet and other tasks of many classes.",
        "3.6",
        "Convention; Russakovsky and others, ImageNet, 2015.",
    ),
    "binary_accuracy": Text(
        "The share of right yes or no.",
        "On rare events always saying no looks good; depends on the threshold.",
        "Binary and multi-label classifiers.",
        "3.6",
        "Convention.",
    ),
    "mean_squared_error": Text(
        "Smooth; comparable to the loss.",
        "In squared units; ruled by outliers.",
        "Regression.",
        "5.1",
        "As the loss of that name.",
    ),
    "mean_absolute_error": Text(
        "In the units of the target: how far off, on average.",
        "Hides rare large errors.",
        "Regression.",
        "5.2",
        "As the loss of that name.",
    ),
}

OTHERS = (0.5, 0.4, 0.3, 0.2, 0.1)
"""Scores of the five other classes of a metric that needs six."""


def value(metric: Metric, x: Any) -> np.ndarray:
    """The metric of one example whose prediction is x: an error, or the probability of the true class."""
    first = jnp.asarray(x, jnp.float32)[:, None]
    if metric.name == "binary_accuracy":
        return np.asarray(metric.value(first, jnp.ones_like(first)))
    if metric.name.endswith("error"):
        return np.asarray(metric.value(first, jnp.zeros_like(first)))
    rest = jnp.broadcast_to(jnp.array(OTHERS), (len(first), 5)) if "5" in metric.name else 1 - first
    return np.asarray(metric.value(jnp.concatenate([first, rest], axis=1), jnp.zeros(len(first), jnp.int32)))


def _axis(metric: Metric) -> tuple[str, float, float, tuple[float, ...]]:
    if metric.name.endswith("error"):
        return "error", -3, 3, (-1e4, -1.0, 0.0, 1.0, float("nan"))
    if "5" in metric.name:
        return "score, others 0.1 … 0.5", 0, 0.6, (0.05, 0.1, 0.2, 0.6, float("nan"))
    return "probability of what is true", 0, 1, (0.0, 0.4, 0.5, 0.6, 1.0, float("nan"))


def _formulas(metric: Metric) -> Formulas:
    return Formulas({"of an example": metric.formula.text})


def _measured(metric: Metric) -> Mapping[str, Content]:
    label, low, high, points = _axis(metric)
    x = np.linspace(low, high, 401, dtype=np.float32)
    return {
        "graph": (Curve(metric.name, label, x, value(metric, x)),),
        "behaviour": Facts({"better is": "higher" if metric.higher_is_better else "lower"}),
        "in float32": Table((label, "metric"), tuple(zip(points, value(metric, points).tolist(), strict=True))),
    }


def _row(metric: Metric) -> Mapping[str, Any]:
    *_, points = _axis(metric)
    tie = {"accuracy": 0.5, "binary_accuracy": 0.5, "top_5_accuracy": 0.1}.get(metric.name, points[2])
    return {
        "formula": _formulas(metric)["of an example"],
        "better is": "higher" if metric.higher_is_better else "lower",
        "at a tie": float(value(metric, [tie])[0]),
        "of nan": float(value(metric, [np.nan])[0]),
    }


KIND = Kind(
    name="metrics",
    title="Metrics: how good a prediction is",
    registry=metrics,
    texts=TEXTS,
    formulas=_formulas,
    measured=_measured,
    row=_row,
)
