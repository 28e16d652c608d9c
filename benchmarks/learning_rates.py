"""The suggestion of `pellucid.find_learning_rate` beside the best rate of a sweep of whole trainings."""

from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import Case, say
from benchmarks.workload import Settings, Target, Workload

SUGGESTED, BEST, LOW, HIGH = "suggested", "best of the sweep", "lowest as good", "highest as good"
FACTOR = 3.0
PER_DECADE = 4
SEEDS = 5


class Problem(NamedTuple):
    """A network on a dataset, and the sweep's epochs and seeds."""

    dataset: str
    network: Any
    epochs: int
    seeds: int = SEEDS


PROBLEMS = {
    "digits, 64 units": Problem("digits", (64,), 30),
    "iris, 16 units": Problem("iris", (16,), 60),
    "MNIST-5k, CNN": Problem("mnist-5k", "cnn", 3, seeds=3),
    "digits row by row, LSTM": Problem("digits", {"name": "lstm", "units": [32]}, 15),
    "digits, autoencoder": Problem("digits", {"name": "autoencoder", "code": 16}, 30),
}
"""None of them had a part in choosing the method: those were tables of scikit-learn and sequences for a GRU."""
OPTIMIZERS = {"SGD": ("sgd", 1e-3, 10.0), "Adam": ("adam", 1e-5, 1.0)}
"""Name, lowest and highest rate of the sweep."""
CASES = [f"{problem}, {optimizer}" for problem in PROBLEMS for optimizer in OPTIMIZERS]


def case(name: str, quick: bool) -> Case:
    """Suggest a rate, then sweep."""
    import pellucid as pel

    problem_name, _, optimizer_name = name.rpartition(", ")
    problem = PROBLEMS[problem_name]
    optimizer, low, high = OPTIMIZERS[optimizer_name]
    data = pel.load_dataset(problem.dataset)
    settings = {"optimizer": optimizer, "epochs": 2 if quick else problem.epochs}
    steps = {"steps": 10, "seeds": 2} if quick else {}
    tried = pel.find_learning_rate(problem.network, data, progress=False, **steps, **settings)
    rates, losses = sweep(problem, data, settings, low, high, 1 if quick else PER_DECADE, 2 if quick else problem.seeds)
    means = losses.mean(axis=1)
    best = int(np.argmin(means))
    error = losses[best].std(ddof=1) / np.sqrt(losses.shape[1])
    good = rates[means <= means[best] + error]
    suggestion = np.nan if tried.refusal else tried.suggestion
    samples = {SUGGESTED: suggestion, BEST: rates[best], LOW: good.min(), HIGH: good.max()}
    say(f"{name}: " + ", ".join(f"{who} {rate:.2g}" for who, rate in samples.items()))
    return Case(name, "rate", SUGGESTED, {who: [float(rate)] for who, rate in samples.items()})


def sweep(
    problem: Problem, data: Any, settings: dict, low: float, high: float, per_decade: int, seeds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whole trainings at many rates: (rates, seeds), the lowest loss of all epochs on the held-out rows."""
    from pellucid.runs.experiment import vary
    from pellucid.runs.many import many
    from pellucid.runs.plan import settle

    plan = settle(problem.network, data, {**settings, "record_every": 0})
    rates = np.geomspace(low, high, round(per_decade * np.log10(high / low)) + 1)
    pairs = [(rate, 100 + seed) for rate in rates.tolist() for seed in range(seeds)]
    experiments = [vary(plan.experiment, {"optimizer.learning_rate": rate, "seed": seed}) for rate, seed in pairs]
    records = many(experiments, plan.data, networks=[plan.network] * len(pairs))
    losses = [np.inf if one.stopped == "diverged" else np.min(one.history.held_out[:, 0]) for one in records]
    return rates, np.nan_to_num(np.array(losses), nan=np.inf).reshape(len(rates), -1)


def measure(settings: Settings) -> list[Case]:
    """Every network with every optimiser."""
    return [case(name, settings.quick) for name in (CASES[:2] if settings.quick else CASES)]


def _factor(case: Case) -> float:
    ratio = case.samples[SUGGESTED][0] / case.samples[BEST][0]
    return float(np.exp(abs(np.log(ratio))))


WORKLOAD = Workload(
    "learning-rates",
    "The suggested learning rate",
    f"The suggestion of `find_learning_rate`, beside the best rate of a sweep of whole trainings, {PER_DECADE} rates a "
    f"decade, {SEEDS} seeds (of the CNN 3): the rate with the lowest mean of the lowest loss on the held-out rows, as "
    "a training has that keeps its best epoch. Rates are as good where their mean is within the standard error of the "
    "best one's. The held-out rows and the seeds of the sweep have no part in the suggestion.",
    measure,
    tuple(
        Target(name, f"suggestion within a factor of {FACTOR:g} of the best", _factor, FACTOR, at_least=False)
        for name in CASES
    ),
)
