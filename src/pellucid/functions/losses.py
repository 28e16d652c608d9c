"""Loss functions and their gradients.

Every loss takes *prediction, target*, in this order, gives one number for each example, and gives the gradient
of that number with respect to the prediction. The first axis counts the examples. They are reduced alike for all
losses (`Loss.fractions`): the mean over the batch by default, the sum on request. With the mean, a learning rate that
suits one batch size is near to suiting another; with the sum, gradients grow with the batch.

Probabilities are cut off at ε before their logarithm is taken, ε being the spacing of the dtype at 1
(1.2·10⁻⁷ in float32). So the loss of a confident mistake is large (up to 15.9 in float32) but finite. The
gradient is taken at the clipped probability and does not vanish there. A loss of logits needs no clipping:
where an activation and a loss have such a fusion, `fuse` finds it.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, final

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from pellucid.core.constraints import (
    NOT_NEGATIVE,
    POSITIVE,
    Interval,
    OneOf,
    WholeNumber,
    constrained,
    require,
    validate,
)
from pellucid.core.display import Displayed
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.formula import UNSTATED, Formula
from pellucid.core.registry import Registry
from pellucid.core.types import Array, Bool, Float, Num, Scalar, Shape
from pellucid.functions.activations import Activation, Sigmoid, Softmax

Prediction: TypeAlias = Float[Array, "batch *outputs"]
Target: TypeAlias = Num[Array, "batch *any"] | Bool[Array, "batch *any"]
Anything: TypeAlias = Num[Array, "..."] | Bool[Array, "..."]
"""Where shapes are checked by hand, with advice."""

PerExample: TypeAlias = Float[Array, "batch"]
Terms: TypeAlias = Float[Array, "batch *terms"]
TargetKind: TypeAlias = Literal["numbers", "one_hot", "classes", "sequence"]
Reads: TypeAlias = Literal[
    "numbers",
    "probabilities",
    "logits",
    "margins",
    "scores",
    "decisions",
    "rates",
    "log_rates",
    "directions",
    "distances",
]
Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Loss(Displayed, ABC):
    """A loss for each example, and its reduction to one number.

    Attributes:
        reads: what predictions are: ``"numbers"``; ``"probabilities"`` between 0 and 1; ``"logits"``, of which the loss
            takes the sigmoid or softmax itself; ``"margins"``, above 0 for yes and below for no; ``"decisions"``, 0 or
            1 from a threshold, through which the gradient is passed (the perceptron); ``"rates"`` above 0, or
            ``"log_rates"``; ``"directions"``, vectors whose length means nothing; ``"distances"`` of at least 0; or
            ``"scores"``, which mean nothing by themselves (a critic's).
        signed: whether the sign of a prediction decides, as a linear output layer gives it: of logits and margins.
        target_kind: what targets are: ``"numbers"`` of the shape of the prediction; ``"one_hot"``, a distribution over
            the last axis, of the shape of the prediction; or ``"classes"``, integer labels of the shape of the
            prediction without its last axis; or ``"sequence"``, integer labels (batch, any number).
        of_sequences: whether it takes the steps of a sequence together, and the mask of real ones with them.
        target_range: the interval of its targets, where they are not integer labels.
        output: the activation of the output layer of networks made for it; None for that of the task.
        of_difference: whether it depends on prediction − target alone: a distance, whose targets may be shifted and
            scaled for training.
        activation: the activation that a loss of logits takes itself.
        of_probabilities: the loss that equals it after that activation.
        formula: the term of one output, or the sum over the classes; of ŷ (logits: z), y and the fields.
        gradient_formula: its gradient with respect to the prediction.

    Args:
        reduction: ``"mean"`` or ``"sum"`` over the examples.

    Raises:
        InvalidValue: a field outside what is allowed.
    """

    _: KW_ONLY
    reduction: Literal["mean", "sum"] = constrained("mean", OneOf(("mean", "sum")), "over the examples")

    name: ClassVar[str]
    reads: ClassVar[Reads] = "numbers"
    signed: ClassVar[bool] = False
    target_kind: ClassVar[TargetKind]
    of_sequences: ClassVar[bool] = False
    target_range: ClassVar[Range] = (-math.inf, math.inf)
    output: ClassVar[str | None] = None
    of_difference: ClassVar[bool] = False
    activation: ClassVar[type[Activation] | None] = None
    of_probabilities: ClassVar[type["Loss"] | None] = None
    formula: ClassVar[Formula] = UNSTATED
    gradient_formula: ClassVar[Formula] = UNSTATED

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.signed = cls.reads in ("logits", "margins")

    @property
    def threshold(self) -> float:
        """The prediction above which the answer is yes: 0 or ½."""
        return 0.0 if self.signed else 0.5

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def value(self, prediction: Prediction, target: Target) -> PerExample:
        """Compute the loss of each example."""

    @abstractmethod
    def gradient(self, prediction: Prediction, target: Target) -> Prediction:
        """Compute the gradient of each example's loss for its prediction."""

    @final
    def check(self, prediction_shape: Shape, target_shape: Shape, target_dtype: Any) -> None:
        """Refuse targets that do not fit the predictions; nothing is ever broadcast.

        Raises:
            ShapeError: with both shapes and what to do.

        Example:
            >>> MeanSquaredError().check((4, 1), (4,), "float32")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            ...
            pellucid.core.errors.ShapeError: ... reshape the target to (4, 1). Nothing is broadcast.
        """
        check_target(self.target_kind, prediction_shape, target_shape, target_dtype, self.name)

    @final
    def fractions(self, weights: PerExample, total: Scalar | None = None) -> PerExample:
        """Compute the factor of each example in the reduction.

        ``w / total`` for the mean, ``w`` for the sum. An example of weight 0 has no part in either.

        Args:
            weights: one for each example, at least 0.
            total: the divisor of the mean; Σ w when left out.
        """
        if self.reduction == "sum":
            return weights
        # Not below the least positive number: examples that all weigh 0 have loss 0, not NaN.
        total = jnp.sum(weights) if total is None else total
        return weights / jnp.maximum(total, jnp.finfo(weights.dtype).tiny)

    @final
    def __call__(self, prediction: Anything, target: Anything, weights: Anything | None = None) -> Scalar:
        """Compute the reduced loss: ``Σ w l / Σ w`` for the mean, ``Σ w l`` for the sum.

        Args:
            prediction: (batch, …), the network's output.
            target: the truth, of the shape that ``target_kind`` asks for.
            weights: (batch,), one for each example, at least 0; all 1 when left out.

        Raises:
            ShapeError: prediction, target and weights do not fit together.
        """
        self.check(prediction.shape, target.shape, target.dtype)
        if weights is None:
            weights = jnp.ones(prediction.shape[:1], prediction.dtype)
        if weights.shape != prediction.shape[:1]:
            raise ShapeError(
                f"{self.name}: weights must have one number for each of the {prediction.shape[0]} examples. "
                f"Received: shape {weights.shape}."
            )
        return jnp.sum(self.fractions(weights.astype(prediction.dtype)) * self.value(prediction, target))


def check_target(kind: TargetKind, prediction_shape: Shape, target_shape: Shape, target_dtype: Any, name: str) -> None:
    """Refuse targets that do not fit the predictions; ``name`` heads the message.

    Raises:
        ShapeError: with both shapes and what to do.
    """
    prediction_shape, target_shape = tuple(prediction_shape), tuple(target_shape)
    whole = jnp.issubdtype(target_dtype, jnp.integer)
    expected = prediction_shape[:-1] if kind == "classes" else prediction_shape
    received = f"{name}: prediction {prediction_shape} and target {target_shape} ({target_dtype})"

    if not prediction_shape:
        raise ShapeError(f"{name}: the prediction has no axis; the first must count the examples.")
    if kind != "numbers" and (len(prediction_shape) < 2 or prediction_shape[-1] < 2):
        raise ShapeError(
            f"{received}: the last axis of the prediction must hold at least 2 classes. For one probability "
            "per example use a sigmoid output and binary_cross_entropy."
        )
    if kind == "sequence":
        if len(prediction_shape) != 3 or len(target_shape) != 2 or target_shape[0] != prediction_shape[0] or not whole:
            raise ShapeError(
                f"{received}: the prediction must have shape (batch, steps, classes) and the target must be integer "
                "labels of shape (batch, longest). Nothing is broadcast."
            )
        return
    if kind == "classes" and target_shape == prediction_shape:
        raise ShapeError(
            f"{received}: integer labels of shape {expected} are needed, and these look one-hot. "
            "Use the loss without 'sparse' in its name, or target.argmax(axis=-1)."
        )
    if kind == "one_hot" and target_shape == prediction_shape[:-1] and whole:
        raise ShapeError(
            f"{received}: one-hot targets of shape {expected} are needed, these look like integer labels. "
            "Use the loss with 'sparse' in its name, or one-hot encode the labels."
        )
    if target_shape != expected:
        same_size = math.prod(target_shape) == math.prod(expected)
        advice = "reshape the target to" if same_size else "the target must have shape"
        raise ShapeError(f"{received} differ: {advice} {expected}. Nothing is broadcast.")
    if kind == "classes" and not whole:
        raise ShapeError(f"{received}: labels must be integers. Use target.astype('int32').")


losses = Registry("loss", Loss)
"""Every loss by name."""


# ------------------------------------------------------------------------------------ losses of terms


class TermLoss(Loss):
    """A loss whose terms are added up, or averaged, within each example."""

    @abstractmethod
    def term(self, prediction: Prediction, target: Prediction) -> Terms:
        """Compute the terms of each example."""

    @abstractmethod
    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        """Compute the derivative of each term with respect to its prediction."""

    @final
    def value(self, prediction: Prediction, target: Target) -> PerExample:
        terms = self.known(self.term(prediction, self._target(prediction, target)), target)
        return jnp.sum(terms, axis=tuple(range(1, terms.ndim))) / self._divisor(prediction, target)

    @final
    def gradient(self, prediction: Prediction, target: Target) -> Prediction:
        gradient = self.known(self.term_gradient(prediction, self._target(prediction, target)), target)
        divisor = self._divisor(prediction, target)
        return gradient / (divisor if isinstance(divisor, int) else divisor.reshape(-1, *(1,) * (gradient.ndim - 1)))

    def known(self, terms: Terms, target: Target) -> Terms:
        """The terms, 0 where the target is not known."""
        return terms

    def _target(self, prediction: Prediction, target: Target) -> Prediction:
        return target.astype(prediction.dtype)

    @abstractmethod
    def _divisor(self, prediction: Prediction, target: Target) -> int | PerExample: ...


class PerOutput(TermLoss):
    """A loss with a term for each output.

    ``over_outputs`` is ``"mean"`` unless the class says otherwise, so that the loss does not grow with the number of
    outputs. An output whose target is NaN, not known, is left out: it has no gradient, and the mean is over the others.
    """

    target_kind = "numbers"
    over_outputs: ClassVar[Literal["mean", "sum"]] = "mean"

    def _target(self, prediction: Prediction, target: Target) -> Prediction:
        y = super()._target(prediction, target)
        return jnp.where(jnp.isnan(y), 0, y) if may_be_blank(target) else y  # so that no derivative becomes NaN

    def known(self, terms: Terms, target: Target) -> Terms:
        return jnp.where(jnp.isnan(target), 0, terms) if may_be_blank(target) else terms

    def _divisor(self, prediction: Prediction, target: Target) -> int | PerExample:
        if self.over_outputs == "sum":
            return 1
        if not may_be_blank(target):
            return math.prod(prediction.shape[1:])
        known = jnp.sum(~jnp.isnan(target), axis=tuple(range(1, target.ndim)), dtype=prediction.dtype)
        return jnp.maximum(known, 1)


def may_be_blank(target: Target) -> bool:
    """True for targets some of which may be NaN, not known: of several numbers or labels an example."""
    return bool(jnp.issubdtype(target.dtype, jnp.floating)) and math.prod(target.shape[1:]) > 1


class Distance(PerOutput):
    """A loss of the error ``e = ŷ − y``."""

    of_difference = True


@losses.register("mean_squared_error")
class MeanSquaredError(Distance):
    """Square of the error: ``(ŷ − y)²``; gradient ``2 · (ŷ − y)``. Averaged over the outputs of an example.

    Punishes large errors most, so it is sensitive to outliers. It is also the reconstruction loss of an autoencoder.

    Example:
        >>> loss = MeanSquaredError()
        >>> float(loss(jnp.array([[1.0], [5.0]]), jnp.array([[2.0], [2.0]])))
        5.0

    Others: no factor ½, as in PyTorch and Keras; textbooks and ``optax.l2_loss`` have one.
    """

    formula = Formula("(yhat - y)**2")
    gradient_formula = Formula("2 * (yhat - y)")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.square(prediction - target)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return 2 * (prediction - target)


@losses.register("mean_absolute_error")
class MeanAbsoluteError(Distance):
    """Size of the error: ``|ŷ − y|``; gradient ``sign(ŷ − y)``. Averaged over the outputs of an example.

    Robust against outliers. Not differentiable where ŷ = y: the gradient there is 0.

    Example:
        >>> float(MeanAbsoluteError()(jnp.array([[1.0], [5.0]]), jnp.array([[2.0], [2.0]])))
        2.0
    """

    formula = Formula("abs(yhat - y)")
    gradient_formula = Formula("sign(yhat - y)")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.abs(prediction - target)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.sign(prediction - target)


@losses.register("huber")
class Huber(Distance):
    """Squared near zero, absolute far away, averaged over the outputs of an example.

    ``e = ŷ − y; ½ · e² if |e| ≤ δ, else δ · (|e| − δ / 2)``; gradient ``min(max(ŷ − y, −δ), δ)``.

    Args:
        delta: δ, the error above which the loss grows linearly, above 0.

    Example:
        >>> Huber(delta=1.0).value(jnp.array([[0.5], [3.0]]), jnp.array([[0.0], [0.0]])).tolist()
        [0.125, 2.5]

    Others: PyTorch's ``SmoothL1Loss`` is this loss divided by δ. ``optax.huber_loss`` broadcasts (4, 1) with (4,).

    Source: Huber, "Robust estimation of a location parameter", 1964.
    """

    delta: float = constrained(1.0, POSITIVE, "error above which the loss grows linearly")

    formula = Formula("e = yhat - y; 1/2 * e**2 if abs(e) <= delta else delta * (abs(e) - delta / 2)")
    gradient_formula = Formula("min(max(yhat - y, -delta), delta)")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        # With c = min(|e|, δ), both branches are c (|e| − ½ c), and neither overflows where it is not used.
        error = jnp.abs(prediction - target)
        cut = jnp.minimum(error, self.delta)
        return cut * (error - cut / 2)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.clip(prediction - target, -self.delta, self.delta)


@losses.register("log_cosh")
class LogCosh(Distance):
    """Smooth absolute error, summed over outputs and examples: ``log(cosh(ŷ − y))``; gradient ``tanh(ŷ − y)``.

    Like ½ e² for a small error e and like |e| − log 2 for a large one. A sum over outputs and, by default,
    over examples, as its formula says; ``reduction="mean"`` averages over the examples. Computed as ``|e| +
    log(1 + ½ (e^−2|e| − 1))``, which cannot overflow.

    Example:
        >>> LogCosh().value(jnp.array([[0.0], [1e4]]), jnp.array([[0.0], [0.0]])).tolist()
        [0.0, 9999.306640625]

    Others: Keras averages over the outputs and over the examples.
    """

    _: KW_ONLY
    reduction: Literal["mean", "sum"] = constrained("sum", OneOf(("mean", "sum")), "over the examples")

    over_outputs = "sum"
    formula = Formula("log(cosh(yhat - y))")
    gradient_formula = Formula("tanh(yhat - y)")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        error = jnp.abs(prediction - target)
        return error + jnp.log1p(jnp.expm1(-2 * error) / 2)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.tanh(prediction - target)


SMOOTHING = Interval(0, 1, closed="left")


@dataclass(frozen=True)
class OfAnswers(PerOutput):
    """A cross-entropy of yes or no.

    Args:
        label_smoothing: s, the part of the target that is divided evenly among yes and no: ``(1 − s) · y + s / 2``.
    """

    _: KW_ONLY
    label_smoothing: float = constrained(0.0, SMOOTHING, "part of the target divided evenly among yes and no")

    target_range = (0.0, 1.0)

    def _target(self, prediction: Prediction, target: Target) -> Prediction:
        y = super()._target(prediction, target)
        return (1 - self.label_smoothing) * y + self.label_smoothing / 2 if self.label_smoothing else y


def smoothed(plain: str, smooth: str) -> Any:
    """A formula of an object with the field ``label_smoothing``: another one where that is not 0."""
    formulas = Formula(plain), Formula(smooth, label_smoothing="s")
    return property(lambda loss: formulas[bool(loss.label_smoothing)])


@losses.register("binary_cross_entropy")
class BinaryCrossEntropy(OfAnswers):
    """Cross-entropy of yes or no, averaged over the outputs of an example.

    ``−(y · log(ŷ) + (1 − y) · log(1 − ŷ))``; gradient ``(ŷ − y) / (ŷ · (1 − ŷ))``. ŷ is a probability, the output of a
    sigmoid, cut to [ε, 1 − ε]; y is 0 or 1, or a probability. It is also the reconstruction loss of black-and-white
    images.

    Args:
        label_smoothing: s, the part of the target that is divided evenly among yes and no: ``(1 − s) · y + s / 2``.

    Example:
        >>> loss = BinaryCrossEntropy()
        >>> loss.gradient(jnp.array([[0.5], [0.5]]), jnp.array([[1.0], [0.0]])).tolist()
        [[-2.0], [2.0]]

    Others: PyTorch cuts each logarithm at −100 instead; Keras clips at 10⁻⁷.
    """

    reads = "probabilities"
    formula = smoothed(
        "-(y * log(yhat) + (1 - y) * log(1 - yhat))",
        "t = (1 - label_smoothing) * y + label_smoothing / 2; -(t * log(yhat) + (1 - t) * log(1 - yhat))",
    )
    gradient_formula = smoothed(
        "(yhat - y) / (yhat * (1 - yhat))",
        "t = (1 - label_smoothing) * y + label_smoothing / 2; (yhat - t) / (yhat * (1 - yhat))",
    )

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        p = jnp.clip(prediction, epsilon(prediction), 1 - epsilon(prediction))
        return -(target * jnp.log(p) + (1 - target) * jnp.log1p(-p))

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        p = jnp.clip(prediction, epsilon(prediction), 1 - epsilon(prediction))
        return (p - target) / (p * (1 - p))


@losses.register("sigmoid_binary_cross_entropy")
class SigmoidBinaryCrossEntropy(OfAnswers):
    """Sigmoid and binary cross-entropy in one: ``log(1 + e^z) − y · z``; gradient ``σ(z) − y``.

    Of the logit z. Exact where the two apart would be clipped. Computed as ``max(z, 0) − y z + log(1 + e^−|z|)``.
    Averaged over the outputs of an example.

    Args:
        label_smoothing: as for `BinaryCrossEntropy`.

    Example:
        >>> loss = SigmoidBinaryCrossEntropy()
        >>> loss.value(jnp.array([[1e4], [1e4]]), jnp.array([[0.0], [1.0]])).tolist()
        [10000.0, 0.0]

    Others: PyTorch's ``BCEWithLogitsLoss``, ``optax.sigmoid_binary_cross_entropy``.
    """

    reads = "logits"
    activation = Sigmoid
    of_probabilities = BinaryCrossEntropy
    formula = smoothed(
        "log(1 + exp(z)) - y * z", "log(1 + exp(z)) - ((1 - label_smoothing) * y + label_smoothing / 2) * z"
    )
    gradient_formula = smoothed("sigma(z) - y", "sigma(z) - (1 - label_smoothing) * y - label_smoothing / 2")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.maximum(prediction, 0) - target * prediction + jnp.log1p(jnp.exp(-jnp.abs(prediction)))

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jax.nn.sigmoid(prediction) - target


@losses.register("wasserstein")
class Wasserstein(PerOutput):
    """Signed score of a critic: ``−y · ŷ``; gradient ``−y``; y is 1 for real examples, else −1.

    The critic ends in a linear layer; making the loss small makes real examples score above generated ones. Over as
    many real as generated examples the mean is −½ (mean real score − mean generated score), and the difference of the
    means estimates the Wasserstein distance if the critic is kept Lipschitz (by clipping its weights or a gradient
    penalty). The generator is trained with y = +1 for its own examples. Averaged over the outputs of an example.

    Example:
        >>> score, real = jnp.array([[3.0], [1.0]]), jnp.array([[1.0], [-1.0]])
        >>> float(Wasserstein()(score, real))
        -1.0

    Others: Keras examples often use y = −1 for real and the loss ``y ŷ``, which is the same.

    Source: Arjovsky, Chintala & Bottou, "Wasserstein generative adversarial networks", 2017.
    """

    reads = "scores"
    target_range = (-1.0, 1.0)
    formula = Formula("-y * yhat")
    gradient_formula = Formula("-y")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        return -target * prediction

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return -target


class Margin(PerOutput):
    """A loss of how far ``y · ŷ`` is below 1, with y = ±1."""

    reads = "margins"
    target_range = (-1.0, 1.0)


@losses.register("hinge")
class Hinge(Margin):
    """Margin of 1: ``max(0, 1 − y · ŷ)``; gradient ``−y if y · ŷ < 1, else 0``, with y = ±1.

    At the kink y ŷ = 1 the gradient is 0. Averaged over the outputs of an example.

    Example:
        >>> Hinge().value(jnp.array([[0.5], [2.0]]), jnp.array([[-1.0], [1.0]])).tolist()
        [1.5, 0.0]

    Others: Keras turns labels 0 into −1; here targets are −1 and 1 from the start.

    Source: Cortes & Vapnik, "Support-vector networks", 1995.
    """

    formula = Formula("max(0, 1 - y * yhat)")
    gradient_formula = Formula("-y if y * yhat < 1 else 0")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.maximum(1 - target * prediction, 0)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.where(target * prediction < 1, -target, 0)


@losses.register("perceptron_criterion")
class PerceptronCriterion(Margin):
    """Distance beyond the boundary: ``max(0, −y · ŷ)``; gradient ``−y if y · ŷ ≤ 0, else 0``, with y = ±1.

    Descent on it, example by example, is the learning rule of the perceptron. At the kink y ŷ = 0 the gradient is −y,
    so that it moves from weights of 0. Averaged over the outputs of an example.

    Example:
        >>> PerceptronCriterion().value(jnp.array([[0.5], [2.0]]), jnp.array([[-1.0], [1.0]])).tolist()
        [0.5, 0.0]

    Source: Rosenblatt, "The perceptron", 1958; as a criterion Duda & Hart, "Pattern classification", 1973.
    """

    formula = Formula("max(0, -y * yhat)")
    gradient_formula = Formula("-y if y * yhat <= 0 else 0")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.maximum(-target * prediction, 0)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.where(target * prediction <= 0, -target, 0)


@losses.register("squared_hinge")
class SquaredHinge(Margin):
    """Margin of 1 without a kink: ``max(0, 1 − y · ŷ)²``; gradient ``−2 · y · max(0, 1 − y · ŷ)``, with y = ±1.

    Averaged over the outputs of an example.

    Example:
        >>> SquaredHinge().value(jnp.array([[0.5], [2.0]]), jnp.array([[-1.0], [1.0]])).tolist()
        [2.25, 0.0]

    Others: as for `Hinge`.
    """

    formula = Formula("max(0, 1 - y * yhat)**2")
    gradient_formula = Formula("-2 * y * max(0, 1 - y * yhat)")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jnp.square(jnp.maximum(1 - target * prediction, 0))

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return -2 * target * jnp.maximum(1 - target * prediction, 0)


class PerClass(TermLoss):
    """A loss over the classes of the last axis, averaged over the steps of a sequence."""

    target_kind = "one_hot"
    target_range = (0.0, 1.0)

    def _target(self, prediction: Prediction, target: Target) -> Prediction:
        return self._smoothed(super()._target(prediction, target))

    def _smoothed(self, distribution: Prediction) -> Prediction:
        return distribution

    def _divisor(self, prediction: Prediction, target: Target) -> int | PerExample:
        return math.prod(prediction.shape[1:-1])


@dataclass(frozen=True)
class Smoothed(PerClass):
    """A cross-entropy of classes.

    Args:
        label_smoothing: s, the part of the target divided evenly among the C classes: ``(1 − s) · y_j + s / C``.
    """

    _: KW_ONLY
    label_smoothing: float = constrained(0.0, SMOOTHING, "part of the target divided evenly among the classes")

    def _smoothed(self, distribution: Prediction) -> Prediction:
        if not self.label_smoothing:
            return distribution
        # A row of zeros, a label that does not count, stays one.
        even = jnp.mean(distribution, axis=-1, keepdims=True)
        return (1 - self.label_smoothing) * distribution + self.label_smoothing * even


@dataclass(frozen=True)
class OfLabels(PerClass):
    """A loss of integer labels.

    Args:
        ignore: a class whose steps cost nothing, or −1, which is none, as of padded sequences; the loss of an example
            is then the mean over its other steps, and 0 where there are none. None: all steps count.
    """

    _: KW_ONLY
    ignore: int | None = constrained(None, WholeNumber(-1), "class whose steps cost nothing")

    target_kind = "classes"

    def _target(self, prediction: Prediction, target: Target) -> Prediction:
        labels = target.astype(jnp.int32)
        if self.ignore is not None:
            labels = jnp.where(labels == self.ignore, -1, labels)  # no class: a row of zeros
        # One-hot by comparison with the class numbers: XLA fuses it with what follows, where a gather or
        # scatter at the labels stands alone.
        return self._smoothed(jax.nn.one_hot(labels, prediction.shape[-1], dtype=prediction.dtype))

    def _divisor(self, prediction: Prediction, target: Target) -> int | PerExample:
        if self.ignore is None:
            return super()._divisor(prediction, target)
        scored = jnp.sum(target != self.ignore, axis=tuple(range(1, target.ndim)), dtype=jnp.int32)
        return jnp.maximum(scored, 1).astype(prediction.dtype)


@losses.register("categorical_cross_entropy")
class CategoricalCrossEntropy(Smoothed):
    """Cross-entropy of one class of many, one-hot: ``−Σ_j y_j · log(ŷ_j)``; gradient ``−y_j / ŷ_j``.

    ŷ are probabilities, the output of a softmax, cut off below at ε. Written over a whole data set the
    formula also sums over the examples; here their mean is the default, as in the frameworks, so that the
    learning rate does not depend on the batch size.

    Args:
        label_smoothing: s, the part of the target divided evenly among the C classes: ``(1 − s) · y_j + s / C``.

    Example:
        >>> loss = CategoricalCrossEntropy()
        >>> loss.gradient(jnp.array([[0.25, 0.75]]), jnp.array([[1.0, 0.0]])).tolist()
        [[-4.0, -0.0]]

    Others: Keras first divides the prediction by its sum. PyTorch's ``CrossEntropyLoss`` expects logits, as
    `SoftmaxCrossEntropy` does here.
    """

    reads = "probabilities"
    formula = smoothed(
        "-sum(j, y[j] * log(yhat[j]))",
        "-sum(j, ((1 - label_smoothing) * y[j] + label_smoothing * mean(y)) * log(yhat[j]))",
    )
    gradient_formula = smoothed(
        "-y[j] / yhat[j]", "((label_smoothing - 1) * y[j] - label_smoothing * mean(y)) / yhat[j]"
    )

    def term(self, prediction: Prediction, target: Prediction) -> Terms:
        return -jnp.sum(target * jnp.log(above_zero(prediction)), axis=-1)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return -target / above_zero(prediction)


@losses.register("sparse_categorical_cross_entropy")
class SparseCategoricalCrossEntropy(OfLabels, CategoricalCrossEntropy):
    """Cross-entropy of one class of many, by its number: ``−log(ŷ_y)``; gradient ``−1 / ŷ_j if j = y, else 0``.

    The same numbers as `CategoricalCrossEntropy` from integer labels, which take one number for each
    example, not one for each class. A compiled program cannot refuse a label that is no class: such an
    example has loss and gradient 0. Labels are checked where the data are read.

    Example:
        >>> loss = SparseCategoricalCrossEntropy()
        >>> loss.gradient(jnp.array([[0.25, 0.75]]), jnp.array([0])).tolist()
        [[-4.0, -0.0]]

    Others: as for `CategoricalCrossEntropy`.
    """

    formula = smoothed("-log(yhat[y])", "(label_smoothing - 1) * log(yhat[y]) - label_smoothing * mean(log(yhat))")
    gradient_formula = smoothed(
        "-1 / yhat[j] if j == y else 0", "((label_smoothing - 1) * (j == y) - label_smoothing * mean(j == y)) / yhat[j]"
    )


@losses.register("softmax_cross_entropy")
class SoftmaxCrossEntropy(Smoothed):
    """Softmax and categorical cross-entropy in one, of logits z and one-hot targets.

    ``−Σ_j y_j · log(softmax(z)_j)``; gradient ``softmax(z)_j − y_j``. Exact where the two apart would be clipped.
    Targets that sum to another number than 1 multiply the softmax by their sum.

    Args:
        label_smoothing: as for `CategoricalCrossEntropy`.

    Example:
        >>> loss, logits = SoftmaxCrossEntropy(), jnp.array([[1e4, 0.0]])
        >>> loss.value(logits, jnp.array([[0.0, 1.0]])).tolist()
        [10000.0]
        >>> loss.gradient(logits, jnp.array([[0.0, 1.0]])).tolist()
        [[1.0, -1.0]]

    Others: PyTorch's ``CrossEntropyLoss``, ``optax.softmax_cross_entropy``.
    """

    reads = "logits"
    activation = Softmax
    of_probabilities = CategoricalCrossEntropy
    formula = smoothed(
        "-sum(j, y[j] * log(softmax(z)[j]))",
        "-sum(j, ((1 - label_smoothing) * y[j] + label_smoothing * mean(y)) * log(softmax(z)[j]))",
    )
    gradient_formula = smoothed(
        "softmax(z)[j] - y[j]", "softmax(z)[j] - (1 - label_smoothing) * y[j] - label_smoothing * mean(y)"
    )

    def term(self, prediction: Prediction, target: Prediction) -> Terms:
        return -jnp.sum(target * jax.nn.log_softmax(prediction, axis=-1), axis=-1)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return jax.nn.softmax(prediction, axis=-1) * jnp.sum(target, axis=-1, keepdims=True) - target


@losses.register("sparse_softmax_cross_entropy")
class SparseSoftmaxCrossEntropy(OfLabels, SoftmaxCrossEntropy):
    """Softmax and sparse categorical cross-entropy in one: ``−log(softmax(z)_y)``; gradient ``softmax(z)_j − [j = y]``.

    Exact where the two apart would be clipped. A label that is no class gives loss and gradient 0, as in
    `SparseCategoricalCrossEntropy`.

    Example:
        >>> SparseSoftmaxCrossEntropy().gradient(jnp.array([[1e4, 0.0]]), jnp.array([1])).tolist()
        [[1.0, -1.0]]

    Others: PyTorch's ``CrossEntropyLoss``, whose ``ignore_index`` averages over all scored steps of the batch at once,
    so that long sentences weigh more; ``optax.softmax_cross_entropy_with_integer_labels``.
    """

    of_probabilities = SparseCategoricalCrossEntropy
    formula = smoothed(
        "-log(softmax(z)[y])", "(label_smoothing - 1) * log(softmax(z)[y]) - label_smoothing * mean(log(softmax(z)))"
    )
    gradient_formula = smoothed(
        "softmax(z)[j] - (j == y)", "softmax(z)[j] - (1 - label_smoothing) * (j == y) - label_smoothing * mean(j == y)"
    )


@losses.register("kl_divergence")
class KLDivergence(PerClass):
    """Kullback–Leibler divergence of ŷ from y: ``Σ_j y_j · log(y_j / ŷ_j)``; gradient ``−y_j / ŷ_j``.

    Both are probabilities over the last axis; ``0 log 0 = 0``, and ŷ is cut off below at ε.

    Example:
        >>> prediction, target = jnp.array([[0.5, 0.5], [0.5, 0.5]]), jnp.array([[0.5, 0.5], [1.0, 0.0]])
        >>> KLDivergence().value(prediction, target).tolist()
        [0.0, 0.6931471824645996]

    Others: PyTorch's ``KLDivLoss`` takes log ŷ and by default averages over classes too (use ``"batchmean"``).

    Source: Kullback & Leibler, "On information and sufficiency", 1951.
    """

    reads = "probabilities"
    formula = Formula("sum(j, y[j] * log(y[j] / yhat[j]))")
    gradient_formula = Formula("-y[j] / yhat[j]")

    def term(self, prediction: Prediction, target: Prediction) -> Terms:
        return jnp.sum(xlogy(target, target) - target * jnp.log(above_zero(prediction)), axis=-1)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return -target / above_zero(prediction)


def epsilon(probability: Prediction) -> float:
    """The spacing of the dtype at 1, where probabilities are cut off."""
    return float(jnp.finfo(probability.dtype).eps)


def above_zero(probability: Prediction) -> Prediction:
    """Probabilities, cut off below."""
    return jnp.maximum(probability, epsilon(probability))


# ---------------------------------------------------------------------------------- several outputs


@dataclass(frozen=True)
class JointLoss:
    """Weighted sum of the losses of several outputs: ``L = Σ_k w_k · L_k(ŷ_k, y_k)``.

    Args:
        losses: one loss for each output, in their order: names, tables or objects.
        weights: w_k, one number for each loss, at least 0; None: all 1.

    Raises:
        InvalidValue: no losses, or not one weight for each.

    Example:
        >>> loss = JointLoss(("mean_squared_error", "mean_absolute_error"), (1.0, 0.5))
        >>> float(loss((jnp.array([[3.0]]), jnp.array([[4.0]])), (jnp.array([[1.0]]), jnp.array([[0.0]]))))
        6.0
    """

    losses: tuple[Any, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        parts = tuple(losses.build(loss) for loss in self.losses)
        weights = (1.0,) * len(parts) if self.weights is None else tuple(self.weights)
        if not parts or len(weights) != len(parts):
            raise InvalidValue(
                f"a JointLoss needs one weight for each loss. Received: {len(parts)} losses, {len(weights)} weights."
            )
        for weight in weights:
            require(weight, NOT_NEGATIVE, "the weight of a loss")
        object.__setattr__(self, "losses", parts)
        object.__setattr__(self, "weights", weights)

    @property
    def parts(self) -> tuple[tuple[Loss, float], ...]:
        """Each loss with its weight."""
        return tuple(zip(self.losses, self.weights or (), strict=True))

    def __call__(
        self, prediction: tuple[Anything, ...], target: tuple[Anything, ...], weights: Anything | None = None
    ) -> Scalar:
        """Compute the weighted sum of the reduced losses.

        Args:
            prediction: one array an output.
            target: one array an output.
            weights: (batch,), one for each example, the same for all outputs; all 1 when left out.
        """
        terms = [
            weight * loss(y_hat, y, weights)
            for (loss, weight), y_hat, y in zip(self.parts, prediction, target, strict=True)
        ]
        return sum(terms[1:], start=terms[0])


def losses_of(loss: Loss | JointLoss) -> tuple[Loss, ...]:
    """The loss of each output."""
    return loss.losses if isinstance(loss, JointLoss) else (loss,)


def fuse(activation: Activation, loss: Loss) -> Loss | None:
    """Find the loss of logits that equals ``loss`` of ``activation``; None where there is none.

    Example:
        >>> fuse(Sigmoid(), BinaryCrossEntropy(reduction="sum"))
        SigmoidBinaryCrossEntropy(reduction='sum', label_smoothing=0.0)
    """
    for fused in map(losses.find, losses):
        if (fused.activation, fused.of_probabilities) == (type(activation), type(loss)):
            return fused(**{field.name: getattr(loss, field.name) for field in fields(loss)})
    return None
