"""The losses of the cases, those that nobody should use among them."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from benchmarks.doctor_cases.case import CannotTranslate
from pellucid.core.errors import UnknownName
from pellucid.core.types import Array
from pellucid.functions.losses import BinaryCrossEntropy, Loss, PerOutput, Reads, losses


class Differentiated(Loss):
    """A loss whose gradient is derived from its value."""

    def gradient(self, prediction: Array, target: Array) -> Array:
        """Its derivative."""
        return jax.grad(lambda p: self.value(p, target).sum())(prediction)


@dataclass(frozen=True)
class DividedCrossEntropy(Differentiated):
    """``−Σ_j y_j log(ŷ_j / Σ ŷ)``, clipped at 1e-7, as Keras takes it of whatever the network gives."""

    name: ClassVar[str] = "categorical_cross_entropy"
    reads: ClassVar[Reads] = "probabilities"
    target_kind: ClassVar[Literal["one_hot"]] = "one_hot"
    _: KW_ONLY
    raw_log: bool = False
    """No clipping: the logarithm of 0 is −∞."""

    def value(self, prediction: Array, target: Array) -> Array:
        """The loss of each example."""
        if self.raw_log:
            return -(target * jnp.log(prediction)).sum(axis=-1)
        # Keras clips after dividing; a sum of 0 gives NaN there too.
        share = jnp.clip(prediction / prediction.sum(axis=-1, keepdims=True), 1e-7, 1 - 1e-7)
        return -(target * jnp.log(share)).sum(axis=-1)


@dataclass(frozen=True)
class BinaryOfAnything(BinaryCrossEntropy):
    """Binary cross-entropy of outputs of no sigmoid: outside the clipped range its gradient is 0, as in Keras."""

    _: KW_ONLY
    raw_log: bool = False
    """No clipping: the logarithm of 0 is −∞, that of a negative number NaN."""

    def term(self, prediction: Array, target: Array) -> Array:
        """``−[y log ŷ + (1 − y) log(1 − ŷ)]``."""
        p = prediction if self.raw_log else jnp.clip(prediction, 1e-7, 1 - 1e-7)
        return -(target * jnp.log(p) + (1 - target) * jnp.log(1 - p))

    def term_gradient(self, prediction: Array, target: Array) -> Array:
        """Its derivative."""
        return jax.grad(lambda p: self.term(p, target).sum())(prediction)


@dataclass(frozen=True)
class NegativeOutput(Differentiated):
    """``−log ŷ_y`` without a look at the other classes, or at what ŷ is."""

    name: ClassVar[str] = "negative_log_of_output"
    target_kind: ClassVar[Literal["one_hot"]] = "one_hot"

    def value(self, prediction: Array, target: Array) -> Array:
        """The loss of each example."""
        return -jnp.log(jnp.maximum((target * prediction).sum(axis=-1), 1e-7))


@dataclass(frozen=True)
class Broadcast(Differentiated):
    """The targets have lost their last axis, so that every output is compared with every target of the batch.

    Args:
        terms: the loss that compares them.
    """

    name: ClassVar[str] = "mean_squared_error"
    target_kind: ClassVar[Literal["numbers"]] = "numbers"
    of_difference: ClassVar[bool] = True
    terms: PerOutput

    def value(self, prediction: Array, target: Array) -> Array:
        """The loss of each example: its mean over the targets of the batch."""
        batch, targets = prediction.shape[0], target.astype(prediction.dtype).reshape(1, 1, -1)
        outputs = prediction.reshape(batch, -1, 1)  # a number at each of several places is compared at each
        shape = (*outputs.shape[:2], targets.shape[2])
        terms = self.terms.term(jnp.broadcast_to(outputs, shape), jnp.broadcast_to(targets, shape))
        return terms.mean(axis=(1, 2))


@dataclass(frozen=True)
class CategoricalHinge(Differentiated):
    """``max(0, 1 + max_{j≠y} ŷ_j − ŷ_y)``."""

    name: ClassVar[str] = "categorical_hinge"
    reads: ClassVar[Reads] = "margins"
    target_kind: ClassVar[Literal["one_hot"]] = "one_hot"

    def value(self, prediction: Array, target: Array) -> Array:
        """The loss of each example."""
        right = (target * prediction).sum(axis=-1)
        return jnp.maximum(1 + ((1 - target) * prediction).max(axis=-1) - right, 0)


@dataclass(frozen=True)
class Mistakes(PerOutput):
    """Rosenblatt's rule as a loss: the gradient of a mistake, passed straight through the step, is ŷ − y."""

    name: ClassVar[str] = "perceptron"

    def term(self, prediction: Array, target: Array) -> Array:
        """``|ŷ − y|``."""
        return jnp.abs(prediction - target)

    def term_gradient(self, prediction: Array, target: Array) -> Array:
        """``ŷ − y``."""
        return prediction - target


def loss_of(program: dict[str, Any]) -> Loss:
    """The loss of a case, with its options."""
    options = program.get("loss_options") or {}
    unknown = set(options) - {"reduction", "raw_log", "softmax_axis", "target_rank"}
    if unknown:
        raise CannotTranslate(f"loss option {', '.join(sorted(unknown))}.")
    loss = _loss(program, options)
    if options.get("target_rank") != 1 or loss.target_kind == "classes":
        return loss
    if not isinstance(loss, PerOutput) or program["network"][-1].get("units", 1) != 1:
        raise CannotTranslate(f"targets of rank 1 with {program['loss']} of several outputs.")
    return Broadcast(loss, reduction=loss.reduction)


def _loss(program: dict[str, Any], options: dict[str, Any]) -> Loss:
    reduction, raw = options.get("reduction", "mean"), bool(options.get("raw_log"))
    name = program["loss"]
    last = program["network"][-1].get("activation") if "softmax_axis" not in options else "softmax_of_batch"
    own = {"negative_log_of_output": NegativeOutput, "categorical_hinge": CategoricalHinge, "perceptron": Mistakes}
    logits = {
        "binary_cross_entropy_from_logits": "sigmoid_binary_cross_entropy",
        "categorical_cross_entropy_from_logits": "softmax_cross_entropy",
        "sparse_categorical_cross_entropy_from_logits": "sparse_softmax_cross_entropy",
    }
    if name in own:
        return own[name](reduction=reduction)
    if "softmax_axis" in options and name.startswith("categorical") and name in logits:
        return NegativeOutput(reduction=reduction)  # the layer gives the softmax, over the batch, of these logits
    if name == "binary_cross_entropy" and (raw or last != "sigmoid"):
        return BinaryOfAnything(raw_log=raw, reduction=reduction)
    if name in ("categorical_cross_entropy", "sparse_categorical_cross_entropy") and (raw or last != "softmax"):
        return DividedCrossEntropy(raw_log=raw, reduction=reduction)
    try:
        return losses.build({"name": logits.get(name, name), "reduction": reduction})
    except UnknownName as error:
        raise CannotTranslate(str(error)) from error
