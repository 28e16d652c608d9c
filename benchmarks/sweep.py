"""A sweep of 64 settings by 3 seeds beside scikit-learn's random search over its own MLP."""

import time
import warnings

import numpy as np

from benchmarks.measure import Case, fresh_process, say
from benchmarks.workload import Settings, Target, Workload

TRIALS, SEEDS, EPOCHS = 64, 3, 50
SIZES = ((32,), (64,), (32, 32))
BATCHES = (16, 32, 64)
RATES = (1e-4, 1e-1)
PENALTIES = (1e-5, 1e-1)
"""scikit-learn's ``alpha``, which it divides by the rows of a batch; `pellucid`'s strength belongs to the mean."""
AS_GOOD = 0.01
"""Largest loss of accuracy that counts as equally good: 3.6 of the 360 held-out rows."""
SPEED, COMPILED, SCORE = "64 settings × 3 seeds", "64 settings × 3 seeds, compiling included", "accuracy"
PEERS = ("scikit-learn, as it is called", "scikit-learn, all cores")


def pellucid(seed: int, trials: int, epochs: int) -> tuple[float, float]:
    """Seconds of a sweep, and the accuracy of its best run on the held-out rows."""
    import jax

    import pellucid as pel

    jax.config.update("jax_enable_compilation_cache", False)
    batch = float(np.exp(np.mean(np.log(BATCHES))))
    space = {
        "network": list(SIZES),
        "batch_size": list(BATCHES),
        "learning_rate": pel.sweeps.Range(*RATES, log=True),
        "regularizer.strength": pel.sweeps.Range(PENALTIES[0] / batch, PENALTIES[1] / batch, log=True),
    }
    data = pel.load_dataset("digits")
    began = time.perf_counter()
    swept = pel.sweep(
        None, data, space=space, trials=trials, seeds=SEEDS, seed=seed, epochs=epochs, regularizer="l2", progress=False
    )
    return time.perf_counter() - began, swept.run.result["accuracy"]


def scikit_learn(seed: int, trials: int, epochs: int, jobs: int | None) -> tuple[float, float]:
    """The same of ``RandomizedSearchCV``: as many settings, splits and epochs, on the same rows."""
    from scipy.stats import loguniform
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import RandomizedSearchCV, StratifiedShuffleSplit
    from sklearn.neural_network import MLPClassifier

    from pellucid.data import load_dataset

    data = load_dataset("digits")
    assert data.held_out is not None
    x, test_x = (part.x.reshape(len(part), -1) / 16.0 for part in (data.train, data.held_out))
    space = {
        "hidden_layer_sizes": list(SIZES),
        "batch_size": list(BATCHES),
        "learning_rate_init": loguniform(*RATES),
        "alpha": loguniform(*PENALTIES),
    }
    network = MLPClassifier(max_iter=epochs, n_iter_no_change=epochs, random_state=seed)
    splits = StratifiedShuffleSplit(SEEDS, test_size=0.2, random_state=seed)
    search = RandomizedSearchCV(network, space, n_iter=trials, cv=splits, n_jobs=jobs, random_state=seed)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(x, data.train.y)
    return time.perf_counter() - began, float(search.score(test_x, data.held_out.y))


def measure(settings: Settings) -> list[Case]:
    """Each round another seed; the first sweep of a process compiles."""
    trials, epochs = (4, 2) if settings.quick else (TRIALS, EPOCHS)
    speed, score = Case(SPEED, "s", "pellucid"), Case(SCORE, "fraction", "pellucid")
    compiled = Case(COMPILED, "s", "pellucid")
    contenders = {"pellucid": (pellucid,), PEERS[0]: (scikit_learn, None), PEERS[1]: (scikit_learn, -1)}
    processes = {name: fresh_process() for name in contenders}
    try:
        for number in range(settings.rounds):
            for name, (function, *more) in contenders.items():
                process = processes[name]
                if name == "pellucid":
                    with fresh_process() as new:  # compiles all
                        seconds, _ = new.submit(function, number, trials, epochs).result()
                    compiled.samples.setdefault(name, []).append(seconds)
                    process.submit(function, number, trials, epochs).result()
                seconds, accuracy = process.submit(function, number, trials, epochs, *more).result()
                say(f"{name}, seed {number}: {seconds:.1f} s, accuracy {accuracy:.3f}")
                speed.samples.setdefault(name, []).append(seconds)
                score.samples.setdefault(name, []).append(accuracy)
                if name != "pellucid":
                    compiled.samples.setdefault(name, []).append(seconds)
    finally:
        for process in processes.values():
            process.shutdown()
    return [speed, compiled, score]


def _ratio(case: Case) -> float:
    return case.ratio(PEERS[0]).median


def _difference(case: Case) -> float:
    return float(np.mean(case.samples["pellucid"]) - np.mean(case.samples[PEERS[0]]))


WORKLOAD = Workload(
    "sweep",
    "A sweep of 64 settings × 3 seeds on digits",
    "Random search over hidden units (32, 64 or 32–32), batch size (16, 32 or 64), Adam's learning rate and an L2 "
    "penalty; 1,437 rows, of which each of 3 seeds sets a fifth aside; 50 epochs each; the best is trained on all. "
    "Nine structures, so nine programs of a population; the second case counts compiling them, with an empty cache. "
    "scikit-learn: `RandomizedSearchCV` over `MLPClassifier`, 3 stratified splits, 50 epochs without early stopping, "
    "in one process, which is its default, and in one a core; it has nothing to compile. Accuracy: of the best on the "
    "360 held-out rows.",
    measure,
    (
        Target(SPEED, "at least 15× as fast as RandomizedSearchCV, programs compiled before", _ratio, 15.0),
        Target(COMPILED, "at least 15× as fast as RandomizedSearchCV, compiling included", _ratio, 15.0),
        Target(SCORE, f"an accuracy at most {AS_GOOD:g} below scikit-learn's", _difference, -AS_GOOD),
    ),
)
