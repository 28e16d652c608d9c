"""Claims on penalties and dropout: what they do to weights and on new rows (subject 7.4–7.7)."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.api import Run
from pellucid.data import Dataset, load_dataset
from pellucid.functions.regularizers import L1, L2, Regularizer
from pellucid.layers import Dense, Dropout, Flatten
from pellucid.network import Network
from pellucid_textbook.lessons.claims import Condition, Measured, claim
from pellucid_textbook.lessons.materials import diabetes, few_digits
from pellucid_textbook.lessons.panels import Curve, Curves, Dots, Points
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import train_variants

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)


@claim(
    18,
    "l1-zeros",
    "L1 makes weights exactly zero, L2 does not.",
    items=("7.4", "7.5"),
    reason="""The gradient of λ|w| is λ however small the weight, so a weight whose loss pulls less than λ ends at
    0. The gradient of λw² fades with the weight, so it shrinks and never arrives.""",
    experiment="""Handwritten digits (8×8), 64–32–10 with ReLU, 30 epochs of SGD at 0.1 under L1 or L2 on all
    weights, at strengths from 0.00001 to 0.01. Counted are the weights that are exactly 0. L1 must make more
    than 10 % of them 0 at strength 0.001, and L2 none at any strength (less than one in a million on average).""",
    rule=(
        Condition("share of zeros, L1 at 0.001", "above", 0.1),
        Condition("share of zeros, L2, most at any strength", "below", 1e-6),
    ),
)
def l1_zeros(seeds: Sequence[int]) -> Measured:
    """Zeros and accuracy over strengths."""
    keys = {f"{name} {strength:g}": (name, strength) for name in ("l1", "l2") for strength in STRENGTHS}
    runs = train_variants(
        load_dataset("digits"),
        seeds,
        {key: {"regularizer": {"name": name, "strength": strength}} for key, (name, strength) in keys.items()},
        network=(32,),
        optimizer={"name": "sgd", "learning_rate": 0.1},
        epochs=30,
        batch_size=16,
        record_every=0,
    )
    zeros = {key: np.array([(_weights(run) == 0).mean() for run in of_key]) for key, of_key in runs.items()}
    right = {key: np.array([run.result["accuracy"] for run in of_key]) for key, of_key in runs.items()}

    def over_strengths(values: dict[str, np.ndarray]) -> list[Curve]:
        return [
            Curve.of(name.upper(), STRENGTHS, np.stack([values[f"{name} {s:g}"] for s in STRENGTHS], axis=1))
            for name in ("l1", "l2")
        ]

    of_l2 = np.stack([zeros[f"l2 {strength:g}"] for strength in STRENGTHS])
    return Measured(
        [
            Quantity.of("share of zeros, L1 at 0.001", zeros["l1 0.001"]),
            Quantity.of("share of zeros, L2, most at any strength", of_l2.max(axis=0)),
            Quantity.of("share of zeros, L1 at 0.01", zeros["l1 0.01"]),
            Quantity.of("held-out accuracy, L1 at 0.001", right["l1 0.001"]),
            Quantity.of("held-out accuracy, L2 at 0.001", right["l2 0.001"]),
            Quantity.of("held-out accuracy, L1 at 0.01", right["l1 0.01"]),
        ],
        [
            Curves("weights that are exactly 0", "strength λ", "share of the weights", over_strengths(zeros), log="x"),
            Curves("what it costs", "strength λ", "held-out accuracy", over_strengths(right), log="x"),
        ],
    )


def _weights(run: Run) -> np.ndarray:
    """All penalised weights of a network of dense layers."""
    return np.concatenate([np.ravel(params["weights"]) for params in run.params if "weights" in params])


MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
TRIO = ("mean radius", "mean perimeter", "mean area")


@claim(
    19,
    "elastic-net",
    "The elastic net lies between L1 and L2: some zeros, and correlated inputs share their weight.",
    items=("7.4", "7.5", "7.6"),
    reason="""λ₁ Σ|w| makes zeros and does not care which of two like inputs carries a weight; λ₂ Σw² is least
    where they share it. The sum of both does some of each.""",
    experiment="""Breast cancer from 30 measures, one sigmoid neuron, 2,000 steps of gradient descent on all
    rows, other held-out rows each seed, λ₁ = 0.01·m and λ₂ = 0.01·(1 − m): m = 0 is L2, m = 1 is L1, the net is
    m = 0.5. Measured are the share of weights that are exactly 0 and how unequal the weights are: the largest
    one's share of the sum of all sizes. In both the net must lie between the two. The picture shows three
    measures of one thing, the size of the nuclei (radius, perimeter, area, correlated by 0.99): how many of
    their weights are not 0.""",
    rule=(
        Condition("share of zeros, net − L2", "above", 0.0),
        Condition("share of zeros, L1 − net", "above", 0.0),
        Condition("largest weight's share, net − L2", "above", 0.0),
        Condition("largest weight's share, L1 − net", "above", 0.0),
    ),
)
def elastic_net(seeds: Sequence[int]) -> Measured:
    """One neuron under mixes of the two penalties."""
    runs = train_variants(
        lambda seed: load_dataset("breast-cancer", seed=seed),
        seeds,
        {str(mix): {"regularizer": {"name": "elastic_net", "l1": 0.01 * mix, "l2": 0.01 * (1 - mix)}} for mix in MIXES},
        network=(),
        optimizer={"name": "gradient_descent", "learning_rate": 0.1},
        epochs=2000,
        record_every=0,
    )
    weights = np.array([[_weights(run) for run in runs[str(mix)]] for mix in MIXES])  # mix, seed, input
    sizes = abs(weights)
    zeros, largest = (weights == 0).mean(axis=2), sizes.max(axis=2) / sizes.sum(axis=2)
    features = load_dataset("breast-cancer").features
    kept = (weights[:, :, [features.index(name) for name in TRIO]] != 0).sum(axis=2)
    l2, net, l1 = (MIXES.index(mix) for mix in (0.0, 0.5, 1.0))
    quantities = []
    for name, values in (("share of zeros", zeros), ("largest weight's share", largest)):
        quantities += [
            Quantity.of(f"{name}, L2", values[l2]),
            Quantity.of(f"{name}, net", values[net]),
            Quantity.of(f"{name}, L1", values[l1]),
            Quantity.of(f"{name}, net − L2", values[net] - values[l2]),
            Quantity.of(f"{name}, L1 − net", values[l1] - values[net]),
        ]
    for place, name in ((l2, "L2"), (net, "net"), (l1, "L1")):
        losses = [run.result["loss"] for run in runs[str(MIXES[place])]]
        quantities.append(Quantity.of(f"held-out loss, {name}", losses))
    axis = "share of L1 in the penalty"
    return Measured(
        quantities,
        [
            Curves("weights that are exactly 0", axis, "share of the weights", [Curve.of("", MIXES, zeros.T)]),
            Curves("how unequal the weights are", axis, "largest weight's share", [Curve.of("", MIXES, largest.T)]),
            Dots(
                "radius, perimeter, area",
                "weights that are not 0, of three",
                {name: kept[place].tolist() for place, name in ((l2, "L2"), (net, "net"), (l1, "L1"))},
            ),
        ],
    )


@claim(
    20,
    "dropout",
    "Dropout reduces overfitting.",
    items=("7.7",),
    reason="""A neuron that cannot rely on any one other must be of use by itself, and the network in
    prediction is about the mean of many thinned ones. It learns its training rows less well, and new ones
    better.""",
    experiment="""500 digits of MNIST for training, others each seed, 1,000 held out; 784–128–10 with ReLU, 60
    epochs of Adam, with and without half of the hidden neurons dropped in training. Overfitting is the held-out
    loss at the end minus the training loss, both without dropping. It must be smaller with dropout, and the
    held-out loss too: a network that learnt nothing would have no gap either.""",
    rule=(Condition("gap, dropout − none", "below", 0.0), Condition("held-out loss, dropout − none", "below", 0.0)),
)
def dropout(seeds: Sequence[int]) -> Measured:
    """The same network with and without dropout."""

    def network(*dropped: Dropout) -> Network:
        return Network(Flatten(), Dense(128, "relu"), *dropped, Dense(10, "softmax", weights="glorot_uniform"))

    def data(seed: int) -> Dataset:
        return few_digits(seed, 500)

    runs = train_variants(
        data,
        seeds,
        {"none": {"network": network()}, "dropout": {"network": network(Dropout(0.5))}},
        epochs=60,
        record_every=0,
    )
    train, held_out = _train_and_held_out(runs, data, seeds)
    gap = {name: held_out[name].minus(train[name], f"gap, {name}") for name in runs}
    right = {
        name: Quantity.of(f"held-out accuracy, {name}", [run.result["accuracy"] for run in of_name])
        for name, of_name in runs.items()
    }
    return Measured(
        [
            *(part[name] for name in runs for part in (train, held_out, gap, right)),
            gap["dropout"].minus(gap["none"], "gap, dropout − none"),
            held_out["dropout"].minus(held_out["none"], "held-out loss, dropout − none"),
            right["dropout"].minus(right["none"], "held-out accuracy, dropout − none"),
        ],
        [
            _held_out_curves("along the training", runs),
            Dots("at the end", "held-out loss − training loss", {name: list(gap[name].values) for name in runs}),
        ],
    )


def _train_and_held_out(
    runs: dict[str, list[Run]], data: Any, seeds: Sequence[int]
) -> tuple[dict[str, Quantity], dict[str, Quantity]]:
    """Loss on the rows trained on, as the network predicts, and on the held-out ones, at the end."""
    rows = [data(seed).train for seed in seeds]
    train = {
        name: [run.evaluate_part(part)["loss"] for run, part in zip(of_name, rows, strict=True)]
        for name, of_name in runs.items()
    }
    return (
        {name: Quantity.of(f"training loss, {name}", values) for name, values in train.items()},
        {
            name: Quantity.of(f"held-out loss, {name}", [run.result["loss"] for run in of_name])
            for name, of_name in runs.items()
        },
    )


def _held_out_curves(title: str, runs: dict[str, list[Run]]) -> Curves:
    curves = [
        Curve.of(name, run[0].history.epochs["epoch"], [one.history.epochs["held_out_loss"] for one in run])
        for name, run in runs.items()
    ]
    return Curves(title, "epoch", "held-out loss", curves)


@claim(
    27,
    "generalisation",
    "A network generalises when it is regularised and overfits when it is not.",
    items=("3.6", "3.9", "7.5"),
    reason="""5,000 weights can fit 353 rows and their noise; what they learn of the noise is wrong on new
    rows. A penalty makes the noise dearer than it is worth.""",
    experiment="""The progression of diabetes from ten measures, 353 rows, 89 held out, others each seed;
    10–64–64–1 with ReLU, 200 epochs of Adam, without a penalty and under L2 at five strengths. Losses are
    shares of the target's variance: 1 is that of predicting the mean. To overfit is to end at a held-out loss
    more than a tenth above the lowest on the way; the network without penalty must, that under L2 at 0.03 must
    not, and must end lower.""",
    rule=(
        Condition("end above lowest held-out loss, no penalty", "above", 1.1),
        Condition("end above lowest held-out loss, L2 0.03", "below", 1.1),
        Condition("held-out loss, L2 0.03 − no penalty", "below", 0.0),
    ),
)
def generalisation(seeds: Sequence[int]) -> Measured:
    """A network with many more weights than rows, over strengths of L2."""
    strengths = (0.001, 0.003, 0.01, 0.03, 0.1)
    penalties = {"no penalty": None} | {f"L2 {s:g}": {"name": "l2", "strength": s} for s in strengths}
    runs = train_variants(
        diabetes,
        seeds,
        {name: {"regularizer": penalty} for name, penalty in penalties.items()},
        network=(64, 64),
        epochs=200,
        record_every=0,
    )
    train, held_out = _train_and_held_out(runs, diabetes, seeds)
    above = {
        name: Quantity.of(
            f"end above lowest held-out loss, {name}",
            [run.result["loss"] / run.history.epochs["held_out_loss"].min() for run in of_name],
        )
        for name, of_name in runs.items()
    }
    compared = ("no penalty", "L2 0.03")
    values = {
        label: np.array([part[f"L2 {s:g}"].values for s in strengths]).T
        for label, part in (("training rows", train), ("held-out rows", held_out))
    }
    return Measured(
        [
            *(part[name] for name in compared for part in (train, held_out, above)),
            held_out["L2 0.03"].minus(held_out["no penalty"], "held-out loss, L2 0.03 − no penalty"),
        ],
        [
            _held_out_curves("along the training", {name: runs[name] for name in compared}),
            Curves(
                "at the end",
                "strength λ of L2",
                "loss (1: predicting the mean)",
                [Curve.of(label, strengths, rows) for label, rows in values.items()],
                log="x",
            ),
        ],
    )


CORRELATIONS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
TABLES = 100
"""Drawn for each seed and correlation."""


@claim(
    30,
    "l1-drops",
    "L1 can drop a feature that mattered, where two are correlated.",
    items=("7.4", "7.6"),
    reason="""Of two features that nearly agree one can stand in for both at the same price λ Σ|w|, so chance
    decides how the weight is shared, and a share that comes out below 0 ends at 0. L2 is cheapest where they
    share it evenly.""",
    experiment=f"""Tables of 50 rows whose truth is known: y = x₁ + x₂ + noise, all three of spread 1, so both
    features matter alike; four more features are of no use. The correlation of x₁ and x₂ goes from 0 to 0.99,
    {TABLES} tables a seed for each. A linear neuron, 2,000 steps of gradient descent under L1 or L2 of 0.1.
    Counted are the tables in which the weight of x₁ or x₂ is exactly 0. What a dropped feature costs is
    measured on new rows on which x₁ and x₂ go apart (correlation 0): the squared error under L1 over that under
    L2, in the tables in which L1 dropped one at correlation 0.99.""",
    rule=(
        Condition("dropped by L1, correlation 0.99", "above", 0.1),
        Condition("dropped by L1, correlation 0", "below", 0.01),
        Condition("dropped by L2, correlation 0.99", "below", 1e-6),
        Condition("error where they go apart, L1 / L2, one dropped", "above", 1.0),
    ),
)
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
    shares = {name: values.mean(axis=-1) for name, values in dropped.items()}
    # On rows where all features are independent the error is the noise and what each weight is off by.
    errors = {name: 1 + ((values[:, -1] - [1, 1, 0, 0, 0, 0]) ** 2).sum(axis=-1) for name, values in weights.items()}
    ratios = [
        (l1 / l2)[lost].mean() if lost.any() else 1.0
        for l1, l2, lost in zip(errors["L1"], errors["L2"], dropped["L1"][:, -1], strict=True)
    ]
    pairs = {name: values[0, -1, :, :2].tolist() for name, values in weights.items()}
    return Measured(
        [
            Quantity.of("dropped by L1, correlation 0", shares["L1"][:, 0]),
            Quantity.of("dropped by L1, correlation 0.99", shares["L1"][:, -1]),
            Quantity.of("dropped by L2, correlation 0.99", shares["L2"][:, -1]),
            Quantity.of("error where they go apart, L1 / L2, one dropped", ratios),
        ],
        [
            Curves(
                "tables in which x₁ or x₂ is dropped",
                "correlation of x₁ and x₂",
                "share of the tables",
                [Curve.of(name, CORRELATIONS, values) for name, values in shares.items()],
            ),
            Points("the two weights at correlation 0.99", "weight of x₁ (truth: 1)", "weight of x₂ (truth: 1)", pairs),
        ],
    )


def _correlated_tables(rng: np.random.Generator, correlation: float) -> tuple[jax.Array, jax.Array]:
    """Tables x (tables, rows, 6) and their targets (tables, rows)."""
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
