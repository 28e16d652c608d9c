"""Rows of a training: how they are stored, scaled, ordered and taken.

The order of an epoch is a permutation made inside the program without sorting. Sorting random keys costs 25 to 35 ms
for 60,000 rows on two cores, a tenth of an epoch of the reference network; this Feistel network costs 1 ms
(``python -m benchmarks shuffle``).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pellucid.core.padding import keep_padding
from pellucid.core.types import Array, Int, Key, PyTree, Scalar
from pellucid.training.state import TrainingState

ROUNDS = 10
"""Fewer leave traces in very small tables: with 6 rounds, the order of 8 rows fails a χ² test; with 10 it passes."""
GROUP = 16
"""Most batches that are sorted by length together, and at most an eighth of an epoch's. The more, the more alike the
rows of a batch are and the less chance there is in it: with 50, a step takes a tenth less time, and spoken digits were
learnt worse."""


class Window(NamedTuple):
    """Where rows that are a part of all belong, of data that are read while they are trained on."""

    order: Array
    """int32 ``(rows,)``, the order that they are taken in; behind those that count it holds any."""
    counted: Array
    """How many count: fewer than there are at the end of an epoch."""
    first: Array
    """The step that takes the first of them."""
    per_epoch: Array
    """Steps of an epoch of all rows."""


class Rows(NamedTuple):
    """Examples as they are stored."""

    x: PyTree
    """Inputs, rows first; several arrays where the network has several inputs."""
    y: PyTree | None
    """Targets; None where the inputs, scaled, are the targets themselves (an autoencoder)."""
    weights: Array | None = None
    """One per example; None: all alike. Those of training rows have mean 1."""
    window: Window | None = None
    """Set where these are a part of the rows of an epoch."""
    lengths: Array | None = None
    """Steps of each sequence up to its last real one, int32; None where batches are not made by length."""
    used: Array | None = None
    """How many of them count, where the last ones only fill up: then another number compiles nothing again."""

    @property
    def rows(self) -> int:
        """Number of examples."""
        return jax.tree.leaves(self.x)[0].shape[0]

    @property
    def counted(self) -> Any:
        """Number of examples that count."""
        if self.window is not None:
            return self.window.counted
        return self.rows if self.used is None else self.used

    def steps_per_epoch(self, batch_size: int) -> Any:
        """Steps of one epoch of all rows."""
        return steps_per_epoch(self.counted, batch_size) if self.window is None else self.window.per_epoch

    def progress(self, state: TrainingState, batch_size: int, dtype: Any) -> Scalar:
        """Epochs made before the state's step, a fraction."""
        per_epoch = self.steps_per_epoch(batch_size)
        per_epoch = per_epoch if isinstance(per_epoch, int) else per_epoch.astype(dtype)
        return state.step.astype(dtype) / per_epoch


class TargetScaling(NamedTuple):
    """Scaling of stored targets, ``y' = (y − shift) · scale``, or of their logarithms."""

    shift: Array
    scale: Array
    log: Array | None = None
    """1 where the logarithm is scaled; None where the target itself is."""

    def invert(self, y: Array) -> Array:
        """Targets or predictions in own units: ``y = y' / scale + shift``, or e to the power of that."""
        shift, scale = (jnp.broadcast_to(number.astype(y.dtype), y.shape) for number in (self.shift, self.scale))
        plain = y / scale + shift
        return plain if self.log is None else jnp.exp(plain)


class Scaling(NamedTuple):
    """Preprocessing of a batch, ``x' = (x − shift) · scale``."""

    shift: Any
    """An array; of several inputs that are scaled by themselves a tuple, as in the other fields."""
    scale: Any
    targets: Any = None
    """A `TargetScaling`; None where targets are stored as they are; of several outputs a tuple of these."""
    padding: Any = None
    """Features of a padded step of a sequence, which stays as it is; None where there is no padding."""

    @property
    def dtype(self) -> Any:
        """Of the inputs after scaling."""
        return jax.tree.leaves(self.scale)[0].dtype

    def __call__(self, x: PyTree) -> PyTree:
        """Scale inputs, in the dtype of ``scale``."""
        if isinstance(self.scale, tuple):
            padding = self.padding or (None,) * len(self.scale)
            parts = zip(x, self.shift, self.scale, padding, strict=True)
            return tuple(_scaled(*part) for part in parts)
        return jax.tree.map(lambda array: _scaled(array, self.shift, self.scale, self.padding), x)

    def of_output(self, number: int) -> "Scaling":
        """The scaling with that of one of several outputs alone."""
        if self.targets is None or isinstance(self.targets, TargetScaling):
            return self
        return self._replace(targets=self.targets[number])

    def own_units(self, y: Array) -> Array:
        """Scaled targets, or predictions of them, in the target's own units."""
        return y if self.targets is None else self.targets.invert(y)


