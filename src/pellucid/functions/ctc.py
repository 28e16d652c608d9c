"""Connectionist temporal classification: a sequence of labels without their places in time, and its decoders."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import log_softmax

from pellucid.core.constraints import WholeNumber, constrained, require
from pellucid.core.errors import ShapeError
from pellucid.core.types import Array, Bool, Float, Int
from pellucid.functions.losses import Loss, PerExample, Prediction, Target, losses

NEVER = -jnp.inf


class _Lattice(NamedTuple):
    """The states of each example: a blank, the first label, a blank, the second label, … , a blank."""

    labels: Int[Array, "batch states"]
    skips: Bool[Array, "batch states"]
    """Whether the state may follow the one before the last: a label after another one."""
    ends: Bool[Array, "batch states"]
    """Whether the state is the last label, or the blank behind it."""


@losses.register("ctc")
class CTC(Loss):
    """Negative log-probability of a sequence of labels, over all ways to place them in time: ``−log P(y | z)``.

    Each step says a label or the blank; repeated labels are merged, then blanks are left out, so that several ways give
    the same labels. P is their sum, by the forward–backward algorithm in logarithms:
    α_t(s) = p_t(s) · (α_(t − 1)(s) + α_(t − 1)(s − 1) + α_(t − 1)(s − 2)), the last only from one label to another one.
    Gradient ``softmax(z_t) − γ_t``, γ_t being the probability of each label at step t, given y.

    Predictions are logits (batch, steps, classes), targets labels (batch, longest), filled up with blanks behind.
    `make_dataset` makes them with ``task="transcription"``.
    Padded steps are left out. Labels that need more steps than there are have probability 0: the loss is infinite.

    Args:
        blank: the class that stands for no label.

    Example:
        >>> logits = jnp.log(jnp.array([[[0.6, 0.4], [0.5, 0.5]]]))
        >>> round(float(jnp.exp(-CTC().value(logits, jnp.array([[1]]))[0])), 4)  # "1 –", "– 1" and "1 1"
        0.7

    Others: PyTorch's ``CTCLoss``, of log-probabilities (steps, batch, classes), whose mean divides each by the number
    of its labels.

    Source: Graves, Fernández, Gomez & Schmidhuber, "Connectionist temporal classification", 2006.
    """

    blank: int = constrained(0, WholeNumber(0), "class that stands for no label")

    reads = "logits"
    target_kind = "sequence"
    of_sequences = True

    def value(
        self, prediction: Prediction, target: Target, mask: Bool[Array, "batch steps"] | None = None
    ) -> PerExample:
        lattice, scores = self._prepared(prediction, target)
        return -self._total(self._forward(lattice, scores, mask)[:, -1], lattice)

    def gradient(
        self, prediction: Prediction, target: Target, mask: Bool[Array, "batch steps"] | None = None
    ) -> Prediction:
        lattice, scores = self._prepared(prediction, target)
        forward = self._forward(lattice, scores, mask)
        backward = self._backward(lattice, scores, mask)
        total = self._total(forward[:, -1], lattice)
        posterior = jnp.exp(forward + backward - total[:, None, None])
        classes = jax.nn.one_hot(lattice.labels, prediction.shape[-1], dtype=prediction.dtype)
        given = jnp.einsum("bts,bsc->btc", posterior, classes)
        gradient = jax.nn.softmax(prediction, axis=-1) - given
        return gradient if mask is None else jnp.where(mask[:, :, None], gradient, 0)

    def encode(self, classes: np.ndarray) -> np.ndarray:
        """Convert sequences of class numbers, which leave the blank out, to targets; −1 fills them up.

        Example:
            >>> CTC().encode(np.array([[0, 2, -1]])).tolist(), CTC(blank=1).encode(np.array([[0, 2, -1]])).tolist()
            ([[1, 3, 0]], [[0, 3, 1]])
        """
        return np.where(classes < 0, self.blank, classes + (classes >= self.blank)).astype(np.int32)

    def decode(self, outputs: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Class numbers, which leave the blank out, by the likeliest class of each step; −1 fills them up.

        Example:
            >>> CTC().decode(np.eye(3)[[[1, 1, 0, 2], [0, 0, 0, 1]]]).tolist()
            [[0, 1], [0, -1]]
        """
        rows = ctc_decode(outputs, blank=self.blank, mask=mask)
        classes = np.full((len(rows), max(map(len, rows), default=0)), -1, np.int32)
        for row, labels in enumerate(rows):
            classes[row, : len(labels)] = [label - (label > self.blank) for label in labels]
        return classes

    def _prepared(self, prediction: Prediction, target: Target) -> tuple[_Lattice, Float[Array, "batch steps states"]]:
        y = target.astype(jnp.int32)
        y = jnp.take_along_axis(y, jnp.argsort(y == self.blank, axis=1, stable=True), axis=1)  # blanks to the end
        labels = jnp.full((len(y), 2 * y.shape[1] + 1), self.blank, jnp.int32).at[:, 1::2].set(y)
        before = jnp.pad(labels, ((0, 0), (2, 0)), constant_values=-1)[:, :-2]
        behind = 2 * jnp.sum(y != self.blank, axis=1, keepdims=True) - jnp.arange(labels.shape[1])[None]
        lattice = _Lattice(labels, (labels != self.blank) & (labels != before), (behind == 0) | (behind == 1))
        scores = jax.nn.log_softmax(prediction, axis=-1)
        at_labels = jnp.broadcast_to(labels[:, None, :], (*scores.shape[:2], labels.shape[1]))
        return lattice, jnp.take_along_axis(scores, at_labels, axis=2)

    def _forward(self, lattice: _Lattice, scores: Any, mask: Any) -> Float[Array, "batch steps states"]:
        """Logarithm of the probability to have said the labels up to each state, this step's own included."""
        # Before the first step, as if on the blank in front; from there one step leads to the first label too.
        start = jnp.full_like(scores[:, 0], NEVER).at[:, 0].set(0)

        def step(alpha: Any, given: Any) -> tuple[Any, Any]:
            score, real = given
            moved = _add(alpha, _shifted(alpha, 1), jnp.where(lattice.skips, _shifted(alpha, 2), NEVER)) + score
            alpha = jnp.where(real, moved, alpha)
            return alpha, alpha

        return _scanned(step, start, scores, mask)

    def _backward(self, lattice: _Lattice, scores: Any, mask: Any) -> Float[Array, "batch steps states"]:
        """Logarithm of the probability to say the rest of the labels from each state on, this step's own left out."""
        end = jnp.where(lattice.ends, jnp.zeros_like(scores[:, 0]), NEVER)

        def step(beta: Any, given: Any) -> tuple[Any, Any]:
            score, real = given
            ahead = beta + score
            moved = _add(ahead, _shifted(ahead, -1), _shifted(jnp.where(lattice.skips, ahead, NEVER), -2))
            return jnp.where(real, moved, beta), beta

        return _scanned(step, end, scores, mask, reverse=True)

    def _total(self, ends: Any, lattice: _Lattice) -> PerExample:
        return jax.nn.logsumexp(jnp.where(lattice.ends, ends, NEVER), axis=1)


