"""What the recorder costs."""

from benchmarks import contenders
from benchmarks.contenders import Task, per_step
from benchmarks.measure import Case, alternate
from benchmarks.multilayer import HIDDEN
from benchmarks.workload import Settings, Target, Workload

DEFAULT = "every twentieth step (default)"
EVERY = (("off", 0), (DEFAULT, 20), ("every step", 1))


def measure(settings: Settings) -> list[Case]:
    """The same training with and without, in one process."""
    data = "mnist-5k" if settings.quick else "mnist"
    cases = []
    for batch_size in (32, 128):
        task = Task(data, HIDDEN, batch_size)
        runs = {name: per_step(contenders.pellucid, task, record_every=every) for name, every in EVERY}
        cases.append(alternate(Case(f"batch {batch_size}", "ms/step", "off"), runs, settings.rounds))
    return cases


def _cost(case: Case) -> float:
    return case.ratio(DEFAULT).median


WORKLOAD = Workload(
    "recorder",
    "What measuring every layer costs",
    "784–128–128–10 on MNIST as above, the layers measured never, every twentieth step, and every step; in "
    "one process.",
    measure,
    (
        Target(
            "batch 128",
            "the default costs at most 5 %",
            _cost,
            1.05,
            at_least=False,
        ),
    ),
)
