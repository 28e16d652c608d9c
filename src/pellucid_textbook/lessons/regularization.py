"""Experiments on penalties and dropout: weights, and unseen rows."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

import pellucid as pel
from pellucid.regularizers import L1, L2, Regularizer
from pellucid.report.chart import ScatterChart, Series
from pellucid_textbook.charts import dots, lines
from pellucid_textbook.lessons.claim import Measured, experiment
from pellucid_textbook.lessons.trainings import (
    Runs,
    along_epochs,
    compared,
    diabetes,
    few_digits,
    named,
    results,
    train_variants,
)

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)


@experiment("l1-zeros")
def l1_zeros(seeds: Sequence[int]) -> Measured:
    """Zeros and accuracy over strengths."""
    kinds = {"L1": "l1", "L2": "l2"}
    variants = {
        f"{label} at {strength:g}": {"regularizer": {"name": name, "strength": strength}}
        for label, name in kinds.items()
        for strength in STRENGTHS
    }
    sgd = {"name": "sgd", "learning_rate": 0.1}
    settings = {"network": (32,), "optimizer": sgd, "epochs": 30, "batch_size": 16}
    runs = train_variants(pel.load_dataset("digits"), seeds, variants, **settings)
    zeros = {label: np.array([(_weights(run) == 0).mean() for run in of]) for label, of in runs.items()}
    accuracy = results(runs, "accuracy")

    def by_strength(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {label: np.stack([values[f"{label} at {s:g}"] for s in STRENGTHS], axis=1) for label in kinds}

    zeros_of, accuracy_of = by_strength(zeros), by_strength(accuracy)
    shown = {label: accuracy[label] for label in ("L1 at 0.001", "L2 at 0.001", "L1 at 0.01")}
    return Measured(
        {
            "fraction of zeros, L1 at 0.001": zeros["L1 at 0.001"],
            "fraction of zeros, L2, most at any strength": zeros_of["L2"].max(axis=1),
            "fraction of zeros, L1 at 0.01": zeros["L1 at 0.01"],
        }
        | named("held-out accuracy", shown),
        [
            lines("weights that are exactly 0", "strength λ", "fraction of the weights", STRENGTHS, zeros_of, "x"),
            lines("the cost", "strength λ", "held-out accuracy", STRENGTHS, accuracy_of, log="x"),
        ],
    )


def _weights(run: pel.Run) -> np.ndarray:
    return np.concatenate([np.ravel(params["weights"]) for params in run.params if "weights" in params])


MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
TRIO = ("mean radius", "mean perimeter", "mean area")


@experiment("elastic-net")
def elastic_net(seeds: Sequence[int]) -> Measured:
    """One neuron under mixes of the two penalties."""
    runs = train_variants(
        lambda seed: pel.load_dataset("breast-cancer", seed=seed),
        seeds,
        {str(mix): {"regularizer": {"name": "elastic_net", "l1": 0.01 * mix, "l2": 0.01 * (1 - mix)}} for mix in MIXES},
        network=(),
        optimizer={"name": "gradient_descent", "learning_rate": 0.1},
        epochs=2000,
    )
    weights = np.array([[_weights(run) for run in runs[str(mix)]] for mix in MIXES])  # mix, seed, input
    sizes = abs(weights)
    zeros, largest = (weights == 0).mean(axis=2), sizes.max(axis=2) / sizes.sum(axis=2)
    features = pel.load_dataset("breast-cancer").features
    kept = (weights[:, :, [features.index(name) for name in TRIO]] != 0).sum(axis=2)
    held_out = results(runs, "loss")
    index = {"L2": MIXES.index(0.0), "net": MIXES.index(0.5), "L1": MIXES.index(1.0)}
    quantities = {}
    for name, values in (("fraction of zeros", zeros), ("largest weight's fraction", largest)):
        of = {label: values[i] for label, i in index.items()}
        quantities |= named(name, compared(of, "net − L2", "L1 − net"))
    axis = "fraction of L1 in the penalty"
    return Measured(
        quantities | named("held-out loss", {label: held_out[str(MIXES[i])] for label, i in index.items()}),
        [
            lines("weights that are exactly 0", axis, "fraction of the weights", MIXES, {"": zeros.T}),
            lines("inequality of the weights", axis, "largest weight's fraction", MIXES, {"": largest.T}),
            dots("radius, perimeter, area", "weights that are not 0, of three", {n: kept[i] for n, i in index.items()}),
        ],
    )


@experiment("dropout")
def dropout(seeds: Sequence[int]) -> Measured:
    """The same network with and without dropout."""

    def network(*layers: pel.Dropout) -> pel.Network:
        end = pel.Dense(10, "softmax", weights="glorot_uniform")
        return pel.Network(pel.Flatten(), pel.Dense(128, "relu"), *layers, end)

    variants = {"none": network(), "dropout": network(pel.Dropout(0.5))}
    runs = train_variants(lambda seed: few_digits(seed, 500), seeds, variants, epochs=60)
    train, held_out, accuracy = _train_losses(runs), results(runs, "loss"), results(runs, "accuracy")
    gap = {name: held_out[name] - train[name] for name in runs}
    measured = {"held-out loss": held_out, "gap": gap, "held-out accuracy": accuracy}
    quantities = named("training loss", train)
    for name, values in measured.items():
        quantities |= named(name, compared(values, "dropout − none"))
    return Measured(
        quantities,
        [
            along_epochs("along the training", "held-out loss", runs, "held_out_loss"),
            dots("at the end", "held-out loss − training loss", gap),
        ],
    )


def _train_losses(runs: Runs) -> dict[str, np.ndarray]:
    def loss(run: pel.Run) -> float:
        assert run.data is not None
        return run.evaluate_part(run.data.train)["loss"]

    return {label: np.array([loss(run) for run in of_label]) for label, of_label in runs.items()}


@experiment("generalisation")
def generalisation(seeds: Sequence[int]) -> Measured:
    """A network with many more weights than rows, over strengths of L2."""
    strengths, shown = (0.001, 0.003, 0.01, 0.03, 0.1), ("no penalty", "L2 0.03")
    penalties = {"no penalty": None} | {f"L2 {s:g}": {"name": "l2", "strength": s} for s in strengths}
    variants = {name: {"regularizer": penalty} for name, penalty in penalties.items()}
    runs = train_variants(diabetes, seeds, variants, network=(64, 64), epochs=200)
    parts = {"training rows": _train_losses(runs), "held-out rows": results(runs, "loss")}
    above = {
        name: [run.result["loss"] / run.history.epochs["held_out_loss"].min() for run in runs[name]] for name in shown
    }
    of = {part: {name: values[name] for name in shown} for part, values in parts.items()}
    by_strength = {part: np.stack([values[f"L2 {s:g}"] for s in strengths], axis=1) for part, values in parts.items()}
    return Measured(
        named("training loss", of["training rows"])
        | named("held-out loss", compared(of["held-out rows"], "L2 0.03 − no penalty"))
        | named("final over lowest held-out loss", above),
        [
            along_epochs("along the training", "held-out loss", {n: runs[n] for n in shown}, "held_out_loss"),
            lines("at the end", "strength λ of L2", "loss (1: predicting the mean)", strengths, by_strength, log="x"),
        ],
    )


CORRELATIONS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
TABLES = 100
"""Random tables for each seed and correlation."""


@experiment("l1-drops")
def l1_drops(seeds: Sequence[int]) -> Measured:
    """Many small tables, all fitted side by side."""
    penalties = {"L1": L1(0.1), "L2": L2(0.1)}
    weights = {name: np.zeros((len(seeds), len(CORRELATIONS), TABLES, 6)) for name in penalties}
    for row, seed in enumerate(seeds):
        for column, correlation in enumerate(CORRELATIONS):
            x, y = _correlated_tables(np.random.default_rng([seed, column]), correlation)
            for name, penalty in penalties.items():
                weights[name][row, column] = _fit(penalty, x, y)
    dropped = {name: (values[..., :2] == 0).any(axis=-1) for name, values in weights.items()}
    fractions = {name: values.mean(axis=-1) for name, values in dropped.items()}
    # On rows where all features are independent the error is the noise and the squared error of each weight.
    errors = {name: 1 + ((values[:, -1] - [1, 1, 0, 0, 0, 0]) ** 2).sum(axis=-1) for name, values in weights.items()}
    ratios = [
        (l1 / l2)[lost].mean() if lost.any() else 1.0
        for l1, l2, lost in zip(errors["L1"], errors["L2"], dropped["L1"][:, -1], strict=True)
    ]
    pairs = [Series(name, *values[0, -1, :, :2].T) for name, values in weights.items()]
    title, axis = "tables in which x₁ or x₂ is dropped", "correlation of x₁ and x₂"
    return Measured(
        {
            "dropped by L1, correlation 0": fractions["L1"][:, 0],
            "dropped by L1, correlation 0.99": fractions["L1"][:, -1],
            "dropped by L2, correlation 0.99": fractions["L2"][:, -1],
            "error where they differ, L1 / L2, one dropped": ratios,
        },
        [
            lines(title, axis, "fraction of the tables", CORRELATIONS, fractions),
            ScatterChart(
                "the two weights at correlation 0.99", pairs, "weight of x₁ (truth: 1)", "weight of x₂ (truth: 1)"
            ),
        ],
    )


def _correlated_tables(rng: np.random.Generator, correlation: float) -> tuple[jax.Array, jax.Array]:
    x = rng.normal(size=(TABLES, 50, 6))
    x[..., 1] = correlation * x[..., 0] + math.sqrt(1 - correlation**2) * x[..., 1]
    y = x[..., 0] + x[..., 1] + rng.normal(size=x.shape[:2])
    return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)


@jax.jit
def _fit(penalty: Regularizer, x: jax.Array, y: jax.Array) -> jax.Array:
    """The weights of a linear neuron for each table, as training applies a penalty: gradient, update, proximal step."""
    rate = 0.05

    def step(w: jax.Array, _: None) -> tuple[jax.Array, None]:
        error = jnp.einsum("trf,tf->tr", x, w) - y
        gradient = 2 * jnp.einsum("trf,tr->tf", x, error) / x.shape[1] + penalty.gradient(w)
        return penalty.proximal(w - rate * gradient, rate), None

    return jax.lax.scan(step, jnp.zeros((x.shape[0], x.shape[2])), None, 2000)[0]
