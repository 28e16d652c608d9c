"""Metrics: measures of predictions that are reported, not trained on.

Like a loss, a metric takes *prediction, target* and gives one number for each example, so that the caller
may weight and average them. A target whose shape does not fit is refused, never broadcast.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax.numpy as jnp

from pellucid.core.constraints import Interval, WholeNumber, constrained, validate
from pellucid.core.display import Displayed
from pellucid.core.errors import ShapeError
from pellucid.core.formula import UNSTATED, Formula
from pellucid.core.registry import Registry, describe
from pellucid.core.types import Array, Int
from pellucid.functions.losses import (
    Anything,
    JointLoss,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    PerExample,
    PerOutput,
    Prediction,
    check_target,
    may_be_blank,
)


class Metric(Displayed, ABC):
    """A measure of each example's prediction.

    Attributes:
        higher_is_better: whether more is better.
        tasks: the tasks of whose targets it is.
        of_sequences: whether it takes the steps of a sequence together, and the mask of real ones with them.
        formula: the metric of one prediction, of ŷ, y and the fields.
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "multilabel", "regression", "reconstruction")
    higher_is_better: ClassVar[bool]
    of_sequences: ClassVar[bool] = False
    formula: ClassVar[Formula] = UNSTATED

    def __post_init__(self) -> None:
        validate(self)

    @property
    def label(self) -> str:
        """The name that distinguishes it from others of its class: ``"f1_macro"``, ``"top_k_accuracy (k=3)"``."""
        fields = describe(self)
        if isinstance(fields, str):
            return fields
        text = "_".join([fields.pop("name"), *([fields.pop("average")] if "average" in fields else [])])
        return text + (f" ({', '.join(f'{name}={value}' for name, value in fields.items())})" if fields else "")

    @property
    def label_of_one(self) -> str:
        """The same for the value of one class or output, which no average changes: ``"f1"``."""
        return self.label

    def beside(self, loss: Loss) -> "Metric":
        """Adapt the metric to the predictions that a loss reads."""
        return self

    @abstractmethod
    def value(self, prediction: Prediction, target: Anything) -> PerExample:
        """Compute the metric of each example.

        Raises:
            ShapeError: prediction and target do not fit together.
        """


metrics = Registry("metric", Metric)
"""Every metric by name."""


@metrics.register("accuracy")
class Accuracy(Metric):
    """Fraction of likeliest classes that are the true ones: ``1 if argmax(ŷ) = y, else 0``.

    Targets are integer labels or one-hot. Among equally likely classes the first is the prediction, as with
    ``argmax``; where one is nan, none is likeliest. Averaged over any axes between the first and the last.

    Args:
        ignore: a class whose steps do not count, or −1, no class, as of the padding of sequences. None: all count.

    Example:
        >>> prediction = jnp.array([[0.1, 0.9], [0.8, 0.2]])
        >>> Accuracy().value(prediction, jnp.array([1, 1])).tolist()
        [1.0, 0.0]
    """

    ignore: int | None = constrained(None, WholeNumber(-1), "class whose steps do not count")

    higher_is_better = True
    tasks = ("binary", "multiclass", "multilabel")
    formula = Formula("1 if argmax(yhat) == y else 0")

    def value(self, prediction: Prediction, target: Anything) -> PerExample:
        labels = _labels(self.name, prediction, target)
        likeliest = jnp.argmax(prediction, axis=-1).astype(labels.dtype)
        known = ~jnp.isnan(prediction).any(axis=-1)
        right = ((likeliest == labels) & known).astype(prediction.dtype)
        if self.ignore is None:
            return _example_mean(right)
        scored = (labels != self.ignore).astype(prediction.dtype)
        axes = tuple(range(1, labels.ndim))
        return jnp.sum(right * scored, axis=axes) / jnp.maximum(jnp.sum(scored, axis=axes), 1)


@metrics.register("top_k_accuracy")
class TopKAccuracy(Metric):
    """Fraction of true classes among the k likeliest: ``1 if Σ_j [ŷ_j > ŷ_y] < k, else 0``.

    For more than k classes. Targets, ties and means as for `Accuracy`.

    Args:
        k: how many, at least 2.

    Example:
        >>> prediction = jnp.array([[4.0, 3.0, 2.0, 1.0]] * 2)
        >>> TopKAccuracy(k=3).value(prediction, jnp.array([2, 3])).tolist()
        [1.0, 0.0]

    Others: of equally likely classes scikit-learn's ``top_k_accuracy_score`` takes the last.
    """

    k: int = constrained(3, WholeNumber(2), "how many of the likeliest classes")

    higher_is_better = True
    tasks = ("multiclass",)
    formula = Formula("1 if sum(j, yhat[j] > yhat[y]) < k else 0")

    def value(self, prediction: Prediction, target: Anything) -> PerExample:
        labels = _labels(self.name, prediction, target)
        if prediction.shape[-1] <= self.k:
            raise ShapeError(
                f"{self.name} of k = {self.k} is always 1 for fewer than {self.k + 1} classes. Received: prediction "
                f"{prediction.shape}. Use 'accuracy'."
            )
        return _example_mean((_classes_before(prediction, labels) < self.k).astype(prediction.dtype))


@metrics.register("top_5_accuracy")
class Top5Accuracy(TopKAccuracy):
    """Fraction of true classes among the five likeliest: ``1 if Σ_j [ŷ_j > ŷ_y] < k, else 0`` with k = 5.

    For at least six classes. Targets, ties and means as for `Accuracy`.

    Example:
        >>> prediction = jnp.array([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]] * 2)
        >>> Top5Accuracy().value(prediction, jnp.array([4, 5])).tolist()
        [1.0, 0.0]
    """

    k: int = field(default=5, init=False)


