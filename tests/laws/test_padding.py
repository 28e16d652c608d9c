"""Padded steps change nothing: every layer between a source of padding and a reader of the sequence.

Each layer either keeps padding apart, so that outputs, loss, gradients and running statistics of a padded batch are
those of the batch without padding; or a network with padding refuses it by name.
"""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from layer_rows import example_row
from pellucid.core.errors import InvalidValue
from pellucid.functions.losses import losses
from pellucid.functions.masking import masked_gradient, masked_value
from pellucid.functions.metrics import Accuracy
from pellucid.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Add,
    Attention,
    AveragePool1D,
    AveragePool2D,
    BatchNorm,
    Bidirectional,
    Code,
    Concatenate,
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    Dense,
    Distance,
    Dropout,
    Embedding,
    Flatten,
    Frozen,
    GaussianNoise,
    GlobalAveragePool,
    GlobalMaxPool,
    Layer,
    LayerNorm,
    LeakyIntegrateAndFire,
    MaskingNoise,
    MaxPool1D,
    MaxPool2D,
    MeanOverTime,
    Multiply,
    Repeat,
    Reshape,
    SaltAndPepperNoise,
    layers,
)
from pellucid.network import Network, backpropagate

BATCH, TIME, MORE, UNITS = 3, 5, 3, 4
LOSS = losses.build("mean_squared_error")
WORDS = np.random.default_rng(0).integers(1, 6, (BATCH, TIME))
TARGET = jnp.asarray(np.random.default_rng(1).normal(size=(BATCH, 2)), jnp.float32)
SOURCE = Embedding(6, UNITS, mask_zero=True)


def two_readers(layer):
    """A layer of several inputs, that reads the padded sequence and what another layer makes of it."""
    return lambda time: Network.graph(
        inputs="words",
        nodes={
            "embedded": (SOURCE, "words"),
            "changed": (Dense(UNITS), "embedded"),
            "merged": (layer, ("embedded", "changed")),
            "pooled": (GlobalAveragePool(), "merged"),
            "y": (Dense(2), "pooled"),
        },
        outputs="y",
    )


def between(*given):
    """The layers between the embedding and a global average."""
    return lambda time: Network(SOURCE, *given, GlobalAveragePool(), Dense(2))


def before(*given):
    """The layers after the embedding, of which the last ends the sequence."""
    return lambda time: Network(SOURCE, *given, Dense(2))


