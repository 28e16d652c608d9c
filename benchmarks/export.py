"""Exported networks: the size of the files, and the time of a prediction beside ``Run.predict``."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Case, Run, Unavailable, compare, say
from benchmarks.workload import Settings, Workload

NETWORKS: dict[str, tuple[Any, str]] = {
    "784–128–128–10": ((128, 128), "mnist-5k"),
    "CNN": ("cnn", "mnist-5k"),
    "RNN": ({"name": "rnn", "units": [128]}, "mnist-5k"),
    "LSTM": ({"name": "lstm", "units": [128]}, "mnist-5k"),
    "GRU": ({"name": "gru", "units": [128]}, "mnist-5k"),
    "autoencoder": ("autoencoder", "mnist-5k"),
    "spiking": ("spiking", "mnist-5k"),
}
QUICK = ("784–128–128–10", "LSTM")
BATCHES = (1, 256)
PREDICT, OUTPUTS = "Run.predict", "Run.outputs"
RUNTIME, STABLEHLO, MODULE = "ONNX Runtime", "StableHLO, by JAX", "NumPy module"
FORMATS = {RUNTIME: "model.onnx", STABLEHLO: "model.stablehlo", MODULE: "model.py"}
SECONDS = 0.5
"""Of one round."""


def run_of(name: str) -> Any:
    """An untrained run: what it predicts takes no other time than what a trained one does."""
    import pellucid as pel

    network, dataset = NETWORKS[name]
    return pel.train(network, pel.load_dataset(dataset), epochs=0, progress=False)


def caller(who: str, run: Any, folder: Path, rows: int) -> Callable[[], Any]:
    """One prediction, from an array in memory to an array."""
    import pellucid as pel
    from pellucid.core.errors import InvalidValue

    x = np.ascontiguousarray(run.data.train.x[:rows], np.float32)
    if who in (PREDICT, OUTPUTS):
        return partial(run.predict if who == PREDICT else run.outputs, x)
    path = folder / FORMATS[who]
    try:
        exported = pel.export(run, path, preprocessing=True)
    except InvalidValue as error:
        raise Unavailable(str(error)) from error
    if who == RUNTIME:
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return partial(session.run, None, {exported.inputs[0].name: x})
    if who == STABLEHLO:
        import jax

        call = jax.jit(jax.export.deserialize(bytearray(path.read_bytes())).call)
        return lambda: jax.tree.map(np.asarray, call(x))
    module: dict[str, Any] = {}
    exec(compile(path.read_text(), path, "exec"), module)
    return partial(module["predict"], x)


def latency(who: str, name: str, rows: int) -> Run:
    """Milliseconds of one prediction, the mean over `SECONDS`."""
    with tempfile.TemporaryDirectory() as folder:
        call = caller(who, run_of(name), Path(folder), rows)
    call()

    def run() -> float:
        began, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < SECONDS:
            call()
            count += 1
        return 1000 * passed / count

    return run


def sizes(name: str) -> Case:
    """Kilobytes of each file."""
    import pellucid as pel
    from pellucid.core.errors import InvalidValue

    case, run = Case(f"{name}, size", "kB", RUNTIME), run_of(name)
    with tempfile.TemporaryDirectory() as folder:
        for who, file in FORMATS.items():
            try:
                case.samples[who] = [pel.export(run, Path(folder) / file, preprocessing=True).size / 1000]
            except InvalidValue as error:
                case.skipped[who] = str(error)
    say(f"{case.name}: " + ", ".join(f"{who} {size:.0f} kB" for who, (size,) in case.samples.items()))
    return case


def measure(settings: Settings) -> list[Case]:
    """Every network, its files and a single row and a batch."""
    cases = []
    for name in QUICK if settings.quick else NETWORKS:
        cases.append(sizes(name))
        for rows in BATCHES:
            builds = {who: partial(latency, who, name, rows) for who in (PREDICT, OUTPUTS, *FORMATS)}
            case = Case(f"{name}, {rows} row{'s' * (rows > 1)}", "ms", PREDICT)
            cases.append(compare(case, builds, settings.rounds))
    return cases


WORKLOAD = Workload(
    "export",
    "Exported networks",
    "Untrained networks of MNIST's shape, exported with their preprocessing: labels and probabilities of raw pixels "
    "from an array in memory, by the run itself and by what reads each file. ONNX Runtime with its own number of "
    "threads. The recurrent networks read an image row by row.",
    measure,
)
