"""Claims on activation functions (subject, chapter 4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.api import Run
from pellucid.data import Dataset, Preprocessing, load_dataset
from pellucid.functions.activations import Elementwise, Values
from pellucid.layers import Activation, Dense, Flatten
from pellucid.network import Network
from pellucid_textbook.lessons.claims import Condition, Measured, claim
from pellucid_textbook.lessons.panels import Curve, Curves, Dots
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import at_best_rate, first_gradients, train_variants


@claim(
    1,
    "deep-linear",
    "A deep linear network computes no more than one linear layer.",
    items=("4.1", "3.9"),
    reason="""
    W₃(W₂(W₁x + b₁) + b₂) + b₃ is again Wx + b, with W = W₃W₂W₁: a product of matrices is one matrix. Depth pays
    only with something that is not linear between the layers.
    """,
    experiment="""
    Three layers of 32, 32 and 10 units on 8×8 digits, 20 epochs of Adam, linear between them. The best single
    linear layer is fitted by least squares to the trained network's outputs on the held-out rows; what is left
    over is the share that no linear layer computes. The same is done with ReLU between the layers, as a
    control: the measurement must be able to find something.
    """,
    rule=(
        Condition("share beyond one linear layer, linear", "below", 1e-4),
        Condition("share beyond one linear layer, relu", "above", 1e-2),
    ),
)
def deep_linear(seeds: Sequence[int]) -> Measured:
    """Fit one layer to the outputs of three."""
    data = load_dataset("digits")
    assert data.held_out is not None
    networks = {
        name: Network(Flatten(), Dense(32, name), Dense(32, name), Dense(10, "softmax")) for name in ("linear", "relu")
    }
    runs = train_variants(
        data,
        seeds,
        {name: {"network": network} for name, network in networks.items()},
        optimizer={"name": "adam", "learning_rate": 0.003},
        epochs=20,
        record_every=0,
    )
    x = data.preprocessing.apply_numpy(data.held_out.x).reshape(len(data.held_out), -1)
    shares = {name: [_beyond_linear(run, x) for run in of_name] for name, of_name in runs.items()}
    curves = [
        Curve.of(name, of_name[0].history.epochs["epoch"], [run.history.epochs["held_out_accuracy"] for run in of_name])
        for name, of_name in runs.items()
    ]
    return Measured(
        [Quantity.of(f"share beyond one linear layer, {name}", shares[name]) for name in runs]
        + [
            Quantity.of(f"held-out accuracy, {name}", [run.result["accuracy"] for run in of_name])
            for name, of_name in runs.items()
        ],
        [
            Dots("outputs that no single linear layer computes", "share of the spread", shares, log="y"),
            Curves("three layers on digits", "epoch", "held-out accuracy", curves),
        ],
    )


def _beyond_linear(run: Run, x: np.ndarray) -> float:
    """Share of the logits' spread that the best affine map of x leaves over."""
    logits = np.asarray(run.network.forward(run.params, run.layer_state, jnp.asarray(x)).outputs[-2], float)
    design = np.column_stack([x.astype(float), np.ones(len(x))])
    rest = logits - design @ np.linalg.lstsq(design, logits)[0]
    return float(np.linalg.norm(rest) / np.linalg.norm(logits - logits.mean(axis=0)))


DEPTH = 10


@claim(
    2,
    "vanishing-gradients",
    "Sigmoid gradients vanish with depth, ReLU's do not.",
    items=("4.2", "4.6", "3.4"),
    reason="""
    Each layer multiplies ∂L/∂z by f′(z) on its way back. The sigmoid's derivative a(1 − a) is at most ¼; ten of them
    make at most a millionth. ReLU's derivative is 1 wherever a neuron is active, and He's initial weights make up
    for those that are not.
    """,
    experiment="""
    Ten hidden layers of 32 units on 8×8 digits, the same initial weights (He) for both. Before any training the
    norm of ∂L/∂W is taken over 512 rows in each hidden layer. Then both are trained, 15 epochs of Adam.
    """,
    rule=(
        Condition("log₁₀ of first over last hidden layer's gradient, sigmoid", "below", -3.0),
        Condition("log₁₀ of first over last hidden layer's gradient, relu", "above", -1.0),
    ),
)
def vanishing_gradients(seeds: Sequence[int]) -> Measured:
    """Gradient norms by layer, at the beginning."""
    data = load_dataset("digits")
    networks = {name: _hidden(name, DEPTH) for name in ("sigmoid", "relu")}
    norms = {name: _norms_by_layer(network, data, seeds) for name, network in networks.items()}
    runs = train_variants(
        data,
        seeds,
        {name: {"network": network} for name, network in networks.items()},
        optimizer={"name": "adam", "learning_rate": 0.003},
        epochs=15,
        record_every=0,
    )
    accuracy = {name: [run.result["accuracy"] for run in of_name] for name, of_name in runs.items()}
    layers = range(1, DEPTH + 1)
    return Measured(
        [
            Quantity.of(f"log₁₀ of first over last hidden layer's gradient, {name}", np.log10(norm[:, 0] / norm[:, -1]))
            for name, norm in norms.items()
        ]
        + [Quantity.of(f"held-out accuracy after 15 epochs, {name}", of_name) for name, of_name in accuracy.items()],
        [
            Curves(
                "before training",
                "hidden layer",
                "norm of ∂L/∂W",
                [Curve.of(name, layers, norm) for name, norm in norms.items()],
                log="y",
            ),
            Dots("after 15 epochs", "held-out accuracy", accuracy),
        ],
    )


