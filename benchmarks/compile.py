"""How long the program of a training is traced and compiled, and how long that takes from the cache."""

import os
import subprocess
import sys
import tempfile

from benchmarks.measure import Case, say
from benchmarks.workload import Settings, Target, Workload

NETWORKS = ("128-128", "cnn", "lstm", "gru", "autoencoder", "convolutional_autoencoder", "spiking", "wgan")
FIRST, AGAIN = "first start", "second start"
BOUNDS = {FIRST: 3.0, AGAIN: 0.5}
"""Seconds aimed for, of the training program."""
ALL = ", with initial weights, prediction and evaluation"

PROGRAM = """
import sys
import jax
import pellucid as pel

STAGES = ("jaxpr_trace_duration", "jaxpr_to_mlir_module_duration", "backend_compile_duration")
taken = {True: 0.0, False: 0.0}

def listen(event, seconds, fun_name="", **_):
    if event.endswith(STAGES):
        taken["advance" in fun_name] += seconds

jax.monitoring.register_event_duration_secs_listener(listen)
name, data = sys.argv[1], pel.load_dataset("mnist-5k")
options = {"epochs": 1, "batch_size": 128, "progress": False}
if name == "wgan":
    pel.train("wgan", data, **options)
else:
    pel.train(tuple(map(int, name.split("-"))) if name[0].isdigit() else name, data, **options)
print(taken[True], sum(taken.values()))
"""


def seconds(network: str, cache: str) -> tuple[float, float]:
    """What one start of a process spends on tracing and compiling, whatever it finds in the cache folder.

    That of the training program, and that of all programs together.
    """
    environment = os.environ | {"PELLUCID_CACHE": cache}
    command = [sys.executable, "-c", PROGRAM, network]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    training, together = map(float, done.stdout.split())
    return training, together


def measure(settings: Settings) -> list[Case]:
    """Three starts of each kind."""
    cases = []
    for network in NETWORKS[:2] if settings.quick else NETWORKS:
        case = Case(network, "s", FIRST)
        for _ in range(min(settings.rounds, 3)):
            with tempfile.TemporaryDirectory() as cache:
                for start in (FIRST, AGAIN):
                    training, together = seconds(network, cache)
                    case.samples.setdefault(start, []).append(training)
                    case.samples.setdefault(start + ALL, []).append(together)
        say(f"{network}: " + ", ".join(f"{start} {case.spread(start).median:.2f} s" for start in BOUNDS))
        cases.append(case)
    return cases


def _reached(case: Case, contender: str) -> float:
    return case.spread(contender).median


WORKLOAD = Workload(
    "compile",
    "Compiling",
    "What a process spends on tracing, lowering and compiling the program that trains, on 4,000 digits, batch 128; "
    "and on all programs of such a run together: initial weights, training, prediction, evaluation. First with an "
    "empty cache, then with what the first start has left there.",
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
