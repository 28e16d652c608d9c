"""Remedies of the rows: which there are, what they weigh, how their inputs are scaled."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.doctor.remedies.table import remedy
from pellucid.doctor.setup import Setup
from pellucid.network import token_layer
from pellucid.runs.scaling import ScalingChoice

ENOUGH = 30
"""Fewest rows that say anything of neighbours and of columns."""


@remedy("balanced class weights")
def _balanced(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.classes == 0 or setup.task == "multilabel" or setup.class_weights == "balanced":
        return []
    counts = np.bincount(setup.labels, minlength=setup.classes)
    weights = len(setup.labels) / ((counts > 0).sum() * np.maximum(counts, 1))
    of_rows = weights[setup.labels]
    if setup.train.weights is not None and setup.class_weights is None:
        of_rows = of_rows * np.asarray(setup.train.weights)
    train = setup.train._replace(weights=jnp.asarray(of_rows / of_rows.mean(), jnp.float32))
    return [("each class weighs alike", replace(setup, train=train, class_weights="balanced"))]


@remedy("oversample rare classes")
def _oversample(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.classes == 0 or setup.task == "multilabel":
        return []
    counts = np.bincount(setup.labels, minlength=setup.classes)
    if np.ptp(counts[counts > 0]) == 0:
        return []
    places = [np.resize(np.flatnonzero(setup.labels == c), counts.max()) for c in np.flatnonzero(counts)]
    return [("rows of rare classes repeated", setup.with_rows(np.concatenate(places)))]


@remedy("correct the labels", slow=True)
def _relabel(setup: Setup) -> list[tuple[str, Setup]]:
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    if setup.classes == 0 or setup.task == "multilabel" or len(setup.labels) < ENOUGH:
        return []
    x = _standard(setup.x.reshape(len(setup.x), -1))
    told = cross_val_predict(KNeighborsClassifier(7), np.nan_to_num(x), setup.labels, cv=5)
    kept = np.flatnonzero(told == setup.labels)
    if len(kept) == len(x):
        return []
    return [(f"{len(x) - len(kept)} rows left out that their neighbours contradict", setup.with_rows(kept))]


def _statistics(x: np.ndarray) -> tuple[Any, Any]:
    axes = 0 if x.ndim == 2 else None
    x = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
    spread = np.nanstd(x, axes)
    return np.nanmean(x, axes), np.where(spread > 1e-12, spread, 1)


def _standard(x: np.ndarray) -> np.ndarray:
    mean, spread = _statistics(x)
    return ((x - mean) / spread).astype(np.float32)


def _scaled(setup: Setup, choice: ScalingChoice, change: str) -> list[tuple[str, Setup]]:
    if token_layer(setup.program.network) is not None:  # tokens are looked up, not measured
        return []
    return [(change, setup.with_inputs_scaled(choice))]


@remedy("standardise the inputs")
def _standardise(setup: Setup) -> list[tuple[str, Setup]]:
    return _scaled(setup, "standardise", "inputs standardised by the training rows")


@remedy("min-max the inputs")
def _min_max(setup: Setup) -> list[tuple[str, Setup]]:
    return _scaled(setup, "min_max", "inputs scaled to 0 … 1")


@remedy("train on the latest rows")
def _latest(setup: Setup) -> list[tuple[str, Setup]]:
    rows = setup.train.rows
    if rows < 2 * ENOUGH:
        return []
    return [("the later half of the training rows", setup.with_rows(np.arange(rows // 2, rows)))]


@remedy("prepare both alike")
def _alike(setup: Setup) -> list[tuple[str, Setup]]:
    parts = _standard(setup.x), _standard(setup.held_out)
    plain = setup.scaling._replace(shift=jnp.zeros((), jnp.float32), scale=jnp.ones((), jnp.float32))
    return [("both parts standardised", setup.with_inputs(*parts, scaling=plain))]


@remedy("impute the values")
def _impute(setup: Setup) -> list[tuple[str, Setup]]:
    if np.isfinite(setup.x).all() and np.isfinite(setup.held_out).all():
        return []
    mean, _ = _statistics(setup.x)
    parts = [np.where(np.isfinite(x), x, mean).astype(np.float32) for x in (setup.x, setup.held_out)]
    return [("blanks filled with the mean", setup.with_inputs(*parts))]


@remedy("drop the rows")
def _drop(setup: Setup) -> list[tuple[str, Setup]]:
    if np.isfinite(setup.x).all():
        return []
    ((_, imputed),) = _impute(setup)
    sound = np.isfinite(setup.x.reshape(len(setup.x), -1)).all(1)
    return [(f"{(~sound).sum()} rows with blanks dropped", imputed.with_rows(np.flatnonzero(sound)))]


def _relation(x: np.ndarray, y: np.ndarray, setup: Setup) -> np.ndarray:
    from sklearn.feature_selection import f_classif, f_regression

    x = np.nan_to_num(_standard(x))
    varied = x.std(axis=0) > 0
    p = np.ones(x.shape[1])
    with np.errstate(all="ignore"):
        found = f_classif(x[:, varied], y) if setup.classes else f_regression(x[:, varied], y[:, 0])
    p[varied] = np.nan_to_num(found[1], nan=1.0)
    return p


def _columns(setup: Setup, kept: np.ndarray) -> list[tuple[str, Setup]]:
    if setup.x.ndim != 2 or not 0 < len(kept) < setup.x.shape[1]:
        return []
    shift, scale = (
        number if number.ndim == 0 or number.shape[-1] == 1 else number[..., kept]
        for number in (setup.scaling.shift, setup.scaling.scale)
    )
    scaling = setup.scaling._replace(shift=shift, scale=scale)
    made = setup.with_inputs(setup.x[:, kept], setup.held_out[:, kept], scaling=scaling)
    return [(f"{len(kept)} of {setup.x.shape[1]} columns kept", made)]


@remedy("keep the informative columns", slow=True)
def _informative(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.x.ndim != 2 or setup.task == "multilabel" or len(setup.labels) < ENOUGH:
        return []
    return _columns(setup, np.flatnonzero(_relation(setup.x, setup.labels, setup) < 0.01))


@remedy("drop the leaking columns", slow=True)
def _leaking(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.x.ndim != 2 or setup.task == "multilabel" or len(setup.labels) < ENOUGH:
        return []
    strong = _relation(setup.x, setup.labels, setup) < 1e-6
    gone = _relation(setup.held_out, setup.truth, setup) > 1e-3
    return _columns(setup, np.flatnonzero(~(strong & gone)))