@claim(
    3,
    "tanh-against-sigmoid",
    "Tanh trains faster than sigmoid in hidden layers.",
    items=("4.2", "4.3"),
    reason="""
    Tanh's derivative reaches 1, four times the sigmoid's, so more of the gradient comes through; and its values lie
    around zero instead of around ½.
    """,
    experiment="""
    Two hidden layers of 32 units on 8×8 digits, SGD with the same initial weights (Glorot), at rates 0.03, 0.1,
    0.3, 1 and 3. Each activation is taken at the rate with which it needs the fewest epochs until its training
    loss is below 0.2; 40 where it never is.
    """,
    rule=(Condition("epochs to a loss of 0.2, tanh − sigmoid", "below", 0.0),),
)
def tanh_against_sigmoid(seeds: Sequence[int]) -> Measured:
    """Epochs that each needs, at its best rate."""
    best = at_best_rate(
        load_dataset("digits"),
        seeds,
        {name: {"network": _hidden(name, 2, "glorot_uniform")} for name in ("tanh", "sigmoid")},
        rates=(0.03, 0.1, 0.3, 1.0, 3.0),
        score=_epochs_needed,
        epochs=40,
        record_every=0,
    )
    needed = {
        name: Quantity.of(f"epochs to a loss of 0.2, {name} at rate {rate:g}", map(_epochs_needed, runs))
        for name, (rate, runs) in best.items()
    }
    curves = [
        Curve.of(f"{name} at rate {rate:g}", runs[0].history.epochs["epoch"], losses_by_epoch(runs))
        for name, (rate, runs) in best.items()
    ]
    difference = needed["tanh"].minus(needed["sigmoid"], "epochs to a loss of 0.2, tanh − sigmoid")
    return Measured(
        [*needed.values(), difference], [Curves("each at its best rate", "epoch", "training loss", curves, log="y")]
    )


def _epochs_needed(run: Run) -> float:
    """Epochs until the training loss is below 0.2; all where it never is."""
    below = run.history.epochs["loss"] < 0.2
    return float(np.argmax(below) + 1 if below.any() else len(below))


@claim(
    4,
    "tanh-vanishes",
    "Tanh's gradient still vanishes at large |x|.",
    items=("4.3",),
    reason="""
    tanh′(z) = 1 − tanh²(z) is about 4e^−2|z|: a thousandth at |z| = 4. A neuron driven far from zero passes
    hardly any gradient.
    """,
    experiment="""
    One hidden layer of 64 units on 8×8 digits, initial weights by Glorot. The pixels are multiplied by 1, 3, 10
    and 30, which drives the neurons ever farther from zero, and the norm of ∂L/∂z that comes through the hidden
    layer is divided by the norm of the ∂L/∂a that came to it. ReLU beside it as a control.
    """,
    rule=(
        Condition("share of the gradient that passes, tanh, inputs × 30", "below", 0.2),
        Condition("share of the gradient that passes, relu, inputs × 30", "above", 0.5),
    ),
)
def tanh_vanishes(seeds: Sequence[int]) -> Measured:
    """What of the gradient passes, the larger the inputs."""
    data = load_dataset("digits")
    sizes = (1, 3, 10, 30)
    scaled = {size: replace(data, preprocessing=Preprocessing(scale=data.preprocessing.scale * size)) for size in sizes}
    passed = {
        name: np.array(
            [_share_passed(_hidden(name, 1, "glorot_uniform", units=64), scaled[size], seeds) for size in sizes]
        ).T
        for name in ("tanh", "relu")
    }
    quantities = {
        (name, size): Quantity.of(
            f"share of the gradient that passes, {name}, inputs × {size}", values[:, sizes.index(size)]
        )
        for name, values in passed.items()
        for size in (1, 30)
    }
    return Measured(
        list(quantities.values()),
        [
            Curves(
                "through one hidden layer",
                "inputs multiplied by",
                "‖∂L/∂z‖ / ‖∂L/∂a‖",
                [Curve.of(name, sizes, values) for name, values in passed.items()],
                log="x",
            )
        ],
    )


def _share_passed(network: Network, data: Dataset, seeds: Sequence[int]) -> np.ndarray:
    """‖∂L/∂z‖ / ‖∂L/∂a‖ of the first activation, for each seed."""
    place = next(i for i, layer in enumerate(network.layers) if isinstance(layer, Activation))
    deltas = first_gradients(network, data, seeds).deltas
    after, before = (np.asarray(deltas[i]).reshape(len(seeds), -1) for i in (place, place - 1))
    return np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)