CARRIERS = {
    "activation": between(Activation("sigmoid")),
    "dense": between(Dense(3, "tanh")),
    "dropout": between(Dropout(0.5)),
    "gaussian_noise": between(GaussianNoise(0.5)),
    "masking_noise": between(MaskingNoise(0.5)),
    "salt_and_pepper_noise": between(SaltAndPepperNoise(0.5)),
    "batch_norm": between(BatchNorm()),
    "layer_norm": between(Dense(3), LayerNorm()),
    "code": between(Dense(3), Code()),
    "frozen": between(Frozen(Dense(3))),
    "reshape": lambda time: Network(SOURCE, Reshape((time, 2, 2)), Dense(3), GlobalMaxPool(), Dense(2)),
    "conv1d": between(Dense(3), Conv1D(3, 2, stride=2)),
    "conv1d same": between(Dense(3), Conv1D(3, 3, padding="same")),
    "max_pool1d": between(Dense(3), MaxPool1D(2, stride=1)),
    "average_pool1d": between(Dense(3), AveragePool1D(2)),
    "leaky_integrate_and_fire": between(Dense(3), LeakyIntegrateAndFire(leak=0.7, threshold=0.5)),
    "rnn": between(Dense(3), RNN(3, return_sequences=True), LayerNorm(), RNN(3, return_sequences=True)),
    "lstm": between(LayerNorm(), LSTM(3, return_sequences=True)),
    "gru": between(LayerNorm(), GRU(3, return_sequences=True)),
    "bidirectional": between(Dense(3), Bidirectional(RNN(3, return_sequences=True), "sum"), Dense(3, "tanh")),
    "add": two_readers(Add()),
    "multiply": two_readers(Multiply()),
    "distance": two_readers(Distance()),
    "concatenate": two_readers(Concatenate()),
    "attention": two_readers(Attention()),
}
"""Layers that hand padding on, each with a layer before it that makes padded steps other than 0."""
ENDERS = {
    "global_average_pool": before(Dense(3), GlobalAveragePool()),
    "global_max_pool": before(Dense(3), GlobalMaxPool()),
    "mean_over_time": before(Dense(3), MeanOverTime()),
    "rnn last": before(Dense(3, "relu"), RNN(3)),
    "lstm last": before(BatchNorm(), LSTM(3)),
    "gru last": before(Dense(3), GRU(3)),
    "bidirectional last": before(Dense(3), Bidirectional(GRU(3))),
}
OWN = {"embedding", "flatten"}
"""The source, and the layer whose weights depend on the length, which has a test of its own."""
REFUSED: dict[str, Layer] = {
    "conv2d": Conv2D(2, 1),
    "conv2d_transpose": ConvTranspose2D(2, 1),
    "conv1d_transpose": ConvTranspose1D(2, 2),
    "conv1d": Conv1D(3, 2, stride=2, padding="same"),
    "max_pool2d": MaxPool2D(1),
    "average_pool2d": AveragePool2D(1),
    "max_pool1d": MaxPool1D(2, padding="same"),
    "average_pool1d": AveragePool1D(2, padding="same"),
    "repeat": Repeat(2),
    "code": Code("l1_activity"),
    "embedding": Embedding(3, 2),
}
DRAWN = {"dropout", "gaussian_noise", "masking_noise", "salt_and_pepper_noise", "time_mask", "frequency_mask"}
"""What they draw depends on the length: alike in prediction."""
BY_PLACE = {"conv1d", "average_pool1d"}
"""Their windows begin at the first step, padding included, with a stride above 1."""


def listed():
    return {name.split()[0] for name in (*CARRIERS, *ENDERS, *REFUSED)} | OWN


def as_it_says(name):
    """A layer that no table lists joins the one that its class names, by its own example."""
    row = example_row(name)
    if row.layer.masks is None:
        REFUSED[name] = row.layer
    elif row.layer.inputs != 1:
        CARRIERS[name] = two_readers(row.layer)
    else:
        table, placed = (CARRIERS, between) if row.layer.masks == "passes" else (ENDERS, before)
        table[name] = placed(Dense(row.input_shape[-1]), row.layer)


REGISTERED = {name for name in layers if layers.find(name).__module__.startswith("pellucid.")}
for unlisted in sorted(REGISTERED - listed()):
    as_it_says(unlisted)


def test_every_layer_is_in_a_table():
    assert listed() == REGISTERED


@partial(jax.jit, static_argnums=(0, 1))
def step(network, training, params, state, x, y):
    return backpropagate(network, LOSS, params, state, x, y, jnp.ones(BATCH), training=training)


def with_biases(params):
    """As after a training: no parameter is 0, so that padded steps do not stay 0 by chance."""
    return jax.tree.map(lambda w: w + jnp.asarray(0.1, w.dtype), params)


def padded(x, value, side):
    amount = [(0, 0)] * x.ndim
    amount[1] = (0, MORE) if side == "after" else (MORE, 0)
    return np.pad(x, amount, constant_values=value)


@pytest.mark.parametrize("name", [*CARRIERS, *ENDERS])
def test_padded_steps_change_nothing(name):
    make = (CARRIERS | ENDERS)[name]
    short, long = make(TIME), make(TIME + MORE)
    params, state, _ = short.init(jax.random.key(0), (TIME,))
    params, training = with_biases(params), name not in DRAWN
    bare = step(short, training, params, state, jnp.asarray(WORDS), TARGET)
    for side in ("after",) if name in BY_PLACE else ("after", "before"):
        full = step(long, training, params, state, jnp.asarray(padded(WORDS, 0, side)), TARGET)
        for part in ("loss", "grads", "state"):
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6),
                getattr(full, part),
                getattr(bare, part),
            )
        np.testing.assert_allclose(full.outputs[-1], bare.outputs[-1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "network",
    [
        Network(Dense(3, "relu"), LSTM(3, mask_value=-1.0), Dense(2)),
        Network(RNN(3, return_sequences=True, mask_value=-1.0), LayerNorm(), GlobalAveragePool(), Dense(2)),
        Network(BatchNorm(), GRU(3, return_sequences=True, mask_value=-1.0), Activation("relu"), RNN(3), Dense(2)),
    ],
    ids=["before", "after", "both"],
)
def test_padding_found_by_its_value_is_that_of_the_input(network):
    x = np.random.default_rng(2).normal(size=(BATCH, TIME, 2)).astype(np.float32)
    params, state, _ = network.init(jax.random.key(0), x.shape[1:])
    params = with_biases(params)
    bare = step(network, True, params, state, jnp.asarray(x), TARGET)
    for side in ("after", "before"):
        full = step(network, True, params, state, jnp.asarray(padded(x, -1.0, side)), TARGET)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
            (full.loss, full.grads, full.state),
            (bare.loss, bare.grads, bare.state),
        )


