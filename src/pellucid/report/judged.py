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


def judge(data: Dataset, outputs: np.ndarray) -> Html:
    """The sections on what a network predicts for the held-out rows of its data.

    Args:
        data: the dataset.
        outputs: the network's outputs for its held-out rows, shape (rows, …): probabilities or logits of a classifier.

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
    return OF_TASK[data.task](data, part, outputs)
