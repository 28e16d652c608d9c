"""The contract of a layer: a frozen dataclass of hyperparameters with three functions over pytrees."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias

import jax

from pellucid.core.constraints import validate
from pellucid.core.display import Displayed
from pellucid.core.registry import Registry
from pellucid.core.types import Array, Bool, Cache, Float, Key, Params, PyTree, State
from pellucid.layers.peers import Peers
from pellucid.layers.sequences import real_in_all

AnyKey: TypeAlias = Key[Array, ""] | None
"""A random key; None where nothing is random."""
Mask: TypeAlias = Bool[Array, "batch *steps"] | None
"""True at real steps; None without padding."""
Units: TypeAlias = Float[Array, "batch *units"]
"""A batch of examples of any shape."""


def specified(default: Any, registry: Registry[Any]) -> Any:
    """Declare a dataclass field for an object of ``registry``, given as such, by name or as a table.

    ``dataclasses.MISSING`` as default makes it required; ``None`` as default makes it optional.
    """
    return dataclasses.field(default=default, metadata={"registry": registry})


class Layer(Displayed, ABC):
    """One layer of a network: structure only, no arrays.

    A layer is a frozen, hashable dataclass with three methods::

        init(key, input_shape)                         -> params, state, output_shape
        forward(params, state, x, *, key, training)    -> y, state, cache
        backward(params, cache, dy)                    -> dx, grads

    ``x`` is batched, batch axis first; shapes given to ``init`` are those of one example. ``state``
    is what is carried but not trained (running statistics), ``cache`` whatever ``backward`` needs.
    All are pytrees, so a layer runs under ``jit``, ``scan`` and ``vmap``.

    A layer that leaves ``backward`` out gets it derived from its ``forward`` by `jax.vjp`; the cache
    is then the derivative itself. One that leaves ``init`` out has no parameters and keeps the shape.

    Networks, trainings and explanations read all that they need to know of a layer from its class attributes; a layer
    sets those in which it differs from the defaults. So a new layer is one class, and nothing else lists it.

    Example:
        >>> import jax.numpy as jnp
        >>> @layers.register("halve")
        ... class Halve(Layer):
        ...     masks, linear, formula = "passes", True, "x / 2"
        ...     def forward(self, params, state, x, *, key, training):
        ...         return x / 2, state, None
        >>> y, _, cache = Halve().forward({}, {}, jnp.ones((1, 2)), key=None, training=True)
        >>> dx, grads = Halve().backward({}, cache, jnp.ones((1, 2)))
        >>> dx.tolist()
        [[0.5, 0.5]]
    """

    name: ClassVar[str]
    inputs: ClassVar[int | None] = 1
    """Number of arrays the layer reads; None for any number. Where it is not 1, ``x``, ``dx`` and the shapes given to
    ``init`` are tuples, and only a graph can hold the layer."""
    input_axes: ClassVar[int | None] = None
    """Axes of an example where the layer is the first of a network: with 1 a network flattens other examples, with
    more it adds the axis of channels; None takes examples as they are."""
    activation_inside: ClassVar[bool] = False
    """True where the field ``activation`` acts inside the layer (a recurrence) instead of after it, so that a network
    does not split the layer in two."""
    depends_on_batch: ClassVar[bool] = False
    """True where an example's output depends on the other examples of its batch (batch normalisation). ``forward`` then
    also takes ``sample_mask``, shape (batch,), booleans: False for the rows that only fill up a short batch."""
    mixes: ClassVar[bool] = False
    """True where an example in training is mixed with another one of its batch (mixup), so that the loss mixes their
    targets alike; ``mixture(key, rows)`` then gives each example's partner and the fraction kept of itself."""
    masks: ClassVar[Literal["passes", "ends", "makes"] | None] = None
    """Handling of the mask of padded steps, (batch, time), that arrives beside ``x``. ``"passes"``: it stays with
    the output (``output_mask``), whose steps are those of the input; ``"ends"``: the output has no steps; ``"makes"``:
    the mask begins here. None: the layer mixes steps, so a network with padding refuses it."""
    reach: int = 0
    """Of a layer that makes a mask, steps of its input behind the last real one that real steps of its output read."""
    padded: ClassVar[int] = -1
    """Index, among what the layer reads, of the sequence whose padding ``mask_value`` means."""
    takes_mask: ClassVar[bool] = False
    """True where ``forward`` also takes ``mask``, True at real steps, to leave padding out; a tuple, with None for an
    input without padding, where ``x`` is one."""
    mask_value: float | None = None
    """A step of the network's input whose features all have this value is padding; None declares none."""
    vocabulary: int | None = None
    """The inputs are tokens, whole numbers below this, looked up as vectors of length ``units``; None for numbers."""
    sample_rate: int | None = None
    """The inputs are recordings of so many samples a second; None for anything else."""
    rearranges: ClassVar[bool] = False
    """True where the output holds the numbers of the input in another shape."""
    linear: ClassVar[bool] = False
    """True where the output is an affine function of the input, in prediction."""
    output_range: ClassVar[tuple[float, float] | None] = None
    """Least and greatest output; None where it is not known."""
    trainable: ClassVar[bool] = True
    """False where the optimiser leaves the parameters as they are."""
    surrogate: ClassVar[bool] = False
    """True where ``backward`` takes a surrogate gradient in place of the derivative (spikes)."""
    in_prediction: ClassVar[str | None] = None
    """A sentence on how prediction differs from training; None where it does not."""
    precise: ClassVar[bool] = False
    """True where the layer computes in float32 in a training whose layers compute in bfloat16: it adds up, takes
    exponentials or reads whole numbers, of which bfloat16 holds few."""
    formula: ClassVar[str | None] = None
    """The forward pass in prediction, in one line."""
    peers: Peers = MappingProxyType({})
    """The layer of PyTorch and of Keras that computes the same, where there is one."""
    example: ClassVar[tuple[Mapping[str, Any], Any]] = ({}, (4,))
    """Fields of an instance, and a shape of one example (a tuple of shapes for several inputs), for tests."""

    def __post_init__(self) -> None:
        validate(self)
        for field in dataclasses.fields(self):  # pyright: ignore[reportArgumentType]
            registry, value = field.metadata.get("registry"), getattr(self, field.name)
            if registry is not None and not (value is None and field.default is None):
                object.__setattr__(self, field.name, registry.build(value))

    def init(self, key: Any, input_shape: Any) -> tuple[Params, State, Any]:
        """Initialise the parameters for examples of ``input_shape``; by default none.

        Returns:
            Parameters, state, and the shape of one output.
        """
        return {}, {}, input_shape

    @abstractmethod
    def forward(
        self, params: Params, state: State, x: PyTree, *, key: AnyKey, training: bool
    ) -> tuple[Array, State, Cache]:
        """The outputs of a batch, the new state, and what ``backward`` needs."""

    @abstractmethod
    def backward(self, params: Params, cache: Cache, dy: Array) -> tuple[PyTree, Params]:
        """From ``dy`` = ∂L/∂y to ``dx`` = ∂L/∂x and the gradients ∂L/∂params."""

    def output_mask(self, x: PyTree, mask: Any) -> Mask:
        """Mask of the outputs: that of the input; of several, True where all are True.

        Args:
            x: what the layer read.
            mask: its mask; for several inputs a tuple, with None for those without padding.
        """
        return real_in_all(mask) if isinstance(mask, tuple) else mask

    def unpack(self, params: Params, state: State) -> tuple[Params, State]:
        """Parameters and state under the names that the layer itself gives them; a wrapper takes its own away."""
        return params, state

    def pack(self, params: Params, state: State) -> tuple[Params, State]:
        """The inverse of ``unpack``."""
        return params, state

    def __init_subclass__(cls) -> None:
        if "forward" in cls.__dict__ and "backward" not in cls.__dict__:
            cls.forward = _keep_derivative(cls.forward)
            cls.backward = _apply_derivative


