"""How long a user waits for a command: whole processes, once the caches are filled."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Case, say
from benchmarks.workload import Settings, Target, Workload

ROOT = Path(__file__).parents[1]
FIRST, SECOND, PROCESSOR = "first start", "second start", "second start, processor time"


class Command(NamedTuple):
    """A command, and the seconds aimed for."""

    arguments: tuple[str, ...]
    bound: float


COMMANDS = {
    "train mnist-5k": Command(("train", "mnist-5k", "--folder", "digits", "--overwrite"), 3.0),
    "predict two rows": Command(("predict", "iris", "two.csv"), 1.5),
    "explain 4–8–3": Command(("explain", "iris"), 2.0),
    "show": Command(("show",), 0.4),
    "show layers": Command(("show", "layers"), 0.4),
    "lesson": Command(("lesson",), 0.4),
    "data list": Command(("data", "list"), 0.4),
    "--help": Command(("--help",), 0.4),
    "train --help": Command(("train", "--help"), 0.4),
}
QUICK = ("predict two rows", "lesson")


def run(arguments: tuple[str, ...], folder: Path, cache: Path) -> tuple[float, float]:
    """Seconds of one process from its start to its end, and those of the processor.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    # Python keeps its bytecode, as for a user: some environments of developers turn that off.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PELLUCID_CACHE": str(cache)}
    command = [str(Path(sys.executable).with_name("pellucid")), *arguments]
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{output.read()[-2000:]}")
    return seconds, usage.ru_utime + usage.ru_stime


def prepare(folder: Path, cache: Path) -> None:
    """Write a table of irises and two new rows, and train 4–8–3 on it."""
    from pellucid.data import load_dataset

    data = load_dataset("iris")
    rows = [[*x.tolist(), data.classes[y]] for x, y in zip(data.train.x, data.train.y, strict=True)]
    for name, written in (
        ("iris.csv", [[*data.features, "species"], *rows]),
        ("two.csv", [data.features, *data.train.x[:2]]),
    ):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(written)
    run(("train", "iris.csv", "--target", "species", "--network", "8", "--folder", "iris"), folder, cache)


def measure(settings: Settings) -> list[Case]:
    """Each command twice a round, with an empty cache and with the one that it filled."""
    cases = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, folder / "cache")
        for name in QUICK if settings.quick else COMMANDS:
            case = Case(name, "s", SECOND)
            for number in range(settings.rounds):
                cache = folder / f"cache of {name} {number}"
                first, _ = run(COMMANDS[name].arguments, folder, cache)
                second, processor = run(COMMANDS[name].arguments, folder, cache)
                for start, seconds in ((FIRST, first), (SECOND, second), (PROCESSOR, processor)):
                    case.samples.setdefault(start, []).append(seconds)
            say(f"{name}: " + ", ".join(f"{start} {case.spread(start).median:.2f} s" for start in case.samples))
            cases.append(case)
    return cases


WORKLOAD = Workload(
    "start",
    "Starts of the command line",
    "Whole processes, from the command to its end: with an empty cache of compiled programs and pages, and with what "
    "that first start has left there. `train mnist-5k` trains 784–128–10 by the default recipe and writes its report; "
    "`explain` and `predict` read a saved 4–8–3 network of irises.",
    measure,
    tuple(
        Target(
            name,
            f"second start at most {command.bound:g} s",
            lambda case: case.spread(SECOND).median,
            command.bound,
            at_least=False,
        )
        for name, command in COMMANDS.items()
    ),
)
