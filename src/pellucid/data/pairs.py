"""Pairs of examples of the same and of different kinds, to learn a distance from."""

from typing import Any

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError
from pellucid.data.encoding import as_array


def pairs(x: Any, labels: Any, count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw pairs of examples, half of them of one kind, as a loss of distances learns from.

    Of a pair of one kind both are drawn from a kind chosen by chance, so that each kind counts alike; of others two
    kinds are chosen. No example is paired with itself.

    Args:
        x: examples ``(rows, …)``.
        labels: the kind of each, ``(rows,)``.
        count: how many pairs.
        seed: of the draw.

    Returns:
        The examples as ``{"first": …, "second": …}``, and ``(count,)`` 1 for a pair of two kinds, else 0.

    Raises:
        DataError: fewer than two kinds, or a kind of a single example.

    Example:
        >>> both, differ = pairs([[1.0], [2.0], [10.0], [11.0]], ["a", "a", "b", "b"], count=4)
        >>> (abs(both["first"] - both["second"]) > 5).ravel().astype(int).tolist() == differ.tolist()
        True
    """
    x, kinds = as_array(x, "x"), as_array(labels, "labels")
    require(count, WholeNumber(2), "count")
    if kinds.shape != x.shape[:1]:
        raise DataError(f"{len(x)} examples need a label each. Received: labels of shape {kinds.shape}.")
    names, numbers, sizes = np.unique(kinds, return_inverse=True, return_counts=True)
    if len(names) < 2 or sizes.min() < 2:
        raise DataError(
            f"pairs need at least two kinds with two examples each. Received: {len(names)} kinds, the least of "
            f"{sizes.min()}."
        )
    rng = np.random.default_rng(seed)
    order = np.argsort(numbers, kind="stable")
    starts = np.cumsum(sizes) - sizes
    differ = rng.permutation(np.arange(count) % 2)
    first = rng.integers(len(names), size=count)
    second = np.where(differ, (first + rng.integers(1, len(names), size=count)) % len(names), first)
    i = rng.integers(sizes[first])
    other = rng.integers(sizes[second] - (1 - differ))
    j = other + ((differ == 0) & (other >= i))  # the one after, so that none is paired with itself
    return {"first": x[order[starts[first] + i]], "second": x[order[starts[second] + j]]}, differ
