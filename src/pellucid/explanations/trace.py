"""The forward and backward pass of one example through a network, in prediction mode."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from pellucid.core.types import Array, PyTree
from pellucid.explanations.explanation import RecurrentNumbers
from pellucid.explanations.recurrence import over_time, sums_of, with_sums
from pellucid.functions.losses import JointLoss, Loss, losses_of
from pellucid.functions.masking import masked_gradient, masked_value
from pellucid.layers import Activation
from pellucid.layers.recurrent import Recurrent
from pellucid.network import Network, differentiated_loss, mask_arguments


@dataclass(frozen=True)
class Trace:
    """One example through a network, forward and backward.

    Attributes:
        network: the network.
        loss: its loss, or the joint losses of its outputs.
        params: its parameters.
        state: its layers' state.
        x: a batch of one, one array for each input.
        target: its target, as the loss reads it; of several outputs a tuple.
        value: L.
        values: L of each output, before its weight.
        loss_gradients: ∂L/∂prediction of each output.
        dx: ∂L/∂x, one array for each input, without the batch axis; None where no gradient arrives.
        outputs: the output of each layer, without the batch axis.
        deltas: ∂L/∂output of each layer as backpropagation computes it; None for one that a fused loss steps over.
        grads: ∂L/∂params of each layer.
        recurrent: the recurrent layers over time, by name.
        masks: True at real steps, for each input and output with padding, by name.
    """

    network: Network
    loss: Loss | JointLoss
    params: PyTree
    state: PyTree
    x: tuple[Array | np.ndarray, ...]
    target: Any
    value: float
    values: tuple[float, ...]
    loss_gradients: tuple[np.ndarray, ...]
    dx: tuple[np.ndarray | None, ...]
    outputs: tuple[np.ndarray, ...]
    deltas: tuple[np.ndarray | None, ...]
    grads: PyTree
    recurrent: Mapping[str, RecurrentNumbers]
    masks: Mapping[str, Array]

    @property
    def end(self) -> int:
        """The number of the layer that predicts; of several the first."""
        return self.network.ends[0]

    @property
    def loss_gradient(self) -> np.ndarray:
        """∂L/∂prediction, of several outputs the first."""
        return self.loss_gradients[0]

    def fuses(self, layer: int) -> bool:
        """True for an activation that ends the network and is differentiated in one step with the loss."""
        ends = zip(losses_of(self.loss), self.network.ends, strict=True)
        return any(end == layer and differentiated_loss(self.network, loss, end)[1] != end for loss, end in ends)

    @property
    def gradients(self) -> tuple[np.ndarray | None, ...]:
        """∂L/∂output of each layer, that which a fused loss steps over included."""
        gradients = list(self.deltas)
        for end, gradient in zip(self.network.ends, self.loss_gradients, strict=True):
            if self.fuses(end):
                delta = gradients[end]
                gradients[end] = gradient if delta is None else gradient + delta
        return tuple(gradients)

    def uses(self, layer: int) -> list[int]:
        """The layers that use the parameters of a layer, itself among them."""
        return [i for i in range(len(self.network.layers)) if self.network.owner(i) == layer]

    def read_by(self, layer: int) -> Any:
        """Inputs of a layer, as a batch of one."""
        network = self.network
        values = dict(zip(network.inputs, self.x, strict=True))
        values |= {name: output[None] for name, output in zip(network.names, self.outputs, strict=True)}
        arrays = tuple(values[name] for name in network.reads[layer])
        return arrays[0] if network.layers[layer].inputs == 1 else arrays

    def masks_of(self, layer: int) -> dict[str, Any]:
        """The keyword arguments of a layer's mask."""
        return mask_arguments(
            self.network.layers[layer], tuple(self.masks.get(name) for name in self.network.reads[layer])
        )

    def reads_tokens(self, number: int) -> bool:
        """True where an input is looked up by an `Embedding`, so that it has no gradient."""
        return any(
            layer.vocabulary and reads[0] == self.network.inputs[number]
            for layer, reads in zip(self.network.layers, self.network.reads, strict=True)
        )

    def output_moved_by(self, layer: int, direction: PyTree) -> np.ndarray:
        """The change of a layer's output, to first order, where its parameters move in a direction."""
        return np.asarray(_moved(*self._of_layer(layer), direction))

    def reached_by(self, layer: int, gradient: np.ndarray) -> PyTree:
        """The gradient of a layer's own parameters for a gradient of its output."""
        return jax.tree.map(np.asarray, _reached(*self._of_layer(layer), gradient))

    def _of_layer(self, layer: int) -> tuple[Any, ...]:
        owner = self.network.owner(layer)
        reads = self.network.layers[layer], self.params[owner], self.state[owner], self.read_by(layer)
        return *reads, self.masks_of(layer)


