"""Claims on networks: sparse autoencoders, batch normalisation, LSTM, GAN (subject 1.6–1.8, 5.10, 7.9)."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.api import Run, train
from pellucid.api import Run as GanRun
from pellucid.architectures.autoencoder import autoencoder
from pellucid.data import Dataset, gaussian_grid, load_dataset, make_dataset, reconstruction
from pellucid.functions.schedules import CosineDecay
from pellucid.layers import LSTM, RNN, Activation, BatchNorm, Dense, Flatten, Layer
from pellucid.network import Network
from pellucid.optimizers import Adam
from pellucid.runs.codes import encode
from pellucid_textbook.lessons.claims import Condition, Measured, claim
from pellucid_textbook.lessons.panels import Curve, Curves, Dots, Images, Points
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import train_variants

GAN_EPOCHS = 12


@claim(
    16,
    "wasserstein-modes",
    "The Wasserstein loss recovers modes that a plain GAN loses.",
    items=("1.7", "5.10"),
    reason="""A plain GAN's generator needs only samples that the critic takes for real: it may leave out what
    is hard, and no gradient leads back to a mode that it does not reach. The Wasserstein distance is the work of
    moving one distribution onto the other, and falls with every step towards a missing mode.""",
    experiment=f"""50,000 points from nine Gaussians on a 3×3 grid, spacing 2, σ = 0.05. The same generator and
    critic, three hidden layers of 64, the same rows seen ({GAN_EPOCHS} epochs, batches of 64), each with its
    usual Adam and a rate that falls to 0: the Wasserstein loss with a gradient penalty and five critic steps to
    one of the generator, from 0.002; the plain loss, with one and so five times as many generator steps, from
    0.001. A mode counts as covered with a quarter of its fair share of 5,000 samples, those within 3σ alone.
    Drawn is the seed in which the plain one covers least.""",
    rule=(
        Condition("modes lost, plain GAN", "above", 0.0),
        Condition("modes covered, Wasserstein − plain", "above", 0.0),
    ),
)
def wasserstein_modes(seeds: Sequence[int]) -> Measured:
    """Two games on nine Gaussians."""
    grid = gaussian_grid(side=3)

    def play(seed: int, loss: Any, rate: float, beta2: float) -> GanRun:
        falling = CosineDecay(rate, epochs=GAN_EPOCHS)
        return train(
            {"wasserstein": "wgan"}.get(loss, loss),
            grid.dataset(seed=seed),
            optimizer=Adam(falling, beta1=0.5, beta2=beta2),
            epochs=GAN_EPOCHS,
            seed=seed,
            record_every=0,
            progress=False,
        )

    samples = {
        "plain": [play(seed, "gan", 1e-3, 0.999).sample(5000) for seed in seeds],
        "Wasserstein": [play(seed, "wasserstein", 2e-3, 0.9).sample(5000) for seed in seeds],
    }
    coverage = {name: [grid.coverage(points) for points in of_name] for name, of_name in samples.items()}
    covered = {name: np.array([one.covered for one in of_name]) for name, of_name in coverage.items()}
    worst = int(covered["plain"].argmin())
    real = grid.dataset(rows=450).train.x.tolist()
    shown = [
        Points(name, "x", "y", {"real": real, "generated": points[worst][:1000].tolist()})
        for name, points in samples.items()
    ]
    return Measured(
        [
            Quantity.of("modes covered, plain GAN", covered["plain"]),
            Quantity.of("modes covered, Wasserstein", covered["Wasserstein"]),
            Quantity.of("modes lost, plain GAN", len(grid.centres) - covered["plain"]),
            Quantity.of("modes covered, Wasserstein − plain", covered["Wasserstein"] - covered["plain"]),
            *(
                Quantity.of(f"share of samples on a mode, {name}", [one.high_quality for one in of_name])
                for name, of_name in coverage.items()
            ),
        ],
        [*shown, Dots("modes covered, of nine", "modes", {name: of.tolist() for name, of in covered.items()})],
    )


CODE = 100


@claim(
    23,
    "sparse-autoencoder",
    "A sparse autoencoder has few active neurons, and features that can be interpreted.",
    items=("1.8", "7.9"),
    reason="""If only a few neurons may be active for an example, each must stand for something that examples
    have or have not: a stroke, a loop, a kind of digit. Without the penalty a feature may be any mixture of all
    of them.""",
    experiment=f"""MNIST digits (4,000, 1,000 held out), an autoencoder 784–{CODE}–784 with a sigmoid code, 15
    epochs of Adam, with the penalty that keeps each neuron's mean activation at 0.05 and without; and, as it
    may suit a code without penalty better, with ReLU. Active is a neuron above a tenth of the highest
    activation in the training rows. Interpretable is put to the test without looking: of each digit only the
    one neuron is told that is the most above its usual activity (in its own standard deviations), and the digit
    is guessed that this neuron stood for most often in the training rows. The guesses on held-out digits must
    be right more often than those by either code without penalty. (One in ten is chance.)""",
    rule=(
        Condition("share of active neurons, sparse", "below", 0.25),
        Condition("share of active neurons, sparse − none", "below", 0.0),
        Condition("digit told by one neuron, sparse − none", "above", 0.0),
        Condition("digit told by one neuron, sparse − none, ReLU", "above", 0.0),
    ),
)
def sparse_autoencoder(seeds: Sequence[int]) -> Measured:
    """One code with and two without a penalty."""
    digits = load_dataset("mnist-5k")
    held_out = digits.held_out
    assert held_out is not None
    penalties = {
        "sparse": {"name": "kl_activity", "target": 0.05, "strength": 0.01},
        "none": {"name": "kl_activity", "strength": 0.0},
        "none, ReLU": {"name": "l1_activity", "strength": 0.0},
    }
    runs = train_variants(
        reconstruction(digits),
        seeds,
        {name: {"network": autoencoder(digits, (), CODE, sparsity=penalty)} for name, penalty in penalties.items()},
        optimizer={"name": "adam", "learning_rate": 3e-3},
        epochs=15,
        batch_size=64,
        record_every=0,
    )
    active: dict[str, Quantity] = {}
    told: dict[str, Quantity] = {}
    for name, of_name in runs.items():
        codes = [(encode(run, digits.train.x), encode(run, held_out.x)) for run in of_name]
        active[name] = Quantity.of(
            f"share of active neurons, {name}", [(new > 0.1 * seen.max()).mean() for seen, new in codes]
        )
        right = [(_told_by_one(seen, digits.train.y, new) == held_out.y).mean() for seen, new in codes]
        told[name] = Quantity.of(f"digit told by one neuron, {name}", right)
    return Measured(
        [
            *active.values(),
            active["sparse"].minus(active["none"], "share of active neurons, sparse − none"),
            *told.values(),
            told["sparse"].minus(told["none"], "digit told by one neuron, sparse − none"),
            told["sparse"].minus(told["none, ReLU"], "digit told by one neuron, sparse − none, ReLU"),
            *(
                Quantity.of(f"reconstruction error, {name}", [run.result["loss"] for run in runs[name]])
                for name in runs
            ),
        ],
        [
            Images("features of the sparse code", _features(runs["sparse"][0])),
            Images("without the penalty", _features(runs["none"][0])),
            Dots("digit told by one neuron", "share right", {name: list(of.values) for name, of in told.items()}),
        ],
    )


def _told_by_one(seen: np.ndarray, labels: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The digit that the most unusually active neuron of each new code stood for most often."""
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    strongest = ((seen - mean) / spread).argmax(axis=1)
    table = np.zeros((seen.shape[1], 10))
    np.add.at(table, (strongest, labels), 1)
    return table.argmax(axis=1)[((new - mean) / spread).argmax(axis=1)]


