"""All defaults on public tables, beside scikit-learn's: is the default recipe one that works?"""

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import Case, say
from benchmarks.tables import REPORTED, Table
from benchmarks.workload import Settings, Target, Workload

SPLITS = 5
US, MLP, TREES = "pellucid", "scikit-learn's MLP", "scikit-learn's HistGradientBoosting"
RANKS, ACCURACY, R2, TIME = "rank", "accuracy of all tables", "R² of all tables", "time of a fit"
XOR = "XOR, four rows"
QUICK = ("iris", "diabetes")


class Split(NamedTuple):
    """A table, a fifth of its rows held out."""

    task: str
    train: Any
    y: np.ndarray
    test: Any
    y_test: np.ndarray


def split(table: Table, seed: int) -> Split:
    """Hold out a fifth of the rows, stratified where the targets are classes."""
    from sklearn.model_selection import train_test_split

    x, y = table.load()
    classes = y if table.task == "classification" else None
    train, test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=seed, stratify=classes)
    return Split(table.task, train, y_train, test, y_test)


def encoder(x: Any) -> Any:
    """Numbers: median for missing ones, standardised. Categories: one column each."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    selector = make_column_selector
    return make_column_transformer(
        (numbers, selector(dtype_include="number")), (categories, selector(dtype_exclude="number"))
    )


def encoded(of: Split) -> tuple[np.ndarray, np.ndarray]:
    """The inputs of both parts as arrays of numbers, all contenders' the same."""
    transformer = encoder(of.train)
    return tuple(
        np.asarray(part, np.float32) for part in (transformer.fit_transform(of.train), transformer.transform(of.test))
    )


def perceptron(of: Split, seed: int) -> Any:
    """scikit-learn's multilayer perceptron with its defaults, behind an encoder."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if of.task == "classification":
        return make_pipeline(encoder(of.train), MLPClassifier(random_state=seed))
    scaled = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
    return make_pipeline(encoder(of.train), scaled)


def boosting(of: Split, seed: int) -> Any:
    """scikit-learn's histogram gradient boosting with its defaults, categories as such."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((ordinal, make_column_selector(dtype_exclude="number")), remainder="passthrough")
    kind = HistGradientBoostingClassifier if of.task == "classification" else HistGradientBoostingRegressor
    return make_pipeline(columns, kind(random_state=seed))


