"""Claims on activations that saturate, dominate or die (subject, chapter 4)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.api import Run
from pellucid.data import Preprocessing, load_dataset
from pellucid.functions.activations import Softmax
from pellucid.layers import Activation, Dense, Flatten
from pellucid.network import Network
from pellucid.optimizers import as_optimizer
from pellucid.training import initial_state
from pellucid_textbook.lessons.claims import Condition, Measured, claim
from pellucid_textbook.lessons.panels import Curve, Curves, Points
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import first_gradients, train_variants


@claim(
    6,
    "hard-clipping",
    "Hard clipping loses the gradient.",
    items=("4.4",),
    reason="""
    Hard tanh is flat outside [−1, 1], so its gradient there is exactly 0: an example that drives a neuron past the
    clip teaches that neuron nothing. Tanh's gradient is small there and never 0, until float32 rounds it: beyond
    |z| ≈ 9.
    """,
    experiment="""
    One hidden layer of 64 units on 8×8 digits, initial weights by Glorot, the pixels multiplied by 1, 3, 10 and
    30. Over 512 rows before any training: the share of neurons and examples whose ∂L/∂z is exactly 0, with hard
    tanh and with tanh. Then both are trained at × 10, 20 epochs of SGD with the same seeds.
    """,
    rule=(
        Condition("share without gradient, hard tanh, inputs × 10", "above", 0.5),
        Condition("share without gradient, inputs × 10, hard tanh − tanh", "above", 0.25),
    ),
)
def hard_clipping(seeds: Sequence[int]) -> Measured:
    """Shares of gradients that are exactly zero."""
    data = load_dataset("digits")
    sizes = (1, 3, 10, 30)
    scaled = {size: replace(data, preprocessing=Preprocessing(scale=data.preprocessing.scale * size)) for size in sizes}
    networks = {name: _one_hidden(name.replace(" ", "_"), 64, "glorot_uniform") for name in ("hard tanh", "tanh")}
    lost = {
        name: np.stack(
            [
                (np.asarray(first_gradients(network, scaled[size], seeds).deltas[1]) == 0).mean(axis=(1, 2))
                for size in sizes
            ],
            axis=1,
        )
        for name, network in networks.items()
    }
    lost_at_10 = {name: shares[:, sizes.index(10)] for name, shares in lost.items()}
    runs = train_variants(
        scaled[10],
        seeds,
        {name: {"network": network} for name, network in networks.items()},
        optimizer={"name": "sgd", "learning_rate": 0.03},
        epochs=20,
        record_every=0,
    )
    loss = {
        name: Quantity.of(
            f"training loss after 20 epochs, {name}, inputs × 10", [run.history.epochs["loss"][-1] for run in of_name]
        )
        for name, of_name in runs.items()
    }
    return Measured(
        [
            Quantity.of(f"share without gradient, {name}, inputs × {size}", lost[name][:, sizes.index(size)])
            for name in networks
            for size in (1, 10)
        ]
        + [
            *loss.values(),
            Quantity.of(
                "share without gradient, inputs × 10, hard tanh − tanh", lost_at_10["hard tanh"] - lost_at_10["tanh"]
            ),
            loss["hard tanh"].minus(loss["tanh"], "training loss after 20 epochs, hard tanh − tanh"),
        ],
        [
            Curves(
                "before training",
                "inputs multiplied by",
                "share with ∂L/∂z = 0",
                [Curve.of(name, sizes, values) for name, values in lost.items()],
                log="x",
            ),
            Curves(
                "inputs × 10",
                "epoch",
                "training loss",
                [
                    Curve.of(name, of_name[0].history.epochs["epoch"], [r.history.epochs["loss"] for r in of_name])
                    for name, of_name in runs.items()
                ],
                log="y",
            ),
        ],
    )


@claim(
    7,
    "softmax",
    "Softmax outputs sum to 1 and large logits dominate.",
    items=("4.5",),
    reason="""
    Dividing by the sum makes the sum 1. The ratio of two outputs is e to the difference of their logits: a lead
    of 5 makes it 148, so the largest takes nearly all.
    """,
    experiment="""
    A network 64–32–10 is trained on 8×8 digits, 10 epochs of Adam. The logits of all held-out rows are
    multiplied by 1, 10, 100 and 1000, and the softmax of each taken: the greatest distance of a sum from 1.
    Then, without the factor: the largest output where the largest logit leads the second by at least 5, and
    where it leads by less than 1.
    """,
    rule=(
        Condition("greatest distance of a sum from 1", "below", 1e-5),
        Condition("mean largest output where its logit leads by 5 or more", "above", 0.9),
        Condition("mean largest output where its logit leads by less than 1", "below", 0.75),
    ),
)
def softmax(seeds: Sequence[int]) -> Measured:
    """Sums, and the largest output against its logit's lead."""
    data = load_dataset("digits")
    assert data.held_out is not None
    runs = train_variants(data, seeds, {"": {"network": _one_hidden("relu", 32)}}, epochs=10, record_every=0)[""]
    x = jnp.asarray(data.preprocessing.apply_numpy(data.held_out.x))
    distances, far, near, points = [], [], [], []
    for run in runs:
        logits = run.network.forward(run.params, run.layer_state, x).outputs[-2]
        sums = [np.asarray(Softmax().value(logits * factor).sum(axis=-1)) for factor in (1.0, 10.0, 100.0, 1000.0)]
        distances.append(np.abs(np.array(sums) - 1).max())
        ordered = np.sort(np.asarray(logits), axis=-1)
        lead = ordered[:, -1] - ordered[:, -2]
        largest = np.asarray(Softmax().value(logits).max(axis=-1))
        far.append(largest[lead >= 5].mean())
        near.append(largest[lead < 1].mean())
        points = points or list(zip(lead.tolist(), largest.tolist(), strict=True))
    return Measured(
        [
            Quantity.of("greatest distance of a sum from 1", distances),
            Quantity.of("mean largest output where its logit leads by 5 or more", far),
            Quantity.of("mean largest output where its logit leads by less than 1", near),
        ],
        [
            Points(
                f"held-out digits, seed {seeds[0]}",
                "lead of the largest logit over the second",
                "largest output",
                {"an image": points},
            )
        ],
    )


