"""Every layer, and every network by name, as ONNX: any number of rows and of steps, to 1e-5."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest

import pellucid as pel
from layer_rows import ROWS, Row, predict
from pellucid.architectures.by_name import ARCHITECTURES, build_by_name
from pellucid.architectures.gan import GAN
from pellucid.core.errors import InvalidValue
from pellucid.exporting.onnx_file import to_onnx
from pellucid.exporting.program import Input, Program, of_network
from pellucid.exporting.program_graph import graph_of
from pellucid.layers import AveragePool1D, Conv1D, ConvTranspose1D, Layer, MaxPool1D, layers

BATCH, MORE = 4, 3


def of_row(row) -> Program:
    """A layer as a program."""
    params, state, _ = row.layer.init(jax.random.key(0), row.input_shape)
    several = row.layer.inputs != 1
    shapes = row.input_shape if several else (row.input_shape,)

    def function(arrays, *x):
        layer = arrays["layer"]
        y, _, _ = row.layer.forward(layer["params"], layer["state"], x if several else x[0], key=None, training=False)
        return {"y": y}

    inputs = tuple(Input(f"x{i}", shape, row.layer.vocabulary) for i, shape in enumerate(shapes))
    return Program(function, {"layer": {"params": params, "state": state}}, inputs)


def session_of(program: Program):
    """A runtime of the program's model, which is valid, and whether its steps are free."""
    graph, free, _ = graph_of(program)
    model = to_onnx(graph, "test", {})
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]), free


def run(session, x):
    """The outputs of a model, which reads tokens as int64."""
    names = [given.name for given in session.get_inputs()]
    arrays = [np.asarray(array) for array in x]
    arrays = [array.astype(np.int64) if array.dtype == np.int32 else array for array in arrays]
    return session.run(None, dict(zip(names, arrays, strict=True)))


def draw(program: Program, rows: int, more: int, seed: int = 0):
    """Normal numbers, or tokens, for the inputs of a program."""
    rng = np.random.default_rng(seed)
    arrays = []
    for given in program.inputs:
        shape = (rows, given.shape[0] + more * given.has_steps, *given.shape[1:])
        tokens = given.vocabulary is not None
        arrays.append(rng.integers(0, given.vocabulary, shape) if tokens else rng.normal(size=shape))
    return [jnp.asarray(array, given.dtype) for array, given in zip(arrays, program.inputs, strict=True)]


def is_allowed(program: Program, x) -> bool:
    """True where the program computes with arrays of these shapes."""
    try:
        jax.eval_shape(program.function, program.arrays, *x)
    except Exception:
        return False
    return True


SEQUENCES = [
    Row(Conv1D(2, 3, stride=2, padding="same"), (6, 2)),
    Row(Conv1D(2, 2, stride=3, padding="same", dilation=2), (7, 2)),
    Row(ConvTranspose1D(2, 3, stride=2, padding="same"), (4, 2)),
    Row(MaxPool1D(3, stride=2, padding="same"), (6, 2)),
    Row(AveragePool1D(3, stride=2, padding="same"), (5, 2)),
]
"""Windows whose padding depends on the number of steps."""


@pytest.mark.parametrize("row", [*ROWS, *SEQUENCES], ids=str)
def test_a_layer_is_the_same_in_onnx_runtime(row):
    program = of_row(row)
    session, free = session_of(program)
    x = draw(program, BATCH, MORE)
    sequences = any(given.has_steps for given in program.inputs)
    assert free == (sequences and is_allowed(program, x)), "steps are free exactly where the layer takes any number"
    x = x if free else draw(program, BATCH, 0)
    if row.inputs is not None and row.layer.vocabulary is None:
        x = list(map(row.inputs, x))  # with padding
    params, state = program.arrays["layer"]["params"], program.arrays["layer"]["state"]
    expected = np.asarray(predict(row, params, state, x[0] if row.layer.inputs == 1 else tuple(x)))
    np.testing.assert_allclose(run(session, x)[0], expected, rtol=1e-5, atol=1e-5)
    if not row.layer.depends_on_batch:
        np.testing.assert_allclose(run(session, [each[:1] for each in x])[0], expected[:1], rtol=1e-5, atol=1e-5)


