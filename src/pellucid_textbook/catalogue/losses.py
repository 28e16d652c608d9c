"""Losses: value and gradient along one prediction, and the effect of a large error."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.functions.losses import Loss, PerOutput, losses
from pellucid.functions.metrics import default_metric
from pellucid.report.document import Table
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.charts import lines
from pellucid_textbook.page import Content, Range


@dataclass(frozen=True)
class Probe:
    """One prediction that is varied while the target stays.

    Attributes:
        label: of the horizontal axis.
        low: of the graph.
        high: of the graph.
        points: where values are shown.
        target: the target of that prediction; of a distribution the fraction of the first class.
        pair: the prediction beside it: "rest" for probabilities (p, 1 − p), "zero" for logits (z, 0), "one" for
            directions (ŷ₁, 1), "" for none.
        range: of the loss.
    """

    label: str
    low: float
    high: float
    points: tuple[float, ...]
    target: float = 1.0
    pair: str = ""
    range: Range = Range(0, math.inf, True)


SCORE = Probe("score ŷ, target y = 1", -4, 4, (-1e4, -1.0, 0.0, 1.0, 2.0, 1e4))
PROBES = {
    "numbers": Probe("error ŷ − y", -4, 4, (0.0, 1e-30, 0.5, 1.0, 10.0, 1e4, 1e30), 0.0),
    "probabilities": Probe("probability ŷ of the truth", 0.01, 1, (0.0, 1e-30, 1e-7, 0.1, 0.5, 0.9, 1.0)),
    "logits": Probe("logit z of the truth", -6, 6, (-1e4, -88.0, -1.0, 0.0, 1.0, 88.0, 1e4)),
    "margins": SCORE,
    "scores": replace(SCORE, range=Range(-math.inf, math.inf)),
    "rates": Probe(
        "rate ŷ, target y = 3", 0.05, 8, (0.0, 1e-7, 0.5, 1.0, 3.0, 6.0, 1e4), 3.0, range=Range(-math.inf, math.inf)
    ),
    "log_rates": Probe(
        "log rate z, target y = 3", -3, 2, (-1e4, -1.0, 0.0, 1.1, 2.0, 1e4), 3.0, range=Range(-math.inf, math.inf)
    ),
    "directions": Probe(
        "first part ŷ₁ of (ŷ₁, 1), target (1, 0)",
        -4,
        4,
        (-1e4, -1.0, 0.0, 1.0, 1e4),
        pair="one",
        range=Range(0, 2, True),
    ),
    "distances": Probe("distance ŷ of a pair of two kinds", 0, 2, (0.0, 0.5, 1.0, 2.0, 1e4)),
}
"""By what a loss reads."""
POINTS = 401
"""Of a graph."""
TARGETS = {
    "numbers": "numbers, of the shape of the prediction",
    "one_hot": "one-hot or a distribution, of the shape of the prediction",
    "classes": "integer labels, one an example",
    "sequence": "integer labels, any number an example",
}


def probe_of(loss: Loss) -> Probe:
    """Choose the prediction that is varied to measure a loss."""
    probe, target = PROBES[loss.reads], KIND.texts.get(loss.name, {}).get("target")
    if loss.target_kind != "numbers":
        probe = replace(probe, pair={"probabilities": "rest", "logits": "zero"}[loss.reads])
    if target is None:
        return probe
    label = f"fraction ŷ₁ of the first class, target ({target:g}, {1 - target:g})"
    return replace(probe, label=label, high=0.99, points=(0.0, 0.3, 0.7, 0.9, 1.0), target=target)


def value_and_gradient(loss: Loss, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """The loss of one example and its gradient on the varied prediction, for each number of x, in float32."""
    probe = probe_of(loss)
    count = len(x)
    first = jnp.asarray(np.resize(np.asarray(x, np.float32), POINTS))[:, None]  # one shape: each is compiled once
    second = {"": None, "rest": 1 - first, "zero": jnp.zeros_like(first), "one": jnp.ones_like(first)}[probe.pair]
    prediction = first if second is None else jnp.concatenate([first, second], axis=1)
    if loss.target_kind == "classes":
        target = jnp.zeros(len(first), jnp.int32)
    else:
        row = jnp.array([probe.target] if second is None else [probe.target, 1 - probe.target])
        target = jnp.broadcast_to(row, prediction.shape)
    value, gradient = loss.value(prediction, target), loss.gradient(prediction, target)
    return np.asarray(value)[:count], np.asarray(gradient)[:count, 0]


def facts(loss: Loss) -> dict[str, Any]:
    """Facts of a loss: inputs, reduction, the effect of a large error."""
    if loss.of_sequences:
        return {
            "range": Range(0, math.inf, True),
            "target": TARGETS[loss.target_kind],
            "over the examples": loss.reduction,
        }
    known: dict[str, Any] = {
        "range": probe_of(loss).range,
        "target": TARGETS[loss.target_kind],
        "over the examples": loss.reduction,
    }
    if isinstance(loss, PerOutput):
        known["over the outputs"] = loss.over_outputs
    if loss.reads == "numbers":
        near, far = value_and_gradient(loss, [1.0, 100.0])[1]
        known["pull of an error of 100"] = f"{float(far / near):.4g} times that of an error of 1"
        small, large = value_and_gradient(loss, [1e4, 2e4])[0]
        known["growth"] = f"an error twice as large costs {float(large / small):.4g} times as much, far out"
        known["gradient at error 0"] = float(value_and_gradient(loss, [0.0])[1][0])
    for fused in map(losses.find, losses):
        if fused.activation is not None and fused.of_probabilities is type(loss):
            known[f"after a {fused.activation.name}"] = f"one stable step, {fused.name}"
    known["metric beside it"] = default_metric(loss).name
    return known


def _measured(loss: Loss) -> Mapping[str, Content]:
    if loss.of_sequences:
        return {"behaviour": facts(loss)}
    probe = probe_of(loss)
    x = np.linspace(probe.low, probe.high, POINTS, dtype=np.float32)
    curves = zip(("loss", "gradient"), value_and_gradient(loss, x), strict=True)
    columns = (part.tolist() for part in value_and_gradient(loss, probe.points))
    heading = probe.label.split(" of ")[0].split(",")[0]
    return {
        "graph": [lines(name, probe.label, "", x, {name: y}) for name, y in curves],
        "behaviour": facts(loss),
        "in float32": Table((heading, "loss", "gradient"), list(zip(probe.points, *columns, strict=True))),
    }


def _row(loss: Loss) -> Mapping[str, Any]:
    known = facts(loss)
    return {
        "range": known["range"],
        "target": loss.target_kind.replace("_", "-"),
        "over examples": loss.reduction,
        "pull of 100 / 1": known.get("pull of an error of 100", "–").split(" ")[0],
    }


def _charts(items: Mapping[str, Loss]) -> list[Any]:
    of_error = {name: loss for name, loss in items.items() if loss.reads == "numbers"}
    probe, charts = PROBES["numbers"], []
    e = np.linspace(probe.low, probe.high, POINTS, dtype=np.float32)
    for i, (title, limit) in enumerate((("loss", 8), ("gradient", 3))):
        curves = {name: value_and_gradient(loss, e)[i] for name, loss in of_error.items()}
        rows = {name: np.where(abs(y) <= limit, y, np.nan) for name, y in curves.items()}
        charts.append(lines(f"{title} against the error", probe.label, "", e, rows))
    for name, loss in items.items():
        if name not in of_error and not loss.of_sequences:
            probe = probe_of(loss)
            x = np.linspace(max(probe.low, -4), min(probe.high, 4), POINTS, dtype=np.float32)
            value, gradient = (np.where(abs(y) <= 10, y, np.nan) for y in value_and_gradient(loss, x))
            charts.append(lines(name, probe.label, "", x, {"value": value, "gradient": gradient}))
    return charts


KIND = Kind(losses, _measured, _row, _charts)
