"""All defaults on public tables, beside scikit-learn's: is the default recipe one that works?"""

import time
import warnings
from typing import Any, NamedTuple

import numpy as np

from benchmarks.tables import Table


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