def test_a_column_of_numbers_is_a_sequence_where_it_is_reshaped():
    network = Network(Reshape((TIME, 1)), Dense(3), RNN(3, mask_value=9.0))
    params, state, _ = network.init(jax.random.key(0), (TIME,))
    x = jnp.array([[1.0, 2.0, 9.0, 9.0, 9.0]])
    np.testing.assert_array_equal(
        network.forward(params, state, x).masks["reshape_1"], [[True, True, False, False, False]]
    )


def test_a_real_step_that_a_layer_makes_0_stays_real():
    network = Network(Dense(2, "relu"), RNN(2, mask_value=-1.0, return_sequences=True))
    params, state, _ = network.init(jax.random.key(0), (2, 1))
    params = (params[0] | {"biases": jnp.full(2, -9.0)}, *params[1:])
    params = (*params[:2], params[2] | {"biases": jnp.ones(2)})
    y = network.forward(params, state, jnp.array([[[0.5], [0.5]]])).outputs[-1]
    assert (y[:, 1] != y[:, 0]).all()


def test_flattened_padding_adds_nothing():
    """The weights of padded steps are never met: a dense layer on the long vector gives what it gives on the short."""
    network = Network(SOURCE, Dense(3), Flatten(), Dense(2))
    params, state, _ = network.init(jax.random.key(0), (TIME + MORE,))
    params = with_biases(params)
    cut = (*params[:3], params[3] | {"weights": params[3]["weights"][: TIME * 3]})
    long = step(network, True, params, state, jnp.asarray(padded(WORDS, 0, "after")), TARGET)
    short = step(network, True, cut, state, jnp.asarray(WORDS), TARGET)
    np.testing.assert_allclose(long.outputs[-1], short.outputs[-1], rtol=1e-5)
    for i in range(3):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), long.grads[i], short.grads[i])


@pytest.mark.parametrize("name", REFUSED)
def test_what_mixes_steps_is_refused_by_name(name):
    with pytest.raises(InvalidValue, match=rf"{name}_\d.*embedding_1 \(mask_zero=True\)"):
        Network(SOURCE, REFUSED[name], GlobalAveragePool()).init(jax.random.key(0), (TIME,))


def test_padding_by_value_is_refused_where_it_is_lost():
    network = Network(ConvTranspose1D(2, 2), LSTM(3, mask_value=0.0))
    with pytest.raises(InvalidValue, match=r"conv1d_transpose_1.*lstm_1 \(mask_value=0\)"):
        network.init(jax.random.key(0), (4, 2))
    with pytest.raises(InvalidValue, match=r"reshape_1.*cannot keep padded steps"):
        Network(SOURCE, Reshape((TIME * UNITS, 1)), RNN(2)).init(jax.random.key(0), (TIME,))
    with pytest.raises(InvalidValue, match="same mask_value"):
        Network(RNN(2, return_sequences=True, mask_value=1.0), RNN(2, mask_value=0.0)).init(jax.random.key(0), (4, 2))


