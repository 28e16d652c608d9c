"""Regularisers: penalties on weights, and sparsity penalties on activations (subject 7.4–7.6, 7.9)."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.functions.regularizers import Regularizer, Sparsity, regularizers, sparsities
from pellucid.report.figures import COLOURS, STYLES
from pellucid_textbook.catalogue.kind import Kind, Text
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Formulas, Table
from pellucid_textbook.catalogue.plots import new_figure, tidy

TEXTS = {
    "l1": Text(
        "Weights that the data do not need become exactly 0: it chooses features.",
        "Of two features alike it may drop either; shrinks the large weights it keeps too.",
        "Many features of which few matter; sparse networks.",
        "7.4",
    ),
    "l2": Text(
        "Keeps all weights small and smooth; shares a weight among features alike.",
        "No weight becomes exactly 0.",
        "The usual guard against overfitting.",
        "7.5",
    ),
    "elastic_net": Text(
        "Zeros as with L1, and groups of features alike stay together as with L2.",
        "Two strengths to choose.",
        "Many correlated features.",
        "7.6",
    ),
}

SPARSITY_TEXTS = {
    "l1_activity": Text(
        "Few active neurons for each example; works with any activation.",
        "With ReLU codes it can silence a neuron for good.",
        "Sparse autoencoders.",
        "7.9, 1.8",
    ),
    "kl_activity": Text(
        "Each neuron is active for a chosen share of the examples: none dies, none is always on.",
        "Only for activations between 0 and 1; depends on the whole batch.",
        "Sparse autoencoders with sigmoid codes.",
        "7.9, 1.8",
    ),
}

EXAMPLES = {"l1": {"strength": 0.5}, "l2": {"strength": 0.5}, "elastic_net": {"l1": 0.25, "l2": 0.25}}
"""Strengths at which the shapes are seen; the defaults stand in the table of hyperparameters."""
SPARSITY_EXAMPLES = {"l1_activity": {"strength": 1.0}, "kl_activity": {"strength": 1.0, "target": 0.1}}

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


def _penalties(penalty: Regularizer, w: np.ndarray) -> np.ndarray:
    return np.array([float(penalty.penalty(jnp.asarray([one], jnp.float32))) for one in w])


def _formulas(penalty: Regularizer) -> Formulas:
    return Formulas(
        {
            "penalty": penalty.formula.text,
            "gradient of the smooth part": penalty.gradient_formula.text,
            "proximal step": penalty.proximal_formula.text,
        }
    )


def _measured(penalty: Regularizer) -> Mapping[str, Content]:
    w = np.linspace(-2, 2, 161, dtype=np.float32)
    at = np.array(WEIGHTS, np.float32)
    zero = steps_to_zero(penalty)
    return {
        "graph": (
            Curve("penalty", "w", w, _penalties(penalty, w)),
            Curve("w after a step of ½, penalty alone", "w", w, shrunk(penalty, w, 0.5)),
        ),
        "behaviour": Facts(
            {
                "a weight 1 without data": f"exactly 0 after {zero} steps of {RATE}" if zero else "never exactly 0",
                "acts on": "weights, recurrent ones too; not on biases",
            }
        ),
        "in float32": Table(
            ("w", "penalty", "gradient", f"after a step of {RATE}"),
            tuple(
                zip(
                    WEIGHTS,
                    map(float, _penalties(penalty, at)),
                    map(float, penalty.gradient(jnp.asarray(at))),
                    map(float, shrunk(penalty, at)),
                    strict=True,
                )
            ),
        ),
    }


def _row(penalty: Regularizer) -> Mapping[str, Any]:
    zero = steps_to_zero(penalty)
    return {
        "penalty": penalty.formula.text,
        "gradient": penalty.gradient_formula.text,
        "proximal step": penalty.proximal_formula.text,
        "1 becomes 0": f"{zero} steps" if zero else "never",
        "0.5 becomes": float(shrunk(penalty, [0.5])[0]),
        "0.01 becomes": float(shrunk(penalty, [0.01])[0]),
    }


def _draw(items: Mapping[str, Regularizer]) -> Any:
    figure = new_figure((10, 3.4))
    shape, step, level = figure.subplots(1, 3)
    w = np.linspace(-2, 2, 161, dtype=np.float32)
    plane = np.stack(np.meshgrid(np.linspace(-1.5, 1.5, 91), np.linspace(-1.5, 1.5, 91)), axis=-1).astype(np.float32)
    for number, (name, penalty) in enumerate(items.items()):
        look = {"color": COLOURS[number % len(COLOURS)], "ls": STYLES[number % len(STYLES)], "lw": 2}
        shape.plot(w, _penalties(penalty, w), label=name, **look)
        step.plot(w, shrunk(penalty, w, 0.5), label=name, **look)
        flat = np.unique(np.abs(plane))
        along = dict(zip(flat.tolist(), _penalties(penalty, flat).tolist(), strict=True))
        height = np.vectorize(along.get)(np.abs(plane).astype(float)).sum(axis=-1)
        one = float(_penalties(penalty, np.ones(1, np.float32))[0])
        level.contour(plane[..., 0], plane[..., 1], height, levels=[one], colors=look["color"], linestyles=look["ls"])
    shape.set(title="penalty of one weight", xlabel="w")
    step.set(title="w after a step of ½, penalty alone", xlabel="w")
    level.set(title="weights that cost as much as (1, 0)", xlabel="w₁", ylabel="w₂", aspect="equal")
    shape.legend(frameon=False)
    for axes in (shape, step, level):
        tidy(axes)
    return figure


def activity(penalty: Sparsity, a: Any) -> tuple[np.ndarray, np.ndarray]:
    """Penalty and gradient of one neuron that has the activation a for every example."""
    pairs = [
        (penalty.penalty(one, jnp.ones(1)), penalty.gradient(one, jnp.ones(1))[0, 0])
        for one in jnp.asarray(a, jnp.float32)[:, None, None]
    ]
    return np.array([float(p) for p, _ in pairs]), np.array([float(s) for _, s in pairs])


def _sparsity_formulas(penalty: Sparsity) -> Formulas:
    return Formulas({"penalty": penalty.formula.text, "gradient": penalty.gradient_formula.text})


def _sparsity_measured(penalty: Sparsity) -> Mapping[str, Content]:
    a = np.linspace(0.01, 0.99, 99, dtype=np.float32)
    value, gradient = activity(penalty, a)
    points = (0.0, 0.05, 0.1, 0.5, 1.0)
    return {
        "graph": (Curve("penalty", "mean activation", a, value), Curve("gradient", "mean activation", a, gradient)),
        "in float32": Table(
            ("mean activation", "penalty", "gradient"),
            tuple(zip(points, *map(list, _floats(activity(penalty, points))), strict=True)),
        ),
    }


def _floats(parts: tuple[np.ndarray, ...]) -> list[list[float]]:
    return [part.tolist() for part in parts]


def _sparsity_row(penalty: Sparsity) -> Mapping[str, Any]:
    value, _ = activity(penalty, [0.01, 0.1, 0.5])
    return {
        "formula": next(iter(_sparsity_formulas(penalty).values())),
        "at 0.01": float(value[0]),
        "at 0.1": float(value[1]),
        "at 0.5": float(value[2]),
    }


KIND = Kind(
    name="regularizers",
    title="Regularisers: penalties on the weights",
    registry=regularizers,
    texts=TEXTS,
    formulas=_formulas,
    measured=_measured,
    row=_row,
    draw=_draw,
    examples=EXAMPLES,
)

SPARSITIES = Kind(
    name="sparsities",
    title="Sparsity penalties: few active neurons",
    registry=sparsities,
    texts=SPARSITY_TEXTS,
    formulas=_sparsity_formulas,
    measured=_sparsity_measured,
    row=_sparsity_row,
    examples=SPARSITY_EXAMPLES,
)
