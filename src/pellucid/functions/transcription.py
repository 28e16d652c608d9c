"""Metrics of sequences of labels without their places in time, decoded from the outputs at each step."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import WholeNumber, constrained
from pellucid.core.types import Array, Bool
from pellucid.functions.ctc import CTC
from pellucid.functions.losses import Anything, Loss, PerExample, Prediction, check_target
from pellucid.functions.metrics import Metric, metrics
from pellucid.functions.set_metrics import Answers, SetMetric, undefined


@metrics.register("sequence_accuracy")
class SequenceAccuracy(Metric):
    """Fraction of sequences of labels that are read without any mistake: ``1 if decoded = y, else 0``.

    Decoded by the likeliest class of each step, as `ctc_decode` does without a beam.

    Args:
        blank: the class that stands for no label; that of the loss, where a network is trained.

    Example:
        >>> outputs = jnp.eye(3)[jnp.array([[1, 1, 0, 2], [1, 0, 1, 2]])]
        >>> SequenceAccuracy().value(outputs, jnp.array([[1, 2, 0], [1, 2, 0]])).tolist()
        [1.0, 0.0]
    """

    blank: int = constrained(0, WholeNumber(0), "class that stands for no label")

    higher_is_better = True
    tasks = ("transcription",)
    of_sequences = True

    def beside(self, loss: Loss) -> Metric:
        return replace(self, blank=loss.blank) if isinstance(loss, CTC) else self

    def value(
        self, prediction: Prediction, target: Anything, mask: Bool[Array, "batch steps"] | None = None
    ) -> PerExample:
        check_target("sequence", prediction.shape, target.shape, target.dtype, self.name)
        real = jnp.ones(prediction.shape[:2], bool) if mask is None else mask
        known = ~jnp.isnan(prediction).any(axis=-1) | ~real
        likeliest, target = (labels.astype(jnp.int32) for labels in (jnp.argmax(prediction, axis=-1), target))
        steps = jnp.arange(real.shape[1], dtype=jnp.int32)
        last = jax.lax.cummax(jnp.where(real, steps, -1), axis=1)  # the last real step so far
        before = jnp.pad(last, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
        said = real & (likeliest != self.blank) & ((before < 0) | (_at(likeliest, before) != likeliest))
        wanted = target != self.blank
        labels = _at(target, jnp.argsort(~wanted, axis=1, stable=True))  # blanks to the end
        numbers = jnp.cumsum(said, axis=1, dtype=jnp.int32)
        right = _at(labels, jnp.minimum(numbers, labels.shape[1]) - 1) == likeliest
        as_many = numbers[:, -1] == jnp.sum(wanted, axis=1, dtype=jnp.int32)
        return (as_many & (right | ~said).all(axis=1) & known.all(axis=1)).astype(prediction.dtype)


def _at(values: Any, places: Any) -> Any:
    return jnp.take_along_axis(values, jnp.maximum(places, 0), axis=1)


@metrics.register("label_error_rate")
class LabelErrorRate(SetMetric):
    """Labels to insert, delete and replace until all sequences are right, for each label: ``Σ edits / Σ labels``.

    Over the whole set, so that a long sequence weighs more than a short one; above 1 where too many labels are read.
    With characters as labels this is the character error rate, with words the word error rate.

    Example:
        >>> answers = Answers("transcription", np.array([[0, 1, 1], [2, -1, -1]]), np.array([[0, 1], [2, 0]]))
        >>> LabelErrorRate().of(answers)
        {'': 0.5}

    Source: Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals", 1966; Graves and
    others, "Connectionist temporal classification", 2006.
    """

    tasks = ("transcription",)
    higher_is_better = False
    needs = "decisions"

    def of(self, answers: Answers) -> dict[str, float]:
        labels = (answers.of_rows * (answers.target >= 0).sum(axis=1)).sum()
        if labels == 0:
            return {"": undefined(self, "no sequence has a label.")}
        return {"": float((answers.of_rows * edit_distances(answers.outputs, answers.target)).sum() / labels)}


def edit_distances(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Fewest labels to insert, delete and replace that turn each sequence into the other: Levenshtein's distance.

    Args:
        ones: class numbers, (rows, longest), filled up with −1 behind.
        others: the same.

    Example:
        >>> edit_distances(np.array([[1, 2, 3], [1, -1, -1]]), np.array([[1, 3], [2, 1]])).tolist()
        [1, 1]
    """
    places = np.arange(others.shape[1] + 1)
    distances = np.tile(places, (len(others), 1))
    for label in ones.T:
        ways = distances + 1
        ways[:, 1:] = np.minimum(ways[:, 1:], distances[:, :-1] + (others != label[:, None]))
        ways = np.minimum.accumulate(ways - places, axis=1) + places
        distances = np.where(label[:, None] >= 0, ways, distances)
    return np.take_along_axis(distances, (others >= 0).sum(axis=1, keepdims=True), axis=1)[:, 0]
