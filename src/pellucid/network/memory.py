"""Batch sizes of prediction: few different sizes, each within the memory."""

import math
from functools import lru_cache
from typing import Any

import jax
from jax.extend.core import Literal, jaxprs_in_params

from pellucid.core.types import Shapes
from pellucid.network.network import Network
from pellucid.network.structure import one_or_several

MEMORY = 2**24
"""Most bytes of a forward pass on a CPU, beside the parameters.

A 28×28 image through 32 and 64 filters takes 83 µs in batches of 16, 115 of 64, 318 of 128 and 1,040 of 1,024 rows (0.3
MB an image); a sequence of 500 steps through an LSTM of 32 units 0.35 ms in batches of 16, 2 of 64 (0.6 MB a sequence).
"""
SINGLE_PASS = 2**28
"""The same for a single pass that needs all its examples together."""
ACCELERATOR_MEMORY = 2**28
"""The same on an accelerator, which needs many rows to be busy and has separate memory."""
SMALL = 2**18
"""Bytes of a forward pass that costs no more than the call: fewer rows are filled up to it, so that one size serves."""
MOST_ROWS = 1024
"""Most rows at once, above which the cost of a call no longer shows."""


def rows_that_fit(network: Network, input_shape: Shapes, memory: int | None = None) -> int:
    """Compute the most examples of a forward pass within ``memory`` bytes: a power of two.

    Without ``memory`` the fastest, `MEMORY` or `ACCELERATOR_MEMORY`; ``input_shape`` is of one example.

    Example:
        >>> from pellucid.layers import Conv2D, Dense
        >>> rows_that_fit(Network(Dense(10)), (784,)), rows_that_fit(Network(Conv2D(64, 3)), (256, 256, 3))
        (1024, 1)
    """
    if memory is None:
        memory = MEMORY if jax.default_backend() == "cpu" else ACCELERATOR_MEMORY
    return _power_of_two_within(memory // bytes_of_example(network, input_shape))


def rows_at_once(network: Network, input_shape: Shapes, rows: int) -> int:
    """Compute the batch size for predicting ``rows`` examples.

    The smallest power of two that holds them all, so that a network is compiled for few sizes; more where they cost
    nothing (`SMALL`), fewer where they do not fit (`rows_that_fit`).
    """
    small = _power_of_two_within(SMALL // bytes_of_example(network, input_shape))
    return min(max(power_of_two(rows), small), rows_that_fit(network, input_shape))


def power_of_two(rows: int) -> int:
    """The smallest power of two that is at least ``rows``."""
    return 1 << max(rows - 1, 0).bit_length()


def _power_of_two_within(rows: int) -> int:
    return 1 << min(max(rows, 1), MOST_ROWS).bit_length() - 1


@lru_cache(maxsize=64)
def bytes_of_example(network: Network, input_shape: Shapes) -> int:
    """Memory of a forward pass for each further example, in bytes, from shapes alone.

    A layer computes more than its output (the patches of a convolution, the gates of all time steps), so the arrays of
    the traced program are followed to the moment at which they need most. The compiler, which fuses much, needs less.
    """
    key = jax.eval_shape(jax.random.key, 0)
    params, state, _ = jax.eval_shape(lambda key: network.init(key, input_shape), key)
    shapes = network.each_input(input_shape)

    def fullest(rows: int) -> int:
        inputs = tuple(jax.ShapeDtypeStruct((rows, *shape), network.dtype) for shape in shapes)
        x = one_or_several(inputs)
        traced = jax.make_jaxpr(lambda *arguments: [network.forward(*arguments).outputs[i] for i in network.ends])(
            params, state, x
        )
        return _fullest(traced.jaxpr) + network.dtype.itemsize * sum(math.prod(array.shape) for array in inputs)

    # What depends on the parameters alone is in both, and cancels.
    few, many = 64, 128
    return max(1, (fullest(many) - fullest(few)) // (many - few))


def _fullest(jaxpr: Any) -> int:
    last = {read: i for i, equation in enumerate(jaxpr.eqns) for read in _variables(equation.invars)}
    last |= dict.fromkeys(_variables(jaxpr.outvars), len(jaxpr.eqns))
    alive: dict[Any, int] = {}
    most = 0
    for i, equation in enumerate(jaxpr.eqns):
        outputs = {variable: _bytes(variable.aval) for variable in equation.outvars}
        inside = max(map(_fullest, jaxprs_in_params(equation.params)), default=0)
        most = max(most, sum(alive.values()) + max(inside, sum(outputs.values())))
        alive = {variable: size for variable, size in (alive | outputs).items() if last.get(variable, -1) > i}
    return most


def _variables(read: Any) -> list[Any]:
    return [variable for variable in read if not isinstance(variable, Literal)]


def _bytes(aval: Any) -> int:
    # A random key has no size.
    size = getattr(aval.dtype, "itemsize", 4) if hasattr(aval, "dtype") else 0
    return math.prod(getattr(aval, "shape", ())) * size
