"""Memory and time of large trainings, beside PyTorch's: many classes, long sequences, many parameters, many layers."""

import ctypes
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Case, Run, Unavailable, compare
from benchmarks.workload import Settings, Target, Workload

PYTORCH = ("PyTorch, default Adam", "PyTorch, fused Adam")
REMAT = "pellucid, remat"
MOST = 1.1
"""Most memory, by PyTorch's."""


@dataclass(frozen=True)
class Size:
    """One large training.

    Args:
        rows: training rows.
        shape: of one example.
        hidden: units of dense hidden layers with ReLU; of a sequence those of the LSTM whose last state is read.
        classes: softmax outputs.
        batch_size: rows of a step.
        steps: steps of a round.
        options: settings of pellucid's training, by the name of a further contender.
    """

    rows: int
    shape: tuple[int, ...]
    hidden: tuple[int, ...]
    classes: int
    batch_size: int
    steps: int = 20
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and class numbers, every class among them."""
        rng = np.random.default_rng(0)
        return rng.normal(size=(self.rows, *self.shape)).astype(np.float32), np.arange(self.rows) % self.classes


SIZES = {
    "10,000 classes": Size(300_000, (64,), (128,), 10_000, 128, 40),
    "2,000 time steps": Size(640, (2000, 8), (64,), 10, 32, 8),
    "10 million parameters": Size(6400, (784,), (2048, 2048, 2048), 10, 128),
    "64 layers": Size(16_384, (64,), (128,) * 64, 10, 4096, 4, {REMAT: {"remat": True}}),
}


def pellucid(size: Size, **settings: Any) -> Callable[[], Callable[[int], None]]:
    """The program of `pellucid.train`, without run folder and progress bar, from a dataset that holds the rows."""
    import jax

    import pellucid
    from pellucid.runs.fit import begin
    from pellucid.runs.plan import settle
    from pellucid.training.program import advance as plain
    from pellucid.training.program import advance_in_place, is_large

    def dataset(x: np.ndarray, y: np.ndarray) -> Any:
        return pellucid.make_dataset(x, y, held_out=None, preprocessing="none", task="multiclass")

    def make(hidden: tuple[int, ...], data: Any) -> Callable[[int], None]:
        recurrent = len(data.input_shape) == 2
        layers = [pellucid.LSTM(hidden[0])] if recurrent else [pellucid.Dense(n, "relu") for n in hidden]
        network = pellucid.Network(*layers, pellucid.Dense(len(data.classes), "softmax"))
        options = {"epochs": 1, "batch_size": min(size.batch_size, len(data.train)), "optimizer": "adam", **settings}
        training: Any = begin(settle(network, data, options)).training

        def train(steps: int) -> None:
            end = int(training.state.step) + steps
            advance = advance_in_place if is_large(training.state) else plain
            training.state = jax.block_until_ready(training.call(advance, training.state, end)[0])

        return train

    # A small training first, so that what the libraries load is not counted.
    make((4,), dataset(np.zeros((8, *size.shape), np.float32), np.arange(8) % 2))(2)
    return partial(make, size.hidden, dataset(*size.arrays()))


def pytorch(size: Size, fused: bool = False) -> Callable[[], Callable[[int], None]]:
    """The same network as PyTorch's users write it."""
    import torch

    if not hasattr(torch, "optim"):
        raise Unavailable("torch is incomplete")

    class Last(torch.nn.Module):
        def __init__(self, features: int, units: int) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(features, units, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.lstm(x)[1][0][-1]

    def make(shape: tuple[int, ...], hidden: tuple[int, ...], x: np.ndarray, y: np.ndarray) -> Callable[[int], None]:
        layers: list[Any] = []
        if len(shape) == 2:
            layers.append(Last(shape[1], hidden[0]))
        else:
            for inputs, units in pairwise((*shape, *hidden)):
                layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers, torch.nn.Linear(hidden[-1], int(y.max()) + 1))
        optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=fused)
        rows, targets = torch.from_numpy(x), torch.from_numpy(y)
        order = torch.randperm(len(x))

        def train(steps: int) -> None:
            for step in range(steps):
                first = step * size.batch_size % max(1, len(x) - size.batch_size + 1)
                chosen = order[first : first + size.batch_size]
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(rows[chosen]), targets[chosen]).backward()
                optimizer.step()

        return train

    make(size.shape, (4,), np.zeros((8, *size.shape), np.float32), np.arange(8) % 2)(2)
    arrays = size.arrays()
    return partial(make, size.shape, size.hidden, *arrays)


