"""Losses of counts, quantiles, directions and distances."""

import math

import jax.numpy as jnp

from pellucid.core.constraints import POSITIVE, Interval, constrained, require
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.formula import Formula
from pellucid.core.types import Array, Float
from pellucid.functions.activations import Exponential
from pellucid.functions.losses import Distance, PerOutput, Prediction, Target, TermLoss, Terms, epsilon, losses

PROBABILITY = Interval(0, 1, closed="neither")


@losses.register("poisson")
class Poisson(PerOutput):
    """Negative log-likelihood of counts under a Poisson distribution of rate ŷ: ``ŷ − y · log(ŷ)``.

    Gradient ``1 − y / ŷ``. The term log y!, which does not depend on ŷ, is left out, so that it may be below 0. ŷ is
    above 0, the output of an exponential or a softplus, cut off below at ε; y is a count, or any number of at least 0.
    Averaged over the outputs of an example.

    Example:
        >>> Poisson().value(jnp.array([[1.0], [2.0]]), jnp.array([[3.0], [2.0]])).round(4).tolist()
        [1.0, 0.6136999726295471]

    Others: PyTorch's ``PoissonNLLLoss(log_input=False)`` adds 10⁻⁸ to ŷ instead; Keras' ``Poisson`` adds 10⁻⁷.

    Source: Nelder & Wedderburn, "Generalized linear models", 1972.
    """

    reads = "rates"
    output = "exponential"
    target_range = (0.0, math.inf)
    formula = Formula("yhat - y * log(yhat)")
    gradient_formula = Formula("1 - y / yhat")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        rate = jnp.maximum(prediction, epsilon(prediction))
        return rate - target * jnp.log(rate)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return 1 - target / jnp.maximum(prediction, epsilon(prediction))


@losses.register("log_poisson")
class LogPoisson(PerOutput):
    """Exponential and Poisson loss in one, of the logarithm z of the rate: ``e^z − y · z``; gradient ``e^z − y``.

    What an exponential output with `Poisson` is trained by: exact where the two apart would be cut off. Averaged over
    the outputs of an example.

    Example:
        >>> LogPoisson().value(jnp.array([[0.0], [-1e4]]), jnp.array([[3.0], [0.0]])).tolist()
        [1.0, 0.0]

    Others: PyTorch's ``PoissonNLLLoss()``.

    Source: Nelder & Wedderburn, "Generalized linear models", 1972.
    """

    reads = "log_rates"
    target_range = (0.0, math.inf)
    activation = Exponential
    of_probabilities = Poisson
    formula = Formula("exp(z) - y * z")
    gradient_formula = Formula("exp(z) - y")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        return Exponential().value(prediction) - target * prediction

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return Exponential().value(prediction) - target


@losses.register("quantile")
class Quantile(Distance):
    """Pinball loss, least where ŷ is a quantile of y: ``max(q · (y − ŷ), (q − 1) · (y − ŷ))``.

    Gradient ``1 − q if ŷ > y, else −q``. A fraction q of the targets lies below the best constant. Averaged over the
    outputs of an example.

    Args:
        q: the quantile, between 0 and 1; or one for each output: for several quantiles of one number, a column of y for
            each, all the same, as ``np.repeat(y[:, None], 3, axis=1)``.

    Example:
        >>> Quantile(0.75).value(jnp.array([[1.0], [3.0]]), jnp.array([[2.0], [2.0]])).tolist()
        [0.75, 0.25]
        >>> Quantile((0.25, 0.75)).value(jnp.array([[1.0, 3.0]]), jnp.array([[2.0, 2.0]])).tolist()
        [0.25]

    Source: Koenker & Bassett, "Regression quantiles", 1978.
    """

    q: float | tuple[float, ...] | list[float] = 0.5

    formula = Formula("max(q * (y - yhat), (q - 1) * (y - yhat))")
    gradient_formula = Formula("1 - q if yhat > y else -q")

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.q, list):  # as TOML has it
            object.__setattr__(self, "q", tuple(self.q))
        for q in self.q if isinstance(self.q, tuple) else (self.q,):
            require(q, PROBABILITY, "Quantile.q (the quantile)")
        if self.q == ():
            raise InvalidValue("Quantile.q must be a quantile, or one for each output. Received: none.")

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        q, error = self._q(prediction), target - prediction
        return jnp.maximum(q * error, (q - 1) * error)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        q = self._q(prediction)
        return jnp.where(prediction > target, 1 - q, -q)

    def _q(self, prediction: Prediction) -> Prediction:
        q = jnp.asarray(self.q, prediction.dtype)
        if q.ndim and q.shape != prediction.shape[-1:]:
            raise ShapeError(
                f"quantile: {q.shape[0]} quantiles need as many outputs, one for each. Received: prediction "
                f"{prediction.shape}. Give y a column for each quantile."
            )
        return jnp.broadcast_to(q, prediction.shape)


