"""scikit-learn's objective: the loss and a penalty that is divided by the rows of each batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.types import Array, PyTree, Scalar
from pellucid.functions.losses import Loss
from pellucid.functions.metrics import Metric
from pellucid.functions.regularizers import Regularizer
from pellucid.layers.layer import WEIGHTS
from pellucid.network import Network, backpropagate
from pellucid.optimizers import Update
from pellucid.training import Scaling, Supervised, TrainingState
from pellucid.training.rows import Rows, rows_of_step


@dataclass(frozen=True)
class Penalized(Supervised):
    """Supervised training of scikit-learn's objective, ``scale · loss + penalty(w) / rows of the batch``.

    The penalty is that of the state's regulariser. The objective is recorded beside the loss.

    Args:
        scale: factor of the loss.
    """

    scale: float = 1.0

    @property
    def extra_names(self) -> tuple[str, ...]:
        return ("objective",)

    def pass_of(self, state: TrainingState, scaling: Scaling, train: Rows, order: Array) -> tuple[Any, ...]:
        pass_, loss, metric = super().pass_of(state, scaling, train, order)
        _, first = rows_of_step(state, train, order, self.batch_size)
        rows = jnp.minimum(train.counted - first, self.batch_size).astype(loss.dtype)
        objective, grads = penalized(state.regularizer, self.scale, loss, pass_.grads, state.params, rows)
        return pass_._replace(grads=grads), loss, metric, objective

    def update(self, state: TrainingState, grads: PyTree, progress: Scalar) -> Update:
        return super().update(state._replace(regularizer=None), grads, progress)

    def evaluate(self, state: TrainingState, scaling: Scaling, part: Rows) -> Array:
        measured = Supervised.evaluate(self.plain, state, scaling, part)
        return jnp.concatenate([measured, measured[:1]])

    @property
    def plain(self) -> Supervised:
        """The program without penalty and record of the objective."""
        return Supervised(self.network, self.loss, self.metric, self.batch_size, self.recorder, self.shuffle)


def penalized(
    rule: Regularizer, scale: float, loss: Scalar, grads: PyTree, params: PyTree, rows: Scalar
) -> tuple[Scalar, PyTree]:
    """The objective and its gradient, from the loss of a batch and its gradient."""
    weights = [array for own in params for name, array in own.items() if name in WEIGHTS]
    penalty = sum((rule.penalty(array) for array in weights), start=jnp.zeros((), loss.dtype))

    def added(path: Any, gradient: Array, array: Array) -> Array:
        gradient = gradient if scale == 1 else scale * gradient
        return gradient + rule.gradient(array) / rows if path[-1].key in WEIGHTS else gradient

    return scale * loss + penalty / rows, jax.tree_util.tree_map_with_path(added, grads, params)


class ExactAnswers(Metric):
    """Fraction of rows whose labels are all predicted right: scikit-learn's accuracy of several labels."""

    name = "exact_answers"
    higher_is_better = True

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExactAnswers) and other.threshold == self.threshold

    def __hash__(self) -> int:
        return hash((type(self), self.threshold))

    def value(self, prediction: Any, target: Any) -> Any:
        right = (prediction > self.threshold) == (target > self.threshold)
        return right.all(axis=-1).astype(prediction.dtype)


@partial(jax.jit, static_argnums=(0, 1, 2))
def value_and_gradient(
    network: Network,
    loss: Loss,
    scale: float,
    params: PyTree,
    layer_state: PyTree,
    rule: Regularizer,
    scaling: Scaling,
    rows: Rows,
) -> tuple[Scalar, PyTree]:
    """The objective of all rows at once and its gradient.

    Args:
        network: the network.
        loss: its loss.
        scale: factor of the loss.
        params: the parameters.
        layer_state: the layers' state, which stays.
        rule: the penalty.
        scaling: of the inputs.
        rows: all rows, with a weight each.
    """
    weights, x = rows.weights, scaling(rows.x)
    assert weights is not None
    pass_ = backpropagate(network, loss, params, layer_state, x, x if rows.y is None else rows.y, weights)
    return penalized(rule, scale, pass_.loss, pass_.grads, params, weights.sum())


def flat(tree: PyTree) -> np.ndarray:
    """All numbers of a tree in a row, in double precision."""
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(tree)])


def unflat(vector: np.ndarray, like: PyTree) -> PyTree:
    """The tree of the shapes of ``like`` with these numbers."""
    leaves, tree = jax.tree.flatten(like)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])
    parts: Sequence[np.ndarray] = np.split(vector, ends[:-1])
    return jax.tree.unflatten(tree, [part.reshape(np.shape(leaf)) for part, leaf in zip(parts, leaves, strict=True)])
