"""What trained features are worth: a new head for two digits that the features never saw, on few rows."""

import itertools
from functools import cache, partial

import numpy as np

from benchmarks.measure import Case, Run, compare
from benchmarks.workload import Settings, Target, Workload

FINE_TUNED, SCRATCH = "fine-tuned", "from scratch"
LAST = (8, 9)
ROWS, FEATURE_ROWS, EPOCHS, LONGER, SEEDS, AIM = 200, 20_000, 5, 40, 5, 0.05
FROZEN = "lstm_1"


def network(classes: int):
    import pellucid as pel

    head = pel.Dense(1, "sigmoid") if classes == 2 else pel.Dense(classes, "softmax")
    return pel.Network(pel.LSTM(64, return_sequences=True), pel.LSTM(64), head)


def rows_of(part, digits: tuple[int, ...], rows: int | None = None, seed: int = 0):
    """Images and classes of some digits: all, or as many as are asked for, drawn by the seed."""
    chosen = np.flatnonzero(np.isin(part.y, digits))
    if rows is not None:
        chosen = np.random.default_rng(seed).permutation(chosen)[:rows]
    return part.x[chosen], np.searchsorted(digits, part.y[chosen])


@cache
def features(last: tuple[int, ...], quick: bool):
    """A run on the other eight digits."""
    import pellucid as pel

    mnist = pel.load_dataset("mnist-5k" if quick else "mnist")
    digits = tuple(digit for digit in range(10) if digit not in last)
    data = pel.make_dataset(*rows_of(mnist.train, digits, FEATURE_ROWS), held_out=rows_of(mnist.held_out, digits))
    settings = {"batch_size": 64, "learning_rate": 3e-3, "record_every": 0}
    return pel.train(network(8), data, epochs=1 if quick else 4, progress=False, **settings)


def accuracy(tuned: bool, epochs: int, quick: bool, last: tuple[int, ...] = LAST) -> Run:
    """Accuracy of the test rows of the two digits; other rows and another seed each round."""
    import pellucid as pel

    seeds = itertools.count()
    mnist = pel.load_dataset("mnist-5k" if quick else "mnist")
    start = {"initial": features(last, quick), "freeze": FROZEN} if tuned else {}

    def run() -> float:
        seed = next(seeds)
        data = pel.make_dataset(*rows_of(mnist.train, last, ROWS, seed), held_out=rows_of(mnist.held_out, last))
        settings = {"learning_rate": 3e-3, "seed": seed, "record_every": 0, "progress": False}
        run = pel.train(network(2), data, epochs=epochs, **settings, **start)
        if tuned:
            kept = features(last, quick).weights[FROZEN]
            assert all(np.array_equal(array, run.weights[FROZEN][name]) for name, array in kept.items())
        return run.result["binary_accuracy"]

    return run


def measure(settings: Settings) -> list[Case]:
    """Both on the same rows and seeds, in turn; then with more epochs for both."""
    return [
        compare(
            Case(name, "share", FINE_TUNED),
            {who: partial(accuracy, who == FINE_TUNED, epochs, settings.quick) for who in (FINE_TUNED, SCRATCH)},
            1 if settings.quick else SEEDS,
        )
        for name, epochs in ((f"{EPOCHS} epochs", EPOCHS), (f"{LONGER} epochs", 1 if settings.quick else LONGER))
    ]


def gain(case: Case) -> float:
    """Mean difference of the accuracies, row set by row set."""
    return float(np.mean(np.subtract(case.samples[FINE_TUNED], case.samples[SCRATCH])))


WORKLOAD = Workload(
    "fine_tuning",
    "A new head on trained layers",
    f"Two LSTMs of 64 read MNIST row by row. Trained on {FEATURE_ROWS:,} rows of the digits 0 to 7, then with a new "
    f"head on {ROWS} rows of 8 and 9, the first LSTM frozen (the benchmark checks its bits); beside it the same "
    f"network from scratch, same rows, seeds and epochs, Adam at 3e-3. Accuracy of the 1,983 test rows of 8 and 9, "
    f"{SEEDS} draws of the rows. The recipe was chosen on 3 and 5.",
    measure,
    (Target(f"{EPOCHS} epochs", f"mean gain of at least {AIM:g}", gain, AIM),),
)
