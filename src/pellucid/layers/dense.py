"""The dense (fully connected) layer."""

import dataclasses
import math
from types import MappingProxyType

import jax.numpy as jnp

from pellucid import kernels
from pellucid.core.constraints import WholeNumber, constrained
from pellucid.core.errors import ShapeError
from pellucid.core.types import Array, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.functions.activations import Activation, activations
from pellucid.functions.initializers import Initializer, initializers
from pellucid.layers.layer import AnyKey, Layer, layers, specified
from pellucid.layers.peers import Peer, same, turned

Rows = Float[Array, "batch *rows inputs"]
Outputs = Float[Array, "batch *rows units"]


@layers.register("dense")
class Dense(Layer):
    """Fully connected layer: an affine map, followed by an activation if one is named.

    Formula:
        z = x·W + b; backward ∂L/∂W = xᵀ·dz, ∂L/∂b = Σ_batch dz, ∂L/∂x = dz·Wᵀ

    To a network ``Dense(128, "relu")`` is two layers, the affine map and the activation, so that z
    and a can both be read. Axes before the last are treated alike, as a batch of rows.

    Args:
        units: number of neurons, at least 1.
        activation: name or object of the activation that follows; None for none.
        weights: how the weights, shape (inputs, units), are initialised.
        biases: how the biases, shape (units,), are initialised.
        use_biases: False leaves the biases out.

    Raises:
        ShapeError: in ``forward``, when the inputs are not as many as the weights were made for.

    Example:
        >>> import jax
        >>> params, state, shape = Dense(3).init(jax.random.key(0), (2,))
        >>> params["weights"].shape, params["biases"].shape, shape
        ((2, 3), (3,), (3,))

    The default initialiser is He's normal, made for ReLU (He et al. 2015); Keras takes Glorot's uniform, PyTorch
    a uniform of limit 1/√inputs.

    Source: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986.
    """

    input_axes = 1
    masks = "passes"
    linear = True
    output_range = (-math.inf, math.inf)
    formula = "z = x·W + b"
    peers = MappingProxyType(
        {
            "torch": Peer(("Linear",), (turned("weights", "weight"), same("biases", "bias")), channels_first=False),
            "keras": Peer(("Dense",), (same("weights", "kernel"), same("biases", "bias"))),
        }
    )
    example = {"units": 4}, (3,)

    units: int = constrained(dataclasses.MISSING, WholeNumber(1), "number of neurons")
    activation: Activation | Specification | None = specified(None, activations)
    weights: Initializer | Specification = specified("he_normal", initializers)
    biases: Initializer | Specification = specified("zeros", initializers)
    use_biases: bool = True

    def init(self, key: Key[Array, ""], input_shape: Shape) -> tuple[Params, State, Shape]:
        params = {"weights": initializers.build(self.weights)(key, (input_shape[-1], self.units))}
        if self.use_biases:
            params["biases"] = initializers.build(self.biases)(key, (self.units,))
        return params, {}, (*input_shape[:-1], self.units)

    def forward(
        self, params: Params, state: State, x: Rows, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Outputs, State, Cache]:
        inputs = params["weights"].shape[0]
        if x.shape[-1] != inputs:
            raise ShapeError(
                f"Dense({self.units}) was made for {inputs} inputs. Received: {x.shape[-1]}, in x of shape {x.shape}."
            )
        rows = x.reshape(-1, inputs)
        z = kernels.run(_native_affine, _affine, rows, params["weights"], params.get("biases"))
        return z.reshape(*x.shape[:-1], self.units), state, x

    def backward(self, params: Params, cache: Cache, dy: Outputs) -> tuple[Rows, Params]:
        x, dz, weights = cache.reshape(-1, cache.shape[-1]), dy.reshape(-1, self.units), params["weights"]
        dx = kernels.run(_native_inputs, _inputs, dz, weights)
        of_weights, of_biases = kernels.run(_native_weights, _weights, x, dz)
        grads = {"weights": of_weights} | ({"biases": of_biases} if self.use_biases else {})
        return dx.reshape(cache.shape), grads


def _affine(x: Array, weights: Array, biases: Array | None) -> Array:
    z = x @ weights
    return z if biases is None else z + jnp.broadcast_to(biases, z.shape)


def _weights(x: Array, dz: Array) -> tuple[Array, Array]:
    return x.T @ dz, dz.sum(axis=0)


def _inputs(dz: Array, weights: Array) -> Array:
    return dz @ weights.T


def _native_affine(x: Array, weights: Array, biases: Array | None) -> Array:
    z = kernels.floats(len(x), weights.shape[1])
    return kernels.call("dense_forward", z, x, weights, jnp.zeros(0, x.dtype) if biases is None else biases)


def _native_weights(x: Array, dz: Array) -> tuple[Array, Array]:
    units = dz.shape[1]
    return tuple(kernels.call("dense_weights", (kernels.floats(x.shape[1], units), kernels.floats(units)), x, dz))


def _native_inputs(dz: Array, weights: Array) -> Array:
    return kernels.call("dense_inputs", kernels.floats(len(dz), len(weights)), dz, weights)
