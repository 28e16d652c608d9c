"""Experiments on networks: sparse autoencoders, batch normalisation, LSTM, GAN."""

from collections.abc import Sequence

import numpy as np

import pellucid as pel
from pellucid.data import gaussian_grid, reconstruction
from pellucid.networks import autoencoder
from pellucid.report.chart import ImageGrid, ScatterChart, Series
from pellucid.schedules import CosineDecay
from pellucid_textbook.charts import dots, lines
from pellucid_textbook.lessons.claim import Measured, experiment
from pellucid_textbook.lessons.trainings import (
    activation_indices,
    compared,
    held_out_rows,
    named,
    results,
    train_variants,
)

GAN_EPOCHS = 12


@experiment("wasserstein-modes")
def wasserstein_modes(seeds: Sequence[int]) -> Measured:
    """Two losses on nine Gaussians."""
    grid = gaussian_grid(side=3)

    def samples(seed: int, network: str, rate: float, beta2: float) -> np.ndarray:
        adam = pel.Adam(CosineDecay(rate, epochs=GAN_EPOCHS), beta1=0.5, beta2=beta2)
        settings = {"optimizer": adam, "epochs": GAN_EPOCHS, "seed": seed, "record_every": 0}
        return pel.train(network, grid.dataset(seed=seed), **settings, progress=False).sample(5000)

    generated = {
        "plain": [samples(seed, "gan", 1e-3, 0.999) for seed in seeds],
        "Wasserstein": [samples(seed, "wgan", 2e-3, 0.9) for seed in seeds],
    }
    coverage = {name: [grid.coverage(points) for points in of_name] for name, of_name in generated.items()}
    covered = {name: np.array([one.covered for one in of_name]) for name, of_name in coverage.items()}
    on_mode = {name: [one.high_quality for one in of_name] for name, of_name in coverage.items()}
    worst = int(covered["plain"].argmin())
    real = Series("real", *grid.dataset(rows=450).train.x.T)
    shown = [
        ScatterChart(name, [real, Series("generated", *points[worst][:1000].T)], "x", "y", equal=True)
        for name, points in generated.items()
    ]
    return Measured(
        {
            "modes covered, plain GAN": covered["plain"],
            "modes covered, Wasserstein": covered["Wasserstein"],
            "modes lost, plain GAN": len(grid.centres) - covered["plain"],
            "modes covered, Wasserstein − plain": covered["Wasserstein"] - covered["plain"],
        }
        | named("fraction of samples on a mode", on_mode),
        [*shown, dots("modes covered, of nine", "modes", covered)],
    )


CODE = 100


@experiment("sparse-autoencoder")
def sparse_autoencoder(seeds: Sequence[int]) -> Measured:
    """One code with and two without a penalty."""
    digits = pel.load_dataset("mnist-5k")
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
        {name: autoencoder(digits, (), CODE, sparsity=penalty) for name, penalty in penalties.items()},
        optimizer={"name": "adam", "learning_rate": 3e-3},
        epochs=15,
        batch_size=64,
    )
    active: dict[str, np.ndarray] = {}
    guessed: dict[str, np.ndarray] = {}
    for name, of_name in runs.items():
        codes = [(run.encode(digits.train.x), run.encode(held_out.x)) for run in of_name]
        active[name] = np.array([(new > 0.1 * seen.max()).mean() for seen, new in codes])
        right = [(_guess_by_one(seen, digits.train.y, new) == held_out.y).mean() for seen, new in codes]
        guessed[name] = np.array(right)
    return Measured(
        named("fraction of active neurons", compared(active, "sparse − none"))
        | named("digit guessed by one neuron", compared(guessed, "sparse − none", "sparse − none, ReLU"))
        | named("reconstruction error", results(runs, "loss")),
        [
            ImageGrid("features of the sparse code", _features(runs["sparse"][0])),
            ImageGrid("without the penalty", _features(runs["none"][0])),
            dots("digit guessed by one neuron", "fraction right", guessed),
        ],
    )


