"""Hyperparameters as arrays: a dataclass whose numbers are leaves of a pytree.

`Adam(learning_rate=1e-3)` is an ordinary frozen, hashable dataclass. Decorated with `tunable` it is
also a pytree whose leaves are its numbers, so that `as_arrays(Adam(1e-3))` can travel inside the
training state: readable, schedulable, saved with it, mapped over by ``vmap``. A compiled program depends on
the class and on its flags, never on the numbers: another learning rate does not recompile.
"""

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from pellucid.core.constraints import Interval

Class = TypeVar("Class", bound=type)
Tunable = TypeVar("Tunable")


def _is_leaf(field: dataclasses.Field[Any]) -> bool:
    return isinstance(field.metadata.get("constraint"), Interval) or "tunable" in field.metadata


def nested(default: Any, help: str) -> Any:
    """Declare a field for a number or another tunable object, such as a schedule."""
    return dataclasses.field(default=default, metadata={"tunable": True, "help": help})


def tunable(cls: Class) -> Class:
    """Make fields limited by an `Interval`, and `nested` ones, leaves (class decorator)."""
    fields = dataclasses.fields(cls)
    leaves = [field.name for field in fields if _is_leaf(field)]
    flags = [field.name for field in fields if not _is_leaf(field)]

    def flatten(item: Any) -> tuple[list[Any], tuple[Any, ...]]:
        children = [(jax.tree_util.GetAttrKey(name), getattr(item, name)) for name in leaves]
        return children, tuple(getattr(item, name) for name in flags)

    def unflatten(flag_values: tuple[Any, ...], children: Any) -> Any:
        # Not through __init__: leaves may be tracers, which no constraint can check.
        item = object.__new__(cls)
        for name, value in zip(leaves + flags, (*children, *flag_values), strict=True):
            object.__setattr__(item, name, value)
        return item

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return cls


def as_arrays(item: Tunable, dtype: Any = jnp.float32) -> Tunable:
    """Turn every number of an object into an array of ``dtype``."""
    return jax.tree.map(lambda number: jnp.asarray(number, dtype), item)