@losses.register("cosine")
class Cosine(TermLoss):
    """One less the cosine of the angle between ŷ and y: ``1 − Σ_j ŷ_j · y_j / (‖ŷ‖ · ‖y‖)``.

    Gradient ``c = Σ_j ŷ_j · y_j / (‖ŷ‖ · ‖y‖); (c · ŷ_j / ‖ŷ‖ − y_j / ‖y‖) / ‖ŷ‖``: it turns ŷ and keeps its length.
    Over the last axis, averaged over the steps of a sequence. 10⁻¹² is added to the square of each length.

    Example:
        >>> Cosine().value(jnp.array([[2.0, 0.0], [1.0, 1.0]]), jnp.array([[1.0, 0.0], [-1.0, -1.0]])).tolist()
        [0.0, 2.0]

    Others: PyTorch's ``CosineEmbeddingLoss`` with target 1; Keras' ``CosineSimilarity`` is −cos.

    Source: Salton, Wong & Yang, "A vector space model for automatic indexing", 1975.
    """

    reads = "directions"
    target_kind = "numbers"
    formula = Formula("1 - sum(j, yhat[j] * y[j]) / (norm(yhat) * norm(y))")
    gradient_formula = Formula(
        "c = sum(j, yhat[j] * y[j]) / (norm(yhat) * norm(y)); (c * yhat[j] / norm(yhat) - y[j] / norm(y)) / norm(yhat)"
    )

    def term(self, prediction: Prediction, target: Prediction) -> Terms:
        return 1 - jnp.sum(prediction * target / (_length(prediction) * _length(target)), axis=-1)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        length, direction = _length(prediction), target / _length(target)
        cosine = jnp.sum(prediction * direction, axis=-1, keepdims=True) / length
        return (cosine * prediction / length - direction) / length

    def _divisor(self, prediction: Prediction, target: Target) -> int:
        return math.prod(prediction.shape[1:-1])


def _length(vectors: Prediction) -> Float[Array, "batch *steps 1"]:
    return jnp.sqrt(jnp.sum(jnp.square(vectors), axis=-1, keepdims=True) + 1e-12)


@losses.register("contrastive")
class Contrastive(PerOutput):
    """Contrastive loss of a distance: ``(1 − y) · ŷ² + y · max(0, m − ŷ)²``, y being 1 for a pair of two kinds.

    Gradient ``2 · (1 − y) · ŷ − 2 · y · max(0, m − ŷ)``. Pairs of one kind are drawn together; others are pushed apart
    until their distance is m. ŷ is the distance of two embeddings, at least 0; `pellucid.data.pairs` draws the pairs.
    Averaged over the outputs of an example.

    Args:
        margin: m, the distance beyond which a pair of two kinds costs nothing; beyond half of it the answer is yes.

    Example:
        >>> Contrastive().value(jnp.array([[0.5], [0.5]]), jnp.array([[0.0], [1.0]])).tolist()
        [0.25, 0.25]

    Others: the paper has a factor ½; PyTorch's ``HingeEmbeddingLoss`` has no squares.

    Source: Hadsell, Chopra & LeCun, "Dimensionality reduction by learning an invariant mapping", 2006.
    """

    margin: float = constrained(1.0, POSITIVE, "distance beyond which different kinds cost nothing")

    reads = "distances"
    target_range = (0.0, 1.0)
    formula = Formula("(1 - y) * yhat**2 + y * max(0, margin - yhat)**2", margin="m")
    gradient_formula = Formula("2 * (1 - y) * yhat - 2 * y * max(0, margin - yhat)", margin="m")

    @property
    def threshold(self) -> float:
        return self.margin / 2

    def term(self, prediction: Prediction, target: Prediction) -> Prediction:
        short = jnp.maximum(self.margin - prediction, 0)
        return (1 - target) * jnp.square(prediction) + target * jnp.square(short)

    def term_gradient(self, prediction: Prediction, target: Prediction) -> Prediction:
        return 2 * (1 - target) * prediction - 2 * target * jnp.maximum(self.margin - prediction, 0)