def _add(*parts: Any) -> Any:
    """The logarithm of a sum, of logarithms."""
    return jnp.logaddexp(jnp.logaddexp(parts[0], parts[1]), parts[2])


def _shifted(values: Any, by: int) -> Any:
    """Values moved by some states; none come in."""
    width = ((0, 0), (max(by, 0), max(-by, 0)))
    padded = jnp.pad(values, width, constant_values=NEVER)
    return padded[:, :-by] if by > 0 else padded[:, -by:]


def _scanned(step: Any, start: Any, scores: Any, mask: Any, reverse: bool = False) -> Any:
    real = jnp.ones(scores.shape[:2], bool) if mask is None else mask
    given = jnp.moveaxis(scores, 1, 0), jnp.moveaxis(real, 1, 0)[:, :, None]
    return jnp.moveaxis(jax.lax.scan(step, start, given, reverse=reverse)[1], 0, 1)


# --------------------------------------------------------------------------------------- decoding


def ctc_decode(outputs: Any, *, beam: int | None = None, blank: int = 0, mask: Any = None) -> list[tuple[int, ...]]:
    """Decode the labels that a network trained by `CTC` says.

    Args:
        outputs: (rows, steps, classes), logits or log-probabilities.
        beam: candidates that are kept from step to step, of which the likeliest sequence of labels is the answer; None
            takes the likeliest class of each step, which is faster and may miss it.
        blank: the class that stands for no label.
        mask: (rows, steps), True at real steps; None where all are.

    Returns:
        The labels of each row.

    Raises:
        ShapeError: outputs of another rank.

    Example:
        >>> p = np.array([[[0.6, 0.4], [0.6, 0.4]]])  # "– –" is likelier than any other way, "1" than no label
        >>> ctc_decode(np.log(p)), ctc_decode(np.log(p), beam=4)
        ([()], [(1,)])

    Source: Graves and others, 2006; Hannun, Maas, Jurafsky & Ng, "First-pass large vocabulary continuous speech
    recognition using bi-directional recurrent DNNs", 2014, for the search.
    """
    scores = np.asarray(outputs, np.float64)
    if scores.ndim != 3:
        raise ShapeError(f"outputs must have shape (rows, steps, classes). Received: {scores.shape}.")
    if beam is not None:
        require(beam, WholeNumber(1), "beam")
    scores = log_softmax(scores, axis=-1)
    real = np.ones(scores.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    rows = (row[kept] for row, kept in zip(scores, real, strict=True))
    return [_likeliest_steps(row, blank) if beam is None else _search(row, beam, blank) for row in rows]


def _likeliest_steps(scores: np.ndarray, blank: int) -> tuple[int, ...]:
    best: Sequence[int] = scores.argmax(axis=1).tolist()
    return tuple(label for i, label in enumerate(best) if label != blank and (i == 0 or label != best[i - 1]))


def _search(scores: np.ndarray, beam: int, blank: int) -> tuple[int, ...]:
    """Beam search over prefixes: each with its log-probability to end in a blank, and in its last label."""
    prefixes: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for step in scores.tolist():
        ways: dict[tuple[int, ...], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
        for prefix, (in_blank, in_label) in prefixes.items():
            either = float(np.logaddexp(in_blank, in_label))
            for label, score in enumerate(step):
                if label == blank:
                    ways[prefix][0].append(either + score)
                elif prefix and label == prefix[-1]:
                    ways[prefix][1].append(in_label + score)  # the same label, longer
                    ways[(*prefix, label)][1].append(in_blank + score)
                else:
                    ways[(*prefix, label)][1].append(either + score)
        summed = {prefix: (_log_sum(blanks), _log_sum(labels)) for prefix, (blanks, labels) in ways.items()}
        kept = sorted(summed, key=lambda prefix: -np.logaddexp(*summed[prefix]))[:beam]
        prefixes = {prefix: summed[prefix] for prefix in kept}
    return next(iter(prefixes))


def _log_sum(scores: list[float]) -> float:
    return float(np.logaddexp.reduce(scores or [-np.inf]))
