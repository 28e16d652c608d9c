"""The contract of a layer: three functions over pytrees, held by a frozen dataclass of hyperparameters."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax

from pellucid.core.registry import Registry
from pellucid.core.types import Array, Bool, Cache, Key, Params, PyTree, Shape, State
from pellucid.layers.sequences import real_in_all


class Layer(ABC):
    """One layer of a network: structure only, no arrays.

    A layer is a frozen, hashable dataclass with three methods::

        init(key, input_shape)                         -> params, state, output_shape
        forward(params, state, x, *, key, training)    -> y, state, cache
        backward(params, cache, dy)                    -> dx, grads

    ``x`` is batched, batch axis first; shapes given to ``init`` are those of one example. ``state``
    is what is carried but not trained (running statistics), ``cache`` whatever ``backward`` needs.
    All are pytrees, so a layer runs under ``jit``, ``scan`` and ``vmap``.

    A layer that leaves ``backward`` out gets it derived from its ``forward`` by `jax.vjp`; the cache
    is then the derivative itself.

    Example:
        >>> import jax.numpy as jnp
        >>> from dataclasses import dataclass
        >>> @layers.register("halve")
        ... @dataclass(frozen=True)
        ... class Halve(Layer):
        ...     def init(self, key, input_shape):
        ...         return {}, {}, input_shape
        ...     def forward(self, params, state, x, *, key, training):
        ...         return x / 2, state, None
        >>> y, _, cache = Halve().forward({}, {}, jnp.ones((1, 2)), key=None, training=True)
        >>> dx, grads = Halve().backward({}, cache, jnp.ones((1, 2)))
        >>> dx.tolist()
        [[0.5, 0.5]]
    """

    name: ClassVar[str]
    inputs: ClassVar[int | None] = 1
    """How many arrays the layer reads; None for any number. Where it is not 1, ``x``, ``dx`` and the shapes given to
    ``init`` are tuples, and only a `Graph` can hold the layer."""
    activation_inside: ClassVar[bool] = False
    """True where the field ``activation`` acts inside the layer (a recurrence) instead of after it, so that a network
    does not split the layer in two."""
    depends_on_batch: ClassVar[bool] = False
    """True where an example's output depends on the other examples of its batch (batch normalisation). ``forward`` then
    also takes ``sample_mask``, shape (batch,), booleans: False for the rows that only fill up a short batch."""
    masks: ClassVar[Literal["passes", "ends", "makes"] | None] = None
    """What becomes of the mask of padded steps, (batch, time), that arrives beside ``x``. ``"passes"``: it goes on with
    the output (``output_mask``), whose steps are those of the input; ``"ends"``: the output has no steps; ``"makes"``:
    the mask begins here. None: the layer mixes steps, so a network with padding refuses it."""
    takes_mask: ClassVar[bool] = False
    """True where ``forward`` also takes ``mask``, True at real steps, to leave padding out; a tuple, with None for an
    input without padding, where ``x`` is one."""

    @abstractmethod
    def init(self, key: Key[Array, ""], input_shape: Any) -> tuple[Params, State, Shape]:
        """Draw the parameters for examples of ``input_shape``; say the shape of one output."""

    @abstractmethod
    def forward(
        self, params: Params, state: State, x: PyTree, *, key: Key[Array, ""] | None, training: bool
    ) -> tuple[Array, State, Cache]:
        """The outputs of a batch, the new state, and what ``backward`` needs."""

    @abstractmethod
    def backward(self, params: Params, cache: Cache, dy: Array) -> tuple[PyTree, Params]:
        """From ``dy`` = ∂L/∂y to ``dx`` = ∂L/∂x and the gradients ∂L/∂params."""

    def output_mask(self, x: PyTree, mask: Any) -> Bool[Array, "batch *places"] | None:
        """The mask of the outputs: that of the inputs; of several, a step is real where it is real in all of them.

        Args:
            x: what the layer read.
            mask: its mask; for several inputs a tuple, with None for those without padding.
        """
        return real_in_all(mask) if isinstance(mask, tuple) else mask

    def __init_subclass__(cls) -> None:
        if "forward" in cls.__dict__ and "backward" not in cls.__dict__:
            cls.forward = _keep_derivative(cls.forward)
            cls.backward = _apply_derivative


def _keep_derivative(forward: Callable[..., Any]) -> Callable[..., Any]:
    def forward_with_derivative(
        self: Layer, params: Params, state: State, x: PyTree, *, key: Any, training: bool, **more: Any
    ) -> tuple[Array, State, Cache]:
        def outputs(params: Params, x: PyTree) -> tuple[Array, State]:
            y, new_state, _ = forward(self, params, state, x, key=key, training=training, **more)
            return y, new_state

        y, pull_back, new_state = jax.vjp(outputs, params, x, has_aux=True)
        return y, new_state, pull_back

    return forward_with_derivative


def _apply_derivative(self: Layer, params: Params, cache: Cache, dy: Array) -> tuple[PyTree, Params]:
    grads, dx = cache(dy)
    return dx, grads


WEIGHTS = ("weights", "recurrent")
"""Names of the parameters that are weights: what a regulariser acts on and the recorder measures."""


def weights_of(params: Params) -> list[Array]:
    """The weights among a layer's parameters, nested ones too.

    Example:
        >>> [w.item() for w in weights_of({"forward": {"weights": jax.numpy.ones(()), "biases": jax.numpy.zeros(())}})]
        [1.0]
    """
    flat, _ = jax.tree_util.tree_flatten_with_path(params)
    return [leaf for path, leaf in flat if path[-1].key in WEIGHTS]


layers: Registry[Layer] = Registry("layer", Layer)
"""Every layer by name; a layer of one's own joins with ``@layers.register("name")``."""
