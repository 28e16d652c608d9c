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


def numpy_products(task: Task) -> Contender:
    """NumPy, which calls OpenBLAS."""
    return _products(task, np.asarray, np.matmul)


def torch_products(task: Task) -> Contender:
    """PyTorch, which calls MKL."""
    import torch

    torch.set_num_threads(contenders.cores())
    return _products(task, torch.from_numpy, torch.mm)


def _products(task: Task, array: Callable[[np.ndarray], Any], multiply: Callable[..., Any]) -> Contender:
    """All products a·W, aᵀ·dz and dz·Wᵀ of one step; the first layer needs no slope of its inputs."""
    x, _ = task.arrays()
    widths = (x.shape[1], *task.hidden, 10)
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return array(rng.normal(size=shape).astype(np.float32))

    products = []
    for i, (inputs, units) in enumerate(pairwise(widths)):
        a, W, dz = draw(task.batch_size, inputs), draw(inputs, units), draw(task.batch_size, units)
        products += [(a, W, draw(task.batch_size, units)), (a.T, dz, draw(inputs, units))]
        if i:
            products.append((dz, W.T, draw(task.batch_size, inputs)))
    steps = -(-len(x) // task.batch_size)

    def train(epochs: int) -> None:
        for _ in range(epochs * steps):
            for left, right, out in products:
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
    "The eight matrix products of a step of 784–128–128–10 (three forward, three for the slopes of the "
    "weights, two for those of the inputs), without anything else, on arrays that stay in place. "
    "Nothing that trains this network can be faster than the fastest of them: its ratio is the share of "
    "the limit that pellucid reaches.",
    measure,
)