@claim(
    9,
    "dying-relu",
    "ReLU neurons die.",
    items=("4.6",),
    reason="""
    One update that is too large can push a neuron's z below 0 for every example. Its gradient is then 0
    everywhere, no gradient reaches its weights, and it stays as it is. A leaky ReLU keeps a gradient of 0.01 there
    and can come back.
    """,
    experiment="""
    Two hidden layers of 64 units on 8×8 digits, 20 epochs of Adam at rates 0.001, 0.01, 0.03 and 0.1. Counted
    as died: neurons of the second hidden layer whose z was above 0 for some training row before the training
    and is above 0 for none after it. The same count with leaky ReLU.
    """,
    rule=(
        Condition("share of neurons that died, relu, rate 0.03", "above", 0.05),
        Condition("share of neurons that died, relu, rate 0.03 − rate 0.001", "above", 0.0),
        Condition("share of neurons that died, rate 0.03, relu − leaky relu", "above", 0.0),
    ),
)
def dying_relu(seeds: Sequence[int]) -> Measured:
    """Neurons that are silent for all training rows, by learning rate."""
    data = load_dataset("digits")
    rates = (0.001, 0.01, 0.03, 0.1)
    names = ("relu", "leaky relu")
    runs = train_variants(
        data,
        seeds,
        {
            f"{name} {rate}": {
                "network": Network(
                    Flatten(), *(Dense(64, name.replace(" ", "_")) for _ in range(2)), Dense(10, "softmax")
                ),
                "optimizer": {"name": "adam", "learning_rate": rate},
            }
            for name in names
            for rate in rates
        },
        epochs=20,
        record_every=0,
    )
    x = jnp.asarray(data.preprocessing.apply_numpy(data.train.x))
    dead = {name: np.array([[_died(run, x) for run in runs[f"{name} {rate}"]] for rate in rates]).T for name in names}
    accuracy = {
        name: np.array([[run.result["accuracy"] for run in runs[f"{name} {rate}"]] for rate in rates]).T
        for name in names
    }
    shares = {
        (name, rate): Quantity.of(f"share of neurons that died, {name}, rate {rate}", dead[name][:, rates.index(rate)])
        for name in names
        for rate in (0.001, 0.03)
    }
    return Measured(
        [
            *shares.values(),
            shares["relu", 0.03].minus(
                shares["relu", 0.001], "share of neurons that died, relu, rate 0.03 − rate 0.001"
            ),
            shares["relu", 0.03].minus(
                shares["leaky relu", 0.03], "share of neurons that died, rate 0.03, relu − leaky relu"
            ),
        ],
        [
            Curves(
                "second hidden layer, after 20 epochs",
                "learning rate",
                "share of neurons that died",
                [Curve.of(name, rates, dead[name]) for name in names],
                log="x",
            ),
            Curves(
                "what it costs",
                "learning rate",
                "held-out accuracy",
                [Curve.of(name, rates, accuracy[name]) for name in names],
                log="x",
            ),
        ],
    )


def _died(run: Run, x: jnp.ndarray) -> float:
    """Share of the last hidden layer's neurons that were active for some row before training, for none after it."""
    before = initial_state(run.network, as_optimizer("sgd"), None, x.shape[1:], run.experiment.seed).params
    return float((_active(run, before, x) & ~_active(run, run.params, x)).mean())


def _active(run: Run, params: Any, x: jnp.ndarray) -> np.ndarray:
    """Which neurons of the last hidden layer have z above 0 for some row."""
    places = [i for i, layer in enumerate(run.network.layers) if isinstance(layer, Activation)]
    z = run.network.forward(params, run.layer_state, x).outputs[places[-2] - 1]
    return np.asarray((z > 0).any(axis=0))


def _one_hidden(activation: str, units: int, weights: str = "he_normal") -> Network:
    """One hidden layer, and the output for the digits."""
    return Network(Flatten(), Dense(units, activation, weights=weights), Dense(10, "softmax", weights=weights))
