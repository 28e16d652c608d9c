"""Native kernels: the parts of a training step for which XLA's CPU code is the limit, in C++.

Each ``.cpp`` file of this folder is one kernel and names the layer that it speeds up. The layer's own code stays the
definition: it runs on GPU and TPU, in float64, where a kernel does not cover the arguments, where the compiled
libraries are missing, and wherever a derivative of the pass itself is taken.

There is a library for each instruction set; the best that this machine runs is loaded with the first kernel that is
asked for. ``PELLUCID_KERNELS=off`` loads none, for comparison.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pellucid.core.types import PyTree

FOLDER = Path(__file__).parent


@cache
def load() -> tuple[ctypes.CDLL | None, str]:
    """The library of kernels, and its instruction set; without one, None and the reason."""
    if os.environ.get("PELLUCID_KERNELS", "").lower() == "off":
        return None, "switched off by PELLUCID_KERNELS=off"
    try:
        baseline = ctypes.CDLL(str(FOLDER / "libpellucid_baseline.so"))
        baseline.pellucid_instruction_set.restype = ctypes.c_char_p
        instruction_set = baseline.pellucid_instruction_set().decode()
        library = ctypes.CDLL(str(FOLDER / f"libpellucid_{instruction_set}.so"))
    except OSError:
        return None, "not compiled: this installation was built without a C++17 compiler"
    try:  # jaxlib refuses a library whose version of the interface it does not know
        jax.ffi.register_ffi_target("pellucid_probe", jax.ffi.pycapsule(library.probe), platform="cpu")
    except Exception as error:
        reason = str(error).splitlines()[0]
        return None, f"compiled for another version of jaxlib's foreign function interface: {reason}"
    return library, instruction_set


@cache
def _target(name: str) -> str:
    library, _ = load()
    assert library is not None
    target = f"pellucid_{name}"
    jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
    return target


def call(name: str, results: Any, *operands: Any, in_place: dict[int, int] | None = None, **attributes: Any) -> Any:
    """Call a kernel of the library.

    Args:
        name: of its handler.
        results: `jax.ShapeDtypeStruct` of its result, or a sequence of them.
        operands: arrays. Under ``vmap`` the kernel gets them with a further axis in front.
        in_place: operands, by index, that the kernel overwrites with a result, by index.
        attributes: numbers, by name.
    """
    target = _target(name)
    if in_place is None:
        return jax.ffi.ffi_call(target, results, vmap_method="expand_dims")(*operands, **attributes)
    # Under vmap, operand and result share their memory only if both have the whole axis in front.
    function = jax.ffi.ffi_call(target, results, vmap_method="broadcast_all", input_output_aliases=in_place)
    return function(*operands, **attributes)


def floats(*shape: int) -> jax.ShapeDtypeStruct:
    """Shape of a float32 result."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)


_defined: ContextVar[bool] = ContextVar("defined", default=False)


@contextmanager
def definitions() -> Iterator[None]:
    """Let the layers' own code run for a while: to count its products, or to compare.

    Example:
        >>> with definitions():
        ...     covers(jnp.zeros(2))
        False
    """
    token = _defined.set(True)
    try:
        yield
    finally:
        _defined.reset(token)


def covers(*trees: PyTree) -> bool:
    """True if kernels run here and all floating-point arrays are float32."""
    if _defined.get():
        return False
    kinds = {leaf.dtype for leaf in jax.tree.leaves(trees) if jnp.issubdtype(leaf.dtype, jnp.inexact)}
    return kinds == {jnp.dtype(jnp.float32)} and jax.default_backend() == "cpu" and load()[0] is not None


def differentiable(kernel: Callable[..., Any], definition: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays computed by ``kernel``, whose derivative is that of ``definition``.

    Example:
        >>> square = differentiable(lambda x: x * x, lambda x: x**2)
        >>> float(square(3.0)), float(jax.grad(square)(3.0))
        (9.0, 6.0)
    """
    function = jax.custom_jvp(kernel)
    function.defjvp(lambda primals, tangents: jax.jvp(definition, primals, tangents))
    return function