def _guess_by_one(seen: np.ndarray, labels: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The digit that the most unusually active neuron of each new code stood for most often."""
    mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    strongest = ((seen - mean) / deviation).argmax(axis=1)
    table = np.zeros((seen.shape[1], 10))
    np.add.at(table, (strongest, labels), 1)
    return table.argmax(axis=1)[((new - mean) / deviation).argmax(axis=1)]


def _features(run: pel.Run) -> np.ndarray:
    """Contributions of 36 neurons of the code to the picture, each on a separate scale."""
    weights = next(np.asarray(params["weights"]) for params in reversed(run.params) if "weights" in params)[:36]
    return (weights / abs(weights).max(axis=1, keepdims=True)).reshape(-1, 28, 28).round(2)


DEPTH = 8


@experiment("batch-norm")
def batch_norm(seeds: Sequence[int]) -> Measured:
    """A deep network with and without batch normalisation."""
    data = pel.load_dataset("digits")

    def network(*before: pel.Layer) -> pel.Network:
        layers = (pel.Dense(32, weights="he_normal"), *before, pel.Activation("relu"))
        return pel.Network(pel.Flatten(), *layers * DEPTH, pel.Dense(10, "softmax", weights="glorot_uniform"))

    variants = {"without": network(), "with": network(pel.BatchNorm())}
    runs = train_variants(data, seeds, variants, optimizer={"name": "sgd", "learning_rate": 0.1}, epochs=20)
    # seed, layer, row, neuron
    inputs = {name: np.array([_into_activations(run, data) for run in of]) for name, of in runs.items()}
    deviation = {name: values.std(axis=(2, 3)) for name, values in inputs.items()}
    one_sided = {name: (abs((values > 0).mean(axis=2) - 0.5) > 0.45).mean(axis=2) for name, values in inputs.items()}
    ratio = {name: values.max(axis=1) / values.min(axis=1) for name, values in deviation.items()}
    sided = {name: values.mean(axis=1) for name, values in one_sided.items()}
    layers, axis = range(1, DEPTH + 1), "hidden layer"
    return Measured(
        named("largest / smallest deviation", compared(ratio, "with − without"))
        | named("one-sided neurons", compared(sided, "with − without"))
        | named("held-out accuracy", results(runs, "accuracy")),
        [
            lines("inputs of the ReLUs", axis, "standard deviation", layers, deviation),
            lines("neurons nearly always on or off", axis, "fraction of the neurons", layers, one_sided),
        ],
    )


def _into_activations(run: pel.Run, data: pel.Dataset) -> np.ndarray:
    outputs = run.network.forward(run.params, run.layer_state, held_out_rows(data)).outputs
    return np.stack([np.asarray(outputs[i - 1]) for i in activation_indices(run.network)[:DEPTH]])


TIMES = (10, 25, 50)


@experiment("lstm-memory")
def lstm_memory(seeds: Sequence[int]) -> Measured:
    """Two recurrent layers over growing times."""
    errors: dict[str, list[np.ndarray]] = {"LSTM": [], "plain": []}
    for steps in TIMES:
        layers: dict[str, tuple[pel.Layer, float]] = {
            "LSTM": (pel.LSTM(32, memory=steps), 1e-2),
            "plain": (pel.RNN(32), 1e-2),
            "slower": (pel.RNN(32), 1e-3),
        }
        variants = {
            name: {
                "network": pel.Network(layer, pel.Dense(1, weights="glorot_uniform")),
                "optimizer": {"name": "adam", "learning_rate": rate, "clip_norm": 1.0},
                "data": lambda seed, steps=steps: _adding_problem(seed, steps),
            }
            for name, (layer, rate) in layers.items()
        }
        runs = train_variants(_adding_problem, seeds, variants, epochs=10, batch_size=50)
        of = {name: 6 * losses for name, losses in results(runs, "loss").items()}
        errors["LSTM"].append(of["LSTM"])
        errors["plain"].append(min(of["plain"], of["slower"], key=np.mean))
    rows, error = {name: np.array(of_name).T for name, of_name in errors.items()}, "error (1: the mean)"
    longest = {name: np.log10(of_name[:, -1]) for name, of_name in rows.items()}
    return Measured(
        {
            f"error at {steps} steps, {name}": values
            for name, of_name in rows.items()
            for steps, values in zip(TIMES, of_name.T, strict=True)
        },
        [
            lines("the adding problem", "steps", error, TIMES, rows, log="y"),
            dots(f"at {TIMES[-1]} steps", f"log₁₀ of the {error}", longest),
        ],
    )


def _adding_problem(seed: int, steps: int = 10) -> pel.Dataset:
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
    return pel.make_dataset(*train, name="adding problem", task="regression", preprocessing="none", held_out=held_out)
