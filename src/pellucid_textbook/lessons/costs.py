"""Experiments on cost: time of activations, memory of labels."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pellucid as pel
from pellucid.activations import Activation, HardTanh, ReLU, Sigmoid, Tanh
from pellucid_textbook.charts import dots, lines
from pellucid_textbook.lessons.claim import Measured, experiment
from pellucid_textbook.lessons.trainings import named, train_variants

FUNCTIONS = {"relu": ReLU(), "sigmoid": Sigmoid(), "tanh": Tanh(), "hard tanh": HardTanh()}
ROUNDS = 25
"""Alternating runs for each seed."""


@experiment("hard-tanh-cost")
def hard_tanh_cost(seeds: Sequence[int]) -> Measured:
    """Tanh against hard tanh."""
    return _compare_times("hard tanh", ("tanh",), seeds)


@experiment("relu-cost")
def relu_cost(seeds: Sequence[int]) -> Measured:
    """Sigmoid and tanh against ReLU."""
    return _compare_times("relu", ("sigmoid", "tanh"), seeds)


def _compare_times(cheap: str, others: Sequence[str], seeds: Sequence[int]) -> Measured:
    alone: dict[str, list[float]] = {name: [] for name in (cheap, *others)}
    whole: dict[str, list[float]] = {name: [] for name in (cheap, *others)}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        z = jnp.asarray(rng.normal(size=(128, 1024)), jnp.float32)
        x = jnp.asarray(rng.random((128, 784)), jnp.float32)
        y = jnp.asarray(rng.integers(10, size=128), jnp.int32)
        passes, steps = {}, {}
        for name in alone:
            function = FUNCTIONS[name]
            network = pel.Network(pel.Dense(128, function), pel.Dense(128, function), pel.Dense(10, "softmax"))
            params, _, _ = network.init(jax.random.key(seed), (784,))
            passes[name] = partial(_passes, function, z)
            steps[name] = partial(_steps, network, params, x, y)
        for times, work in ((alone, passes), (whole, steps)):
            for name, microseconds in median_microseconds(work).items():
                times[name].append(microseconds)
    ratios = {
        f"time of {what}, {name} / {cheap}": np.divide(times[name], times[cheap])
        for what, times in (("the activation", alone), ("a network's gradient", whole))
        for name in others
    }
    return Measured(
        ratios | named("20 passes [µs]", alone),
        [
            dots("value and gradient of 131,072 numbers, 20 times", "microseconds", alone),
            dots("gradient of 784–128–128–10, 5 times", "microseconds", whole),
        ],
    )


def median_microseconds(work: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """The median time of each function over alternating runs: the machine's other load affects all alike."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for function in work.values():
        jax.block_until_ready(function())  # compiles
    for _ in range(ROUNDS):
        for name, function in work.items():
            started = time.perf_counter()
            jax.block_until_ready(function())
            taken[name].append(1e6 * (time.perf_counter() - started))
    return {name: float(np.median(values)) for name, values in taken.items()}


@partial(jax.jit, static_argnums=0)
def _passes(function: Activation, z: Any) -> Any:
    def once(_: Any, z: Any) -> Any:
        a = function.value(z)
        return z - 0.001 * function.backward(z, a, a)

    return jax.lax.fori_loop(0, 20, once, z)


@partial(jax.jit, static_argnums=0)
def _steps(network: pel.Network, params: Any, x: Any, y: Any) -> Any:
    loss = pel.losses.SparseCategoricalCrossEntropy()

    def once(_: Any, params: Any) -> Any:
        grads = pel.backpropagate(network, loss, params, ({},) * len(params), x, y, jnp.ones(len(x))).grads
        return jax.tree.map(lambda w, g: w - 0.001 * g, params, grads)

    return jax.lax.fori_loop(0, 5, once, params)


@experiment("sparse-labels")
def sparse_labels(seeds: Sequence[int]) -> Measured:
    """Bytes of the labels, and the trainings compared."""
    data = pel.load_dataset("digits")
    variants = {
        "one-hot": {"loss": "categorical_cross_entropy"},
        "sparse": {"loss": "sparse_categorical_cross_entropy"},
    }
    runs = train_variants(data, seeds, variants, network=(32,), epochs=10)
    size = {kind: np.array([_label_bytes(run) for run in of_kind]) for kind, of_kind in runs.items()}
    steps = {kind: np.stack([run.history.steps["loss"] for run in of_kind]) for kind, of_kind in runs.items()}
    classes, rows = np.array([2, 10, 100, 1000]), len(data.train)
    by_classes = {"one-hot": rows * 4 * classes, "sparse": np.full(len(classes), rows * 4)}
    return Measured(
        named("bytes of the labels [bytes]", size)
        | {
            "bytes of the labels, sparse / one-hot": size["sparse"] / size["one-hot"],
            "largest difference of the training losses": np.abs(steps["one-hot"] - steps["sparse"]).max(axis=1),
        },
        [
            lines(f"{rows:,} labels", "classes", "bytes", classes, by_classes, log="xy"),
            lines("the same training", "step", "training loss", range(steps["sparse"].shape[1]), steps),
        ],
    )


def _label_bytes(run: pel.Run) -> int:
    assert run.training is not None
    return np.asarray(run.training.train.y).nbytes