def fitted(model: Any, of: Split) -> tuple[float, float]:
    """Score on the held-out rows, accuracy or R², and the seconds of the fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        model.fit(of.train, of.y)
        seconds = time.perf_counter() - began
        return float(model.score(of.test, of.y_test)), seconds


def network(of: Split, seed: int) -> tuple[float, float]:
    """pellucid with all defaults: score, and the seconds of a second fit, when its programs are compiled."""
    import pellucid
    from pellucid.data import make_dataset

    y = of.y.astype(np.float64 if of.task == "regression" else str)

    def fit() -> Any:
        task = "regression" if of.task == "regression" else None
        data = make_dataset(of.train, y, task=task, held_out=None)
        return pellucid.train(None, data, seed=seed, progress=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing values and unknown categories
        fit()
        began = time.perf_counter()
        run = fit()
        seconds = time.perf_counter() - began
        predicted = run.predict(of.test, unknown=True)
    if of.task == "classification":
        return float(np.mean(predicted.astype(str) == of.y_test.astype(str))), seconds
    return float(1 - np.mean((predicted - of.y_test) ** 2) / np.var(of.y_test)), seconds


CONTENDERS: dict[str, Callable[[Split, int], tuple[float, float]]] = {
    US: network,
    MLP: lambda of, seed: fitted(perceptron(of, seed), of),
    TREES: lambda of, seed: fitted(boosting(of, seed), of),
}


def corners(seed: int) -> Split:
    """The four rows of XOR, to learn and to predict."""
    import pandas as pd

    x = pd.DataFrame({"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]})
    y = np.array([0, 1, 1, 0])
    return Split("classification", x, y, x, y)


def measure(settings: Settings) -> list[Case]:
    """Every contender on every split of every table; then ranks, differences and times over the tables."""
    tables = [table for table in REPORTED if table.name in QUICK or not settings.quick]
    missing = {table.name for table in tables if not table.available}
    if missing:
        say(f"left out, for their package is not installed: {', '.join(sorted(missing))}")
        tables = [table for table in tables if table.name not in missing]
    draws: dict[str, Callable[[int], Split]] = {table.name: partial(split, table) for table in tables}
    cases, seconds = [], []
    for name, draw in {XOR: corners, **draws}.items():
        case, times = Case(name, "", US), {contender: [] for contender in CONTENDERS}
        for seed in range(2 if settings.quick else SPLITS):
            of = draw(seed)
            case.unit = "accuracy" if of.task == "classification" else "R²"
            for contender, fit in CONTENDERS.items():
                score, took = fit(of, seed)
                case.samples.setdefault(contender, []).append(round(score, 4))
                times[contender].append(took)
        say(
            ", ".join(
                [name, *(f"{who} {np.mean(case.samples[who]):.4f} {min(times[who]):.2f} s" for who in CONTENDERS)]
            )
        )
        cases.append(case)
        seconds.append({contender: float(np.median(of_one)) for contender, of_one in times.items()})
    return [*overall(cases[1:], seconds[1:]), *cases]


def overall(cases: list[Case], seconds: list[dict[str, float]]) -> list[Case]:
    """One sample a table: ranks, differences to the MLP, times over its time."""
    means = [{who: float(np.mean(case.samples[who])) for who in CONTENDERS} for case in cases]
    ranks = [{who: 1 + sum(other > mean[who] for other in mean.values()) for who in mean} for mean in means]
    both = {kind: [mean for mean, case in zip(means, cases, strict=True) if case.unit == kind] for kind in UNITS}
    return [
        Case(RANKS, "rank", US, {who: [float(rank[who]) for rank in ranks] for who in CONTENDERS}),
        *(
            Case(UNITS[kind], kind, US, {who: [mean[who] for mean in of_kind] for who in CONTENDERS})
            for kind, of_kind in both.items()
        ),
        Case(TIME, "s", US, {who: [times[who] for times in seconds] for who in CONTENDERS}),
    ]


UNITS = {"accuracy": ACCURACY, "R²": R2}


def _worst(case: Case) -> float:
    return float(np.min(np.subtract(case.samples[US], case.samples[MLP])))


def _lead(case: Case) -> float:
    return float(np.mean(np.subtract(case.samples[MLP], case.samples[US])))


def _mean(case: Case) -> float:
    return float(np.mean(case.samples[US]))


def _slower(case: Case, quantile: float) -> float:
    return float(np.quantile(np.divide(case.samples[US], case.samples[MLP]), quantile))


WORKLOAD = Workload(
    "defaults",
    "All defaults on public tables",
    f"{len(REPORTED)} tables that decided nothing (`benchmarks/tables.py`), {SPLITS} splits each with a fifth of the "
    "rows held out: accuracy, or R². `pellucid.train(None, …)` and HistGradientBoosting take the columns as they are; "
    "scikit-learn's MLP has an encoder (median for missing numbers, standardised; categories one-hot) and, of a "
    "regression, standardised targets. A fit of pellucid is the second on the same rows, when its programs are "
    "compiled; encoding counts in all. One sample of a rank, a score of all tables or a time is one table: the mean, "
    "or median, of its splits.",
    measure,
    (
        Target(RANKS, "mean better than the MLP's by at least 0", _lead, 0.0),
        Target(ACCURACY, "less the MLP's, on the worst table: at least −0.02", _worst, -0.02),
        Target(R2, "less the MLP's, on the worst table: at least −0.03", _worst, -0.03),
        Target(TIME, "over the MLP's, median table: at most 1", partial(_slower, quantile=0.5), 1.0, at_least=False),
        Target(TIME, "over the MLP's, slowest table: at most 1", partial(_slower, quantile=1.0), 1.0, at_least=False),
        Target(XOR, "learnt", _mean, 1.0),
        Target("iris", "mean of at least 0.93", _mean, 0.93),
    ),
)
