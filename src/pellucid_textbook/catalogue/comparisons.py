"""Comparisons that go across kinds: the two neurons, output layers, forward against backward, ways to regularise."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

from pellucid.architectures.tasks import OUTPUTS
from pellucid.core.types import Shape
from pellucid.functions.activations import activations
from pellucid.functions.losses import fuse, losses
from pellucid.layers import Dense
from pellucid.network import Network
from pellucid.network.summary import count_products
from pellucid_textbook.catalogue import layers, optimizers, regularizers
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Page, Range, Table
from pellucid_textbook.neuron import COMPARISON, BiologicalNeuron, firing_rate_curve

REFERENCE = (784, 128, 128, 10)
"""Inputs and units of the reference network (subject 3.7)."""


def neurons() -> Page:
    """The biological neuron against the artificial one (subject 2.2)."""
    currents = np.linspace(-6, 6, 97)
    curve = firing_rate_curve(BiologicalNeuron(), currents)
    relu = np.asarray(activations.build("relu").value(jnp.asarray(currents - curve.onset, jnp.float32)))
    sections: dict[str, Content] = {
        "comparison": Table(("aspect", "biological", "artificial"), tuple(map(tuple, COMPARISON))),
        "graph": (
            Curve("spikes a second", "input current, nA", currents, curve.measured),
            Curve(f"ReLU of the current − {curve.onset:.3g}", "input", currents, relu),
        ),
        "measured": Facts(
            {
                f"rates explained by a {shape}": f"{100 * share:.1f} % of the variance"
                for shape, share in curve.explained.items()
            }
        ),
    }
    return Page("neurons", "Biological and artificial neuron (subject 2.2)", sections)


def outputs() -> Page:
    """The output layer, loss and metric by task (subject 3.1)."""
    shapes, trained = [], []
    for task, end in OUTPUTS.items():
        activation, loss = activations.build(end.activation), losses.build(end.loss)
        both, neurons = (fuse(activation, loss), {"binary": "1", "multiclass": "C", "multilabel": "C"}.get(task))
        shapes.append((task, neurons or "1 a number", end.activation, Range(*activation.range), end.reason))
        trained.append((task, end.loss, both.name if both else end.loss, end.metric))
    sections: dict[str, Content] = {
        "output layer": Table(("task", "neurons", "activation", "values", "why"), tuple(shapes)),
        "training": Table(("task", "loss", "computed as", "metric"), tuple(trained)),
    }
    return Page("outputs", "Output layer by task (subject 3.1)", sections)


class Pass(NamedTuple):
    """The products of one direction through one layer, for a batch."""

    layer: str
    shape_in: Shape
    shape_out: Shape
    parameters: int
    forward: int
    to_inputs: int
    """Of ∂L/∂x, going backward; 0 in the first layer, where nobody needs it."""
    to_parameters: int
    """Of the gradients of its parameters."""


def count_passes(network: Network, input_shape: Shape, batch: int = 1) -> list[Pass]:
    """Multiply-adds of a training step, layer by layer and direction by direction, sample_mask in the traced programs.

    Args:
        network: layers in a row.
        input_shape: of one example.
        batch: examples of the step.

    Example:
        >>> first = count_passes(Network(Dense(3, "relu"), Dense(2)), (4,))[0]
        >>> first.forward, first.to_inputs, first.to_parameters
        (12, 0, 12)
    """
    passes, shape = [], input_shape
    for number, (name, layer) in enumerate(zip(network.names, network.layers, strict=True)):
        params, state, after = layer.init(jax.random.key(0), shape)
        x, dy = jnp.zeros((batch, *shape)), jnp.zeros((batch, *after))

        def forward(x: Any, layer: Any = layer, params: Any = params, state: Any = state) -> Any:
            y, _, cache = layer.forward(params, state, x, key=None, training=True)
            return y, cache

        _, cache = forward(x)

        def backward(dy: Any, layer: Any = layer, params: Any = params, cache: Any = cache) -> Any:
            return layer.backward(params, cache, dy)

        counts = [0 if number == 0 else _products_of(backward, dy, 0), _products_of(backward, dy, 1)]
        size = sum(leaf.size for leaf in jax.tree.leaves(params))
        passes.append(Pass(name, shape, after, size, _products_of(forward, x, 0), *counts))
        shape = after
    return passes


def _products_of(function: Callable[[Any], Any], argument: Any, result: int) -> int:
    """The multiply-adds that one of a function's results needs."""
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(argument)
    used = [i == result for i, part in enumerate(shapes) for _ in jax.tree.leaves(part)]
    needed, _ = dce_jaxpr(traced.jaxpr, used)
    return count_products(needed)


