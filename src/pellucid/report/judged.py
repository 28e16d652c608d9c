"""Predictions held against the truth on held-out rows, whatever is predicted."""

from collections.abc import Callable

import numpy as np

from pellucid.data import Dataset, Part
from pellucid.report.classes import judge_classes, judge_labels
from pellucid.report.numbers import judge_numbers, judge_reconstruction
from pellucid.report.page import Html, paragraph, section

OF_TASK: dict[str, Callable[[Dataset, Part, np.ndarray], Html]] = {
    "binary": judge_classes,
    "multiclass": judge_classes,
    "multilabel": judge_labels,
    "regression": judge_numbers,
    "reconstruction": judge_reconstruction,
}


def judge(data: Dataset, outputs: np.ndarray, reads: str | None = None) -> Html:
    """The sections on what a network predicts for the held-out rows of its data.

    Args:
        data: the dataset.
        outputs: the network's outputs for its held-out rows, shape (rows, …): probabilities or logits of a classifier.
        reads: what the loss reads in them, see `pellucid.functions.losses.Loss`; None: told by their range.

    Returns:
        The sections; nothing without held-out rows, or for an answer at each step of a sequence.
    """
    part = data.held_out
    if part is None or (data.task != "reconstruction" and outputs.ndim != 2):
        return Html("")
    sound = np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
    if not sound.all():
        count = int((~sound).sum())
        return section("Predictions", paragraph(f"{count:,} held-out rows have outputs that are not finite."))
    remark = Html("")
    if reads is not None and data.task in ("binary", "multiclass", "multilabel"):
        outputs = _probabilities(outputs, reads, data.task)
        if reads == "margins":
            text = "The loss reads margins, not probabilities: what is shown as such is their sigmoid or softmax."
            remark = section("Margins", paragraph(text))
    return Html(remark + OF_TASK[data.task](data, part, outputs))


def _probabilities(outputs: np.ndarray, reads: str, task: str) -> np.ndarray:
    x = np.asarray(outputs, float)
    if reads not in ("logits", "margins"):
        return np.clip(x, 0, 1)  # numbers fitted to 0 and 1 leave that range
    powers = (
        np.exp(x - x.max(axis=1, keepdims=True)) if task == "multiclass" else 1 / (1 + np.exp(-np.clip(x, -500, 500)))
    )
    return powers / powers.sum(axis=1, keepdims=True) if task == "multiclass" else powers
