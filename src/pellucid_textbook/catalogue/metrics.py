"""Metrics: the quality of a prediction, ties and numbers that are not finite included."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.functions.metrics import Metric, metrics
from pellucid.functions.set_metrics import SetMetric
from pellucid.report.document import Table
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.charts import lines
from pellucid_textbook.page import Content


def classes_of(metric: Metric) -> int:
    """The outputs that a metric is shown with: 0 for an error, 1 for yes or no, else the number of classes."""
    return KIND.texts.get(metric.name, {}).get("classes", 2 if metric.higher_is_better else 0)


def value(metric: Metric, x: Any) -> np.ndarray:
    """The metric of one example whose prediction is x: an error, or the score of the true class."""
    first, classes = jnp.asarray(x, jnp.float32)[:, None], classes_of(metric)
    if classes < 2:
        return np.asarray(metric.value(first, jnp.full_like(first, classes)))
    rest = (
        1 - first if classes == 2 else jnp.broadcast_to(jnp.arange(classes - 1, 0, -1) / 10, (len(first), classes - 1))
    )
    return np.asarray(metric.value(jnp.concatenate([first, rest], axis=1), jnp.zeros(len(first), jnp.int32)))


def _axis(metric: Metric) -> tuple[str, float, float, tuple[float, ...]]:
    """Label, range, and the points that are shown; the third of them is a tie."""
    classes = classes_of(metric)
    if classes == 0:
        return "error", -3, 3, (-1e4, -1.0, 0.0, 1.0, float("nan"))
    if classes > 2:
        top = (classes - 1) / 10
        return f"score, others 0.1 … {top:g}", 0, top + 0.1, (0.0, 0.05, 0.1, 0.2, top + 0.1, float("nan"))
    return "probability of the truth", 0, 1, (0.0, 0.4, 0.5, 0.6, 1.0, float("nan"))


def _of_numbers(metric: Metric) -> bool:
    """Whether a single prediction, of some numbers, has a value."""
    return not (isinstance(metric, SetMetric) or metric.of_sequences)


def _measured(metric: Metric) -> Mapping[str, Content]:
    if not _of_numbers(metric):
        better = "higher" if metric.higher_is_better else "lower"
        needs = metric.needs if isinstance(metric, SetMetric) else "decisions"
        return {"behaviour": {"better is": better, "of": ", ".join(metric.tasks), "computed from": needs}}
    label, low, high, points = _axis(metric)
    x = np.linspace(low, high, 401, dtype=np.float32)
    return {
        "graph": [lines(metric.name, label, "", x, {metric.name: value(metric, x)})],
        "behaviour": {"better is": "higher" if metric.higher_is_better else "lower"},
        "in float32": Table((label, "metric"), list(zip(points, value(metric, points).tolist(), strict=True))),
    }


def _row(metric: Metric) -> Mapping[str, Any]:
    if not _of_numbers(metric):
        return {"better is": "higher" if metric.higher_is_better else "lower", "at a tie": None, "of nan": None}
    tie = _axis(metric)[-1][2]
    return {
        "better is": "higher" if metric.higher_is_better else "lower",
        "at a tie": float(value(metric, [tie])[0]),
        "of nan": float(value(metric, [np.nan])[0]),
    }


KIND = Kind(metrics, _measured, _row)