def trace(
    network: Network,
    loss: Loss | JointLoss,
    params: PyTree,
    state: PyTree,
    x: tuple[Array | np.ndarray, ...],
    target: Any,
) -> Trace:
    """One example forward and backward, in the dtype of its arrays.

    Args:
        network: the network.
        loss: its loss.
        params: its parameters.
        state: its layers' state.
        x: a batch of one, one array for each input.
        target: its target, as the loss reads it.
    """
    value, values, loss_gradients, dx, outputs, deltas, grads, masks, opened = _passes(
        network, loss, params, state, x, target
    )
    recurrent = {
        network.names[i]: over_time(
            network.names[i], network.layers[i], params[network.owner(i)], cache, np.asarray(gradient)
        )
        for i, (cache, gradient) in opened.items()
    }
    return Trace(
        network, loss, params, state, x, target, float(value), tuple(map(float, values)),
        _without_batch(loss_gradients),
        _without_batch(dx if isinstance(dx, tuple) else (dx,)), _without_batch(outputs), _without_batch(deltas),
        grads, recurrent, masks,
    )  # fmt: skip


def _without_batch(arrays: Any) -> Any:
    return tuple(None if array is None else np.asarray(array)[0] for array in arrays)


@partial(jax.jit, static_argnums=(0, 1))
def _passes(
    network: Network, loss: Loss | JointLoss, params: PyTree, state: PyTree, x: tuple[Array, ...], target: Any
) -> tuple[Any, ...]:
    forward = network.forward(params, state, x[0] if len(x) == 1 else x)
    losses, loss_gradients, gradients = [], [], {}
    for part, weight, end, y in parts_of(network, loss, target):
        criterion, number = differentiated_loss(network, part, end)
        mask = forward.masks.get(network.names[end])
        losses.append(masked_value(criterion, forward.outputs[number], y, mask)[0])
        gradient = masked_gradient(criterion, forward.outputs[number], y, mask)
        gradient = gradient if weight is None else weight * gradient
        gradients[number] = gradients[number] + gradient if number in gradients else gradient
        gradient = masked_gradient(part, forward.outputs[end], y, mask)
        loss_gradients.append(gradient if weight is None else weight * gradient)
    value = total_of(loss, losses)
    backward = network.backward(params, forward.caches, gradients)
    values = dict(zip((*network.inputs, *network.names), (*x, *forward.outputs), strict=True))
    opened = {}
    for i, (layer, reads) in enumerate(zip(network.layers, network.reads, strict=True)):
        delta, owner = backward.deltas[i], network.owner(i)
        if isinstance(layer, Recurrent) and delta is not None:
            read = tuple(values[name] for name in reads)
            arrays = read[0] if layer.inputs == 1 else read
            sums = sums_of(layer, params[owner], arrays)
            masks = mask_arguments(layer, tuple(forward.masks.get(name) for name in reads))
            own, given, masks = with_sums(layer, params[owner], arrays, sums, masks)
            cache = layer.forward(own, state[owner], given, key=None, training=False, **masks)[2]
            grads = layer.backward(own, cache, delta)[1]
            opened[i] = forward.caches[i], grads["weights"][-len(sums) :]
    return (
        value, losses, loss_gradients, backward.dx, forward.outputs, backward.deltas, backward.grads, forward.masks,
        opened,
    )  # fmt: skip


def parts_of(network: Network, loss: Loss | JointLoss, target: Any) -> list[tuple[Loss, float | None, int, Any]]:
    """The loss, its weight, the layer and the target of each output; the weight of one alone is None."""
    if not isinstance(loss, JointLoss):
        return [(loss, None, network.ends[0], target)]
    parts = zip(loss.parts, network.ends, target, strict=True)
    return [(part, weight, end, y) for (part, weight), end, y in parts]


def total_of(loss: Loss | JointLoss, values: Any) -> Any:
    """The loss of all outputs together."""
    if not isinstance(loss, JointLoss):
        return values[0]
    return sum(weight * value for (_, weight), value in zip(loss.parts, values, strict=True))


@partial(jax.jit, static_argnums=0)
def _moved(layer: Any, params: PyTree, state: PyTree, x: Any, masks: dict[str, Any], direction: PyTree) -> Array:
    return jax.jvp(lambda params: _output(layer, params, state, x, masks), (params,), (direction,))[1][0]


@partial(jax.jit, static_argnums=0)
def _reached(layer: Any, params: PyTree, state: PyTree, x: Any, masks: dict[str, Any], gradient: Array) -> PyTree:
    return jax.vjp(lambda params: _output(layer, params, state, x, masks), params)[1](gradient[None])[0]


def _output(layer: Any, params: PyTree, state: PyTree, x: Any, masks: dict[str, Any]) -> Array:
    return layer.forward(params, state, x, key=None, training=False, **masks)[0]


def activation_after(network: Network, layer: int) -> int | None:
    """Find the activation that is the only reader of a layer; None without."""
    readers = [i for i, reads in enumerate(network.reads) if network.names[layer] in reads]
    return readers[0] if len(readers) == 1 and isinstance(network.layers[readers[0]], Activation) else None


def arrays_of(tree: PyTree) -> dict[str, np.ndarray]:
    """A layer's arrays by their path, nested ones with a slash."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in flat}


def leaf(tree: PyTree, path: str) -> Any:
    """The array at a path of keys joined by slashes."""
    for key in path.split("/"):
        tree = tree[key]
    return tree


def number_at(tree: PyTree, path: str, index: tuple[int, ...]) -> float:
    """One number of the array at a path; by NumPy, since jax compiles a program for an index."""
    return float(np.asarray(leaf(tree, path))[index])
