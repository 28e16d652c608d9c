"""What the recorder costs."""

from benchmarks import contenders
from benchmarks.contenders import Task, per_step
from benchmarks.measure import Case, alternate
from benchmarks.multilayer import HIDDEN
from benchmarks.workload import Settings, Target, Workload

OFF = "off"
DEFAULT = "default: scalars every 20th step"
SCALARS = "scalars every step"
EVERYTHING = "everything, histograms and noise too, every 50th step"
RECORDERS = {
    OFF: {"record_every": 0},
    DEFAULT: {},
    SCALARS: {"record_every": 1},
    EVERYTHING: {
        "record_every": 50,
        "record": ("activations", "gradients", "updates", "weights", "noise"),
        "histograms_every": 50,
    },
}
CASES = {"784–128–128–10, batch 128": Task("mnist", HIDDEN, 128), "CNN, batch 32": Task("mnist-5k", (), 32, 2, "cnn")}
BOUNDS = {DEFAULT: 1.05, SCALARS: 1.05, EVERYTHING: 1.10}


def measure(settings: Settings) -> list[Case]:
    """The same training with and without, in one process."""
    cases = []
    for name, task in CASES.items():
        if settings.quick:
            task = Task("mnist-5k", task.hidden, task.batch_size, 1, task.network)
        runs = {what: per_step(contenders.pellucid, task, **options) for what, options in RECORDERS.items()}
        cases.append(alternate(Case(name, "ms/step", OFF), runs, settings.rounds))
    return cases


WORKLOAD = Workload(
    "recorder",
    "What measuring every layer costs",
    "The reference network and the CNN as above, in one process, recorder off and on. Scalars: mean, standard "
    "deviation, zeros, saturation and dead units of the activations, norms of gradients, updates and weights. "
    "Everything: those, signal-to-noise, and histograms of activations, gradients, updates and weights.",
    measure,
    tuple(
        Target(
            case,
            f"{what}: at most {bound - 1:.0%}",
            lambda measured, what=what: measured.ratio(what).median,
            bound,
            at_least=False,
        )
        for case in CASES
        for what, bound in BOUNDS.items()
    ),
)
