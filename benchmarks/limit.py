"""The limit: the matrix products of a step and nothing else, in the fastest library for them."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks import contenders
from benchmarks.contenders import Contender, Task, per_step
from benchmarks.measure import Case, compare
from benchmarks.multilayer import BATCH_SIZES, HIDDEN
from benchmarks.workload import Settings, Workload

Product = tuple[int, int, int, int]
"""Rows, inner length, columns, and how often a step takes it."""


def dense_products(batch: int, widths: tuple[int, ...]) -> list[Product]:
    """a·W, aᵀ·dz and dz·Wᵀ of each layer; the first needs no gradient of its inputs."""
    products = []
    for i, (inputs, units) in enumerate(pairwise(widths)):
        products += [(batch, inputs, units, 1), (inputs, batch, units, 1)]
        products += [(batch, units, inputs, 1)] if i else []
    return products


def products_of(task: Task) -> list[Product]:
    """All matrix products of one step, convolutions as patches times a matrix."""
    batch = task.batch_size
    if task.network == "cnn":
        first, second = batch * 26 * 26, batch * 11 * 11
        convolutions = [(first, 9, 32, 1), (9, first, 32, 1)]
        convolutions += [(second, 288, 64, 1), (288, second, 64, 1), (second, 64, 288, 1)]
        return [*convolutions, (batch, 128, 1600, 1), *dense_products(batch, (1600, 128, 10))]
    if task.network in ("lstm", "gru"):
        times, units, gates = 28, 128, 512 if task.network == "lstm" else 384
        whole = [(batch * times, 28, gates, 1), (28, batch * times, gates, 1), (units, batch * times, gates, 1)]
        return [
            *whole,
            (batch, units, gates, times),
            (batch, gates, units, times),
            *dense_products(batch, (units, 10)),
            (batch, 10, units, 1),
        ]
    if task.network == "autoencoder":
        return dense_products(batch, (784, 128, 32, 128, 784))
    return dense_products(batch, (784, *task.hidden, 10))


def numpy_products(task: Task) -> Contender:
    """NumPy, which calls OpenBLAS."""
    return _products(task, np.asarray, np.matmul)


def torch_products(task: Task) -> Contender:
    """PyTorch, which calls MKL."""
    import torch

    torch.set_num_threads(contenders.cores())
    return _products(task, torch.from_numpy, torch.mm)


def _products(task: Task, array: Callable[[np.ndarray], Any], multiply: Callable[..., Any]) -> Contender:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return array(rng.normal(size=shape).astype(np.float32))

    # A left side with fewer rows than columns is a transposed one, as it comes in aᵀ·dz.
    products = [
        (draw(m, k) if m >= k else draw(k, m).T, draw(k, n), draw(m, n), count) for m, k, n, count in products_of(task)
    ]
    steps = -(-len(task.dataset().train) // task.batch_size)

    def train(epochs: int) -> None:
        for _ in range(epochs * steps):
            for left, right, out, count in products:
                for _ in range(count):
                    multiply(left, right, out=out)

    return Contender(train, lambda x: np.zeros(len(x), int))


def measure(settings: Settings) -> list[Case]:
    """As many steps' products as an epoch has steps."""
    data = "mnist-5k" if settings.quick else "mnist"
    cases = []
    for batch_size in BATCH_SIZES:
        task = Task(data, HIDDEN, batch_size)
        builds = {
            "pellucid, whole step": partial(per_step, contenders.pellucid, task),
            "NumPy, products only": partial(per_step, numpy_products, task),
            "PyTorch, products only": partial(per_step, torch_products, task),
        }
        case = Case(f"batch {batch_size}", "ms/step", "pellucid, whole step")
        cases.append(compare(case, builds, settings.rounds))
    return cases


WORKLOAD = Workload(
    "limit",
    "How far from the limit",
    "The eight matrix products of a step of 784–128–128–10 (three forward, three for the gradients of the "
    "weights, two for those of the inputs), without anything else, on arrays that stay in place. "
    "Nothing that trains this network can be faster than the fastest of them: its ratio is the fraction of "
    "the limit that pellucid reaches.",
    measure,
)
