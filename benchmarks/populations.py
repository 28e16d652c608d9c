"""Many small trainings: 8 learning rates by 8 seeds, as a comparison of settings needs them; folds."""

import time
from functools import partial

import numpy as np

from benchmarks.contenders import cores
from benchmarks.measure import Case, Run, compare
from benchmarks.workload import Settings, Workload, faster_than

RATES = tuple(np.geomspace(1e-4, 1e-1, 8).tolist())
SEEDS = 8
EPOCHS = 20
PEER_TRAININGS = 4
"""Trainings of PyTorch in a round: one after another all take as long."""

SHAPES = {
    "4–8–3, batch 32": ("iris", (8,), 32, 64, 20),
    "64–32–10, batch 32": ("digits", (32,), 32, 64, 5),
    "64–32–10, batch 128": ("digits", (32,), 128, 64, 5),
    "64–64–64–10, batch 32": ("digits", (64, 64), 32, 32, 5),
    "784–32–10, batch 32": ("mnist-5k", (32,), 32, 16, 1),
    "784–128–128–10, batch 32": ("mnist-5k", (128, 128), 32, 8, 1),
}
"""Dataset, hidden layers, batch size, members and epochs of each shape."""

FOLDS = {
    "5 folds of iris, 4–128–3": ("iris", 5, (128,), 100),
    "5 folds of breast-cancer, 30–128–1": ("breast-cancer", 5, (128,), 60),
    "5 folds of 5,000 rows, 20–128–1": ("table", 5, (128,), 20),
    "10 folds of 5,000 rows, 20–128–1": ("table", 10, (128,), 20),
    "5 folds of 5,000 rows, 20–64–64–1": ("table", 5, (64, 64), 20),
    "5 folds of digits, 64–128–10": ("digits", 5, (128,), 20),
}
"""Dataset, number of folds, hidden layers and epochs of each cross-validation, at batch size 32."""


def pellucid(epochs: int, first_call: bool = False) -> Run:
    """`many`; the ``first_call`` compiles, every other finds its program."""
    import jax

    experiments, data = population("digits", (32,), 32, epochs)
    from pellucid.runs.many import many

    if first_call:
        jax.config.update("jax_enable_compilation_cache", False)
    many(experiments, data)

    def run() -> float:
        if first_call:
            jax.clear_caches()
        began = time.perf_counter()
        many(experiments, data)
        seconds = time.perf_counter() - began
        return seconds if first_call else seconds * 1e3 / len(experiments)

    return run


def population(name: str, hidden: tuple[int, ...], batch_size: int, epochs: int, members: int = 64) -> tuple:
    """The experiments, and their data."""
    from pellucid.data import load_dataset
    from pellucid.runs.experiment import vary
    from pellucid.runs.plan import settle

    data = load_dataset(name)
    base = settle(hidden, data, {"batch_size": batch_size, "epochs": epochs}).experiment
    pairs = [(rate, seed) for rate in RATES for seed in range(SEEDS)][:members]
    return [vary(base, {"optimizer.learning_rate": rate, "seed": seed}) for rate, seed in pairs], data


def pytorch(epochs: int, threads: int, fused: bool | None = None) -> Run:
    """The loop as PyTorch's users write it: eager, rows by index, the held-out rows evaluated after each epoch."""
    import torch
    from torch import nn

    from pellucid.data import load_dataset

    torch.set_num_threads(threads)
    data = load_dataset("digits")
    assert data.held_out is not None
    x, test_x = (
        torch.from_numpy(part.x.reshape(len(part), -1) / np.float32(16)) for part in (data.train, data.held_out)
    )
    y, test_y = (torch.from_numpy(part.y.astype(np.int64)) for part in (data.train, data.held_out))
    loss_function = nn.CrossEntropyLoss()

    def train(rate: float, seed: int, epochs: int) -> float:
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=fused)
        accuracy = 0.0
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(32):
                optimizer.zero_grad(set_to_none=True)
                loss_function(model(x[rows]), y[rows]).backward()
                optimizer.step()
            with torch.no_grad():
                accuracy = float((model(test_x).argmax(dim=1) == test_y).float().mean())
        return accuracy

    train(RATES[0], 0, 1)

    def run() -> float:
        began = time.perf_counter()
        for seed in range(PEER_TRAININGS):
            train(RATES[2 * seed], seed, epochs)
        return (time.perf_counter() - began) * 1e3 / PEER_TRAININGS

    return run


