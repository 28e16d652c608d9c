"""The words that every signature uses: arrays, keys, trees, and the letters of the axes.

Axis letters in shape annotations: ``batch`` examples, ``inputs`` features in, ``units``
neurons out, ``classes`` classes; ``...`` stands for any further axes.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from pellucid.core.xla import run_small_loops_on_one_thread

run_small_loops_on_one_thread()

from jaxtyping import Array, Bool, Float, Int, Key, Num, PyTree  # noqa: E402

Params: TypeAlias = dict[str, Any]
"""The trainable arrays of one layer by name, for example ``{"weights": W, "biases": b}``; a layer made of layers
nests theirs."""

State: TypeAlias = dict[str, Any]
"""What a layer carries from step to step without training it (running statistics); nested where it holds a layer."""

Cache: TypeAlias = Any
"""What ``forward`` leaves for ``backward``: any pytree."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one example: no batch axis."""

Shapes: TypeAlias = Shape | tuple[Shape, ...]
"""The shape of one example; a tuple of shapes for a network with several inputs or outputs."""

Specification: TypeAlias = str | Mapping[str, Any]
"""What a person writes for a registered object: its name, or a table of name and fields."""

Scalar: TypeAlias = Float[Array, ""]

__all__ = [
    "Array",
    "Bool",
    "Cache",
    "Float",
    "Int",
    "Key",
    "Num",
    "Params",
    "PyTree",
    "Scalar",
    "Shape",
    "Shapes",
    "Specification",
    "State",
]
