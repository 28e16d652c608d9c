"""Regularisers: penalties on weights, and sparsity penalties on activations."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.functions.regularizers import Regularizer, Sparsity, regularizers, sparsities
from pellucid.report.chart import ScatterChart, Series
from pellucid.report.document import Table
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.charts import lines
from pellucid_textbook.page import Content

WEIGHTS = (-2.0, 0.0, 0.01, 0.05, 0.5, 1.0, 1e4)
RATE = 0.1
MOST = 10_000


def shrunk(penalty: Regularizer, w: Any, rate: float = RATE) -> np.ndarray:
    """Weights after one step that nothing but the penalty moves: the gradient's part, then the proximal step."""
    w = jnp.asarray(w, jnp.float32)
    return np.asarray(penalty.proximal(w - rate * penalty.gradient(w), rate))


def steps_to_zero(penalty: Regularizer) -> int | None:
    """Steps until a weight 1 that nothing else moves is exactly 0; None if not within `MOST`."""
    w = np.ones(1, np.float32)
    for step in range(1, MOST + 1):
        before, w = w, shrunk(penalty, w)
        if w[0] == 0:
            return step
        if w[0] == before[0]:  # float32 moves it no further
            return None
    return None


def _penalties(penalty: Regularizer, w: Any) -> np.ndarray:
    return np.array([float(penalty.penalty(jnp.atleast_1d(jnp.asarray(one, jnp.float32)))) for one in w])


def _measured(penalty: Regularizer) -> Mapping[str, Content]:
    zero = steps_to_zero(penalty)
    penalties, steps = _penalties(penalty, WEIGHTS).tolist(), shrunk(penalty, WEIGHTS).tolist()
    return {
        "graph": _charts({penalty.name: penalty})[:2],
        "behaviour": {
            "a weight 1 without data": f"exactly 0 after {zero} steps of {RATE}" if zero else "never exactly 0",
            "acts on": "weights, recurrent ones too; not on biases",
        },
        "in float32": Table(
            ("w", "penalty", f"after a step of {RATE}"), list(zip(WEIGHTS, penalties, steps, strict=True))
        ),
    }


def _row(penalty: Regularizer) -> Mapping[str, Any]:
    zero = steps_to_zero(penalty)
    return {
        "w = 1 without data": f"0 after {zero} steps" if zero else "never 0",
        "0.05 after a step": float(shrunk(penalty, [0.05])[0]),
        "1 after a step": float(shrunk(penalty, [1.0])[0]),
    }


def _level(penalty: Regularizer) -> Series:
    # The weights that cost as much as (1, 0), by bisection along each direction.
    angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    one = _penalties(penalty, np.array([[1.0, 0.0]]))[0]
    low, high = np.zeros(len(angles)), np.full(len(angles), 2.0)
    for _ in range(12):
        middle = (low + high) / 2
        inside = _penalties(penalty, middle[:, None] * directions) < one
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return Series(penalty.name, *(low[:, None] * directions).T)


def _charts(items: Mapping[str, Regularizer]) -> list[Any]:
    w = np.linspace(-2, 2, 81, dtype=np.float32)
    shapes = {name: _penalties(item, w) for name, item in items.items()}
    steps = {name: shrunk(item, w, 0.5) for name, item in items.items()}
    levels = [_level(item) for item in items.values()]
    return [
        lines("penalty of one weight", "w", "", w, shapes),
        lines("w after a step of ½, penalty alone", "w", "", w, steps),
        ScatterChart("weights that cost as much as (1, 0)", levels, "w₁", "w₂", equal=True),
    ]


def activity(penalty: Sparsity, a: Any) -> tuple[np.ndarray, np.ndarray]:
    """Penalty and gradient of one neuron that has the activation a for every example."""
    pairs = [
        (penalty.penalty(one, jnp.ones(1)), penalty.gradient(one, jnp.ones(1))[0, 0])
        for one in jnp.asarray(a, jnp.float32)[:, None, None]
    ]
    return np.array([float(p) for p, _ in pairs]), np.array([float(s) for _, s in pairs])


def _sparsity_measured(penalty: Sparsity) -> Mapping[str, Content]:
    a, points = np.linspace(0.01, 0.99, 99, dtype=np.float32), (0.0, 0.05, 0.1, 0.5, 1.0)
    names, axis = ("penalty", "gradient"), "mean activation"
    curves = zip(names, activity(penalty, a), strict=True)
    columns = (part.tolist() for part in activity(penalty, points))
    return {
        "graph": [lines(name, axis, "", a, {name: y}) for name, y in curves],
        "in float32": Table((axis, *names), list(zip(points, *columns, strict=True))),
    }


def _sparsity_row(penalty: Sparsity) -> Mapping[str, Any]:
    return {f"at {a}": float(activity(penalty, [a])[0][0]) for a in (0.01, 0.1, 0.5)}


KIND = Kind(regularizers, _measured, _row, _charts)
SPARSITIES = Kind(sparsities, _sparsity_measured, _sparsity_row)
