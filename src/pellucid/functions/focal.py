"""Focal losses: cross-entropies in which examples that are easy already count for little."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pellucid.core.constraints import NOT_NEGATIVE, Interval, constrained
from pellucid.core.formula import Formula
from pellucid.functions.activations import Sigmoid, Softmax
from pellucid.functions.losses import OfLabels, PerClass, PerOutput, Prediction, Terms, above_zero, epsilon, losses

GAMMA = "weight of easy examples: the higher, the smaller"


@dataclass(frozen=True)
class FocalOfAnswers(PerOutput):
    """A focal loss of yes or no.

    Args:
        gamma: γ, at least 0: the exponent of the weight; with 0 it is the cross-entropy.
        alpha: α, the weight of yes, and 1 − α that of no; with ½ both have half the weight of a cross-entropy.
    """

    _: KW_ONLY
    gamma: float = constrained(2.0, NOT_NEGATIVE, GAMMA)
    alpha: float = constrained(0.25, Interval(0, 1), "weight of yes; 1 − α that of no")

    target_range = (0.0, 1.0)


@losses.register("binary_focal")
class BinaryFocal(FocalOfAnswers):
    """Cross-entropy of yes or no, weighted by how wrong the probability is. Averaged over the outputs of an example.

    ``−(α · y · (1 − ŷ)^γ · log(ŷ) + (1 − α) · (1 − y) · ŷ^γ · log(1 − ŷ))``; gradient
    ``α · y · (γ · (1 − ŷ)^(γ − 1) · log(ŷ) − (1 − ŷ)^γ / ŷ) − (1 − α) · (1 − y) · (γ · ŷ^(γ − 1) · log(1 − ŷ) − ŷ^γ /
    (1 − ŷ))``. ŷ is a probability, the output of a sigmoid, cut to [ε, 1 − ε].

    Args:
        gamma: γ, at least 0: the exponent of the weight; with 0 it is the cross-entropy.
        alpha: α, the weight of yes, and 1 − α that of no; with ½ both have half the weight of a cross-entropy.

    Example:
        >>> value = BinaryFocal(alpha=0.5).value(jnp.array([[0.5], [0.9]]), jnp.array([[1.0], [1.0]]))
        >>> [round(one, 4) for one in value.tolist()]  # half of 0.1733 and of 0.0011
        [0.0866, 0.0005]

    Others: torchvision's ``sigmoid_focal_loss``, of logits; Keras weights by α on request alone.

    Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", 2017.
    """

    reads = "probabilities"
    formula = Formula(
        "-(alpha * y * (1 - yhat)**gamma * log(yhat) + (1 - alpha) * (1 - y) * yhat**gamma * log(1 - yhat))"
    )
    gradient_formula = Formula(
        "alpha * y * (gamma * (1 - yhat)**(gamma - 1) * log(yhat) - (1 - yhat)**gamma / yhat) "
        "- (1 - alpha) * (1 - y) * (gamma * yhat**(gamma - 1) * log(1 - yhat) - yhat**gamma / (1 - yhat))"
    )

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        p = jnp.clip(prediction, epsilon(prediction), 1 - epsilon(prediction))
        yes, no = target * (1 - p) ** self.gamma * jnp.log(p), (1 - target) * p**self.gamma * jnp.log1p(-p)
        return -(self.alpha * yes + (1 - self.alpha) * no)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        p = jnp.clip(prediction, epsilon(prediction), 1 - epsilon(prediction))
        q, gamma = 1 - p, self.gamma
        yes = gamma * q ** (gamma - 1) * jnp.log(p) - q**gamma / p
        no = gamma * p ** (gamma - 1) * jnp.log1p(-p) - p**gamma / q
        return self.alpha * target * yes - (1 - self.alpha) * (1 - target) * no


@losses.register("sigmoid_focal")
class SigmoidFocal(FocalOfAnswers):
    """Sigmoid and binary focal loss in one, of the logit z. Averaged over the outputs of an example.

    ``p = σ(z); −(α · y · (1 − p)^γ · log(p) + (1 − α) · (1 − y) · p^γ · log(1 − p))``; gradient
    ``p = σ(z); α · y · (1 − p)^γ · (γ · p · log(p) − (1 − p)) + (1 − α) · (1 − y) · p^γ · (p − γ · (1 − p) · log(1 −
    p))``. Exact where the two apart would be clipped.

    Args:
        gamma: as for `BinaryFocal`.
        alpha: as for `BinaryFocal`.

    Example:
        >>> SigmoidFocal(alpha=0.5).value(jnp.array([[0.0], [1e4]]), jnp.array([[1.0], [0.0]])).round(4).tolist()
        [0.08659999817609787, 5000.0]

    Others: torchvision's ``sigmoid_focal_loss``.

    Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", 2017.
    """

    reads = "logits"
    activation = Sigmoid
    of_probabilities = BinaryFocal
    formula = Formula(
        "p = sigma(z); -(alpha * y * (1 - p)**gamma * log(p) + (1 - alpha) * (1 - y) * p**gamma * log(1 - p))"
    )
    gradient_formula = Formula(
        "p = sigma(z); alpha * y * (1 - p)**gamma * (gamma * p * log(p) - (1 - p)) "
        "+ (1 - alpha) * (1 - y) * p**gamma * (p - gamma * (1 - p) * log(1 - p))"
    )

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        p, q = jax.nn.sigmoid(prediction), jax.nn.sigmoid(-prediction)
        yes, no = q**self.gamma * jax.nn.softplus(-prediction), p**self.gamma * jax.nn.softplus(prediction)
        return self.alpha * target * yes + (1 - self.alpha) * (1 - target) * no

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        p, q = jax.nn.sigmoid(prediction), jax.nn.sigmoid(-prediction)
        yes = q**self.gamma * (-self.gamma * p * jax.nn.softplus(-prediction) - q)
        no = p**self.gamma * (p + self.gamma * q * jax.nn.softplus(prediction))
        return self.alpha * target * yes + (1 - self.alpha) * (1 - target) * no


@dataclass(frozen=True)
class FocalOfClasses(PerClass):
    """A focal loss of one class of many.

    Args:
        gamma: γ, at least 0: the exponent of the weight; with 0 it is the cross-entropy.
    """

    _: KW_ONLY
    gamma: float = constrained(2.0, NOT_NEGATIVE, GAMMA)


@losses.register("categorical_focal")
class CategoricalFocal(FocalOfClasses):
    """Cross-entropy of one class of many, weighted by how wrong its probability is, one-hot.

    ``−Σ_j y_j · (1 − ŷ_j)^γ · log(ŷ_j)``; gradient ``y_j · (γ · (1 − ŷ_j)^(γ − 1) · log(ŷ_j) − (1 − ŷ_j)^γ / ŷ_j)``. ŷ
    are probabilities, the output of a softmax, cut to [ε, 1 − ε]. Weights of classes are a setting of the training.

    Args:
        gamma: γ, at least 0: the exponent of the weight; with 0 it is the cross-entropy.

    Example:
        >>> CategoricalFocal().value(jnp.array([[0.5, 0.5]]), jnp.array([[1.0, 0.0]])).round(4).tolist()
        [0.17329999804496765]

    Others: Keras' ``CategoricalFocalCrossentropy``, which also multiplies by 0.25.

    Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", 2017.
    """

    reads = "probabilities"
    formula = Formula("-sum(j, y[j] * (1 - yhat[j])**gamma * log(yhat[j]))")
    gradient_formula = Formula(
        "y[j] * (gamma * (1 - yhat[j])**(gamma - 1) * log(yhat[j]) - (1 - yhat[j])**gamma / yhat[j])"
    )

    def term(self, prediction: Prediction, target: Prediction) -> Terms:
        p = jnp.minimum(above_zero(prediction), 1 - epsilon(prediction))
        return -jnp.sum(target * (1 - p) ** self.gamma * jnp.log(p), axis=-1)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        p = jnp.minimum(above_zero(prediction), 1 - epsilon(prediction))
        q, gamma = 1 - p, self.gamma
        return target * (gamma * q ** (gamma - 1) * jnp.log(p) - q**gamma / p)


@losses.register("sparse_categorical_focal")
class SparseCategoricalFocal(OfLabels, CategoricalFocal):
    """Cross-entropy of one class of many, by its number, weighted by how wrong its probability is.

    ``−(1 − ŷ_y)^γ · log(ŷ_y)``; gradient ``γ · (1 − ŷ_j)^(γ − 1) · log(ŷ_j) − (1 − ŷ_j)^γ / ŷ_j if j = y, else 0``.
    The numbers of `CategoricalFocal` from integer labels.

    Args:
        gamma: as for `CategoricalFocal`.

    Example:
        >>> SparseCategoricalFocal().value(jnp.array([[0.5, 0.5]]), jnp.array([0])).round(4).tolist()
        [0.17329999804496765]

    Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", 2017.
    """

    formula = Formula("-((1 - yhat[y])**gamma * log(yhat[y]))")
    gradient_formula = Formula(
        "gamma * (1 - yhat[j])**(gamma - 1) * log(yhat[j]) - (1 - yhat[j])**gamma / yhat[j] if j == y else 0"
    )


@losses.register("softmax_focal")
class SoftmaxFocal(FocalOfClasses):
    """Softmax and categorical focal loss in one, of logits z and one-hot targets.

    ``p = softmax(z); −Σ_j y_j · (1 − p_j)^γ · log(p_j)``; gradient ``p_j = softmax(z)_j; g_j = y_j · (γ · p_j · (1 −
    p_j)^(γ − 1) · log(p_j) − (1 − p_j)^γ); g_j − p_j · Σ_j g_j``. Exact where the two apart would be clipped.

    Args:
        gamma: as for `CategoricalFocal`.

    Example:
        >>> SoftmaxFocal().value(jnp.array([[1e4, 0.0]]), jnp.array([[0.0, 1.0]])).tolist()
        [10000.0]

    Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", 2017.
    """

    reads = "logits"
    activation = Softmax
    of_probabilities: ClassVar[type[PerClass]] = CategoricalFocal
    formula = Formula("p = softmax(z); -sum(j, y[j] * (1 - p[j])**gamma * log(p[j]))")
    gradient_formula = Formula(
        "p[j] = softmax(z)[j]; "
        "g[j] = y[j] * (gamma * p[j] * (1 - p[j])**(gamma - 1) * log(p[j]) - (1 - p[j])**gamma); "
        "g[j] - p[j] * sum(j, g[j])"
    )

    def term(self, prediction: Prediction, target: Prediction) -> Terms:
        log_p, q = _log_and_rest(prediction)
        return -jnp.sum(target * q**self.gamma * log_p, axis=-1)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        log_p, q = _log_and_rest(prediction)
        p = jnp.exp(log_p)
        g = target * (self.gamma * p * q ** (self.gamma - 1) * log_p - q**self.gamma)
        return g - p * jnp.sum(g, axis=-1, keepdims=True)


@losses.register("sparse_softmax_focal")
class SparseSoftmaxFocal(OfLabels, SoftmaxFocal):
    """Softmax and sparse categorical focal loss in one: ``p = softmax(z); −(1 − p_y)^γ · log(p_y)``.

    Gradient ``p_j = softmax(z)_j; g_j = [j = y] · (γ · p_j · (1 − p_j)^(γ − 1) · log(p_j) − (1 − p_j)^γ);
    g_j − p_j · Σ_j g_j``. The numbers of `SoftmaxFocal` from integer labels.

    Args:
        gamma: as for `CategoricalFocal`.

    Example:
        >>> SparseSoftmaxFocal().value(jnp.array([[1e4, 0.0]]), jnp.array([1])).tolist()
        [10000.0]

    Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", 2017.
    """

    of_probabilities = SparseCategoricalFocal
    formula = Formula("p = softmax(z); -((1 - p[y])**gamma * log(p[y]))")
    gradient_formula = Formula(
        "p[j] = softmax(z)[j]; "
        "g[j] = (j == y) * (gamma * p[j] * (1 - p[j])**(gamma - 1) * log(p[j]) - (1 - p[j])**gamma); "
        "g[j] - p[j] * sum(j, g[j])"
    )


def _log_and_rest(logits: Prediction) -> tuple[Prediction, Prediction]:
    """The logarithm of each probability, and the probability of all other classes, not quite 0."""
    log_p = jax.nn.log_softmax(logits, axis=-1)
    return log_p, jnp.maximum(-jnp.expm1(log_p), jnp.finfo(logits.dtype).tiny)
