"""Claims on what things cost: time of activations, memory of labels (subject, 4.4, 4.6, 5.7)."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.api import Run
from pellucid.data import load_dataset
from pellucid.functions.activations import Activation, activations
from pellucid.functions.losses import losses
from pellucid.layers import Dense
from pellucid.network import Network, backpropagate
from pellucid_textbook.lessons.claims import Condition, Measured, claim
from pellucid_textbook.lessons.panels import Curve, Curves, Dots
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import train_variants

ROUNDS = 25
"""Alternating runs for each seed."""
TIMED = """
Timed on this machine in alternating runs, of which each seed gives the ratio of the medians of 25: the value of
131,072 random numbers and the gradient passed back through them, twenty times within one compiled program. Beside it
the whole gradient of 784–128–128–10 over 128 random rows, to see what is left of it in a training.
"""


@claim(
    5,
    "hard-tanh-cost",
    "Hard tanh is cheaper than tanh.",
    items=("4.4",),
    reason="""
    Hard tanh takes two comparisons. Tanh takes exponentials, or a quotient of polynomials as XLA computes it.
    """,
    experiment=TIMED,
    rule=(Condition("time of the activation, tanh / hard tanh", "above", 1.0),),
)
def hard_tanh_cost(seeds: Sequence[int]) -> Measured:
    """Tanh against hard tanh."""
    return _compare_times("hard tanh", ("tanh",), seeds)


@claim(
    8,
    "relu-cost",
    "ReLU is cheaper.",
    items=("4.6",),
    reason="""
    ReLU takes one comparison; sigmoid and tanh take exponentials or quotients of polynomials.
    """,
    experiment=TIMED,
    rule=(
        Condition("time of the activation, sigmoid / relu", "above", 1.0),
        Condition("time of the activation, tanh / relu", "above", 1.0),
    ),
)
def relu_cost(seeds: Sequence[int]) -> Measured:
    """Sigmoid and tanh against ReLU."""
    return _compare_times("relu", ("sigmoid", "tanh"), seeds)


def _compare_times(cheap: str, others: Sequence[str], seeds: Sequence[int]) -> Measured:
    """Times of the others over that of the cheap one: of the activation alone, and of a network's gradient."""
    alone: dict[str, list[float]] = {name: [] for name in (cheap, *others)}
    whole: dict[str, list[float]] = {name: [] for name in (cheap, *others)}
    for seed in seeds:
        draw = np.random.default_rng(seed)
        z = jnp.asarray(draw.normal(size=(128, 1024)), jnp.float32)
        x = jnp.asarray(draw.random((128, 784)), jnp.float32)
        y = jnp.asarray(draw.integers(10, size=128), jnp.int32)
        passes, steps = {}, {}
        for name in alone:
            function = activations.build(name.replace(" ", "_"))
            network = Network(Dense(128, function), Dense(128, function), Dense(10, "softmax"))
            params, _, _ = network.init(jax.random.key(seed), (784,))
            passes[name] = partial(_passes, function, z)
            steps[name] = partial(_steps, network, params, x, y)
        for times, work in ((alone, passes), (whole, steps)):
            for name, seconds in median_seconds(work).items():
                times[name].append(seconds)
    ratios = [
        Quantity.of(f"time of {what}, {name} / {cheap}", np.divide(times[name], times[cheap]))
        for what, times in (("the activation", alone), ("a network's gradient", whole))
        for name in others
    ]
    microseconds = {name: [1e6 * second for second in seconds] for name, seconds in alone.items()}
    return Measured(
        [*ratios, *(Quantity.of(f"20 passes, {name}", values, "µs") for name, values in microseconds.items())],
        [
            Dots("value and gradient of 131,072 numbers, 20 times", "microseconds", microseconds),
            Dots(
                "gradient of 784–128–128–10, 5 times",
                "microseconds",
                {name: [1e6 * second for second in seconds] for name, seconds in whole.items()},
            ),
        ],
    )


def median_seconds(work: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """The median time of each piece of work over alternating runs: what else the machine does hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for function in work.values():
        jax.block_until_ready(function())  # compiles
    for _ in range(ROUNDS):
        for name, function in work.items():
            started = time.perf_counter()
            jax.block_until_ready(function())
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


@partial(jax.jit, static_argnums=0)
def _passes(function: Activation, z: Any) -> Any:
    def once(_: Any, z: Any) -> Any:
        a = function.value(z)
        return z - 0.001 * function.backward(z, a, a)

    return jax.lax.fori_loop(0, 20, once, z)


@partial(jax.jit, static_argnums=0)
def _steps(network: Network, params: Any, x: Any, y: Any) -> Any:
    loss = losses.build("sparse_categorical_cross_entropy")

    def once(_: Any, params: Any) -> Any:
        grads = backpropagate(network, loss, params, ({},) * len(params), x, y, jnp.ones(len(x))).grads
        return jax.tree.map(lambda w, g: w - 0.001 * g, params, grads)

    return jax.lax.fori_loop(0, 5, once, params)


@claim(
    14,
    "sparse-labels",
    "Sparse labels save memory.",
    items=("5.6", "5.7"),
    reason="""
    A one-hot row holds C numbers, of which one says something; the class number alone says the same. Of C
    classes in float32 it takes 4C bytes against 4.
    """,
    experiment="""
    The same network 64–32–10 is trained on 8×8 digits with one-hot labels and categorical cross-entropy, and
    with class numbers and the sparse one: the bytes of the labels that the training holds, and how far the
    training losses of the two lie apart over 10 epochs of Adam. The curve gives the bytes of the same 1,437
    labels for more classes.
    """,
    rule=(
        Condition("bytes of the labels, sparse / one-hot", "below", 0.5),
        Condition("greatest difference of the training losses", "below", 1e-4),
    ),
)
def sparse_labels(seeds: Sequence[int]) -> Measured:
    """Bytes held, and the trainings compared."""
    data = load_dataset("digits")
    kinds = {"one-hot": "categorical_cross_entropy", "sparse": "sparse_categorical_cross_entropy"}
    runs = train_variants(
        data, seeds, {kind: {"loss": loss} for kind, loss in kinds.items()}, network=(32,), epochs=10, record_every=0
    )
    size = {
        kind: Quantity.of(f"bytes of the labels, {kind}", map(_label_bytes, of_kind), "bytes")
        for kind, of_kind in runs.items()
    }
    steps = {kind: np.array([run.history.steps["loss"] for run in of_kind]) for kind, of_kind in runs.items()}
    apart = np.abs(steps["one-hot"] - steps["sparse"]).max(axis=1)
    classes = np.array([2, 10, 100, 1000])
    rows = len(data.train)
    return Measured(
        [
            *size.values(),
            size["sparse"].over(size["one-hot"], "bytes of the labels, sparse / one-hot"),
            Quantity.of("greatest difference of the training losses", apart),
        ],
        [
            Curves(
                f"{rows:,} labels",
                "classes",
                "bytes",
                [
                    Curve.of("one-hot", classes, [rows * 4 * classes]),
                    Curve.of("sparse", classes, [np.full(len(classes), rows * 4)]),
                ],
                log="xy",
            ),
            Curves(
                "the same training",
                "step",
                "training loss",
                [Curve.of(kind, np.arange(steps[kind].shape[1]), steps[kind]) for kind in kinds],
            ),
        ],
    )


def _label_bytes(run: Run) -> int:
    """Bytes of the labels that a training holds on the device."""
    assert run.training is not None
    return np.asarray(run.training.train.y).nbytes
