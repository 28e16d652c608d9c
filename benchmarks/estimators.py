"""`pellucid.sklearn` beside scikit-learn's multilayer perceptron: scores, fits, a search; and its checks."""

import time
import warnings
from functools import partial
from typing import Any

import numpy as np

from benchmarks.measure import Case, Run, compare, say
from benchmarks.workload import Settings, Target, Workload, faster_than

OURS, THEIRS = "pellucid.sklearn", "scikit-learn"
CLASSES = ("iris", "wine", "breast-cancer", "digits", "mnist-5k", "moons", "circles", "spirals")
NUMBERS = ("diabetes", "friedman1")
SPLITS = 10
GRID = {
    "hidden_layer_sizes": [(20,), (50,), (100,)],
    "activation": ["relu", "tanh"],
    "alpha": [1e-4, 1e-2],
    "learning_rate_init": [1e-3, 1e-2],
}
FOLDS = 5
SEARCHES = ("digits", "iris")
MNIST, IRIS = "fit, 60,000 × 784, defaults", "fit, iris, warm"
CHECKS = "checks of scikit-learn not passed"
OF_WEIGHTS = 2
"""Checks that ask weighted rows to equal repeated ones to 1e-7, which float32 does not hold."""


def rows(name: str) -> tuple[np.ndarray, np.ndarray]:
    """All rows of a dataset."""
    if name == "friedman1":
        from sklearn.datasets import make_friedman1

        return make_friedman1(500, noise=1.0, random_state=0)
    import pellucid as pel

    data = pel.load_dataset(name)
    parts = [part for part in (data.train, data.held_out) if part is not None]
    x = np.concatenate([part.x.reshape(len(part), -1) for part in parts]).astype(float)
    return x, np.concatenate([part.y if part.y.ndim == 1 else part.y[:, 0] for part in parts])


def estimator(who: str, kind: str, **settings: Any) -> Any:
    """One of the two, by the name that both have."""
    import importlib

    module = importlib.import_module("pellucid.sklearn" if who == OURS else "sklearn.neural_network")
    return getattr(module, kind)(**settings)


