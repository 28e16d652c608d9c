"""Precisions of a training: how many bits its numbers have.

In ``"float64"`` everything is computed in double precision. In ``"bfloat16"`` layers compute in half of float32's bits,
with its range, while weights, optimizer, loss, statistics and records stay in float32 (Micikevicius et al., Mixed
precision training, 2018; Kalamkar et al., A study of bfloat16 for deep learning training, 2019).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from pellucid.core.types import PyTree

Function = TypeVar("Function", bound=Callable[..., Any])


def double_precision(of: bool) -> AbstractContextManager[Any]:
    """Let jax compute in float64 inside, where ``of`` is True; else change nothing.

    Example:
        >>> with double_precision(True):
        ...     jnp.ones(1, "float64").dtype
        dtype('float64')
    """
    return jax.enable_x64(True) if of else nullcontext()


def in_its_precision(function: Function) -> Function:
    """Run a function in the precision of its first argument's experiment (decorator)."""

    @wraps(function)
    def wrapped(subject: Any, *arguments: Any, **options: Any) -> Any:
        with double_precision(subject.experiment.precision == "float64"):
            return function(subject, *arguments, **options)

    return wrapped  # pyright: ignore[reportReturnType]


def cast(tree: PyTree, dtype: Any) -> PyTree:
    """Convert the floating-point arrays of a tree to ``dtype``; others stay.

    Example:
        >>> {name: array.dtype.name for name, array in cast({"a": jnp.ones(1), "b": jnp.arange(2)}, "bfloat16").items()}
        {'a': 'bfloat16', 'b': 'int32'}
    """

    def converted(leaf: Any) -> Any:
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(converted, tree)


def wide(tree: PyTree) -> PyTree:
    """Convert bfloat16 to float32, for sums over many numbers or many steps; other arrays stay.

    Example:
        >>> wide(jnp.ones(1, jnp.bfloat16)).dtype, wide(jnp.arange(3)).dtype
        (dtype('float32'), dtype('int32'))
    """
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if leaf.dtype == jnp.bfloat16 else leaf, tree)
