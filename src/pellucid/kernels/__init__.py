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

FOLDER = Path(__file__).parent / "compiled"  # which is no package: libraries beside modules would be taken for modules


@cache
def load() -> tuple[ctypes.CDLL | None, str]:
    """The library of kernels, and its instruction set; without one, None and the reason."""
    if os.environ.get("PELLUCID_KERNELS", "").lower() == "off":
        return None, "switched off by PELLUCID_KERNELS=off"
    try:
        instruction_set = _text(_library("baseline").pellucid_instruction_set)
        library = _library(instruction_set)
    except FileNotFoundError:
        return None, "not compiled: no C++ compiler when pellucid was installed, or no `make kernels` in a checkout"
    except OSError as error:
        return None, f"not loadable: {error}"
    try:
        jax.devices("cpu")  # before it starts, jaxlib takes any library, and then does not start
        jax.ffi.register_ffi_target("pellucid_probe", jax.ffi.pycapsule(library.probe), platform="cpu")
    except Exception as error:
        reason = str(error).splitlines()[0]
        return None, f"compiled for another version of jaxlib's foreign function interface: {reason}"
    return library, instruction_set


def names() -> list[str]:
    """The kernels of the library; none without one."""
    library, _ = load()
    return sorted(_text(library.pellucid_kernels).split()) if library is not None else []


def _library(instruction_set: str) -> ctypes.CDLL:
    path = FOLDER / f"libpellucid_{instruction_set}.so"
    if not path.exists():
        raise FileNotFoundError(path)
    return ctypes.CDLL(str(path))


def _text(function: Any) -> str:
    function.restype = ctypes.c_char_p
    return function().decode()


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
    kinds = {leaf.dtype for leaf in jax.tree.leaves(trees) if jnp.issubdtype(leaf.dtype, jnp.inexact)}
    float32 = kinds == {jnp.dtype(jnp.float32)}
    return float32 and not _defined.get() and jax.default_backend() == "cpu" and load()[0] is not None


def run(kernel: Callable[..., Any] | None, definition: Callable[..., Any], *arguments: PyTree) -> Any:
    """Call a kernel where there is one and it covers the arguments, else what defines it."""
    if kernel is None or not covers(arguments):
        return definition(*arguments)
    return differentiable(kernel, definition)(*arguments)


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