def _features(run: Run) -> list[list[list[float]]]:
    """What 36 neurons of the code add to the picture, each in its own scale."""
    weights = next(np.asarray(params["weights"]) for params in reversed(run.params) if "weights" in params)[:36]
    return (weights / abs(weights).max(axis=1, keepdims=True)).reshape(-1, 28, 28).round(2).tolist()


DEPTH = 8


@claim(
    24,
    "batch-norm",
    "Batch normalization keeps activations balanced.",
    items=("7.9",),
    reason="""It subtracts each neuron's mean over the batch and divides by its spread before the activation,
    so that in every layer, however deep, and all through the training a neuron is above and below 0 about as
    often.""",
    experiment=f"""Handwritten digits (8×8), {DEPTH} hidden layers of 32 with ReLU, 20 epochs of SGD at 0.1,
    with batch normalisation before each ReLU and without. Measured on the held-out digits, by the running
    statistics, what goes into the ReLUs of the trained network: the layers' spreads, largest over smallest; and
    the share of neurons that are one-sided, above 0 for less than 5 % or more than 95 % of the digits. (In
    training mode balance would be true by construction.)""",
    rule=(
        Condition("largest / smallest spread, with − without", "below", 0.0),
        Condition("one-sided neurons, with − without", "below", 0.0),
        Condition("largest / smallest spread, with", "below", 2.0),
    ),
)
def batch_norm(seeds: Sequence[int]) -> Measured:
    """A deep network with and without batch normalisation."""
    data = load_dataset("digits")

    def network(*before: Layer) -> Network:
        hidden = [
            layer for _ in range(DEPTH) for layer in (Dense(32, weights="he_normal"), *before, Activation("relu"))
        ]
        return Network(Flatten(), *hidden, Dense(10, "softmax", weights="glorot_uniform"))

    runs = train_variants(
        data,
        seeds,
        {"without": {"network": network()}, "with": {"network": network(BatchNorm())}},
        optimizer={"name": "sgd", "learning_rate": 0.1},
        epochs=20,
        record_every=0,
    )
    inputs = {name: np.array([_into_activations(run, data) for run in of]) for name, of in runs.items()}
    spreads = {name: values.std(axis=(2, 3)) for name, values in inputs.items()}  # seed, layer
    above = {name: (values > 0).mean(axis=2) for name, values in inputs.items()}  # seed, layer, neuron
    one_sided = {name: (abs(values - 0.5) > 0.45).mean(axis=(1, 2)) for name, values in above.items()}
    ratio = {
        name: Quantity.of(f"largest / smallest spread, {name}", values.max(axis=1) / values.min(axis=1))
        for name, values in spreads.items()
    }
    sided = {name: Quantity.of(f"one-sided neurons, {name}", values) for name, values in one_sided.items()}
    layers = np.arange(1, DEPTH + 1)
    return Measured(
        [
            *ratio.values(),
            ratio["with"].minus(ratio["without"], "largest / smallest spread, with − without"),
            *sided.values(),
            sided["with"].minus(sided["without"], "one-sided neurons, with − without"),
            *(
                Quantity.of(f"held-out accuracy, {name}", [run.result["accuracy"] for run in of_name])
                for name, of_name in runs.items()
            ),
        ],
        [
            Curves(
                "what goes into the ReLUs",
                "hidden layer",
                "spread",
                [Curve.of(name, layers, values) for name, values in spreads.items()],
            ),
            Curves(
                "neurons that are nearly always on or off",
                "hidden layer",
                "share of the neurons",
                [Curve.of(name, layers, (abs(values - 0.5) > 0.45).mean(axis=2)) for name, values in above.items()],
            ),
        ],
    )


