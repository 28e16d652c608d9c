"""Data larger than memory: speed beside the same rows in memory, memory of a whole training, resuming to the bit."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Case, Run, compare, fresh_process, say
from benchmarks.workload import Settings, Target, Workload

FEATURES = 28
FILES, ROWS = 30, 75_000_000
"""Files, and the rows of all: 8.7 GB of numbers."""
GROUP = 250_000
"""Rows of a row group."""
IN_MEMORY = 2_000_000
"""Rows of the training in memory that the speed is compared with."""
SECONDS = 20.0
"""Of a round of training; much longer than a window is trained on."""
UNITS, SMALL, BATCH = (128, 128), (32,), 256
GIBIBYTE = 2**30


def rows_of_file(number: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of one file, the same each time."""
    chance = np.random.default_rng((2026, number))
    x = chance.standard_normal((rows, FEATURES), np.float32)
    weights = np.random.default_rng(2026).standard_normal(FEATURES, np.float32)
    score = x @ weights + 3 * x[:, 0] * x[:, 1] + 2 * chance.standard_normal(rows, np.float32)
    return x, (score > 0).astype(np.int8)


def make(rows: int, files: int) -> Path:
    """The folder of Parquet files, kept among temporary files for the next time."""
    import pyarrow
    import pyarrow.parquet

    folder = Path(tempfile.gettempdir()) / f"pellucid-stream-{rows}"
    folder.mkdir(exist_ok=True)
    for number in range(files):
        path = folder / f"part-{number:02}.parquet"
        if not path.exists():
            say(f"streams: writing {path}")
            x, y = rows_of_file(number, rows // files)
            table = pyarrow.table({f"f{i}": x[:, i] for i in range(FEATURES)} | {"y": y})
            pyarrow.parquet.write_table(table, path.with_suffix(".part"), row_group_size=GROUP)
            path.with_suffix(".part").rename(path)
    return folder


def streamed(folder: Path, kept: Path | None = None) -> Any:
    """The dataset; with what a run folder keeps of all rows, these are not read to know it."""
    import pellucid
    from pellucid.runs.folder import RunFolder

    known = {} if kept is None else {"kept": RunFolder(kept).read_stream()}
    return pellucid.load_table(str(folder), "y", held_out=0.02, **known)


def in_memory(rows: int) -> Any:
    """The rows of a first file as a dataset in memory."""
    import pellucid

    return pellucid.make_dataset(*rows_of_file(0, rows), held_out=0.02)


def speed_of(data: partial[Any], units: tuple[int, ...], seconds: float) -> Run:
    """Microseconds a row, while a training goes on for some seconds."""
    from pellucid.runs.fit import begin
    from pellucid.runs.plan import settle

    training = begin(settle(units, data(), {"epochs": 1000, "batch_size": BATCH})).training
    assert training is not None
    steps = training.run(1000)
    for _ in range(3):
        next(steps)

    def run() -> float:
        began, rows = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            rows += next(steps).examples
        taken = time.perf_counter() - began
        if training.feed is not None:
            training.feed.close()  # nothing is read ahead while the other one works
        return 1e6 * taken / rows

    return run


TRAINING = """
import sys
from pathlib import Path
import pellucid
from benchmarks.streams import BATCH, UNITS, peak, streamed
folder, run, record = map(Path, sys.argv[1:])
pellucid.train(UNITS, streamed(folder), folder=run, epochs=1, batch_size=BATCH, checkpoint_every=2.0, progress=False)
record.write_text(str(peak()))
"""


def peak() -> float:
    """Most memory that this process held so far, GiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / GIBIBYTE for line in lines if line.startswith("VmHWM"))


def start(*arguments: Any) -> subprocess.Popen[bytes]:
    """A training of the whole in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", TRAINING, *map(str, arguments)], cwd=Path(__file__).parents[1])


def kill_half_way(process: subprocess.Popen[bytes], run: Path, steps: int) -> None:
    """Kill a training once a checkpoint has passed half of its steps."""
    while process.poll() is None:
        time.sleep(0.1)
        if any(int(file.stem.removeprefix("step-")) > steps / 2 for file in run.glob("checkpoints/step-*.json")):
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()


def resumed(run: Path) -> str:
    """Resume a training, and return the hash of its weights."""
    import pellucid

    return weights_of(pellucid.resume(run, progress=False))


def weights_of(run: Any) -> str:
    """The hash of the weights of a run."""
    digest = hashlib.sha256()
    for arrays in run.weights.values():
        for array in arrays.values():
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def hash_of(run: Path) -> tuple[str, int]:
    """The hash of the weights of a saved run, and its steps."""
    import pellucid

    loaded = pellucid.load(run)
    return weights_of(loaded), loaded.history.steps_made


def measure(settings: Settings) -> list[Case]:
    """A whole training with its peak, one that is killed, then the speed of both ways in turn."""
    rows, files, few, seconds = (40_000, 2, 10_000, 0.5) if settings.quick else (ROWS, FILES, IN_MEMORY, SECONDS)
    folder, runs = make(rows, files), Path(tempfile.mkdtemp())
    whole, killed, record = runs / "whole", runs / "killed", runs / "peak"
    began = time.perf_counter()
    say("streams: a whole training")
    assert start(folder, whole, record).wait() == 0
    minutes = (time.perf_counter() - began) / 60
    with fresh_process() as process:
        weights, steps = process.submit(hash_of, whole).result()
    say("streams: one that is killed, and resumed")
    kill_half_way(start(folder, killed, runs / "peak of killed"), killed, steps)
    with fresh_process() as process:
        equal = process.submit(resumed, killed).result() == weights
    cases = []
    for name, units in (("128–128", UNITS), ("32", SMALL)):
        builds = {
            "in memory": partial(speed_of, partial(in_memory, few), units, seconds),
            "streamed": partial(speed_of, partial(streamed, folder, whole), units, seconds),
        }
        cases.append(compare(Case(f"{name}, batch {BATCH}", "µs a row", "streamed"), builds, settings.rounds))
    size = sum(file.stat().st_size for file in folder.iterdir()) / GIBIBYTE
    return [
        *cases,
        Case("size of the folder", "GiB", "streamed", {"streamed": [size]}),
        Case("peak memory of a whole training", "GiB", "streamed", {"streamed": [float(record.read_text())]}),
        Case("a whole training: one pass, one epoch, the evaluation", "min", "streamed", {"streamed": [minutes]}),
        Case("killed and resumed: weights equal to the bit", "1 for yes", "streamed", {"streamed": [float(equal)]}),
    ]


def _only(case: Case) -> float:
    return case.samples["streamed"][0]


def _speed(case: Case) -> float:
    return case.ratio("in memory").median


WORKLOAD = Workload(
    "streams",
    "Data larger than memory",
    f"A folder of {FILES} Parquet files, {ROWS:,} rows of {FEATURES} numbers and a label, made once. The speed is that "
    f"of trainings beside one another for {SECONDS:g} s a round: on the folder, and on {IN_MEMORY:,} of its rows in "
    "memory. Peak memory is all that the process holds, libraries included, from the pass that finds means and classes "
    "to the evaluation of all held-out rows.",
    measure,
    (
        Target(f"128–128, batch {BATCH}", "at least 0.8 of the speed in memory", _speed, 0.8),
        Target("size of the folder", "at least 8 GB", lambda case: _only(case) * GIBIBYTE / 1e9, 8),
        Target("peak memory of a whole training", "under 2 GB", lambda case: _only(case) * GIBIBYTE / 1e9, 2, False),
        Target("killed and resumed: weights equal to the bit", "equal", _only, 1),
    ),
)
