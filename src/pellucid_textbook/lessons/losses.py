"""Experiments on losses: outliers, the end of a training, classes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

import pellucid as pel
from pellucid.data import Part
from pellucid.report.chart import LineChart
from pellucid_textbook.charts import dots, lines
from pellucid_textbook.lessons.claim import Measured, experiment
from pellucid_textbook.lessons.trainings import (
    along_epochs,
    at_best_rate,
    compared,
    diabetes,
    named,
    results,
    train_variants,
    with_rates,
    with_targets,
)

LOSSES = {
    "MSE": "mean_squared_error",
    "MAE": "mean_absolute_error",
    "Huber": "huber",
    "log-cosh": {"name": "log_cosh", "reduction": "mean"},
}
"""The regression losses that are compared, each averaged over the rows."""


@experiment("outliers")
def outliers(seeds: Sequence[int]) -> Measured:
    """Held-out errors with and without outliers."""
    errors = _errors_with_outliers(tuple(seeds))
    damage = {name: errors[name, "spoiled"] - errors[name, "clean"] for name in ("MSE", "MAE", "Huber")}
    shown = {f"{name}, {state}": errors[name, state] for name in damage for state in ("clean", "spoiled")}
    return Measured(
        named("damage", compared(damage, "MSE − MAE", "MSE − Huber")),
        [dots("diabetes, one training target of ten spoiled", "held-out mean absolute error", shown)],
    )


@cache
def _errors_with_outliers(seeds: tuple[int, ...]) -> dict[tuple[str, str], np.ndarray]:
    """Held-out mean absolute error over the seeds, by loss and by state of the data, clean or spoiled."""
    states = {"clean": diabetes, "spoiled": _spoiled}
    variants = {
        f"{name}, {state}": {"loss": loss, "data": data}
        for name, loss in LOSSES.items()
        for state, data in states.items()
    }
    runs = train_variants(
        diabetes,
        seeds,
        variants,
        network=pel.Network(pel.Dense(1)),
        optimizer={"name": "adam", "learning_rate": 0.01},
        epochs=150,
        metric="mean_absolute_error",
    )
    errors = results(runs, "mean_absolute_error")
    return {(name, state): errors[f"{name}, {state}"] for name in LOSSES for state in states}


def _spoiled(seed: int) -> pel.Dataset:
    data = diabetes(seed)
    rows, y = len(data.train), data.train.y.copy()
    y[np.random.default_rng(seed).permutation(rows)[: rows // 10]] += 10
    return replace(data, train=Part(data.train.x, y))


@experiment("mae-kink")
def mae_kink(seeds: Sequence[int]) -> Measured:
    """Mean absolute error left after a thousand steps."""
    return Measured(*_end_of_training(seeds, ("MSE", "MAE", "Huber"), ("MAE − MSE", "MAE − Huber")))


@experiment("log-cosh")
def log_cosh(seeds: Sequence[int]) -> Measured:
    """Outliers and the end of the training, with log-cosh."""
    names = ("MSE", "MAE", "log-cosh")
    errors = _errors_with_outliers(tuple(seeds))
    damage = {name: errors[name, "spoiled"] - errors[name, "clean"] for name in names}
    quantities, charts = _end_of_training(seeds, names, ("MAE − log-cosh", "log-cosh − MSE"))
    between = compared(damage, "MSE − log-cosh", "log-cosh − MAE")
    first = dots("one training target of ten spoiled", "damage: growth of the held-out error", damage)
    return Measured(named("damage", between) | quantities, [first, *charts])


def _end_of_training(
    seeds: Sequence[int], names: Sequence[str], differences: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[LineChart]]:
    left, ways = _errors_left(tuple(seeds))
    chosen = {f"{name} at rate {ways[name][0]:g}": name for name in names}
    quantities = named("log₁₀ of the error left", {label: left[name] for label, name in chosen.items()})
    between = {name: values for name, values in compared(left, *differences).items() if name in differences}
    quantities |= named("log₁₀ of the error left", between)
    rows = {label: ways[name][1] for label, name in chosen.items()}
    steps = EVERY * np.arange(len(ways["MSE"][1][0]))
    return quantities, [lines("each at its best rate", "step", "mean absolute error", steps, rows, log="y")]


EVERY = 5
"""Steps between the plotted points."""


@cache
def _errors_left(seeds: tuple[int, ...]) -> tuple[dict[str, np.ndarray], dict[str, tuple[float, np.ndarray]]]:
    """By loss, log₁₀ of the error after the last step; its best rate and the errors on the way."""
    best = at_best_rate(
        _linear_targets,
        seeds,
        {name: {"loss": loss, "optimizer": {"name": "gradient_descent"}} for name, loss in LOSSES.items()},
        rates=(0.003, 0.01, 0.03, 0.1, 0.15, 0.3),
        score=_error_left,
        network=pel.Network(pel.Dense(1)),
        metric="mean_absolute_error",
        epochs=1000,
    )
    left, ways = {}, {}
    for name, (rate, runs) in best.items():
        left[name] = np.array([_error_left(run) for run in runs])
        ways[name] = rate, np.stack([run.history.steps["mean_absolute_error"][::EVERY] for run in runs])
    return left, ways


def _error_left(run: pel.Run) -> float:
    """log₁₀ of the mean absolute error over the last ten steps; float32 stops at about 10⁻⁷."""
    return float(np.log10(np.maximum(run.history.steps["mean_absolute_error"][-10:].mean(), 1e-8)))


def _linear_targets(seed: int) -> pel.Dataset:
    data = pel.load_dataset("diabetes", seed=seed)
    teacher = np.random.default_rng(seed).normal(size=(data.input_shape[0], 1)) / np.sqrt(data.input_shape[0])
    return with_targets(data, lambda part: data.preprocessing.apply_numpy(part.x) @ teacher)


@experiment("cross-entropy")
def cross_entropy(seeds: Sequence[int]) -> Measured:
    """Held-out accuracies, each loss at its best rate."""
    data = pel.load_dataset("digits")
    one_hot = with_targets(data, lambda part: np.eye(10)[part.y], task="regression", classes=())
    squared = {"loss": "mean_squared_error", "data": one_hot}
    network = pel.Network(pel.Flatten(), pel.Dense(32, "relu"), pel.Dense(10, "softmax"))
    shared = {"network": network, "metric": "accuracy", "epochs": 10}
    best = at_best_rate(
        data,
        seeds,
        {"cross-entropy": {"loss": "sparse_categorical_cross_entropy"}, "MSE": squared},
        rates=(0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
        score=lambda run: -run.history.epochs["accuracy"][-1],
        **shared,
    )
    rate, _ = best["cross-entropy"]
    optimizer = {"name": "sgd", "learning_rate": rate}
    best["MSE, same rate,"] = (rate, train_variants(data, seeds, {"": squared}, optimizer=optimizer, **shared)[""])
    runs = with_rates(best)
    accuracy = results(runs, "accuracy")
    entropy, mse, mse_same_rate = accuracy.values()
    differences = {"cross-entropy − MSE": entropy - mse, "cross-entropy − MSE at that rate": entropy - mse_same_rate}
    return Measured(
        named("held-out accuracy after 10 epochs", accuracy | differences),
        [along_epochs("digits", "held-out accuracy", runs, "held_out_accuracy")],
    )
