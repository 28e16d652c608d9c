"""Claims on losses (subject, chapter 5)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from pellucid.api import Run
from pellucid.data import Dataset, Part, load_dataset
from pellucid.layers import Dense, Flatten
from pellucid.network import Network
from pellucid_textbook.lessons.claims import Condition, Measured, claim
from pellucid_textbook.lessons.panels import Curve, Curves, Dots
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import at_best_rate, train_variants

LOSSES = {
    "MSE": "mean_squared_error",
    "MAE": "mean_absolute_error",
    "Huber": "huber",
    "log-cosh": {"name": "log_cosh", "reduction": "mean"},
}
"""The regression losses that are compared, each averaged over the rows."""


# ---- Outliers ----

SPOILED = """
Linear regression on the diabetes data, targets at mean 0 and spread 1. In one training row of ten, drawn by the seed,
10 spreads are added to the target. Each loss is trained with and without these outliers, 150 epochs of Adam; the
held-out rows are clean. Damage is how much the held-out mean absolute error grows by the outliers.
"""


@claim(
    11,
    "outliers",
    "MSE is pulled by outliers, MAE and Huber are not.",
    items=("5.1", "5.2", "5.3"),
    reason="""
    MSE's gradient grows with the error, so that a target that is 10 spreads off pulls 10 times as hard as one that
    is 1 off. MAE's gradient is 1 whatever the error, Huber's at most δ = 1.
    """,
    experiment=SPOILED,
    rule=(
        Condition("damage, MSE − MAE", "above", 0.0),
        Condition("damage, MSE − Huber", "above", 0.0),
        Condition("damage, MAE", "below", 0.1),
        Condition("damage, Huber", "below", 0.1),
    ),
)
def outliers(seeds: Sequence[int]) -> Measured:
    """Held-out errors with and without outliers."""
    errors = _errors_with_outliers(tuple(seeds))
    damage = _damage(errors)
    names = ("MSE", "MAE", "Huber")
    return Measured(
        [
            *(damage[name] for name in names),
            damage["MSE"].minus(damage["MAE"], "damage, MSE − MAE"),
            damage["MSE"].minus(damage["Huber"], "damage, MSE − Huber"),
        ],
        [
            Dots(
                "diabetes, one training target of ten spoiled",
                "held-out mean absolute error",
                {
                    f"{name},\n{state}": list(errors[f"{name}, {state}"])
                    for name in names
                    for state in ("clean", "spoiled")
                },
            )
        ],
    )


@cache
def _errors_with_outliers(seeds: tuple[int, ...]) -> dict[str, tuple[float, ...]]:
    """Held-out mean absolute error of each loss, clean and spoiled, one value a seed."""
    runs = train_variants(
        _diabetes,
        seeds,
        {
            f"{name}, {state}": {"loss": loss, "data": data}
            for name, loss in LOSSES.items()
            for state, data in (("clean", _diabetes), ("spoiled", _spoiled))
        },
        network=Network(Dense(1)),
        optimizer={"name": "adam", "learning_rate": 0.01},
        epochs=150,
        record_every=0,
        metric="mean_absolute_error",
    )
    return {label: tuple(run.result["mean_absolute_error"] for run in of) for label, of in runs.items()}


def _damage(errors: dict[str, tuple[float, ...]]) -> dict[str, Quantity]:
    return {
        name: Quantity.of(f"damage, {name}", np.subtract(errors[f"{name}, spoiled"], errors[f"{name}, clean"]))
        for name in LOSSES
    }


def _diabetes(seed: int) -> Dataset:
    """The diabetes data, with targets of mean 0 and spread 1 over the training rows."""
    data = load_dataset("diabetes", seed=seed)
    assert data.held_out is not None
    shift, spread = data.train.y.mean(), data.train.y.std()
    return replace(
        data,
        train=Part(data.train.x, (data.train.y - shift) / spread),
        held_out=Part(data.held_out.x, (data.held_out.y - shift) / spread),
    )


def _spoiled(seed: int) -> Dataset:
    """The same with outliers among the training targets."""
    data = _diabetes(seed)
    rows = len(data.train)
    hit = np.random.default_rng(seed).permutation(rows)[: rows // 10]
    y = data.train.y.copy()
    y[hit] += 10
    return replace(data, train=Part(data.train.x, y))


# ---- The end of a training ----

TAUGHT = """
Linear regression on the inputs of the diabetes data, with targets that a drawn linear map gives, so that every loss has
the same minimum of 0. Gradient descent on all rows at once, 1,000 steps at rates 0.003,
0.01, 0.03, 0.1, 0.15 and 0.3, each loss at the rate that leaves it the smallest error.
"""


@claim(
    12,
    "mae-kink",
    "MAE's kink slows the end of training.",
    items=("5.2",),
    reason="""
    MAE's gradient has size 1 however small the error is. Near the minimum a step of constant size jumps over it,
    back and forth; MSE's gradient shrinks with the error and comes to rest.
    """,
    experiment=TAUGHT,
    rule=(
        Condition("log₁₀ of the error left, MAE − MSE", "above", 0.0),
        Condition("log₁₀ of the error left, MAE − Huber", "above", 0.0),
    ),
)
def mae_kink(seeds: Sequence[int]) -> Measured:
    """Mean absolute error left after a thousand steps."""
    left, curves = _errors_left(tuple(seeds))
    return Measured(
        [
            *(left[name] for name in ("MSE", "MAE", "Huber")),
            left["MAE"].minus(left["MSE"], "log₁₀ of the error left, MAE − MSE"),
            left["MAE"].minus(left["Huber"], "log₁₀ of the error left, MAE − Huber"),
        ],
        [Curves("each at its best rate", "step", "mean absolute error", list(curves[:3]), log="y")],
    )


@claim(
    13,
    "log-cosh",
    "Log-cosh lies between MSE and MAE: robust as the one, smooth at the end as the other.",
    items=("5.4",),
    reason="""
    Its gradient tanh(e) is e near zero, as half of MSE's, and ±1 far away, as MAE's.
    """,
    experiment=f"""
    Outliers: {SPOILED} The end of the training: {TAUGHT}
    """,
    rule=(
        Condition("damage, MSE − log-cosh", "above", 0.0),
        Condition("log₁₀ of the error left, MAE − log-cosh", "above", 0.0),
    ),
)
def log_cosh(seeds: Sequence[int]) -> Measured:
    """Both experiments."""
    errors = _errors_with_outliers(tuple(seeds))
    damage = _damage(errors)
    left, curves = _errors_left(tuple(seeds))
    names = ("MSE", "MAE", "log-cosh")
    return Measured(
        [
            *(damage[name] for name in names),
            damage["MSE"].minus(damage["log-cosh"], "damage, MSE − log-cosh"),
            damage["log-cosh"].minus(damage["MAE"], "damage, log-cosh − MAE"),
            *(left[name] for name in names),
            left["MAE"].minus(left["log-cosh"], "log₁₀ of the error left, MAE − log-cosh"),
            left["log-cosh"].minus(left["MSE"], "log₁₀ of the error left, log-cosh − MSE"),
        ],
        [
            Dots(
                "one training target of ten spoiled",
                "damage: growth of the held-out error",
                {name: list(damage[name].values) for name in names},
            ),
            Curves("each at its best rate", "step", "mean absolute error", [curves[0], curves[1], curves[3]], log="y"),
        ],
    )


@cache
def _errors_left(seeds: tuple[int, ...]) -> tuple[dict[str, Quantity], tuple[Curve, ...]]:
    """log₁₀ of the error after the last step, and its way there, for each loss at its best rate."""
    best = at_best_rate(
        _taught,
        seeds,
        {name: {"loss": loss} for name, loss in LOSSES.items()},
        rates=(0.003, 0.01, 0.03, 0.1, 0.15, 0.3),
        score=_error_left,
        optimizer="gradient_descent",
        network=Network(Dense(1)),
        metric="mean_absolute_error",
        epochs=1000,
        record_every=0,
    )
    left = {
        name: Quantity.of(f"log₁₀ of the error left, {name} at rate {rate:g}", [_error_left(run) for run in runs])
        for name, (rate, runs) in best.items()
    }
    shown = slice(None, None, 5)  # a point in five draws the same line
    curves = tuple(
        Curve.of(
            f"{name} at rate {rate:g}",
            runs[0].history.steps["step"][shown],
            [run.history.steps["mean_absolute_error"][shown] for run in runs],
        )
        for name, (rate, runs) in best.items()
    )
    return left, curves


def _error_left(run: Run) -> float:
    """log₁₀ of the mean absolute error over the last ten steps; float32 ends at about 10⁻⁷."""
    return float(np.log10(np.maximum(run.history.steps["mean_absolute_error"][-10:].mean(), 1e-8)))


def _taught(seed: int) -> Dataset:
    """The inputs of the diabetes data, with targets that a drawn linear map gives."""
    data = load_dataset("diabetes", seed=seed)
    assert data.held_out is not None
    teacher = np.random.default_rng(seed).normal(size=(data.input_shape[0], 1)) / np.sqrt(data.input_shape[0])
    parts = {
        name: Part(part.x, (data.preprocessing.apply_numpy(part.x) @ teacher).astype(np.float32))
        for name, part in (("train", data.train), ("held_out", data.held_out))
    }
    return replace(data, **parts)


# ---- Classes ----


@claim(
    15,
    "cross-entropy",
    "Cross-entropy beats MSE for classification.",
    items=("5.1", "5.6"),
    reason="""
    Behind a softmax, MSE's gradient for a logit is multiplied by the softmax's own gradient, which vanishes where the
    network is sure and wrong. With cross-entropy the two cancel to ŷ − y, which is largest there.
    """,
    experiment="""
    A network 64–32–10 with softmax on 8×8 digits, SGD at rates 0.1, 0.3, 1, 3, 10 and 30, each loss at the rate
    with the best training accuracy after 10 epochs; the same initial weights. Compared: the accuracy on the
    held-out rows then. For comparison, MSE at the rate that is best for cross-entropy too.
    """,
    rule=(Condition("held-out accuracy after 10 epochs, cross-entropy − MSE", "above", 0.0),),
)
def cross_entropy(seeds: Sequence[int]) -> Measured:
    """Held-out accuracies, each loss at its best rate."""
    data = load_dataset("digits")
    assert data.held_out is not None
    one_hot = replace(data, task="regression", train=_one_hot(data.train), held_out=_one_hot(data.held_out), classes=())
    squared = {"loss": "mean_squared_error", "data": one_hot}
    shared = {
        "network": Network(Flatten(), Dense(32, "relu"), Dense(10, "softmax")),
        "metric": "accuracy",
        "epochs": 10,
        "record_every": 0,
    }
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
    best["MSE at that rate"] = (rate, train_variants(data, seeds, {"": squared}, optimizer=optimizer, **shared)[""])
    accuracy = {
        name: Quantity.of(
            f"held-out accuracy after 10 epochs, {name} ({rate:g})", [run.result["accuracy"] for run in runs]
        )
        for name, (rate, runs) in best.items()
    }
    differences = [
        accuracy["cross-entropy"].minus(accuracy[name], f"held-out accuracy after 10 epochs, cross-entropy − {name}")
        for name in ("MSE", "MSE at that rate")
    ]
    curves = [
        Curve.of(
            f"{name} ({rate:g})",
            runs[0].history.epochs["epoch"],
            [run.history.epochs["held_out_accuracy"] for run in runs],
        )
        for name, (rate, runs) in best.items()
    ]
    return Measured([*accuracy.values(), *differences], [Curves("digits", "epoch", "held-out accuracy", curves)])


def _one_hot(part: Part) -> Part:
    return Part(part.x, np.eye(10, dtype=np.float32)[part.y])