@metrics.register("binary_accuracy")
class BinaryAccuracy(Metric):
    """Fraction of right decisions: ``1 if [ŷ > threshold] = [y > threshold], else 0``.

    Averaged over the outputs of an example whose targets are known, not NaN.

    Args:
        threshold: ½ for probabilities, 0 for logits and for labels ±1. On the threshold means no.

    Example:
        >>> BinaryAccuracy().value(jnp.array([[0.9], [0.5]]), jnp.array([[1], [1]])).tolist()
        [1.0, 0.0]
    """

    threshold: float = constrained(0.5, Interval(), "above it means yes")

    higher_is_better = True
    tasks = ("binary", "multilabel")
    formula = Formula("1 if (yhat > threshold) == (y > threshold) else 0")

    def beside(self, loss: Loss) -> "Metric":
        return BinaryAccuracy(loss.threshold) if self == BinaryAccuracy() else self

    def value(self, prediction: Prediction, target: Anything) -> PerExample:
        check_target("numbers", prediction.shape, target.shape, target.dtype, self.name)
        right = (prediction > self.threshold) == (target.astype(prediction.dtype) > self.threshold)
        right = (right & ~jnp.isnan(prediction)).astype(prediction.dtype)
        if not may_be_blank(target):
            return _example_mean(right)
        known, axes = ~jnp.isnan(target), tuple(range(1, target.ndim))
        counted = jnp.maximum(jnp.sum(known, axis=axes, dtype=right.dtype), 1)
        return jnp.sum(jnp.where(known, right, 0), axis=axes) / counted


class Error(Metric):
    """A metric that is a loss."""

    higher_is_better = False
    tasks = ("binary", "multilabel", "regression", "reconstruction")
    loss: ClassVar[PerOutput]

    def value(self, prediction: Prediction, target: Anything) -> PerExample:
        check_target("numbers", prediction.shape, target.shape, target.dtype, self.name)
        return self.loss.value(prediction, target)


@metrics.register("mean_squared_error")
class SquaredError(Error):
    """Square of the error: ``(ŷ − y)²``, averaged over the outputs of an example.

    Example:
        >>> SquaredError().value(jnp.array([[1.0], [5.0]]), jnp.array([[2.0], [2.0]])).tolist()
        [1.0, 9.0]
    """

    loss = MeanSquaredError()
    formula = MeanSquaredError.formula


@metrics.register("mean_absolute_error")
class AbsoluteError(Error):
    """Size of the error: ``|ŷ − y|``, averaged over the outputs of an example.

    Example:
        >>> AbsoluteError().value(jnp.array([[1.0], [5.0]]), jnp.array([[2.0], [2.0]])).tolist()
        [1.0, 3.0]
    """

    loss = MeanAbsoluteError()
    formula = MeanAbsoluteError.formula


@dataclass(frozen=True)
class JointMetric:
    """The metrics of several outputs, each of its own.

    Args:
        metrics: one for each output, in their order: names, tables or objects.
        outputs: the names of the outputs.

    Example:
        >>> JointMetric(("accuracy", "mean_absolute_error"), ("digit", "angle")).name
        'digit accuracy'
    """

    metrics: tuple[Any, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", tuple(map(metrics.build, self.metrics)))

    @property
    def name(self) -> str:
        """That of the first output's metric, which is shown beside the loss."""
        return f"{self.outputs[0]} {self.metrics[0].name}"

    @property
    def higher_is_better(self) -> bool:
        """Of the first output's metric."""
        return self.metrics[0].higher_is_better

    def beside(self, loss: JointLoss) -> "JointMetric":
        """Adapt each metric to the predictions that the loss of its output reads."""
        adapted = (metric.beside(part) for metric, (part, _) in zip(self.metrics, loss.parts, strict=True))
        return JointMetric(tuple(adapted), self.outputs)


def default_metric(loss: Loss) -> Metric:
    """Choose the metric beside a loss: an accuracy, or the absolute error.

    Example:
        >>> default_metric(MeanSquaredError())
        AbsoluteError()
    """
    if loss.target_kind != "numbers":
        return Accuracy()
    answers = loss.reads in ("probabilities", "logits", "margins", "decisions", "distances")
    return BinaryAccuracy(loss.threshold) if answers else AbsoluteError()


def _labels(name: str, prediction: Prediction, target: Anything) -> Int[Array, "batch *steps"]:
    if target.shape == prediction.shape:
        check_target("one_hot", prediction.shape, target.shape, target.dtype, name)
        return jnp.argmax(target, axis=-1).astype(jnp.int32)
    check_target("classes", prediction.shape, target.shape, target.dtype, name)
    return target.astype(jnp.int32)


def _classes_before(prediction: Prediction, labels: Int[Array, "batch *steps"]) -> Int[Array, "batch *steps"]:
    classes = jnp.broadcast_to(jnp.arange(prediction.shape[-1], dtype=labels.dtype), prediction.shape)
    labels = labels[..., None]
    # A label that is no class has score −∞: it comes last.
    score = jnp.max(jnp.where(classes == labels, prediction, -jnp.inf), axis=-1, keepdims=True)
    # Written so that a class whose prediction is nan comes before the label.
    behind = (score > prediction) | ((score == prediction) & (labels <= classes))
    return jnp.sum(~behind, axis=-1, dtype=labels.dtype)


def _example_mean(values: Prediction) -> PerExample:
    return jnp.mean(values, axis=tuple(range(1, values.ndim)))
