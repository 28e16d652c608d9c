"""What is remembered over 200 steps: an LSTM against a plain recurrent network."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.measure import Case, Run, compare
from benchmarks.workload import Settings, Target, Workload

STEPS = 200
UNITS = 64
SOLVED = 0.01


def adding_problem(examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of a number and a mark; the target is the sum of the two numbers that are marked, one in each half.

    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997.
    """
    rng = np.random.default_rng(seed)
    numbers = rng.random((examples, STEPS)).astype(np.float32)
    marks = np.zeros((examples, STEPS), np.float32)
    for first in (0, STEPS // 2):
        marks[np.arange(examples), first + rng.integers(STEPS // 2, size=examples)] = 1
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=1)


def lstm() -> Any:
    """An LSTM whose cells remember for up to 200 steps from the start."""
    import pellucid

    return pellucid.LSTM(UNITS, memory=STEPS)


def rnn() -> Any:
    """A plain recurrent layer, its recurrent weights orthogonal, its activation tanh."""
    import pellucid

    return pellucid.RNN(UNITS)


def error_of(layer: Callable[[], Any], rate: float, epochs: int) -> Run:
    """Mean squared error on 1,000 new sequences; another seed each round, for data and weights."""
    import itertools

    import pellucid

    seeds = itertools.count()

    def run() -> float:
        seed = next(seeds)
        data = pellucid.make_dataset(
            *adding_problem(10_000, 2 * seed),
            task="regression",
            preprocessing="none",
            held_out=adding_problem(1_000, 2 * seed + 1),
        )
        network = pellucid.Network(layer(), pellucid.Dense(1, weights="glorot_uniform"))
        optimizer = pellucid.Adam(rate, clip_norm=1.0)
        result = pellucid.train(
            network, data, optimizer=optimizer, epochs=epochs, batch_size=50, seed=seed, progress=False
        )
        return result.result["loss"]

    return run


def measure(settings: Settings) -> list[Case]:
    """A seed a round."""
    epochs = 1 if settings.quick else 5
    builds = {
        "LSTM": partial(error_of, lstm, 1e-2, epochs),
        "plain RNN": partial(error_of, rnn, 1e-3, epochs),
        "plain RNN, rate of the LSTM": partial(error_of, rnn, 1e-2, epochs),
    }
    return [compare(Case("adding problem", "mean squared error", "LSTM"), builds, settings.rounds)]


def _worst(case: Case) -> float:
    return max(case.samples["LSTM"])


def _best_rnn(case: Case) -> float:
    return min(case.samples["plain RNN"] + case.samples["plain RNN, rate of the LSTM"])


WORKLOAD = Workload(
    "memory",
    f"What is remembered over {STEPS} steps",
    f"The adding problem: of {STEPS} numbers between 0 and 1, two are marked, one in each half; the target is their "
    f"sum, whose variance is 1/6. {UNITS} units, 10,000 sequences, batch 50, 5 epochs, Adam with the gradient clipped "
    "to norm 1, at 1e-2 for the LSTM (`memory=200`), at 1e-3 and at 1e-2 for the plain network; other data and weights "
    f"each round. An error below {SOLVED:g} counts as solved.",
    measure,
    (
        Target("adding problem", f"the LSTM's worst error at most {SOLVED:g}", _worst, SOLVED, at_least=False),
        Target("adding problem", "the plain network's best error at least 0.1", _best_rnn, 0.1),
    ),
)
