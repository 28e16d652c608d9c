"""A small network, where the cost of a step is its dispatch."""

from functools import partial

from benchmarks import contenders
from benchmarks.contenders import Task, per_step
from benchmarks.measure import Case, compare
from benchmarks.workload import Settings, Workload, faster_than


def measure(settings: Settings) -> list[Case]:
    """Several epochs a round."""
    task = Task("digits", (32,), 32, epochs=2 if settings.quick else 50)
    builds = {
        "pellucid": partial(per_step, contenders.pellucid, task),
        "pellucid, kernels off": partial(per_step, contenders.without_kernels, task),
        "PyTorch, one thread": partial(per_step, contenders.pytorch, task, threads=1),
        "PyTorch, one thread, fused Adam": partial(per_step, contenders.pytorch, task, threads=1, fused=True),
        "PyTorch, all threads": partial(per_step, contenders.pytorch, task),
    }
    return [compare(Case("digits", "ms/step", "pellucid"), builds, settings.rounds)]


WORKLOAD = Workload(
    "digits",
    "Training 64–32–10 on scikit-learn's digits",
    "1,797 rows, batch 32, ReLU, softmax cross-entropy, Adam at 1e-3; a round is 50 epochs. So small a "
    "network leaves only what a library costs by itself. PyTorch is at its best here on one thread.",
    measure,
    (
        faster_than(
            "digits",
            "PyTorch on one thread (the faster Adam)",
            "PyTorch, one thread",
            "PyTorch, one thread, fused Adam",
            times=20.0,
        ),
    ),
)