def scores(name: str, quick: bool) -> Case:
    """The score on a quarter of the rows, at the defaults, on standardised inputs, split by split."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = rows(name)
    numbers = name in NUMBERS
    kind, splitter = ("MLPRegressor", ShuffleSplit) if numbers else ("MLPClassifier", StratifiedShuffleSplit)
    y = (y - y.mean()) / y.std() if numbers else y
    samples: dict[str, list[float]] = {OURS: [], THEIRS: []}
    splits = splitter(2 if quick else SPLITS, test_size=0.25, random_state=0).split(x, y)
    for seed, (train, test) in enumerate(splits):
        for who, measured in samples.items():
            settings = {"random_state": seed} | ({"max_iter": 20} if quick else {})
            model = make_pipeline(StandardScaler(), estimator(who, kind, **settings))
            with warnings.catch_warnings(action="ignore"):
                measured.append(float(model.fit(x[train], y[train]).score(x[test], y[test])))
    say(f"{name}: " + ", ".join(f"{who} {np.mean(measured):.4f}" for who, measured in samples.items()))
    return Case(name, "score", OURS, samples)


def fits(who: str, name: str, warm: int, **settings: Any) -> Run:
    """Seconds of a fit, after some that are not counted."""
    x, y = rows(name)
    x = x / 255 if x.max() > 100 else x
    model = estimator(who, "MLPClassifier", random_state=0, **settings)

    def run() -> float:
        began = time.perf_counter()
        with warnings.catch_warnings(action="ignore"):
            model.fit(x, y)
        return time.perf_counter() - began

    for _ in range(warm):
        run()
    return run


def search(who: str, name: str, max_iter: int) -> Run:
    """Seconds of a search over 24 settings by 5 folds, the first one of its process: what compiles is counted."""
    from sklearn.model_selection import GridSearchCV

    x, y = rows(name)

    def run() -> float:
        model = estimator(who, "MLPClassifier", random_state=0, max_iter=max_iter)
        began = time.perf_counter()
        with warnings.catch_warnings(action="ignore"):
            GridSearchCV(model, GRID, cv=FOLDS).fit(x, y)
        return time.perf_counter() - began

    return run


def checks() -> Case:
    """Checks of scikit-learn that each estimator does not pass."""
    from sklearn.utils.estimator_checks import check_estimator

    from pellucid import sklearn as estimators

    every = (
        estimators.MLPClassifier(max_iter=100),
        estimators.MLPRegressor(max_iter=60),
        estimators.CNNClassifier((8,), (), max_iter=60, learning_rate_init=0.02),
        estimators.LSTMClassifier((8,), max_iter=30, learning_rate_init=0.05),
        estimators.LSTMRegressor((8,), max_iter=40, learning_rate_init=0.05),
        estimators.Perceptron(alpha=0.01),
        estimators.Autoencoder(hidden_layer_sizes=(4,), max_iter=3),
        estimators.GAN(max_iter=1, latent=2),
    )
    samples = {}
    for one in every:
        with warnings.catch_warnings(action="ignore"):
            results = check_estimator(one, on_fail=None, on_skip=None)
        failed = [result["check_name"] for result in results if result["status"] == "failed"]
        say(f"{type(one).__name__}: {len(results)} checks, not passed: {', '.join(failed) or 'none'}")
        samples[type(one).__name__] = [float(len(failed))]
    return Case(CHECKS, "checks", "MLPClassifier", samples)


def measure(settings: Settings) -> list[Case]:
    """Scores, fits, searches, checks."""
    quick = settings.quick
    cases = [scores(name, quick) for name in ((*CLASSES, *NUMBERS)[:2] if quick else (*CLASSES, *NUMBERS))]
    for name, data, warm, options, most in (
        (IRIS, "iris", 2, {}, settings.rounds),
        (MNIST, "mnist-5k" if quick else "mnist", 0, {"max_iter": 3} if quick else {}, 2),
    ):
        builds = {who: partial(fits, who, data, warm, **options) for who in (OURS, THEIRS)}
        cases.append(compare(Case(name, "s", OURS), builds, min(settings.rounds, most)))
    for name in SEARCHES[1:] if quick else SEARCHES:
        builds = {who: partial(search, who, name, 10 if quick else 200) for who in (OURS, THEIRS)}
        cases.append(compare(Case(search_of(name), "s", OURS), builds, min(settings.rounds, 2)))
    return cases if quick else [*cases, checks()]


def search_of(name: str) -> str:
    """Name of a search."""
    return f"GridSearchCV, {name}, 24 settings × {FOLDS} folds"


def _within_noise(case: Case) -> float:
    differences = np.array(case.samples[OURS]) - np.array(case.samples[THEIRS])
    return float(differences.mean() + 2 * differences.std(ddof=1) / np.sqrt(len(differences)))


WORKLOAD = Workload(
    "estimators",
    "Estimators beside scikit-learn's",
    "`MLPClassifier` and `MLPRegressor` of `pellucid.sklearn` beside those of scikit-learn, at the defaults of both. "
    f"Scores of {SPLITS} splits, a quarter of the rows each, paired, on standardised inputs. Fits and searches in "
    "turn, each in a process of its own; the first fit of 60,000 rows and the first search count what they "
    "compile.",
    measure,
    (
        *(
            Target(name, "score within two standard errors of scikit-learn's, or better", _within_noise, 0.0)
            for name in (*CLASSES, *NUMBERS)
        ),
        faster_than(IRIS, THEIRS, THEIRS, times=1 / 1.5),
        faster_than(MNIST, THEIRS, THEIRS, times=5.0),
        *(faster_than(search_of(name), THEIRS, THEIRS, times=1.0) for name in SEARCHES),
        Target(
            CHECKS,
            f"all but {OF_WEIGHTS}, of weights as repetitions",
            lambda case: max(max(values) for values in case.samples.values()),
            OF_WEIGHTS,
            at_least=False,
        ),
    ),
)
