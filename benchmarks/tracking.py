"""What trackers cost."""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial

import pellucid as pel
from benchmarks.measure import Case, alternate
from benchmarks.workload import Settings, Target, Workload

NONE = "a callback that does nothing"
TENSORBOARD = "TensorBoard"
MLFLOW = "MLflow, SQLite"
WANDB = "Weights & Biases, offline"
TRACKERS: dict[str, Callable[[str], list]] = {
    NONE: lambda folder: [lambda training: None],
    TENSORBOARD: lambda folder: [pel.callbacks.TensorBoard(folder)],
    MLFLOW: lambda folder: [pel.callbacks.MLflow(uri=f"sqlite:///{folder}/../runs.db")],
    WANDB: lambda folder: [pel.callbacks.WandB()],
}
TRAININGS = {
    "784–128–128–10 on 60,000 rows, 10 epochs": ("mnist", (128, 128), 10),
    "iris, 300 epochs": ("iris", (16,), 300),
}
QUICK = {"digits, 2 epochs": ("digits", (16,), 2)}


def measure(settings: Settings) -> list[Case]:
    """The same training without and with trackers, in one process."""
    cases = []
    before = os.getcwd()
    os.environ.setdefault("WANDB_SILENT", "true")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for name, training in (QUICK if settings.quick else TRAININGS).items():
                runs = {what: partial(_seconds, training, make, folder) for what, make in TRACKERS.items()}
                for run in runs.values():  # compiles, imports, makes the database
                    run()
                cases.append(alternate(Case(name, "s", NONE), runs, settings.rounds))
        finally:
            os.chdir(before)
    return cases


def _seconds(training: tuple, make: Callable[[str], list], folder: str) -> float:
    data, hidden, epochs = training
    callbacks = make(tempfile.mkdtemp(dir=folder))
    began = time.perf_counter()
    pel.train(hidden, pel.load_dataset(data), epochs=epochs, batch_size=128, progress=False, callbacks=callbacks)
    return time.perf_counter() - began


WORKLOAD = Workload(
    "tracking",
    "What trackers cost",
    "One training, start and end of the tracker included: with a callback that does nothing, and with each tracker.",
    measure,
    (
        Target(
            "784–128–128–10 on 60,000 rows, 10 epochs",
            "TensorBoard: at most 5%",
            lambda measured: measured.ratio(TENSORBOARD).median,
            1.05,
            at_least=False,
        ),
    ),
)