def test_a_custom_layer_says_that_it_treats_each_step_by_itself():
    @dataclass(frozen=True)
    class Doubled(Layer):
        name = "doubled"

        def init(self, key, input_shape):
            return {}, {}, input_shape

        def forward(self, params, state, x, *, key, training):
            return 2 * x, state, None

    class Stepwise(Doubled):
        name = "stepwise"
        masks = "passes"

    with pytest.raises(InvalidValue, match=r'doubled_1.*masks = "passes"'):
        Network(SOURCE, Doubled(), RNN(2))
    assert Network(SOURCE, Stepwise(), RNN(2)).names[1] == "stepwise_1"
    assert Network(Doubled(), RNN(2)).init(jax.random.key(0), (4, 2))


def test_a_sequence_without_a_real_step_is_0():
    x = jnp.zeros((1, 3), jnp.int32)
    for pool in (GlobalAveragePool(), GlobalMaxPool(), MeanOverTime()):
        network = Network(SOURCE, Dense(2), pool)
        params, state, _ = network.init(jax.random.key(0), (3,))
        np.testing.assert_array_equal(network.forward(with_biases(params), state, x).outputs[-1], 0)


PER_STEP = {
    "mean_squared_error": jnp.asarray(np.random.default_rng(3).normal(size=(2, 4, 3)), jnp.float32),
    "log_cosh": jnp.asarray(np.random.default_rng(3).normal(size=(2, 4, 3)), jnp.float32),
    "sparse_categorical_cross_entropy": jnp.array([[0, 1, 2, 1], [2, 2, 0, 1]]),
    "categorical_cross_entropy": jax.nn.one_hot(jnp.array([[0, 1, 2, 1], [2, 2, 0, 1]]), 3),
}


@pytest.mark.parametrize("name", PER_STEP)
def test_padded_steps_cost_nothing_at_each_step(name):
    """The loss of a padded sequence is that of the sequence cut off, and its gradient is 0 at padding."""
    loss, target = losses.build(name), PER_STEP[name]
    prediction = jax.nn.softmax(jnp.asarray(np.random.default_rng(4).normal(size=(2, 4, 3)), jnp.float32))
    mask = jnp.array([[True, True, False, False], [True, True, True, True]])
    value = masked_value(loss, prediction, target, mask)
    np.testing.assert_allclose(value[0], loss.value(prediction[:1, :2], target[:1, :2])[0], rtol=1e-6)
    np.testing.assert_allclose(value[1], loss.value(prediction[1:], target[1:])[0], rtol=1e-6)
    gradient = masked_gradient(loss, prediction, target, mask)
    np.testing.assert_allclose(gradient[:1, :2], loss.gradient(prediction[:1, :2], target[:1, :2]), rtol=1e-6)
    np.testing.assert_array_equal(gradient[0, 2:], 0)


def test_a_class_that_is_ignored_is_left_out_beside_padding():
    loss = losses.build({"name": "sparse_categorical_cross_entropy", "ignore": 1})
    target, mask = PER_STEP["sparse_categorical_cross_entropy"][:1], jnp.array([[True, True, True, False]])
    prediction = jnp.full((1, 4, 3), 1 / 3)
    np.testing.assert_allclose(masked_value(loss, prediction, target, mask), np.log(3), rtol=1e-6)
    plain = replace(Accuracy(), ignore=0)
    right = jax.nn.one_hot(jnp.array([[0, 1, 0, 1]]), 3)
    np.testing.assert_allclose(masked_value(plain, right, target, mask), 0.5)


def test_a_network_that_answers_at_each_step_trains_on_real_steps_alone():
    network = Network(SOURCE, Dense(3), RNN(3, return_sequences=True), Dense(3, "softmax"))
    loss = losses.build("sparse_categorical_cross_entropy")
    params, state, _ = network.init(jax.random.key(0), (TIME,))
    y = np.random.default_rng(5).integers(0, 3, (BATCH, TIME))
    passes = [
        jax.jit(partial(backpropagate, network, loss))(params, state, x, y, jnp.ones(BATCH))
        for x, y in (
            (jnp.asarray(WORDS), jnp.asarray(y)),
            (jnp.asarray(padded(WORDS, 0, "after")), jnp.asarray(padded(y, 2, "after"))),
        )
    ]
    np.testing.assert_allclose(passes[0].loss, passes[1].loss, rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), passes[0].grads, passes[1].grads)
