"""Initialisers: the distribution of the weights, and a signal through ten layers of them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.activations import Linear, ReLU, Tanh
from pellucid.functions.initializers import Initializer, initializers
from pellucid.report.chart import DotChart, Histogram
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.page import Content

SHAPE = (784, 128)
"""Of the weights that are initialised, the first layer of the reference network; seed 0."""
WIDTH, DEPTH = 256, 10
ACTIVATIONS = {"linear": Linear(), "tanh": Tanh(), "relu": ReLU()}


@cache
def initial_weights(initializer: Initializer) -> np.ndarray:
    """Weights of `SHAPE`, seed 0."""
    return np.asarray(initializer(jax.random.key(0), SHAPE))


@cache
def signal_after(initializer: Initializer, activation: str) -> float:
    """Root mean square of a normal signal after `DEPTH` layers of `WIDTH` neurons, as a multiple of the first."""
    first = x = jax.random.normal(jax.random.key(1), (64, WIDTH))
    for key in jax.random.split(jax.random.key(2), DEPTH):
        x = ACTIVATIONS[activation].value(x @ initializer(key, (WIDTH, WIDTH)))
    return float(jnp.sqrt(jnp.mean(x**2) / jnp.mean(first**2)))


def facts(initializer: Initializer) -> dict[str, Any]:
    """Mean and standard deviation of the weights, and the size of signals after ten layers."""
    w = initial_weights(initializer)
    return {
        "weights": f"shape {SHAPE}, seed 0",
        "mean": float(w.mean()),
        "standard deviation": float(w.std()),
        "smallest, largest": f"{w.min():.4g}, {w.max():.4g}".replace("-", "−"),
        "different neurons": f"{len(np.unique(w, axis=1).T)} of {SHAPE[1]}",
        **{f"signal after {DEPTH} {name} layers": signal_after(initializer, name) for name in ACTIVATIONS},
    }


def _histogram(title: str, initializer: Initializer) -> Histogram:
    w = initial_weights(initializer).ravel()
    reach = max(float(np.abs(w).max()) * 1.2, 0.1)
    density, edges = np.histogram(w, 61, (-reach, reach), density=True)
    return Histogram(title, edges, density, "w", "density")


def _measured(initializer: Initializer) -> Mapping[str, Content]:
    return {"graph": [_histogram("density of the weights", initializer)], "behaviour": facts(initializer)}


def _row(initializer: Initializer) -> Mapping[str, Any]:
    known = facts(initializer)
    return {
        "standard deviation": known["standard deviation"],
        "neurons": known["different neurons"],
        **{f"{name} ×{DEPTH}": signal_after(initializer, name) for name in ACTIVATIONS},
    }


def _charts(items: Mapping[str, Initializer]) -> list[Any]:
    random = {name: item for name, item in items.items() if initial_weights(item).std() > 0}
    sizes = {each: [signal_after(item, each) for item in random.values()] for each in ACTIVATIONS}
    title = f"signal after {DEPTH} layers of {WIDTH}, as a multiple of the first"
    dots = DotChart(title, list(random), sizes, "root mean square, last over first", log=True)
    return [*(_histogram(name, item) for name, item in random.items()), dots]


KIND = Kind(initializers, _measured, _row, _charts)
