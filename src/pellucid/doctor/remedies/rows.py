"""Remedies of the rows: which there are, what they weigh, how inputs and targets are scaled."""

from typing import Any

import numpy as np

from pellucid.data import Preprocessing
from pellucid.doctor.remedies.table import Changed, remedy, with_inputs, with_rows, with_settings
from pellucid.doctor.skill import as_rows, class_numbers
from pellucid.runs.plan import Plan

ENOUGH = 30
"""Fewest rows that say anything of neighbours and of columns."""


def classifies(plan: Plan) -> bool:
    """Whether each row has one class of several."""
    return plan.data.task in ("binary", "multiclass")


def _counts(plan: Plan) -> np.ndarray:
    return np.bincount(class_numbers(plan.data.train.y), minlength=len(plan.data.classes))


@remedy("balanced class weights")
def _balanced(plan: Plan) -> Changed:
    if not classifies(plan) or plan.experiment.class_weights == "balanced":
        return []
    return [("each class weighs alike", with_settings(plan, class_weights="balanced"))]


@remedy("oversample rare classes")
def _oversample(plan: Plan) -> Changed:
    if not classifies(plan):
        return []
    labels, counts = class_numbers(plan.data.train.y), _counts(plan)
    if np.ptp(counts[counts > 0]) == 0:
        return []
    rows = [np.resize(np.flatnonzero(labels == c), counts.max()) for c in np.flatnonzero(counts)]
    return [("rows of rare classes repeated", with_rows(plan, np.concatenate(rows)))]


@remedy("correct the labels", slow=True)
def _relabel(plan: Plan) -> Changed:
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    train = plan.data.train
    if not classifies(plan) or len(train) < ENOUGH:
        return []
    labels, x = class_numbers(train.y), _standard(as_rows(train.x))
    kept = np.flatnonzero(cross_val_predict(KNeighborsClassifier(7), np.nan_to_num(x), labels, cv=5) == labels)
    if len(kept) == len(x):
        return []
    return [(f"{len(x) - len(kept)} rows left out that their neighbours contradict", with_rows(plan, kept))]


def _statistics(x: np.ndarray) -> tuple[Any, Any]:
    axes = 0 if x.ndim == 2 else None
    x = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
    deviation = np.nanstd(x, axes)
    return np.nanmean(x, axes), np.where(deviation > 1e-12, deviation, 1)


def _standard(x: np.ndarray) -> np.ndarray:
    mean, deviation = _statistics(x)
    return ((x - mean) / deviation).astype(np.float32)


@remedy("standardise the inputs")
def _standardise(plan: Plan) -> Changed:
    return [("inputs standardised by the training rows", with_settings(plan, scale_inputs="standardise"))]


remedy("min-max the inputs")(lambda plan: [("inputs scaled to 0 … 1", with_settings(plan, scale_inputs="min_max"))])


@remedy("standardise the targets")
def _targets(plan: Plan) -> Changed:
    return [("targets standardised", with_settings(plan, scale_targets="standardise"))]


@remedy("standardise inputs and targets")
def _both(plan: Plan) -> Changed:
    if plan.experiment.scale_inputs == "standardise":
        return []
    both = with_settings(plan, scale_inputs="standardise", scale_targets="standardise")
    return [("inputs and targets standardised", both)]


@remedy("scale the targets into the range")
def _into_range(plan: Plan) -> Changed:
    return [("targets scaled to 0 … 1", with_settings(plan, scale_targets="min_max"))]


@remedy("train on the latest rows")
def _latest(plan: Plan) -> Changed:
    rows = len(plan.data.train)
    if rows < 2 * ENOUGH:
        return []
    return [("the later half of the training rows", with_rows(plan, np.arange(rows // 2, rows)))]


def _new_inputs(plan: Plan) -> np.ndarray | None:
    return None if plan.data.held_out is None else plan.data.held_out.x


@remedy("prepare both alike")
def _alike(plan: Plan) -> Changed:
    x_new = _new_inputs(plan)
    if x_new is None:
        return []
    plain = with_settings(plan, scale_inputs="none")
    changed = with_inputs(plain, _standard(plan.data.train.x), _standard(x_new), preprocessing=Preprocessing())
    return [("both parts standardised", changed)]


@remedy("impute the values")
def _impute(plan: Plan) -> Changed:
    x, x_new = plan.data.train.x, _new_inputs(plan)
    if all(part is None or np.isfinite(part).all() for part in (x, x_new)):
        return []
    mean, _ = _statistics(x)
    parts = [
        None if part is None else np.where(np.isfinite(part), part, mean).astype(np.float32) for part in (x, x_new)
    ]
    return [("blanks filled with the mean", with_inputs(plan, *parts))]  # pyright: ignore[reportArgumentType]


@remedy("drop the rows")
def _drop(plan: Plan) -> Changed:
    finite = np.isfinite(as_rows(plan.data.train.x)).all(1)
    if finite.all():
        return []
    ((_, imputed),) = _impute(plan)
    return [(f"{(~finite).sum()} rows with blanks dropped", with_rows(imputed, np.flatnonzero(finite)))]


def _relation(x: np.ndarray, y: np.ndarray, plan: Plan) -> np.ndarray:
    from sklearn.feature_selection import f_classif, f_regression

    x = np.nan_to_num(_standard(x))
    varied = x.std(axis=0) > 0
    p = np.ones(x.shape[1])
    with np.errstate(all="ignore"):
        test = f_classif(x[:, varied], class_numbers(y)) if classifies(plan) else f_regression(x[:, varied], y[:, 0])
    p[varied] = np.nan_to_num(test[1], nan=1.0)
    return p


def _columns(plan: Plan, kept: np.ndarray) -> Changed:
    x, x_new, before = plan.data.train.x, _new_inputs(plan), plan.data.preprocessing.parts[0]
    if not 0 < len(kept) < x.shape[1]:
        return []
    shift, scale = (n if n.ndim == 0 or n.shape[-1] == 1 else n[..., kept] for n in (before.shift, before.scale))
    parts = x[:, kept], None if x_new is None else x_new[:, kept]
    changed = with_inputs(plan, *parts, preprocessing=Preprocessing(shift, scale))
    return [(f"{len(kept)} of {x.shape[1]} columns kept", changed)]


def _is_table(plan: Plan) -> bool:
    train = plan.data.train
    return train.x.ndim == 2 and plan.data.task in ("binary", "multiclass", "regression") and len(train) >= ENOUGH


@remedy("keep the informative columns", slow=True)
def _informative(plan: Plan) -> Changed:
    if not _is_table(plan):
        return []
    return _columns(plan, np.flatnonzero(_relation(plan.data.train.x, plan.data.train.y, plan) < 0.01))


@remedy("drop the leaking columns", slow=True)
def _leaking(plan: Plan) -> Changed:
    held_out = plan.data.held_out
    if not _is_table(plan) or held_out is None:
        return []
    strong = _relation(plan.data.train.x, plan.data.train.y, plan) < 1e-6
    gone = _relation(held_out.x, held_out.y, plan) > 1e-3
    return _columns(plan, np.flatnonzero(~(strong & gone)))