WRAPPED = (
    *("inputs", "input_axes", "masks", "takes_mask", "mask_value", "vocabulary", "sample_rate", "reach"),
    *("rearranges", "linear", "output_range", "surrogate", "in_prediction", "precise"),
)
"""Attributes that a wrapper takes from its layer."""


class Wrapper(Layer):
    """Base of a layer around another, in its field ``layer``, whose attributes it takes."""

    layer: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        for fact in WRAPPED:
            object.__setattr__(self, fact, getattr(self.layer, fact))

    def output_mask(self, x: PyTree, mask: Any) -> Mask:
        return self.layer.output_mask(x, mask)


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
"""Names of the parameters that are weights: a regulariser acts on them, the recorder measures them."""


def weights_of(params: Params) -> list[Array]:
    """The weights among a layer's parameters, nested ones too.

    Example:
        >>> [w.item() for w in weights_of({"forward": {"weights": jax.numpy.ones(()), "biases": jax.numpy.zeros(())}})]
        [1.0]
    """
    flat, _ = jax.tree_util.tree_flatten_with_path(params)
    return [leaf for path, leaf in flat if path[-1].key in WEIGHTS]


layers: Registry[Layer] = Registry("layer", Layer)
"""Every layer by name; a custom layer joins with ``@layers.register("name")``."""
