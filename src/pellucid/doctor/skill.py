"""Skill: how far outputs are on the way from guessing, 0, to perfect, 1."""

from typing import Any

import numpy as np

from pellucid.doctor.losses import threshold_of


def as_rows(x: np.ndarray) -> np.ndarray:
    """Examples as rows of numbers."""
    return x.reshape(len(x), -1)


def class_numbers(y: np.ndarray) -> np.ndarray:
    """Targets of classes as their numbers: one-hot, a column (of 0 and 1, or −1 and 1), or numbers already."""
    return y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else np.maximum(y.reshape(len(y)), 0).astype(int)


def classes_named(outputs: np.ndarray, loss: Any) -> np.ndarray:
    """The classes that outputs name."""
    if outputs.shape[-1] > 1:
        return np.nan_to_num(outputs, nan=-np.inf).argmax(-1)
    return (outputs.reshape(len(outputs)) > threshold_of(loss)).astype(int)


def skill_of_classes(decided: np.ndarray, labels: np.ndarray) -> float:
    """Mean recall of the classes, from guessing (0) to perfect (1); never below 0."""
    values = np.unique(labels)
    recall = np.mean([(decided[labels == value] == value).mean() for value in values])
    if len(values) < 2:
        return float(recall)
    return float(max(0.0, (recall - 1 / len(values)) / (1 - 1 / len(values))))


def skill_of_numbers(outputs: np.ndarray, y: np.ndarray) -> float:
    """Variance explained, 0 where negative or not finite."""
    y, outputs = as_rows(y).astype(np.float64), as_rows(outputs).astype(np.float64)
    if outputs.shape != y.shape or not np.isfinite(outputs).all():
        return 0.0
    total = ((y - y.mean(0)) ** 2).sum()
    return float(max(0.0, 1 - ((outputs - y) ** 2).sum() / max(total, 1e-12)))


def skill_of_labels(decided: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of labels right, from always naming the commonest value of each (0) to perfect (1); never below 0."""
    common = commonest(labels)
    right = ((decided > 0.5) == (labels > 0.5)).mean()
    return float(max(0.0, (right - common) / max(1 - common, 1e-9)))


def commonest(labels: np.ndarray) -> float:
    """The fraction of labels that are right where the commonest value of each is named."""
    yes = (labels > 0.5).mean(0)
    return float(np.maximum(yes, 1 - yes).mean())


def skill(decided: np.ndarray, truth: np.ndarray) -> float:
    """The skill of decisions: class numbers (rows,), whole numbers for labels, or numbers."""
    if truth.ndim == 1:
        return skill_of_classes(decided, truth)
    if decided.dtype.kind == "i":
        return float((decided == truth).mean()) if decided.shape == truth.shape else 0.0
    return skill_of_numbers(decided, truth)