def method(shape: str, products: float) -> Run:
    """Members side by side up to so many multiply-adds a step, else one after another."""
    name, hidden, batch_size, members, epochs = SHAPES[shape]
    experiments, data = population(name, hidden, batch_size, epochs, members)
    from pellucid.runs import many as module
    from pellucid.runs.many import many

    module.PRODUCTS = products  # pyright: ignore[reportAttributeAccessIssue]
    many(experiments, data)

    def run() -> float:
        began = time.perf_counter()
        many(experiments, data)
        return (time.perf_counter() - began) * 1e3 / members

    return run


def method_of_folds(shape: str, products: float) -> Run:
    """Folds side by side up to so many multiply-adds a step, else one after another."""
    from pellucid.data import folds, load_dataset, make_dataset
    from pellucid.runs import many as module
    from pellucid.runs.plan import settle

    name, count, hidden, epochs = FOLDS[shape]
    x = np.random.default_rng(0).normal(size=(5000, 20))
    whole = make_dataset(x, x[:, :3].sum(axis=1) > 0) if name == "table" else load_dataset(name)
    plans = [settle(hidden, fold, {"epochs": epochs}) for fold, _ in folds(whole, count)]

    def run() -> float:
        module.PRODUCTS_OF_COPIES = products  # pyright: ignore[reportAttributeAccessIssue]
        began = time.perf_counter()
        module.many([plan.experiment for plan in plans], [plan.data for plan in plans])
        return (time.perf_counter() - began) * 1e3 / count

    run()
    return run


def measure(settings: Settings) -> list[Case]:
    """64 trainings against PyTorch; what the first call takes; both methods at several shapes."""
    epochs = 1 if settings.quick else EPOCHS
    builds = {
        "pellucid": partial(pellucid, epochs),
        "PyTorch, one thread": partial(pytorch, epochs, 1),
        "PyTorch, one thread, fused Adam": partial(pytorch, epochs, 1, True),
        "PyTorch, all threads": partial(pytorch, epochs, cores()),
    }
    cases = [compare(Case("64 trainings", "ms/training", "pellucid"), builds, settings.rounds)]
    first = {"pellucid": partial(pellucid, epochs, True)}
    cases.append(compare(Case("64 trainings, compiling included", "s", "pellucid"), first, settings.rounds))
    for shape in list(SHAPES)[:1] if settings.quick else SHAPES:
        methods = {
            "side by side": partial(method, shape, float("inf")),
            "one after another": partial(method, shape, 0.0),
        }
        cases.append(compare(Case(shape, "ms/training", "side by side"), methods, settings.rounds))
    for shape in list(FOLDS)[:1] if settings.quick else FOLDS:
        methods = {
            "side by side": partial(method_of_folds, shape, float("inf")),
            "one after another": partial(method_of_folds, shape, 0.0),
        }
        cases.append(compare(Case(shape, "ms/training", "side by side"), methods, settings.rounds))
    return cases


WORKLOAD = Workload(
    "populations",
    "Many small trainings: 8 learning rates by 8 seeds of 64–32–10 on digits",
    "1,437 rows, batch 32, 20 epochs of Adam, the 360 held-out rows evaluated after each. The value is the time over "
    "the number of trainings: 64 of `many`, 4 of PyTorch's loop, whose trainings follow one another and "
    "all take as long. The second case is the first call of all 64 in seconds, with an empty compilation cache. The "
    "shapes below compare the two methods of `many`, members side by side in one program and one after "
    "another, both on a thread for each core: their ratio is what the rules of `PRODUCTS` and, for folds, of "
    "`PRODUCTS_OF_COPIES` rest on.",
    measure,
    (
        faster_than(
            "64 trainings",
            "PyTorch (the fastest of three)",
            "PyTorch, one thread",
            "PyTorch, one thread, fused Adam",
            "PyTorch, all threads",
            times=20.0,
        ),
    ),
)
