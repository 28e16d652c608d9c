"""Layers: shapes, parameters and multiply-adds of each on a real digit, and what training changes (subject 1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.data import load_dataset
from pellucid.layers import Layer, layers
from pellucid.network import Network, summarize
from pellucid_textbook.catalogue.docstrings import section
from pellucid_textbook.catalogue.kind import Kind, Text
from pellucid_textbook.catalogue.page import Content, Facts, Formulas, Table
from pellucid_textbook.catalogue.plots import new_figure

TEXTS = {
    "dense": Text(
        "Every output sees every input: any affine map.",
        "Parameters grow as inputs × units; knows nothing of neighbours.",
        "Hidden and output layers; the classifier on top of others.",
        "1.1–1.3",
    ),
    "activation": Text(
        "Makes the network non-linear; no parameters.",
        "See the activation itself.",
        "After every affine map.",
        "1.2, 4",
        "McCulloch & Pitts, 1943.",
    ),
    "dropout": Text(
        "Reduces overfitting: no neuron can rely on another.",
        "Slower training; noise where there is little data; of little use after convolutions.",
        "Between dense layers.",
        "7.7",
    ),
    "conv2d": Text(
        "The same few weights everywhere: few parameters, and a shift of the image shifts the output.",
        "Sees only its window; costly multiply-adds.",
        "Images.",
        "1.4",
    ),
    "conv1d": Text(
        "The same few weights at every time; parallel over time.",
        "Sees only its window.",
        "Audio, time series, text.",
        "1.4",
    ),
    "conv2d_transpose": Text(
        "From a small image to a large one, learnt.",
        "Chequerboard patterns where the kernel is no multiple of the stride.",
        "Generators, decoders, segmentation.",
        "1.7, 1.8",
    ),
    "conv1d_transpose": Text(
        "From a short sequence to a long one.", "As conv2d_transpose.", "Audio generators.", "1.7"
    ),
    "max_pool2d": Text(
        "Smaller images; small shifts do not matter; no parameters.",
        "Throws away where the maximum was.",
        "After convolutions.",
        "1.4",
    ),
    "max_pool1d": Text("Shorter sequences; no parameters.", "Throws away when.", "After convolutions in time.", "1.4"),
    "average_pool2d": Text("Smaller images, smoothly.", "Blurs sharp features.", "After convolutions.", "1.4"),
    "average_pool1d": Text("Shorter sequences, smoothly.", "Blurs sharp events.", "After convolutions in time.", "1.4"),
    "global_average_pool": Text(
        "Images of any size; no parameters.", "No place is left.", "Before the classifier.", "1.4"
    ),
    "global_max_pool": Text(
        "Whether a feature is anywhere.", "One place alone has the gradient.", "Detection; text.", "1.4"
    ),
    "rnn": Text(
        "The least recurrent layer: a state carried through time.",
        "Forgets: gradients vanish or explode over many steps.",
        "Short sequences.",
        "1.5",
    ),
    "lstm": Text(
        "Remembers over long times: the cell's gradient is only multiplied by the forget gate.",
        "Four times the weights; step after step, not parallel.",
        "Speech, text, time series.",
        "1.6",
    ),
    "gru": Text(
        "Nearly an LSTM's memory with three quarters of its weights.",
        "Step after step, not parallel.",
        "Speech, text, time series.",
        "1.6",
    ),
    "bidirectional": Text(
        "Each time knows what comes before and after.",
        "Needs the whole sequence first; twice the weights.",
        "Labelling, speech recognition.",
        "1.5",
    ),
    "embedding": Text(
        "A learnt vector a word; no one-hot vectors.",
        "A row for every word; rare words learn little.",
        "Text, categories.",
        "8.3",
    ),
    "attention": Text(
        "Every query reaches every step in one go, with weights that can be read.",
        "Cost grows as queries × steps.",
        "Translation, transformers.",
        "8.3",
    ),
    "batch_norm": Text(
        "Keeps activations balanced; larger rates; a little regularisation.",
        "Depends on the batch: poor for small batches; training and prediction differ.",
        "Convolutional networks.",
        "7.9",
    ),
    "layer_norm": Text(
        "As batch_norm without the batch: training and prediction alike.",
        "No regularisation from noise; weaker for images.",
        "Recurrent networks, transformers.",
        "7.9",
    ),
    "flatten": Text(
        "From an image to a vector.",
        "Neighbourhood is lost.",
        "Between convolutions and dense layers.",
        "1.4",
        "Convention.",
    ),
    "reshape": Text(
        "The same numbers in another shape.",
        "Sizes must agree.",
        "Before transposed convolutions.",
        "1.7",
        "Convention.",
    ),
    "add": Text(
        "Gradients pass unchanged: very deep networks learn.", "Shapes must be equal.", "Residual blocks.", "1.3"
    ),
    "concatenate": Text(
        "Keeps everything of all branches.",
        "The next layer grows.",
        "Branches, several inputs.",
        "1.3",
        "Szegedy and others, Going deeper with convolutions, 2015.",
    ),
    "multiply": Text(
        "A gate: one branch opens or shuts another.",
        "Gradients vanish where a gate is shut.",
        "Gates, attention by channel.",
        "1.3",
        "Hochreiter & Schmidhuber, 1997 (gates).",
    ),
    "gaussian_noise": Text(
        "Makes the code robust; a little regularisation.",
        "The spread must fit the inputs.",
        "Denoising autoencoders.",
        "1.8",
    ),
    "masking_noise": Text(
        "Forces inputs to be guessed from others.", "The share must be chosen.", "Denoising autoencoders.", "1.8"
    ),
    "frozen": Text(
        "Keeps what a layer has learnt elsewhere; no optimiser state.",
        "What is frozen cannot adapt.",
        "Fine-tuning a trained network.",
        "3",
        "Convention.",
    ),
    "code": Text(
        "Names the code of an autoencoder; may keep it sparse.",
        "The strength must be chosen.",
        "Autoencoders.",
        "1.8, 7.9",
        "Ng, Sparse autoencoder, 2011.",
    ),
    "leaky_integrate_and_fire": Text(
        "A neuron in time, as nature has it; outputs are spikes.",
        "No true gradient: trained by a surrogate.",
        "Spiking networks.",
        "2.1",
    ),
    "repeat": Text("A constant current.", "More steps, more work.", "Before spiking neurons.", "2.1", "Convention."),
    "mean_over_time": Text(
        "A firing rate from spikes.", "Order is lost.", "After spiking neurons.", "2.1", "Adrian, 1926 (rate coding)."
    ),
}

VECTOR, IMAGE, ROWS, WORDS = (784,), (28, 28, 1), (28, 28), (28,)
"""The shapes a digit is given in: pixels, image, one row a time step, ink of each row as a number."""


@dataclass(frozen=True)
class Example:
    """What a layer is shown with.

    Attributes:
        shape: of one example.
        parameters: how many parameters it has, in its fields and ``inputs``, the last axis of the shape.
    """

    shape: tuple[int, ...]
    parameters: str = "0"


EXAMPLES: dict[str, dict[str, Any]] = {
    "activation": {"function": "relu"},
    "dense": {"units": 128},
    "conv2d": {"filters": 8, "kernel": 3},
    "conv1d": {"filters": 8, "kernel": 5},
    "conv2d_transpose": {"filters": 4, "kernel": 4, "stride": 2},
    "conv1d_transpose": {"filters": 4, "kernel": 4, "stride": 2},
    "embedding": {"vocabulary": 29, "units": 8},
    "rnn": {"units": 32},
    "lstm": {"units": 32},
    "gru": {"units": 32},
    "bidirectional": {"layer": {"name": "lstm", "units": 32}},
    "frozen": {"layer": {"name": "dense", "units": 128}},
    "reshape": {"shape": (28, 28, 1)},
    "code": {"sparsity": {"name": "l1_activity", "strength": 1e-3}},
    "repeat": {"steps": 10},
}

COUNTS = {
    "dense": Example(VECTOR, "inputs·units + units"),
    "conv2d": Example(IMAGE, "kernel²·inputs·filters + filters"),
    "conv1d": Example(ROWS, "kernel·inputs·filters + filters"),
    "conv2d_transpose": Example(IMAGE, "kernel²·inputs·filters + filters"),
    "conv1d_transpose": Example(ROWS, "kernel·inputs·filters + filters"),
    "rnn": Example(ROWS, "units·(inputs + units + 1)"),
    "lstm": Example(ROWS, "4·units·(inputs + units + 1)"),
    "gru": Example(ROWS, "3·units·(inputs + units + 2)"),
    "bidirectional": Example(ROWS, "2·layer"),
    "embedding": Example(WORDS, "vocabulary·units"),
    "batch_norm": Example(VECTOR, "2·inputs"),
    "layer_norm": Example(VECTOR, "2·inputs"),
    **{name: Example(ROWS) for name in ("attention", "add", "concatenate", "multiply", "max_pool1d", "average_pool1d")},
    **{name: Example(ROWS) for name in ("leaky_integrate_and_fire", "mean_over_time")},
    **{
        name: Example(IMAGE)
        for name in ("max_pool2d", "average_pool2d", "global_average_pool", "global_max_pool", "flatten")
    },
}
"""Layers that are not shown with a digit of 784 pixels, or have parameters."""

DIGITS = 8


def example_of(layer: Layer) -> Example:
    """What a layer is shown with."""
    return COUNTS.get(layer.name, Example(VECTOR))


@cache
def digits(shape: tuple[int, ...]) -> jax.Array:
    """The first training digits of MNIST, pixels 0 to 1, in a shape."""
    pixels = load_dataset("mnist-5k").train.x[:DIGITS].astype(np.float32) / 255
    if shape == WORDS:
        return jnp.asarray(np.round(pixels.sum(axis=2)), jnp.int32)
    return jnp.asarray(pixels.reshape(DIGITS, *shape))


class Shown:
    """A layer and what it makes of the digits."""

    def __init__(self, layer: Layer) -> None:
        shape, self.layer = example_of(layer).shape, layer
        one = layer.inputs == 1
        self.input_shape = shape if one else (shape, shape)
        self.x = digits(shape) if one else (digits(shape), digits(shape)[::-1])
        self.params, self.state, self.output_shape = layer.init(jax.random.key(0), self.input_shape)
        nodes = {"y": (layer, ("a", "b"))}
        network: Any = Network(layer) if one else Network.graph(inputs=("a", "b"), nodes=nodes, outputs="y")
        self.row = summarize(network, self.input_shape).rows[0]

    @cached_property
    def prediction(self) -> np.ndarray:
        """The outputs in prediction."""
        return self._forward(training=False)

    @cached_property
    def training(self) -> np.ndarray:
        """The outputs in training."""
        return self._forward(training=True)

    def _forward(self, *, training: bool) -> np.ndarray:
        more = {"sample_mask": jnp.ones(DIGITS, bool)} if self.layer.depends_on_batch else {}

        @jax.jit
        def forward(params: Any, state: Any, x: Any) -> Any:
            return self.layer.forward(params, state, x, key=jax.random.key(1), training=training, **more)[0]

        return np.asarray(forward(self.params, self.state, self.x))


@cache
def shown(layer: Layer) -> Shown:
    """What a layer makes of the digits; computed once."""
    return Shown(layer)


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(" ".join(str(getattr(key, "key", key)) for key in path), leaf) for path, leaf in flat]


def _formulas(layer: Layer) -> Formulas:
    text = section(type(layer), "Formula")
    return Formulas({"forward and backward": text} if text else {})


def facts(layer: Layer) -> Facts:
    """Shapes and counts of a layer on a digit."""
    seen, example = shown(layer), example_of(layer)
    count = f"{seen.row.parameters:,}"
    known = {
        "reads": "two arrays" if layer.inputs is None or layer.inputs == 2 else "one array",
        "input": seen.input_shape if layer.inputs == 1 else f"{seen.input_shape[0]} and {seen.input_shape[1]}",
        "output": seen.output_shape,
        "parameters": f"{count} = {example.parameters}" if seen.row.parameters else "none",
        "multiply-adds of an example": seen.row.multiply_adds,
        "training and prediction": "alike"
        if np.array_equal(seen.training, seen.prediction)
        else f"differ: here by up to {float(np.abs(seen.training - seen.prediction).max()):.3g}",
        "examples": "mixed: a row depends on its batch" if layer.depends_on_batch else "independent",
    }
    return Facts(known)


def _measured(layer: Layer) -> Mapping[str, Content]:
    seen = shown(layer)
    sections: dict[str, Content] = {"on a digit": facts(layer)}
    rows = [(f"parameter {name}", leaf.shape, math.prod(leaf.shape)) for name, leaf in _leaves(seen.params)]
    rows += [(f"state {name}", leaf.shape, math.prod(leaf.shape)) for name, leaf in _leaves(seen.state)]
    if rows:
        sections["arrays"] = Table(("array", "shape", "numbers"), tuple(rows))
    return sections


def _row(layer: Layer) -> Mapping[str, Any]:
    seen = shown(layer)
    return {
        "input": example_of(layer).shape,
        "output": seen.output_shape,
        "parameters": seen.row.parameters,
        "count": example_of(layer).parameters,
        "multiply-adds": seen.row.multiply_adds,
        "training": "as prediction" if np.array_equal(seen.training, seen.prediction) else "differs",
    }


def _picture(array: Any) -> np.ndarray:
    """One example as a picture: up to four channels as tiles, vectors folded into rows."""
    array = np.asarray(array, float)
    if array.ndim == 3:
        channels = [array[..., channel] for channel in range(min(array.shape[-1], 4))]
        if len(channels) < 4:
            return np.concatenate(channels, axis=1)
        return np.block([channels[:2], channels[2:]])
    if array.ndim == 1:
        columns = 28 if array.size % 28 == 0 and array.size > 28 else min(array.size, 16)
        padded = np.full(-(-array.size // columns) * columns, np.nan)
        padded[: array.size] = array
        return padded.reshape(-1, columns)
    return array


def draw_layer(layer: Layer) -> Any:
    """A digit before and after a layer whose weights are drawn with seed 0; in training too, where that differs."""
    seen = shown(layer)
    pictures: list[tuple[str, Any]] = [("input", seen.x if layer.inputs == 1 else seen.x[0])]
    if layer.inputs != 1:
        pictures.append(("second input", seen.x[1]))
    pictures.append(("output", seen.prediction))
    if not np.array_equal(seen.training, seen.prediction):
        pictures.append(("output in training", seen.training))
    figure = new_figure((3.0 * len(pictures), 3.2))
    for axes, (title, array) in zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures, strict=True):
        shape = "×".join(map(str, array.shape[1:])) or "1"
        image = axes.imshow(_picture(array[0]), cmap="gray_r", aspect="equal", interpolation="nearest")
        axes.set_title(f"{title}, {shape}", fontsize=10)
        axes.set(xticks=[], yticks=[])
        figure.colorbar(image, ax=axes, shrink=0.6)
    return figure


KIND = Kind(
    name="layers",
    title="Layers: what a network is made of",
    registry=layers,
    texts=TEXTS,
    formulas=_formulas,
    measured=_measured,
    row=_row,
    draw_item=draw_layer,
    examples=EXAMPLES,
)
