"""Layers: shapes, parameters and multiply-adds of each on a handwritten digit, and the effect of training mode."""

import math
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pellucid as pel
from pellucid.layers import Layer, layers
from pellucid.report.chart import ImageGrid
from pellucid.report.document import Table
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.page import Content

VECTOR, WORDS = (784,), (28,)
"""A digit as its pixels, and as the ink of each row, a whole number."""
DIGITS = 8


@cache
def digits(shape: tuple[int, ...]) -> jax.Array:
    """The first training digits of MNIST, pixels 0 to 1, in a shape."""
    pixels = pel.load_dataset("mnist-5k").train.x[:DIGITS].astype(np.float32) / 255
    if shape == WORDS:
        return jnp.asarray(np.round(pixels.sum(axis=2)), jnp.int32)
    return jnp.asarray(pixels.reshape(DIGITS, *shape))


class Example:
    """A layer and what it makes of the digits."""

    def __init__(self, layer: Layer) -> None:
        text, self.layer = KIND.texts.get(layer.name, {}), layer
        self.shape, self.count = tuple(text.get("shape", VECTOR)), text.get("parameters", "0")
        one = layer.inputs == 1
        self.input_shape = self.shape if one else (self.shape, self.shape)
        self.x = digits(self.shape) if one else (digits(self.shape), digits(self.shape)[::-1])
        self.params, self.state, self.output_shape = layer.init(jax.random.key(0), self.input_shape)
        nodes = {"y": (layer, ("a", "b"))}
        network: Any = pel.Network(layer) if one else pel.Network.graph(inputs=("a", "b"), nodes=nodes, outputs="y")
        self.row = pel.summarize(network, self.input_shape).rows[0]

    @cached_property
    def prediction(self) -> np.ndarray:
        """The outputs in prediction."""
        return self._forward(training=False)

    @cached_property
    def training(self) -> np.ndarray:
        """The outputs in training."""
        return self._forward(training=True)

    @property
    def alike(self) -> bool:
        """True where training and prediction give the same."""
        return np.array_equal(self.training, self.prediction)

    def _forward(self, *, training: bool) -> np.ndarray:
        more = {"sample_mask": jnp.ones(DIGITS, bool)} if self.layer.depends_on_batch else {}

        @jax.jit
        def forward(params: Any, state: Any, x: Any) -> Any:
            return self.layer.forward(params, state, x, key=jax.random.key(1), training=training, **more)[0]

        return np.asarray(forward(self.params, self.state, self.x))


@cache
def example_of(layer: Layer) -> Example:
    """The outputs of a layer for the digits; computed once."""
    return Example(layer)


def facts(layer: Layer) -> dict[str, Any]:
    """Shapes and counts of a layer on a digit."""
    seen = example_of(layer)
    differ = f"differ: here by up to {float(np.abs(seen.training - seen.prediction).max()):.3g}"
    first, *second = (seen.shape,) if layer.inputs == 1 else (seen.shape, seen.shape)
    counted = f" = {seen.count}" if seen.count != "0" else ""
    return {
        "reads": "two arrays" if layer.inputs is None or layer.inputs == 2 else "one array",
        "input": first if not second else f"{first} and {second[0]}",
        "output": seen.output_shape,
        "parameters": f"{seen.row.parameters:,}{counted}" if seen.row.parameters else "none",
        "multiply-adds of an example": seen.row.multiply_adds,
        "training and prediction": "alike" if seen.alike else differ,
        "examples": "dependent: a row depends on its batch" if layer.depends_on_batch else "independent",
    }


def _measured(layer: Layer) -> Mapping[str, Content]:
    seen = example_of(layer)
    sections: dict[str, Content] = {"graph": pictures(layer), "on a digit": facts(layer)}
    rows = []
    for which, tree in (("parameter", seen.params), ("state", seen.state)):
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
            name = " ".join(str(getattr(key, "key", key)) for key in path)
            rows.append((f"{which} {name}", leaf.shape, math.prod(leaf.shape)))
    return sections | {"arrays": Table(("array", "shape", "numbers"), rows)} if rows else sections


def _row(layer: Layer) -> Mapping[str, Any]:
    seen = example_of(layer)
    return {
        "input": seen.shape,
        "output": seen.output_shape,
        "parameters": seen.row.parameters,
        "count": seen.count,
        "multiply-adds": seen.row.multiply_adds,
        "training": "as prediction" if seen.alike else "differs",
    }


def _picture(array: Any) -> np.ndarray:
    """One example as pictures, (count, height, width): up to four channels, vectors folded into rows."""
    array = np.asarray(array, float)
    if array.ndim == 3:
        return np.moveaxis(array[..., :4], -1, 0)
    if array.ndim == 1:
        columns = 28 if array.size % 28 == 0 and array.size > 28 else min(array.size, 16)
        padded = np.zeros(-(-array.size // columns) * columns)
        padded[: array.size] = array
        array = padded.reshape(-1, columns)
    return array[None]


def pictures(layer: Layer) -> list[ImageGrid]:
    """A digit before and after a layer with initial weights of seed 0; in training too, where that differs."""
    seen = example_of(layer)
    arrays: dict[str, Any] = {"input": seen.x if layer.inputs == 1 else seen.x[0]}
    arrays |= {} if layer.inputs == 1 else {"second input": seen.x[1]}
    arrays["output"] = seen.prediction
    arrays |= {} if seen.alike else {"output in training": seen.training}
    grids = []
    for title, array in arrays.items():
        images = _picture(array[0])
        shape = "×".join(map(str, array.shape[1:])) or "1"
        grids.append(ImageGrid(f"{title}, {shape}", images, signed=bool(images.min() < 0)))
    return grids


KIND = Kind(layers, _measured, _row)
