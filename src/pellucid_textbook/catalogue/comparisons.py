"""Comparisons that go across kinds: the two neurons, output layers, forward against backward, ways to regularise."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

import pellucid as pel
from pellucid import kernels
from pellucid.architectures.tasks import OUTPUTS
from pellucid.functions.activations import activations
from pellucid.functions.losses import fuse, losses
from pellucid.functions.metrics import metrics
from pellucid.network.summary import count_products
from pellucid.report.document import Table
from pellucid_textbook.catalogue import layers, optimizers, regularizers
from pellucid_textbook.charts import lines
from pellucid_textbook.neuron import BiologicalNeuron, firing_rate_curve
from pellucid_textbook.page import Content, Page, Range
from pellucid_textbook.texts import read_texts

TEXTS = read_texts("catalogue/comparisons")
REFERENCE = (784, 128, 128, 10)
"""Inputs and units of the reference network."""


def _page(name: str, sections: Mapping[str, Content]) -> Page:
    text = TEXTS[name]
    table: dict[str, Content] = {"comparison": Table(text["head"], text["rows"])} if "rows" in text else {}
    return Page(name, text["title"], table | dict(sections))


def neurons() -> Page:
    """The biological neuron against the artificial one."""
    currents = np.linspace(-6, 6, 97)
    curve = firing_rate_curve(BiologicalNeuron(), currents)
    relu = np.maximum(0, currents - curve.onset)
    return _page(
        "neurons",
        {
            "graph": [
                lines("spikes a second", "input current, nA", "", currents, {"spikes a second": curve.measured}),
                lines(f"ReLU of the current − {curve.onset:.3g}", "input", "", currents, {"ReLU": relu}),
            ],
            "measured": {
                f"rates explained by a {shape}": f"{100 * fraction:.1f} % of the variance"
                for shape, fraction in curve.explained.items()
            },
        },
    )


UNITS = {
    "binary": "1",
    "multiclass": "C",
    "multilabel": "C",
    "tagging": "C a step",
    "transcription": "C + 1 a step",
    "translation": "C a step",
}
"""Neurons of the output layer; of any other task one for each number."""


def outputs() -> Page:
    """The output layer, loss and metric by task."""
    shapes, trained = [], []
    for task, end in OUTPUTS.items():
        activation, loss = activations.build(end.activation), losses.build(end.loss)
        fused, metric = fuse(activation, loss), metrics.build(end.metric)
        shapes.append((task, UNITS.get(task, "1 a number"), end.activation, Range(*activation.range), end.reason))
        trained.append((task, loss.name, fused.name if fused else loss.name, metric.name))
    return _page(
        "outputs",
        {
            "output layer": Table(("task", "neurons", "activation", "values", "why"), shapes),
            "training": Table(("task", "loss", "computed as", "metric"), trained),
        },
    )


class Pass(NamedTuple):
    """The products of one direction through one layer, for a batch."""

    layer: str
    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    parameters: int
    forward: int
    to_inputs: int
    """Of ∂L/∂x, going backward; 0 in the first layer, where nobody needs it."""
    to_parameters: int
    """Of the gradients of its parameters."""


def count_passes(network: pel.Network, input_shape: tuple[int, ...], batch: int = 1) -> list[Pass]:
    """Multiply-adds of a training step, layer by layer and direction by direction, counted in the traced programs.

    Example:
        >>> first = count_passes(pel.Network(pel.Dense(3, "relu"), pel.Dense(2)), (4,))[0]
        >>> first.forward, first.to_inputs, first.to_parameters
        (12, 0, 12)
    """
    with kernels.definitions():  # whose products can be counted
        return list(_passes(network, input_shape, batch))


def _passes(network: pel.Network, shape: tuple[int, ...], batch: int) -> Iterator[Pass]:
    for index, (name, layer) in enumerate(zip(network.names, network.layers, strict=True)):
        params, state, after = layer.init(jax.random.key(0), shape)
        x, dy = jnp.zeros((batch, *shape)), jnp.zeros((batch, *after))
        forward = partial(layer.forward, params, state, key=None, training=True)
        backward = partial(layer.backward, params, forward(x)[2])
        counts = [0 if index == 0 else _products_of(backward, dy, 0), _products_of(backward, dy, 1)]
        size = sum(leaf.size for leaf in jax.tree.leaves(params))
        yield Pass(name, shape, after, size, _products_of(forward, x, 0), *counts)
        shape = after


def _products_of(function: Callable[[Any], Any], argument: Any, result: int) -> int:
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(argument)
    used = [i == result for i, part in enumerate(shapes) for _ in jax.tree.leaves(part)]
    needed, _ = dce_jaxpr(traced.jaxpr, used)
    return count_products(needed)


def reference_network() -> pel.Network:
    """784–128–128–10, ReLU, ReLU, softmax."""
    *hidden, classes = REFERENCE[1:]
    return pel.Network(*(pel.Dense(units, "relu") for units in hidden), pel.Dense(classes, "softmax"))


def forward_and_backward() -> Page:
    """Forward against backward propagation, with the multiply-adds of one step."""
    passes = count_passes(reference_network(), REFERENCE[:1])
    forward = sum(each.forward for each in passes)
    backward = sum(each.to_inputs + each.to_parameters for each in passes)
    rows: list[tuple[Any, ...]] = [
        (p.layer, p.shape_in, p.shape_out, p.forward, p.to_inputs, p.to_parameters) for p in passes
    ]
    head = ("layer", "in", "out", "forward", "backward to inputs", "backward to weights")
    return _page(
        "forward_and_backward",
        {
            "multiply-adds of one example, 784–128–128–10": Table(head, rows),
            "in all": {"forward": forward, "backward": backward, "backward / forward": backward / forward},
        },
    )


ACTS_ON = {"regularizer": "weights", "layer": "activations", "optimizer": "updates", "sparsity penalty": "activations"}


def regularization() -> Page:
    """Ways to keep a network from overfitting, side by side."""
    named = [(regularizers.KIND, name) for name in ("l1", "l2", "elastic_net")]
    named += [(layers.KIND, "dropout"), (optimizers.KIND, "momentum")]
    named += [(regularizers.SPARSITIES, name) for name in ("l1_activity", "kl_activity")]
    named += [(layers.KIND, "batch_norm")]
    rows = []
    for kind, name in named:
        formula, text = next(iter(kind.formulas(kind.item(name)).values())), kind.texts[name]
        first = formula.split("\n")[0].split(";")[0] if isinstance(formula, str) else formula
        rows.append((name, ACTS_ON[kind.registry.kind], first, text["for"], text["against"], text["used"]))
    return _page(
        "regularization", {"comparison": Table(("name", "acts on", "formula", "for", "against", "used"), rows)}
    )


COMPARISONS: Mapping[str, Callable[[], Page]] = {
    page.__name__: page for page in (neurons, outputs, forward_and_backward, regularization)
}
"""By name."""
