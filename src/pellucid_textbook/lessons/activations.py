"""Experiments on activation functions: depth, vanishing gradients, centre, saturation, dying units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pellucid as pel
from pellucid.activations import Elementwise, Softmax
from pellucid.core.formula import Formula
from pellucid.report.chart import ScatterChart, Series
from pellucid_textbook.charts import dots, lines
from pellucid_textbook.lessons.claim import Measured, experiment
from pellucid_textbook.lessons.trainings import (
    activation_indices,
    along_epochs,
    at_best_rate,
    compared,
    digits_network,
    epochs,
    first_gradients,
    held_out_rows,
    last_loss,
    named,
    results,
    scaled_digits,
    train_variants,
    with_rates,
)

SIZES = (1, 3, 10, 30)
"""Factors that the pixels are multiplied by."""


@experiment("deep-linear")
def deep_linear(seeds: Sequence[int]) -> Measured:
    """Fit one linear layer to the outputs of three."""
    data = pel.load_dataset("digits")
    networks = {
        name: pel.Network(pel.Flatten(), pel.Dense(32, name), pel.Dense(32, name), pel.Dense(10, "softmax"))
        for name in ("linear", "relu")
    }
    runs = train_variants(data, seeds, networks, optimizer={"name": "adam", "learning_rate": 0.003}, epochs=20)
    x = held_out_rows(data).reshape(-1, 64)
    beyond = {name: [_beyond_linear(run, x) for run in of_name] for name, of_name in runs.items()}
    logs = {name: np.log10(values) for name, values in beyond.items()}
    return Measured(
        named("fraction beyond one linear layer", beyond) | named("held-out accuracy", results(runs, "accuracy")),
        [
            dots("outputs that no single linear layer computes", "log₁₀ of the fraction of the variation", logs),
            along_epochs("three layers on digits", "held-out accuracy", runs, "held_out_accuracy"),
        ],
    )


def _beyond_linear(run: pel.Run, x: jax.Array) -> float:
    """The fraction of the logits' variation that the best affine map of x leaves over."""
    logits = np.asarray(run.network.forward(run.params, run.layer_state, x).outputs[-2], float)
    design = np.column_stack([np.asarray(x, float), np.ones(len(x))])
    rest = logits - design @ np.linalg.lstsq(design, logits)[0]
    return float(np.linalg.norm(rest) / np.linalg.norm(logits - logits.mean(axis=0)))


DEPTH = 10


@experiment("vanishing-gradients")
def vanishing_gradients(seeds: Sequence[int]) -> Measured:
    """Gradient norms by layer, before training."""
    data = pel.load_dataset("digits")
    networks = {name: digits_network(name, DEPTH) for name in ("sigmoid", "relu")}
    norms = {name: _norms_by_layer(network, data, seeds) for name, network in networks.items()}
    runs = train_variants(data, seeds, networks, optimizer={"name": "adam", "learning_rate": 0.003}, epochs=15)
    accuracy = results(runs, "accuracy")
    ratios = {name: np.log10(norm[:, 0] / norm[:, -1]) for name, norm in norms.items()}
    return Measured(
        named("log₁₀ of first over last hidden layer's gradient", ratios)
        | named("held-out accuracy after 15 epochs", accuracy),
        [
            lines("before training", "hidden layer", "norm of ∂L/∂W", range(1, DEPTH + 1), norms, log="y"),
            dots("after 15 epochs", "held-out accuracy", accuracy),
        ],
    )


def _norms_by_layer(network: pel.Network, data: pel.Dataset, seeds: Sequence[int]) -> np.ndarray:
    grads = [layer["weights"] for layer in first_gradients(network, data, seeds).grads if layer]
    return np.stack([np.linalg.norm(np.asarray(g).reshape(len(seeds), -1), axis=1) for g in grads[:-1]], axis=1)


@experiment("tanh-against-sigmoid")
def tanh_against_sigmoid(seeds: Sequence[int]) -> Measured:
    """Epochs that each needs, at its best rate."""
    variants = {name: {"network": digits_network(name, 2, weights="glorot_uniform")} for name in ("tanh", "sigmoid")}
    rates = (0.03, 0.1, 0.3, 1.0, 3.0)
    runs = with_rates(at_best_rate(pel.load_dataset("digits"), seeds, variants, rates, _epochs_needed, epochs=40))
    needed = {name: np.array([_epochs_needed(run) for run in of_name]) for name, of_name in runs.items()}
    tanh, sigmoid = needed.values()
    return Measured(
        named("epochs to a loss of 0.2", needed | {"tanh − sigmoid": tanh - sigmoid}),
        [along_epochs("each at its best rate", "training loss", runs, "loss", log="y")],
    )


