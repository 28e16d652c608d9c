"""Types of arrays, keys and trees for annotations.

Axes in shape annotations: ``batch`` examples, ``inputs`` input features, ``units`` neurons, ``classes`` classes;
``...`` stands for any further axes.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from pellucid.core.xla import run_small_loops_on_one_thread

run_small_loops_on_one_thread()

from jaxtyping import Array as Array  # noqa: E402
from jaxtyping import Bool as Bool  # noqa: E402
from jaxtyping import Float as Float  # noqa: E402
from jaxtyping import Int as Int  # noqa: E402
from jaxtyping import Key as Key  # noqa: E402
from jaxtyping import Num as Num  # noqa: E402
from jaxtyping import PyTree as PyTree  # noqa: E402

Params: TypeAlias = dict[str, Any]
"""The trainable arrays of one layer by name, such as ``{"weights": W, "biases": b}``; nested for a layer of layers."""

State: TypeAlias = dict[str, Any]
"""The untrained arrays of one layer, such as running statistics; nested for a layer of layers."""

Cache: TypeAlias = Any
"""Any pytree that ``forward`` hands to ``backward``."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one example: no batch axis."""

Shapes: TypeAlias = Shape | tuple[Shape, ...]
"""The shape of one example; a tuple of shapes for a network with several inputs or outputs."""

Specification: TypeAlias = str | Mapping[str, Any]
"""A registered object in plain data: its name, or a table of name and fields."""

Scalar: TypeAlias = Float[Array, ""]
