"""The reference network on MNIST, against everyone."""

from functools import partial

from benchmarks import contenders
from benchmarks.contenders import Task, per_step
from benchmarks.measure import Case, compare
from benchmarks.workload import Settings, Workload, faster_than

HIDDEN = (128, 128)
BATCH_SIZES = (32, 128, 1024)
EAGER = ("PyTorch, default Adam", "PyTorch, fused Adam")
CONTENDERS = {
    "pellucid": (contenders.pellucid, {}),
    "pellucid, kernels off": (contenders.without_kernels, {}),
    EAGER[0]: (contenders.pytorch, {}),
    EAGER[1]: (contenders.pytorch, {"fused": True}),
    "PyTorch, compiled, fused Adam": (contenders.pytorch, {"fused": True, "compiled": True}),
    "Keras on JAX": (contenders.keras, {}),
    "Flax and Optax": (contenders.flax, {}),
    "scikit-learn": (contenders.scikit_learn, {}),
}


def measure(settings: Settings) -> list[Case]:
    """One epoch a round at every batch size."""
    data = "mnist-5k" if settings.quick else "mnist"
    cases = []
    for batch_size in BATCH_SIZES:
        task = Task(data, HIDDEN, batch_size)
        builds = {name: partial(per_step, build, task, **options) for name, (build, options) in CONTENDERS.items()}
        case = Case(f"batch {batch_size}", "ms/step", "pellucid")
        cases.append(compare(case, builds, settings.rounds))
    return cases


WORKLOAD = Workload(
    "multilayer",
    "Training 784–128–128–10 on MNIST",
    "ReLU, softmax cross-entropy, Adam at 1e-3, all 60,000 rows, every core for everyone. A round is "
    "one whole epoch with its shuffling and its short last batch, without evaluation; the value is its "
    "time over its number of steps. Every contender had one epoch to warm up. pellucid trains as "
    "`pellucid.train` does, the recorder at its default (every twentieth step) and pixels as uint8; the "
    "others hold float32 rows. PyTorch takes rows by index from a tensor in memory, which is faster "
    "than a `DataLoader`; Keras measures no metric; the Flax step gathers its rows inside the program.",
    measure,
    (
        faster_than("batch 32", "PyTorch (eager, the faster Adam)", *EAGER, times=3.0),
        faster_than("batch 128", "PyTorch (eager, the faster Adam)", *EAGER, times=1.7),
        faster_than("batch 1024", "PyTorch (eager, the faster Adam)", *EAGER, times=1.5),
        faster_than("batch 128", "scikit-learn", "scikit-learn", times=4.0),
        faster_than("batch 128", "Keras on JAX", "Keras on JAX", times=1.6),
    ),
)
