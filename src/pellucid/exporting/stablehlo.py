"""A program as StableHLO, by `jax.export`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.types import Array
from pellucid.exporting.program import Generalised, Program

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
"""Where the file runs."""


def stablehlo(program: Program) -> Generalised[Any]:
    """Export a program by `jax.export`, for any number of rows and all of `PLATFORMS`.

    Labels that are numbers come as such, all others by their number, −1 for none: StableHLO has no texts.
    """

    def function(*x: Array) -> dict[str, Array]:
        outputs = program.function(program.arrays, *x)
        return {name: _numbers(value, program.labels.get(name)) for name, value in outputs.items()}

    export = jax.export.export(jax.jit(function), platforms=PLATFORMS)
    return program.generalised(lambda shapes: export(*shapes))


def _numbers(value: Array, labels: np.ndarray | None) -> Array:
    if labels is None:
        return value
    numbers = np.arange(len(labels)) if labels.dtype.kind == "U" else labels
    if labels.dtype.kind == "U":
        numbers[-1] = -1
    return jnp.asarray(numbers, jnp.int32)[value]