def _epochs_needed(run: pel.Run) -> float:
    """Epochs until the training loss is below 0.2; all where it never is."""
    below = run.history.epochs["loss"] < 0.2
    return float(np.argmax(below) + 1 if below.any() else len(below))


@experiment("tanh-vanishes")
def tanh_vanishes(seeds: Sequence[int]) -> Measured:
    """The fraction of the gradient that passes, for larger and larger inputs."""
    networks = {name: digits_network(name, units=64, weights="glorot_uniform") for name in ("tanh", "relu")}
    passed = {
        name: np.stack([_fraction_passed(network, scaled_digits(size), seeds) for size in SIZES], axis=1)
        for name, network in networks.items()
    }
    ends = {f"{name}, inputs × {size}": passed[name][:, SIZES.index(size)] for name in passed for size in (1, 30)}
    return Measured(
        named("fraction of the gradient that passes", ends),
        [lines("through one hidden layer", "inputs multiplied by", "‖∂L/∂z‖ / ‖∂L/∂a‖", SIZES, passed, log="x")],
    )


def _fraction_passed(network: pel.Network, data: pel.Dataset, seeds: Sequence[int]) -> np.ndarray:
    index, deltas = activation_indices(network)[0], first_gradients(network, data, seeds).deltas
    after, before = (np.asarray(deltas[i]).reshape(len(seeds), -1) for i in (index, index - 1))
    return np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)


@dataclass(frozen=True)
class CentredSigmoid(Elementwise):
    """The sigmoid moved down by ½: the same derivative, values around zero. Used by this lesson alone."""

    name = "centred_sigmoid"
    formula = Formula("sigma(z) - 1/2")
    derivative_formula = Formula("1/4 - a**2")
    range = (-0.5, 0.5)

    def value(self, z: Any) -> Any:
        """Compute f(z)."""
        return jax.nn.sigmoid(z) - 0.5

    def derivative(self, z: Any, a: Any) -> Any:
        """Compute σ(z)(1 − σ(z)) from a."""
        return 0.25 - a * a


@experiment("zero-centred")
def zero_centred(seeds: Sequence[int]) -> Measured:
    """One sigmoid, two centres."""
    data = pel.load_dataset("digits")
    kinds: dict[str, Any] = {"centred": CentredSigmoid(), "sigmoid": "sigmoid"}
    networks = {label: digits_network(kind, 2, weights="glorot_uniform") for label, kind in kinds.items()}
    signs = {label: _one_sign(network, data, seeds) for label, network in networks.items()}
    variants = {label: {"network": network} for label, network in networks.items()}
    runs = with_rates(at_best_rate(data, seeds, variants, (0.3, 1.0, 3.0, 10.0), last_loss, epochs=15))
    loss = {label: rows[:, -1] for label, rows in epochs(runs, "loss").items()}
    centred, plain = loss.values()
    return Measured(
        named("gradients of one sign", compared(signs, "centred − sigmoid"))
        | named("training loss after 15 epochs", loss | {"centred / sigmoid": centred / plain}),
        [
            dots("second hidden layer, before training", "fraction of gradients of one sign", signs),
            along_epochs("each at its best rate", "training loss", runs, "loss", log="y"),
        ],
    )


def _one_sign(network: pel.Network, data: pel.Dataset, seeds: Sequence[int]) -> np.ndarray:
    """Mean fraction of a neuron's weights whose gradient, for one example, has the sign of the majority.

    The gradient of weight i is aᵢ · ∂L/∂z: its sign is that of aᵢ, or for all weights the opposite.
    """
    outputs = first_gradients(network, data, seeds).outputs[activation_indices(network)[0]]
    positive = (np.asarray(outputs) > 0).mean(axis=-1)
    return np.maximum(positive, 1 - positive).mean(axis=-1)


@experiment("hard-clipping")
def hard_clipping(seeds: Sequence[int]) -> Measured:
    """Fractions of gradients that are exactly zero."""
    networks = {
        name: digits_network(name.replace(" ", "_"), units=64, weights="glorot_uniform")
        for name in ("hard tanh", "tanh")
    }
    lost = {
        name: np.stack([_without_gradient(network, scaled_digits(size), seeds) for size in SIZES], axis=1)
        for name, network in networks.items()
    }
    sgd = {"name": "sgd", "learning_rate": 0.03}
    runs = train_variants(scaled_digits(10), seeds, networks, optimizer=sgd, epochs=20)
    loss = {name: rows[:, -1] for name, rows in epochs(runs, "loss").items()}
    zeros = {f"{name}, inputs × {size}": lost[name][:, SIZES.index(size)] for name in lost for size in (1, 10)}
    zeros["inputs × 10, hard tanh − tanh"] = zeros["hard tanh, inputs × 10"] - zeros["tanh, inputs × 10"]
    return Measured(
        named("fraction without gradient", zeros)
        | named("training loss after 20 epochs", {f"{name}, inputs × 10": values for name, values in loss.items()})
        | {"training loss after 20 epochs, hard tanh − tanh": loss["hard tanh"] - loss["tanh"]},
        [
            lines("before training", "inputs multiplied by", "fraction with ∂L/∂z = 0", SIZES, lost, log="x"),
            along_epochs("inputs × 10", "training loss", runs, "loss", log="y"),
        ],
    )