@dataclass(frozen=True)
class CentredSigmoid(Elementwise):
    """The sigmoid moved down by ½: the same derivative everywhere, the values around zero. For the lesson alone."""

    name = "centred_sigmoid"
    formula = "1 / (1 + e^−z) − ½"
    range = (-0.5, 0.5)

    def value(self, z: Values) -> Values:
        """``σ(z) − ½``."""
        return jax.nn.sigmoid(z) - 0.5

    def derivative(self, z: Values, a: Values) -> Values:
        """``¼ − a²``, which is σ(z)(1 − σ(z))."""
        return 0.25 - a * a


@claim(
    10,
    "zero-centred",
    "Zero-centred activations give better updates.",
    items=("4.2", "4.3", "4.6"),
    reason="""
    Where all inputs of a neuron are positive, its weights' gradient a·∂L/∂z has one sign for all of them: they
    can only grow together or shrink together, and the descent zigzags.
    """,
    experiment="""
    Two hidden layers of 32 units on 8×8 digits, with the sigmoid and with the sigmoid − ½, which differ in
    their centre and in nothing else. For each example and neuron of the second hidden layer: the share of the
    weights' gradient that has the sign of the majority. Then SGD at rates 0.3, 1, 3 and 10, each activation at
    its best; the training loss after 15 epochs.
    """,
    rule=(
        Condition("training loss after 15 epochs, centred / sigmoid", "below", 1.0),
        Condition("gradients of one sign, centred − sigmoid", "below", 0.0),
    ),
)
def zero_centred(seeds: Sequence[int]) -> Measured:
    """One sigmoid, two centres."""
    data = load_dataset("digits")
    networks = {
        label: _hidden(activation, 2, "glorot_uniform")
        for label, activation in (("centred", CentredSigmoid()), ("sigmoid", "sigmoid"))
    }
    signs = {
        label: Quantity.of(f"gradients of one sign, {label}", _one_sign(network, data, seeds))
        for label, network in networks.items()
    }
    best = at_best_rate(
        data,
        seeds,
        {label: {"network": network} for label, network in networks.items()},
        rates=(0.3, 1.0, 3.0, 10.0),
        score=_last_loss,
        epochs=15,
        record_every=0,
    )
    loss = {
        label: Quantity.of(f"training loss after 15 epochs, {label} at rate {rate:g}", map(_last_loss, runs))
        for label, (rate, runs) in best.items()
    }
    curves = [
        Curve.of(f"{label} at rate {rate:g}", runs[0].history.epochs["epoch"], losses_by_epoch(runs))
        for label, (rate, runs) in best.items()
    ]
    return Measured(
        [
            *signs.values(),
            signs["centred"].minus(signs["sigmoid"], "gradients of one sign, centred − sigmoid"),
            *loss.values(),
            loss["centred"].over(loss["sigmoid"], "training loss after 15 epochs, centred / sigmoid"),
        ],
        [
            Dots(
                "second hidden layer, before training",
                "share of gradients of one sign",
                {label: list(quantity.values) for label, quantity in signs.items()},
            ),
            Curves("each at its best rate", "epoch", "training loss", curves, log="y"),
        ],
    )


def _one_sign(network: Network, data: Dataset, seeds: Sequence[int]) -> np.ndarray:
    """Mean share of a neuron's weights whose gradient, for one example, has the sign of the majority.

    The gradient of weight i is aᵢ · ∂L/∂z: its sign is that of aᵢ, or for all weights the opposite.
    """
    first = next(i for i, layer in enumerate(network.layers) if isinstance(layer, Activation))
    positive = (np.asarray(first_gradients(network, data, seeds).outputs[first]) > 0).mean(axis=-1)
    return np.maximum(positive, 1 - positive).mean(axis=-1)


def _last_loss(run: Run) -> float:
    return float(run.history.epochs["loss"][-1])


def losses_by_epoch(runs: Sequence[Run]) -> list[np.ndarray]:
    """The training losses of each run, epoch by epoch."""
    return [run.history.epochs["loss"] for run in runs]


def _hidden(activation: Any, depth: int, weights: str = "he_normal", units: int = 32) -> Network:
    """So many hidden layers, and the output for the digits."""
    hidden = (Dense(units, activation, weights=weights) for _ in range(depth))
    return Network(Flatten(), *hidden, Dense(10, "softmax", weights=weights))


def _norms_by_layer(network: Network, data: Dataset, seeds: Sequence[int]) -> np.ndarray:
    """Norm of ∂L/∂W of each hidden layer, (seeds, layers)."""
    grads = [layer["weights"] for layer in first_gradients(network, data, seeds).grads if layer]
    return np.stack([np.linalg.norm(np.asarray(g).reshape(len(seeds), -1), axis=1) for g in grads[:-1]], axis=1)
