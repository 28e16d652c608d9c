"""Permuting the rows of an epoch."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.measure import Case, Run, alternate
from benchmarks.workload import Settings, Workload

ROWS = 60_000


def _timed(permute: Callable[[], Any], repeats: int) -> Run:
    permute()

    def run() -> float:
        began = time.perf_counter()
        for _ in range(repeats):
            permute()
        return (time.perf_counter() - began) * 1e3 / repeats

    return run


def measure(settings: Settings) -> list[Case]:
    """The same number of rows, compiled where the library compiles."""
    import jax
    import numpy as np

    from pellucid.training import permutation

    key, rng = jax.random.key(0), np.random.default_rng(0)
    ours = jax.jit(lambda key: permutation(key, ROWS))
    theirs = jax.jit(lambda key: jax.random.permutation(key, ROWS))
    repeats = 2 if settings.quick else 20
    runs = {
        "pellucid.training.permutation": _timed(lambda: ours(key).block_until_ready(), repeats),
        "jax.random.permutation": _timed(lambda: theirs(key).block_until_ready(), repeats),
        "numpy.random.Generator.permutation": _timed(lambda: rng.permutation(ROWS), repeats),
    }
    case = Case("60,000 rows", "ms", "pellucid.training.permutation")
    return [alternate(case, runs, settings.rounds)]


WORKLOAD = Workload(
    "shuffle",
    "Permuting 60,000 rows",
    "pellucid permutes the rows inside the compiled program by a Feistel network, JAX by sorting random "
    "keys, NumPy by Fisher and Yates's exchange. NumPy's order would have to be handed to the program "
    "at each epoch besides.",
    measure,
)