def _without_gradient(network: pel.Network, data: pel.Dataset, seeds: Sequence[int]) -> np.ndarray:
    return (np.asarray(first_gradients(network, data, seeds).deltas[1]) == 0).mean(axis=(1, 2))


@experiment("softmax")
def softmax(seeds: Sequence[int]) -> Measured:
    """Sums, and the largest output against its logit's lead."""
    data = pel.load_dataset("digits")
    runs = train_variants(data, seeds, {"": digits_network("relu")}, epochs=10)[""]
    x = held_out_rows(data)
    logits = np.stack([run.network.forward(run.params, run.layer_state, x).outputs[-2] for run in runs])
    outputs = [np.asarray(Softmax().value(jnp.asarray(logits * factor))) for factor in (1.0, 10.0, 100.0, 1000.0)]
    sums, ordered, largest = np.stack(outputs).sum(axis=-1), np.sort(logits, axis=-1), outputs[0].max(axis=-1)
    lead = ordered[..., -1] - ordered[..., -2]
    return Measured(
        {"largest distance of a sum from 1": np.abs(sums - 1).max(axis=(0, 2))}
        | {
            f"mean largest output where its logit leads by {words}": [
                of_seed[chosen].mean() for of_seed, chosen in zip(largest, which, strict=True)
            ]
            for words, which in (("5 or more", lead >= 5), ("less than 1", lead < 1))
        },
        [
            ScatterChart(
                f"held-out digits, seed {seeds[0]}",
                [Series("an image", lead[0], largest[0])],
                "lead of the largest logit over the second",
                "largest output",
            )
        ],
    )


@experiment("dying-relu")
def dying_relu(seeds: Sequence[int]) -> Measured:
    """Neurons that are silent for all training rows, by learning rate."""
    data, rates, names = pel.load_dataset("digits"), (0.001, 0.01, 0.03, 0.1), ("relu", "leaky relu")
    hidden = {name: (pel.Dense(64, name.replace(" ", "_")), pel.Dense(64, name.replace(" ", "_"))) for name in names}
    variants = {
        f"{name} {rate}": {
            "network": pel.Network(pel.Flatten(), *hidden[name], pel.Dense(10, "softmax")),
            "optimizer": {"name": "adam", "learning_rate": rate},
        }
        for name in names
        for rate in rates
    }
    runs = train_variants(data, seeds, variants, epochs=20)
    x = jnp.asarray(data.preprocessing.apply_numpy(data.train.x))
    died = {label: np.array([_died(run, x) for run in of_label]) for label, of_label in runs.items()}
    accuracy = results(runs, "accuracy")

    def by_rate(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: np.stack([values[f"{name} {rate}"] for rate in rates], axis=1) for name in names}

    dead = {f"{name}, rate {rate}": died[f"{name} {rate}"] for name in names for rate in (0.001, 0.03)}
    dead["relu, rate 0.03 − rate 0.001"] = died["relu 0.03"] - died["relu 0.001"]
    dead["rate 0.03, relu − leaky relu"] = died["relu 0.03"] - died["leaky relu 0.03"]
    last = "second hidden layer, after 20 epochs"
    return Measured(
        named("fraction of neurons that died", dead),
        [
            lines(last, "learning rate", "fraction of neurons that died", rates, by_rate(died), log="x"),
            lines("the cost", "learning rate", "held-out accuracy", rates, by_rate(accuracy), log="x"),
        ],
    )


def _died(run: pel.Run, x: jax.Array) -> float:
    """Fraction of the last hidden layer's neurons that were active for some row before training, for none after it."""
    initial, _, _ = run.network.init(jax.random.split(jax.random.key(run.experiment.seed))[0], x.shape[1:])
    return float((_active(run, initial, x) & ~_active(run, run.params, x)).mean())


def _active(run: pel.Run, params: Any, x: jax.Array) -> np.ndarray:
    """The neurons of the last hidden layer that have z above 0 for some row."""
    index = activation_indices(run.network)[-2]
    z = run.network.forward(params, run.layer_state, x).outputs[index - 1]
    return np.asarray((z > 0).any(axis=0))
