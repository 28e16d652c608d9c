"""What a person waits for: whole processes, from the command to the saved weights."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Case, say
from benchmarks.workload import Settings, Target, Workload

ROOT = Path(__file__).parents[1]
FIRST, SECOND = "pellucid, first start", "pellucid, second start"
SCRIPTS = {"PyTorch": "torch", "Keras on JAX": "keras", "scikit-learn": "sklearn"}
"""The peers, and the module that they need; the scripts are in ``benchmarks/scripts``."""


class Process(NamedTuple):
    """What one process took.

    Args:
        seconds: from its start to its end.
        memory: largest resident memory, in MB.
        accuracy: that it printed.
    """

    seconds: float
    memory: float
    accuracy: float


def run_process(command: list[str], environment: Mapping[str, str]) -> Process:
    """Run a command to its end, and measure it.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **environment}, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{errors.read()[-2000:]}")
        output.seek(0)
        printed = json.loads(output.read())
    # Linux counts in kB, macOS in bytes.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Process(seconds, usage.ru_maxrss / unit, printed["accuracy"])


def measure(settings: Settings) -> list[Case]:
    """Every contender once a round; pellucid twice, with an empty and then with its filled cache."""
    from pellucid.data.datasets import fetch

    mnist = fetch("mnist")  # so that no contender's time has a download in it
    epochs = 1 if settings.quick else 5
    kinds = (("time", "s"), ("peak memory", "MB"), ("test accuracy", "share"))
    cases = [Case(name, unit, SECOND) for name, unit in kinds]
    peers = []
    for name, module in SCRIPTS.items():
        if importlib.util.find_spec(module) is None:
            for case in cases:
                case.skipped[name] = f"{module} is not installed"
        else:
            peers.append(name)

    with tempfile.TemporaryDirectory() as temporary:

        def pellucid(cache: Path, epochs: int) -> Process:
            command = [str(Path(sys.executable).with_name("pellucid")), "train", "mnist"]
            command += ["--network", "128-128", "--batch-size", "128", "--epochs", str(epochs)]
            command += ["--folder", f"{temporary}/run", "--overwrite", "--no-progress", "--json"]
            return run_process(command, {"PELLUCID_CACHE": str(cache), "PELLUCID_DATA": str(mnist.parent)})

        def peer(name: str, epochs: int) -> Process:
            script = "with_" + name.split()[0].lower().replace("-", "_")
            command = [sys.executable, "-m", f"benchmarks.scripts.{script}"]
            return run_process([*command, str(mnist), str(epochs), temporary], {})

        # Once for the disk: what is measured is not how long it takes to read the libraries from it.
        say("start_to_finish: warming up")
        pellucid(Path(temporary) / "warm-up", 1)
        for name in peers:
            peer(name, 1)
        for number in range(settings.rounds):
            cache = Path(temporary) / f"cache-{number}"
            results = {FIRST: pellucid(cache, epochs), SECOND: pellucid(cache, epochs)}
            results |= {name: peer(name, epochs) for name in peers}
            for name, result in results.items():
                say(f"round {number + 1} of {settings.rounds}, {name}: {result.seconds:.2f} s")
                for case, figure in zip(cases, result, strict=True):
                    case.samples.setdefault(name, []).append(figure)
    return cases


def _memory(case: Case) -> float | None:
    if "PyTorch" not in case.samples:
        return None
    return max(case.spread(name).median for name in (FIRST, SECOND)) / case.spread("PyTorch").median


WORKLOAD = Workload(
    "start_to_finish",
    "From the command to the saved weights",
    "784–128–128–10 on MNIST, batch 128, 5 epochs: `pellucid train mnist --network 128-128` against "
    "scripts (`benchmarks/scripts`) that read the same files, train, evaluate on the test rows and save "
    "the weights. Whole processes, with the start of Python, imports and compilation. pellucid's first "
    "start has an empty compilation cache, its second start the cache that the first one left; it also "
    "evaluates after every epoch, records, and writes a report. Memory is the largest resident set of "
    "the process.",
    measure,
    (Target("peak memory", "at most PyTorch's (ratio, of pellucid's larger start)", _memory, 1.0, at_least=False),),
)