def memory(build: Callable[[], Callable[[], Callable[[int], None]]], size: Size) -> Run:
    """Megabytes of network, optimiser and steps: the peak of later steps less what was resident before the network.

    Linux's resident memory of the process; its peak is set back after the first steps, in which programs are compiled.
    """
    if not Path("/proc/self/clear_refs").exists():
        raise Unavailable("the peak of the resident memory can be set back on Linux alone")
    make = build()
    _trim()
    before = _resident("VmRSS")
    train = make()
    train(2)
    _trim()
    Path("/proc/self/clear_refs").write_text("5")
    train(3)
    peak = _resident("VmHWM") - before
    return lambda: peak


def _trim() -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def _resident(line: str) -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{line}:")[1].split()[0]) / 1024


def per_step(build: Callable[[], Callable[[], Callable[[int], None]]], size: Size) -> Run:
    """Milliseconds of a step, the first ones left out."""
    train = build()()
    train(2)

    def run() -> float:
        began = time.perf_counter()
        train(size.steps)
        return (time.perf_counter() - began) * 1e3 / size.steps

    return run


def measure(settings: Settings) -> list[Case]:
    """Memory once, for it varies by some megabytes alone; times round by round."""
    cases = []
    for name, size in SIZES.items():
        builds = {"pellucid": partial(pellucid, size)}
        builds |= {other: partial(pellucid, size, **options) for other, options in size.options.items()}
        builds |= {PYTORCH[0]: partial(pytorch, size), PYTORCH[1]: partial(pytorch, size, fused=True)}
        for unit, run, rounds in (("MB", memory, 1), ("ms/step", per_step, settings.rounds)):
            runs = {contender: partial(run, build, size) for contender, build in builds.items()}
            cases.append(compare(Case(f"{name}, {unit}", unit, "pellucid"), runs, rounds))
    return cases


def _beside_pytorch(case: Case) -> float | None:
    least, own = case.fastest(*PYTORCH), REMAT if REMAT in case.samples else "pellucid"
    return None if least is None else case.spread(own).median / case.spread(least).median


def _saved(case: Case) -> float:
    return case.spread(REMAT).median / case.spread("pellucid").median


WORKLOAD = Workload(
    "sizes",
    "Memory and time of large trainings",
    "Adam, softmax outputs, random numbers as rows. 10,000 classes: 300,000 rows of 64 numbers, 128 hidden units, "
    "batch 128. 2,000 time steps: of 8 numbers, an LSTM of 64 units, batch 32. 10 million parameters: "
    "784–2048–2048–2048–10, batch 128. 64 layers: of 128 units, batch 4,096, without and with `remat=True`. Memory is "
    "the peak of the resident memory during later steps less that before the network was made, each contender in a "
    "process of its own. Not counted: libraries; the rows, which each holds once, pellucid in a dataset and PyTorch in "
    "NumPy's arrays that its tensors share; what was freed, which is given back to the system before, such as the "
    "memory that compiling needs for a while. Of 64 layers pellucid with `remat=True` is compared with PyTorch.",
    measure,
    (
        *(
            Target(
                f"{name}, MB",
                f"{'remat: ' if size.options else ''}at most {MOST:g}× PyTorch's memory",
                _beside_pytorch,
                MOST,
                False,
            )
            for name, size in SIZES.items()
        ),
        Target("64 layers, MB", "remat: at most half of the memory", _saved, 0.5, False),
        Target("64 layers, ms/step", "remat: at most 1.5× the time", _saved, 1.5, False),
    ),
)
