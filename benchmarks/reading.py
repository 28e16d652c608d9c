"""Reading a file and predicting its rows: seconds, and memory beyond what the libraries take."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Case, Run, Unavailable, alternate
from benchmarks.workload import Settings, Target, Workload

ROWS, COLUMNS = 200_000, 11
PREDICTED = 300_000
SIDE = 96


def write_table(path: Path, rows: int) -> None:
    """Write nine columns of numbers, one of three cities and a target of two classes."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(rows, COLUMNS - 2))
    cities, answers = rng.choice(["Rome", "Paris", "Oslo"], rows), np.where(numbers[:, 0] > 0, "yes", "no")
    with open(path, "w") as file:
        file.write(",".join([f"c{i}" for i in range(COLUMNS - 2)] + ["city", "y"]) + "\n")
        for row, city, answer in zip(numbers, cities, answers, strict=True):
            file.write(",".join([f"{value:.5f}" for value in row] + [city, answer]) + "\n")


def peak_of(work: Callable[[], Any]) -> float:
    """Peak of the resident memory that work adds, in bytes."""
    if not sys.platform.startswith("linux"):
        raise Unavailable("peak memory is read from /proc, which Linux has")
    Path("/proc/self/clear_refs").write_text("5")
    before = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    work()
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024 - before


def _timed(work: Callable[[], Any]) -> Run:
    def run() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return run


def measure(settings: Settings) -> list[Case]:
    """Read by pellucid and pandas; predict rows of a file, of an array, and one image."""
    import pandas as pd

    import pellucid as pel

    folder = Path(tempfile.mkdtemp())
    rows, predicted = (2_000, 3_000) if settings.quick else (ROWS, PREDICTED)
    small, table, new = folder / "small.csv", folder / "table.csv", folder / "new.csv"
    for path, count in ((small, 2_000), (table, rows), (new, predicted)):
        write_table(path, count)
    pel.load_table(small, "y")
    # First, for what is freed later may stay with the process.
    peak = peak_of(lambda: pel.load_table(table, "y")) / table.stat().st_size
    reading = {
        "pellucid.load_table": _timed(lambda: pel.load_table(table, "y")),
        "pandas.read_csv, get_dummies": _timed(lambda: pd.get_dummies(pd.read_csv(table))),
    }
    run = pel.train((128,), pel.load_table(small, "y"), epochs=1, progress=False)
    x = run.as_inputs(new)
    images = np.random.default_rng(0).integers(0, 255, (32, SIDE, SIDE, 3), dtype=np.uint8)
    cnn = pel.train("cnn", (images, np.arange(32) % 2), epochs=1, progress=False)
    predicting = {
        "rows of a file": _timed(lambda: run.predict(new)),
        "rows of an array": _timed(lambda: run.predict(x)),
    }
    for predict in (*predicting.values(), lambda: cnn.predict(images[:1])):
        predict()  # compiled
    one = {"one image": _timed(lambda: cnn.predict(images[:1]))}
    return [
        alternate(Case("read 200,000 × 11", "s", "pellucid.load_table"), reading, settings.rounds),
        Case("memory of reading", "times the file's size", "pellucid.load_table", {"pellucid.load_table": [peak]}),
        alternate(Case("predict 300,000 rows", "s", "rows of a file"), predicting, settings.rounds),
        alternate(Case("predict one 96×96×3 image by a CNN", "s", "one image"), one, settings.rounds),
    ]


def _at_most(case: str, contender: str, bound: float, text: str) -> Target:
    return Target(case, text, lambda case: case.spread(contender).median, bound, at_least=False)


WORKLOAD = Workload(
    "reading",
    "Reading tables and predicting their rows",
    "A file of 200,000 rows (nine columns of numbers, one category, two classes, 17 MB) becomes a dataset: read, "
    "encoded, divided, scaled. Memory is the peak of what the process holds beyond the libraries, over the size of the "
    "file. Predictions are by a network of 128 units and by the convolutional network by name, compiled before.",
    measure,
    (
        _at_most("read 200,000 × 11", "pellucid.load_table", 1.5, "at most 1.5 s"),
        _at_most("memory of reading", "pellucid.load_table", 3, "at most 3 times the file's size"),
        _at_most("predict 300,000 rows", "rows of a file", 2, "at most 2 s"),
        _at_most("predict one 96×96×3 image by a CNN", "one image", 0.1, "at most 0.1 s"),
    ),
)