def _scaled(x: Array, shift: Array, scale: Array, padding: Array | None) -> Array:
    dtype = scale.dtype
    shift, scale = (jnp.broadcast_to(number, x.shape) for number in (shift, scale))
    x = x.astype(dtype)
    scaled = (x - shift) * scale
    return scaled if padding is None else keep_padding(jnp, x, scaled, padding)


def steps_per_epoch(rows: Any, batch_size: int) -> Any:
    """Steps of one epoch; the last may be short."""
    return -(-rows // batch_size)


def permutation(key: Key[Array, ""], rows: int, count: Array | None = None) -> Int[Array, " rows"]:
    """A pseudo-random permutation of 0 … rows − 1, or of 0 … count − 1, behind which any numbers follow.

    Formula:
        Numbers of 2h bits, in halves (l, r); each of ten rounds takes (l, r) to (r, l ⊕ F(r, kᵢ)), which is
        one to one for any F. A result of ``rows`` or more goes through the rounds again until it falls below
        (cycle walking), which keeps the map one to one on 0 … rows − 1.

    Example:
        >>> order = permutation(jax.random.key(0), 1000)
        >>> sorted(order.tolist()) == list(range(1000))
        True

    Source: Luby, Rackoff, How to construct pseudorandom permutations from pseudorandom functions, 1988;
    Black, Rogaway, Ciphers with arbitrary finite domains, 2002 (cycle walking).
    """
    half = max(1, ((rows - 1).bit_length() + 1) // 2)
    mask = jnp.uint32((1 << half) - 1)
    keys = jax.random.bits(key, (ROUNDS,), jnp.uint32)

    def once(number: Array) -> Array:
        left, right = number >> half, number & mask
        for i in range(ROUNDS):
            left, right = right, left ^ (_mix(right ^ keys[i]) & mask)
        return (left << half) | right

    numbers = jnp.arange(rows, dtype=jnp.uint32)
    outside = jnp.uint32(rows) if count is None else count.astype(jnp.uint32)

    def walks(order: Array) -> Array:
        return order >= outside if count is None else (order >= outside) & (numbers < outside)

    order = jax.lax.while_loop(
        lambda order: walks(order).any(), lambda order: jnp.where(walks(order), once(order), order), once(numbers)
    )
    return order.astype(jnp.int32)


def _mix(x: Array) -> Array:
    # Every bit of the result depends on every bit of x (multiply and shift, as in MurmurHash3's finaliser).
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def epoch_order(state: TrainingState, train: Rows, batch_size: int) -> Array:
    """The rows in the epoch's order, or in that of a window, repeated to fill the last batch."""
    rows = train.rows
    per_epoch = steps_per_epoch(rows, batch_size)
    if train.window is None:
        key = jax.random.fold_in(state.key, state.step // train.steps_per_epoch(batch_size))
        order = permutation(key, rows, train.used)
        order = order if train.lengths is None else _by_length(key, order, train.lengths, batch_size)
    else:
        order = train.window.order
    return jnp.concatenate([order, order[: per_epoch * batch_size - rows]])


def _by_length(key: Key[Array, ""], order: Array, lengths: Array, batch_size: int) -> Array:
    """An order whose batches hold rows of similar length: sorted within groups of batches, then the batches mixed."""
    rows, batches = order.shape[0], order.shape[0] // batch_size
    together = min(GROUP, max(1, batches // 8))
    group = jnp.arange(rows, dtype=jnp.int32) // (together * batch_size)
    order = order[jnp.lexsort((lengths[order], group))]
    whole = order[: batches * batch_size].reshape(batches, batch_size)
    mixed = whole[permutation(jax.random.fold_in(key, 1), batches)] if batches > 1 else whole
    return jnp.concatenate([mixed.reshape(-1), order[batches * batch_size :]])


def rows_of_step(state: TrainingState, train: Rows, order: Array, batch_size: int) -> tuple[Array, Array]:
    """The rows of a step, and their first index in the order."""
    if train.window is None:
        first = state.step % train.steps_per_epoch(batch_size) * batch_size
    else:
        first = (state.step - train.window.first) * batch_size
    return jax.lax.dynamic_slice_in_dim(order, first, batch_size), first


def take(rows: PyTree, chosen: Array) -> PyTree:
    """The chosen rows of an array, or of each of several."""
    return jax.tree.map(lambda array: jnp.take(array, chosen, axis=0, mode="clip"), rows)


def shapes_of(rows: PyTree) -> Any:
    """The shape of one example, or of each of its arrays."""
    shapes = tuple(tuple(array.shape[1:]) for array in jax.tree.leaves(rows))
    return shapes if isinstance(rows, tuple) else shapes[0]
