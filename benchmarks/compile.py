"""How long the programs of a training are traced and compiled, and how long that takes from the cache."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from benchmarks.measure import Case, alternate, say
from benchmarks.workload import Settings, Target, Workload

NETWORKS = ("128-128", "cnn", "lstm", "gru", "autoencoder", "convolutional_autoencoder", "spiking", "wgan")
FIRST, AGAIN = "first start", "second start"
BOUNDS = {FIRST: 3.0, AGAIN: 0.5}
"""Seconds aimed for."""

PROGRAM = """
import sys
import jax
import pellucid as pel

STAGES = ("jaxpr_trace_duration", "jaxpr_to_mlir_module_duration", "backend_compile_duration")
taken = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: taken.append(seconds) if event.endswith(STAGES) else None
)
name, data = sys.argv[1], pel.load_dataset("mnist-5k")
options = {"epochs": 1, "batch_size": 128, "progress": False}
if name == "wgan":
    pel.train_gan(None, None, data, **options)
else:
    pel.train(tuple(map(int, name.split("-"))) if name[0].isdigit() else name, data, **options)
print(sum(taken))
"""


def seconds(network: str, cache: str) -> float:
    """What one start of a process spends on tracing and compiling, whatever it finds in the cache folder."""
    environment = os.environ | {"PELLUCID_CACHE": cache}
    command = [sys.executable, "-c", PROGRAM, network]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def starts(network: str) -> dict[str, Callable[[], float]]:
    """A start with an empty cache, and one with what that has left."""
    kept = tempfile.mkdtemp()
    seconds(network, kept)

    def first() -> float:
        with tempfile.TemporaryDirectory() as empty:
            return seconds(network, empty)

    return {FIRST: first, AGAIN: lambda: seconds(network, kept)}


def measure(settings: Settings) -> list[Case]:
    """Three starts of each kind."""
    cases = []
    for network in NETWORKS[:2] if settings.quick else NETWORKS:
        say(f"{network}: filling the cache")
        cases.append(alternate(Case(network, "s", FIRST), starts(network), min(settings.rounds, 3)))
    return cases


def _reached(case: Case, contender: str) -> float:
    return case.spread(contender).median


WORKLOAD = Workload(
    "compile",
    "Compiling",
    "What a process spends on tracing, lowering and compiling all programs of a training of one epoch on 4,000 digits, "
    "batch 128: initial weights, the training itself, prediction. First with an empty cache, then with what the first "
    "start has left there.",
    measure,
    tuple(
        Target(
            network,
            f"{start} at most {bound:g} s",
            lambda case, start=start: _reached(case, start),
            bound,
            at_least=False,
        )
        for network in NETWORKS
        for start, bound in BOUNDS.items()
    ),
)