SMALL = {
    "autoencoder": {"hidden": [6], "code": 3, "sparsity": "kl_activity"},
    "cnn": {"filters": [2, 3], "hidden": [4], "normalize": True, "augmentation": ["random_shift"]},
    "convolutional_autoencoder": {"filters": [2], "code": 3},
    "gan": {},
    "gru": {"units": [3], "bidirectional": True},
    "lstm": {"units": [3, 2], "dropout": 0.1},
    "rnn": {"units": [3], "mask_value": 0.0},
    "spiking": {"hidden": [4], "steps": 3},
    "wgan": {},
}
FREE = {"gru", "lstm", "rnn"}


def test_the_table_has_every_network_by_name():
    assert set(SMALL) == set(ARCHITECTURES) - {"translator"}  # which test_runs trains


@pytest.mark.parametrize("name", list(SMALL))
def test_a_network_by_name_is_the_same_in_onnx_runtime(name):
    network, data = build_by_name({"name": name, **SMALL[name]}, pel.load_dataset("digits"))
    shape = data.input_shape
    if isinstance(network, GAN):
        network, shape = network.generator, (network.latent,)
    network = network.accepting(shape)
    params, state, _ = network.init(jax.random.key(0), shape)
    program = of_network(network, params, state, shape)
    session, free = session_of(program)
    assert free == (name in FREE)
    x = draw(program, BATCH, MORE * free)
    (expected,) = jax.jit(program.function)(program.arrays, *x).values()
    np.testing.assert_allclose(run(session, x)[0], expected, rtol=1e-5, atol=1e-5)


@layers.register("of_rare_primitives")
class Custom(Layer):
    """A custom layer of primitives that none of pellucid's layers has; loops, choices and updates among them."""

    def forward(self, params, state, x, *, key, training):
        y = jnp.cumsum(jnp.sin(x) + jnp.cos(x) * jnp.floor(x) - jnp.round(x), axis=1)
        y = y.at[:, 1].set(jnp.sign(x[:, 0]) + jnp.exp2(x[:, 1]) - jax.lax.rsqrt(jnp.abs(x[:, 1]) + 1))
        y = jnp.where(jnp.isfinite(y) & ~(x > 1), y, jnp.remainder(x, jnp.full_like(x, 0.7)))
        y = jnp.einsum("bi,bj->bij", y, x).sum(axis=2) + jnp.linalg.norm(x, axis=1, keepdims=True)
        y = jax.lax.fori_loop(0, 3, lambda i, y: y + y[:, ::-1] * i.astype(y.dtype), y)
        y = jax.lax.while_loop(lambda y: jnp.abs(y).max() > 1, lambda y: y / 2, y)
        y = jax.lax.cond(y.sum() > 0, lambda y: y + 1, lambda y: y * 2, y)
        last = jax.lax.dynamic_slice_in_dim(y, jnp.argmax(jnp.abs(y).sum(axis=0)), 1, axis=1)
        y = jnp.concatenate([y, last, jnp.take(y, jnp.array([2, 0]), axis=1)], axis=1)
        return jax.lax.dynamic_update_slice_in_dim(y, last, 1, axis=1), state, None


@layers.register("sorted")
class Sorted(Layer):
    """A custom layer of a primitive without translation."""

    def forward(self, params, state, x, *, key, training):
        return jnp.sort(x, axis=1), state, None


def test_a_custom_layer_is_exported_by_what_it_computes():
    program = of_network(pel.Network(Custom()), ({},), ({},), (5,))
    session, _ = session_of(program)
    x = draw(program, BATCH, 0)
    (expected,) = jax.jit(program.function)(program.arrays, *x).values()
    np.testing.assert_allclose(run(session, x)[0], expected, rtol=1e-5, atol=1e-5)


def test_a_primitive_without_translation_is_named():
    program = of_network(pel.Network(Sorted()), ({},), ({},), (5,))
    with pytest.raises(InvalidValue, match=r"computes with 'sort' of JAX, .*ends in \.stablehlo"):
        graph_of(program)