def _into_activations(run: Run, data: Dataset) -> np.ndarray:
    """What the hidden activations receive for the held-out rows, shape (layers, rows, neurons)."""
    assert data.held_out is not None
    x = jnp.asarray(data.preprocessing.apply_numpy(data.held_out.x))
    outputs = run.network.forward(run.params, run.layer_state, x).outputs
    places = [i for i, layer in enumerate(run.network.layers) if isinstance(layer, Activation)]
    return np.stack([np.asarray(outputs[i - 1]) for i in places[:DEPTH]])


TIMES = (10, 25, 50)


@claim(
    26,
    "lstm-memory",
    "An LSTM remembers where a plain recurrent network forgets.",
    items=("1.5", "1.6"),
    reason="""Back through time the plain network's gradient is multiplied by the same matrix and by a gradient
    below 1 at every step, so it fades. Along an LSTM's cell it is multiplied by the forget gate alone, which
    may stay near 1.""",
    experiment="""The adding problem: of 10, 25 or 50 numbers between 0 and 1 two are marked, one in each half;
    the target is their sum, whose variance is 1/6. 2,000 sequences, 500 held out, others each seed; 32 units,
    10 epochs of Adam, batches of 50, the gradient clipped to norm 1. The LSTM at rate 0.01, its gates begun for
    that many steps (`memory`); the plain network, tanh with orthogonal recurrent weights, at the better of 0.01
    and 0.001 for each length. Errors are shares of the variance: 1 is that of knowing nothing. At 10 steps the
    plain network must have learnt most of it, so that at 50 it is the time that it fails at.""",
    rule=(
        Condition("error at 10 steps, plain", "below", 0.2),
        Condition("error at 50 steps, plain", "above", 0.5),
        Condition("error at 50 steps, LSTM", "below", 0.1),
    ),
)
def lstm_memory(seeds: Sequence[int]) -> Measured:
    """Two recurrent layers over growing times."""
    errors: dict[str, list[np.ndarray]] = {"LSTM": [], "plain": []}
    for steps in TIMES:
        layers: dict[str, tuple[Layer, float]] = {
            "LSTM": (LSTM(32, memory=steps), 1e-2),
            "plain": (RNN(32), 1e-2),
            "slower": (RNN(32), 1e-3),
        }
        variants = {
            name: {
                "network": Network(layer, Dense(1, weights="glorot_uniform")),
                "optimizer": {"name": "adam", "learning_rate": rate, "clip_norm": 1.0},
            }
            for name, (layer, rate) in layers.items()
        }
        runs = train_variants(
            lambda seed, steps=steps: _adding_problem(seed, steps),
            seeds,
            variants,
            epochs=10,
            batch_size=50,
            record_every=0,
        )
        of = {name: 6 * np.array([run.result["loss"] for run in of_name]) for name, of_name in runs.items()}
        errors["LSTM"].append(of["LSTM"])
        errors["plain"].append(min(of["plain"], of["slower"], key=np.mean))
    return Measured(
        [
            Quantity.of(f"error at {steps} steps, {name}", of_name[place])
            for name, of_name in errors.items()
            for place, steps in enumerate(TIMES)
        ],
        [
            Curves(
                "the adding problem",
                "steps",
                "error (1: knowing nothing)",
                [Curve.of(name, TIMES, np.array(of_name).T) for name, of_name in errors.items()],
                log="y",
            ),
            Dots(
                f"at {TIMES[-1]} steps",
                "error (1: knowing nothing)",
                {name: of_name[-1].tolist() for name, of_name in errors.items()},
                log="y",
            ),
        ],
    )


def _adding_problem(seed: int, steps: int) -> Dataset:
    """Sequences of a number and a mark, and the sum of the two marked numbers.

    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997.
    """

    def draw(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = rng.random((count, steps)).astype(np.float32)
        marks = np.zeros((count, steps), np.float32)
        for first in (0, steps // 2):
            marks[np.arange(count), first + rng.integers(steps // 2, size=count)] = 1
        return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=1)

    rng = np.random.default_rng(seed)
    train, held_out = draw(rng, 2000), draw(rng, 500)
    return make_dataset(*train, name="adding problem", task="regression", preprocessing="none", held_out=held_out)
