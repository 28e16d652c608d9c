"""The dense (fully connected) layer."""

import dataclasses
import math

import jax.numpy as jnp

from pellucid.core.constraints import WholeNumber, constrained
from pellucid.core.errors import ShapeError
from pellucid.core.types import Array, Cache, Float, Key, Params, Shape, Specification, State
from pellucid.functions.activations import Activation, activations
from pellucid.functions.initializers import Initializer, initializers
from pellucid.layers.layer import AnyKey, Layer, layers, specified

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
        z = x @ params["weights"]
        if self.use_biases:
            z = z + jnp.broadcast_to(params["biases"], z.shape)
        return z, state, x

    def backward(self, params: Params, cache: Cache, dy: Outputs) -> tuple[Rows, Params]:
        x, dz = cache.reshape(-1, cache.shape[-1]), dy.reshape(-1, self.units)
        dx = dy @ params["weights"].T
        grads = {"weights": x.T @ dz}
        if self.use_biases:
            grads["biases"] = dz.sum(axis=0)
        return dx, grads