def reference_network() -> Network:
    """784–128–128–10, ReLU, ReLU, softmax (subject 3.7)."""
    *hidden, classes = REFERENCE[1:]
    return Network(*(Dense(units, "relu") for units in hidden), Dense(classes, "softmax"))


ASPECTS = (
    ("purpose", "a prediction from the inputs", "how much each weight contributed to the loss"),
    ("direction", "first layer to last", "last layer to first"),
    ("begins with", "the inputs x", "∂L/∂z of the last layer, softmax − target"),
    ("operation of a dense layer", "z = x·W + b", "∂L/∂W = xᵀ·dz, ∂L/∂b = Σ dz, ∂L/∂x = dz·Wᵀ"),
    ("operation of an activation", "a = f(z)", "dz = da · f′(z)"),
    ("keeps or needs", "keeps x, z and a of every layer", "needs what forward kept"),
    ("uses the loss", "no; the loss is computed after it", "yes: it begins with its gradient"),
    ("updates weights", "no", "no; it gives the gradients by which the optimiser updates"),
    ("when", "training and prediction", "training only"),
)
"""Forward against backward propagation."""


def forward_and_backward() -> Page:
    """Forward against backward propagation, with the products of one step sample_mask (subject 3.8)."""
    passes = count_passes(reference_network(), REFERENCE[:1])
    forward = sum(each.forward for each in passes)
    backward = sum(each.to_inputs + each.to_parameters for each in passes)
    sections: dict[str, Content] = {
        "comparison": Table(("aspect", "forward", "backward"), ASPECTS),
        "multiply-adds of one example, 784–128–128–10": Table(
            ("layer", "in", "out", "forward", "backward to inputs", "backward to weights"),
            tuple((p.layer, p.shape_in, p.shape_out, p.forward, p.to_inputs, p.to_parameters) for p in passes),
        ),
        "in all": Facts({"forward": forward, "backward": backward, "backward / forward": backward / forward}),
    }
    return Page("forward_and_backward", "Forward and backward propagation (subject 3.8)", sections)


def regularization() -> Page:
    """Ways to keep a network from overfitting, side by side (subject 7.4–7.9)."""
    named = [(regularizers.KIND, name) for name in ("l1", "l2", "elastic_net")]
    named += [(layers.KIND, "dropout"), (optimizers.KIND, "momentum")]
    named += [(regularizers.SPARSITIES, name) for name in ("l1_activity", "kl_activity")]
    named += [(layers.KIND, "batch_norm")]
    acts = {"regularizer": "weights", "layer": "activations", "optimizer": "updates", "sparsity penalty": "activations"}
    rows = []
    for kind, name in named:
        item, text = kind.registry.build(name), kind.texts[name]
        formula = next(iter(kind.formulas(item).values())).split(";")[0]
        rows.append((name, acts[kind.singular], formula, text.pro, text.con, text.used, text.subject))
    headings = ("name", "acts on", "formula", "for", "against", "used", "subject")
    return Page("regularization", "Regularisation (subject 7.4–7.9)", {"comparison": Table(headings, tuple(rows))})


COMPARISONS: Mapping[str, Callable[[], Page]] = {
    page.__name__: page for page in (neurons, outputs, forward_and_backward, regularization)
}
"""By name."""
