"""Initialisers: the spread of the weights they draw, and what ten layers of them do to a signal (subject 3.2)."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.functions.activations import activations
from pellucid.functions.initializers import Initializer, initializers
from pellucid.report.figures import COLOURS
from pellucid_textbook.catalogue.kind import Kind, Text
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Formulas
from pellucid_textbook.catalogue.plots import new_figure, tidy

TEXTS = {
    "zeros": Text(
        "Nothing to choose.",
        "As weights: neurons alike stay alike for ever, and a ReLU network does not learn at all.",
        "Biases.",
        "3.2",
        "Convention.",
    ),
    "ones": Text(
        "Leaves a scale unchanged.",
        "As weights: neurons alike stay alike.",
        "Scales of normalisation.",
        "3.2",
        "Convention.",
    ),
    "constant": Text(
        "A bias that starts where it should.",
        "As weights: neurons alike stay alike.",
        "Biases: a forget gate at 1, the logit of a rare class.",
        "3.2",
        "Convention.",
    ),
    "normal": Text(
        "Small random weights: neurons differ from the start.",
        "One spread for every layer: in deep networks signals die out or blow up.",
        "Shallow networks; embeddings.",
        "3.2",
        "Rumelhart, Hinton & Williams, 1986.",
    ),
    "truncated_normal": Text(
        "As normal, without rare large weights.",
        "One spread for every layer.",
        "Shallow networks; transformers.",
        "3.2",
        "Convention; Keras, TensorFlow.",
    ),
    "uniform": Text(
        "As normal, bounded.", "One spread for every layer.", "Shallow networks.", "3.2", "LeCun and others, 1998."
    ),
    "glorot_uniform": Text(
        "Keeps signals forward and gradients backward about as large, through near-linear activations.",
        "Too small for ReLU: signals halve in power with each layer.",
        "tanh, sigmoid and softmax layers.",
        "3.2",
    ),
    "glorot_normal": Text("As glorot_uniform.", "As glorot_uniform.", "tanh, sigmoid and softmax layers.", "3.2"),
    "he_uniform": Text("As he_normal, bounded.", "As he_normal.", "ReLU layers.", "3.2"),
    "he_normal": Text(
        "Twice the variance, for the half that a ReLU cuts off: signals keep their size.",
        "Too large for linear layers.",
        "ReLU layers; the default of dense and convolutional layers.",
        "3.2",
    ),
    "lecun_uniform": Text("As lecun_normal, bounded.", "Too small for ReLU.", "Linear and tanh layers.", "3.2"),
    "lecun_normal": Text("Keeps the size of signals in linear layers.", "Too small for ReLU.", "SELU layers.", "3.2"),
    "orthogonal": Text(
        "Keeps the length of every signal and gradient exactly, however often it is applied.",
        "Costs a QR decomposition; exact for linear layers only.",
        "Recurrent weights.",
        "3.2",
    ),
}
EXAMPLES = {"constant": {"value": 0.5}}

SHAPE = (784, 128)
"""Of the weights that are drawn, the first layer of the reference network; seed 0."""
WIDTH, DEPTH = 256, 10


@cache
def draw_weights(initializer: Initializer) -> np.ndarray:
    """Weights of `SHAPE`, seed 0."""
    return np.asarray(initializer(jax.random.key(0), SHAPE))


@cache
def signal_after(initializer: Initializer, activation: str) -> float:
    """Root mean square of a normal signal after `DEPTH` layers of `WIDTH` neurons, as a multiple of the first."""
    f = activations.build(activation)
    first = x = jax.random.normal(jax.random.key(1), (64, WIDTH))
    for key in jax.random.split(jax.random.key(2), DEPTH):
        x = f.value(x @ initializer(key, (WIDTH, WIDTH)))
    return float(jnp.sqrt(jnp.mean(x**2) / jnp.mean(first**2)))


def _formulas(initializer: Initializer) -> Formulas:
    return Formulas({"weights": initializer.formula.text})


def histogram(initializer: Initializer) -> tuple[np.ndarray, np.ndarray]:
    """Middles of 61 bins, and the density of the drawn weights in each."""
    w = draw_weights(initializer).ravel()
    reach = max(float(np.abs(w).max()) * 1.2, 0.1)
    density, edges = np.histogram(w, 61, (-reach, reach), density=True)
    return (edges[1:] + edges[:-1]) / 2, density


def facts(initializer: Initializer) -> Facts:
    """The weights' spread, and the size of signals after ten layers."""
    w = draw_weights(initializer)
    return Facts(
        {
            "drawn": f"shape {SHAPE}, seed 0",
            "mean": float(w.mean()),
            "standard deviation": float(w.std()),
            "smallest, largest": f"{w.min():.4g}, {w.max():.4g}".replace("-", "−"),
            "different neurons": f"{len(np.unique(w, axis=1).T)} of {SHAPE[1]}",
            **{
                f"signal after {DEPTH} {name} layers": signal_after(initializer, name)
                for name in ("linear", "tanh", "relu")
            },
        }
    )


def _measured(initializer: Initializer) -> Mapping[str, Content]:
    middles, density = histogram(initializer)
    return {"graph": (Curve("density of the weights", "w", middles, density),), "behaviour": facts(initializer)}


def _row(initializer: Initializer) -> Mapping[str, Any]:
    known = facts(initializer)
    return {
        "formula": _formulas(initializer)["weights"],
        "standard deviation": known["standard deviation"],
        "neurons": known["different neurons"],
        "linear ×10": known[f"signal after {DEPTH} linear layers"],
        "tanh ×10": known[f"signal after {DEPTH} tanh layers"],
        "relu ×10": known[f"signal after {DEPTH} relu layers"],
    }


def _draw(items: Mapping[str, Initializer]) -> Any:
    drawn = {name: item for name, item in items.items() if draw_weights(item).std() > 0}
    columns = 5
    rows = -(-len(drawn) // columns)
    figure = new_figure((2.2 * columns, 1.8 * rows + 2.6))
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[1.8] * rows + [2.6])
    for number, (name, item) in enumerate(drawn.items()):
        axes = figure.add_subplot(grid[number // columns, number % columns])
        axes.fill_between(*histogram(item), color=COLOURS[0], step="mid")
        axes.set(xlim=(-0.25, 0.25), yticks=[])
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        tidy(axes)
    axes = figure.add_subplot(grid[rows, :])
    places = np.arange(len(drawn))
    for number, name in enumerate(("linear", "tanh", "relu")):
        sizes = [signal_after(item, name) for item in drawn.values()]
        bars = {"color": COLOURS[number], "hatch": ("", "///", "...")[number], "edgecolor": "white"}
        axes.bar(places + 0.27 * (number - 1), sizes, 0.25, label=name, **bars)
    axes.axhline(1, color="k", lw=0.8)
    axes.set(yscale="log", title=f"signal after {DEPTH} layers of {WIDTH}, as a multiple of the first")
    axes.set_xticks(places, [name.replace("_", "\n") for name in drawn], fontsize=8)
    axes.legend(frameon=False, ncols=3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


KIND = Kind(
    name="initializers",
    title="Initialisers: the first weights",
    registry=initializers,
    texts=TEXTS,
    formulas=_formulas,
    measured=_measured,
    row=_row,
    draw=_draw,
    examples=EXAMPLES,
)
