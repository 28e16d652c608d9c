"""Recurrent layers that begin with a given state, and an LSTM's cell beside its state, against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.layers import GRU, LSTM, RNN, Bidirectional, Concatenate, Dense
from pellucid.network import Network, build_network

ROWS, TIMES, FEATURES, UNITS = 3, 5, 2, 4
LENGTHS = np.array([5, 2, 4])
ROWS_OF_LAYERS = [
    (RNN, {}, False),
    (RNN, {}, True),
    (GRU, {}, False),
    (GRU, {}, True),
    (LSTM, {}, False),
    (LSTM, {}, True),
    (LSTM, {"return_cell": True}, False),
]


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize(("kind", "fields", "sequences"), ROWS_OF_LAYERS)
def test_outputs_and_gradients_are_those_of_pytorch(kind, fields, sequences, padded, rng, float64):
    torch = pytest.importorskip("torch")
    layer = kind(UNITS, return_sequences=sequences, initial_state=True, **fields)
    lengths = LENGTHS if padded else np.full(ROWS, TIMES)
    x, start = rng.normal(size=(ROWS, TIMES, FEATURES)), rng.normal(size=(ROWS, layer.carried * UNITS))
    mask = np.arange(TIMES) < lengths[:, None]
    params, state, _ = layer.init(jax.random.key(0), ((TIMES, FEATURES), start.shape[1:]))
    params = jax.tree.map(lambda a: a.astype(jnp.float64) + 0.1, params)
    given = {"mask": (jnp.asarray(mask), None)} if padded else {}
    y, _, cache = layer.forward(params, state, (jnp.asarray(x), jnp.asarray(start)), **given)
    dy = rng.normal(size=y.shape)
    (dx, dstart), grads = layer.backward(params, cache, jnp.asarray(dy))

    theirs = getattr(torch.nn, kind.__name__)(FEATURES, UNITS, batch_first=True).double()
    second = params.get("recurrent_biases", np.zeros(params["biases"].shape))
    arrays = (params["weights"].T, params["recurrent"].T, params["biases"], second)
    for name, array in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), arrays, strict=True):
        getattr(theirs, name).data = torch.tensor(np.array(array))
    inputs = torch.tensor(x, requires_grad=True)
    begin = [torch.tensor(part[None], requires_grad=True) for part in np.split(start, layer.carried, axis=1)]
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        inputs, torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    steps, last = theirs(packed, tuple(begin) if layer.carried == 2 else begin[0])
    steps, _ = torch.nn.utils.rnn.pad_packed_sequence(steps, batch_first=True, total_length=TIMES)
    last = last if layer.carried == 2 else (last,)
    expected = steps if sequences else torch.cat([part[0] for part in last[: 1 + bool(fields)]], dim=1)
    (expected * torch.tensor(dy)).sum().backward()

    def close(ours, other):
        np.testing.assert_allclose(ours, other.detach().numpy(), rtol=0, atol=1e-12)

    close(y, expected)
    close(dx, inputs.grad)
    close(dstart, torch.cat([part.grad[0] for part in begin], dim=1))
    close(grads["weights"].T, theirs.weight_ih_l0.grad)
    close(grads["recurrent"].T, theirs.weight_hh_l0.grad)
    close(grads["biases"], theirs.bias_ih_l0.grad)


def test_the_state_of_a_zero_beginning_is_that_of_none(rng):
    x = jnp.asarray(rng.normal(size=(ROWS, TIMES, FEATURES)), jnp.float32)
    for kind in (RNN, GRU, LSTM):
        plain, given = kind(UNITS), kind(UNITS, initial_state=True)
        params, state, _ = plain.init(jax.random.key(0), (TIMES, FEATURES))
        start = jnp.zeros((ROWS, given.carried * UNITS))
        a, b = plain.forward(params, state, x)[0], given.forward(params, state, (x, start))[0]
        np.testing.assert_allclose(a, b, atol=1e-6)


def encoder_and_decoder():
    return Network.graph(
        inputs=("source", "written"),
        nodes={
            "encoder": (LSTM(UNITS, mask_value=0.0, return_cell=True), "source"),
            "decoder": (LSTM(UNITS, return_sequences=True, initial_state=True), ("written", "encoder")),
            "words": (Dense(3, "softmax"), "decoder"),
        },
        outputs="words",
    )


def test_an_encoder_hands_its_state_to_a_decoder(rng, float64):
    network = encoder_and_decoder()
    assert build_network(network.describe()) == network
    shapes = ((TIMES, FEATURES), (3, FEATURES))
    params, state, shape = network.init(jax.random.key(0), shapes)
    assert shape == (3, 3)
    params = jax.tree.map(lambda a: a.astype(jnp.float64), params)
    x = tuple(jnp.asarray(rng.normal(size=(ROWS, *shape))) for shape in shapes)
    dy = jnp.asarray(rng.normal(size=(ROWS, 3, 3)))

    def value(params, x):
        return (network.forward(params, state, x).outputs[-1] * dy).sum()

    pass_ = network.forward(params, state, x)
    back = network.backward(params, pass_.caches, {network.ends[0]: dy})
    expected, dx = jax.grad(value, argnums=(0, 1))(params, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), back.grads, expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), back.dx, dx)
    # Padding behind the source changes nothing.
    longer = jnp.concatenate([x[0], jnp.zeros((ROWS, 2, FEATURES))], axis=1)
    again = network.forward(params, state, (longer, x[1])).outputs[-1]
    np.testing.assert_allclose(again, pass_.outputs[-1], atol=1e-12)


def test_the_state_may_come_from_any_layer():
    network = Network.graph(
        inputs=("h", "c", "x"),
        nodes={"state": (Concatenate(), ("h", "c")), "end": (LSTM(UNITS, initial_state=True), ("x", "state"))},
        outputs="end",
    )
    params, state, _ = network.init(jax.random.key(0), ((UNITS,), (UNITS,), (TIMES, FEATURES)))
    x = (jnp.ones((2, UNITS)), jnp.ones((2, UNITS)), jnp.ones((2, TIMES, FEATURES)))
    assert network.forward(params, state, x).outputs[-1].shape == (2, UNITS)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"begins with a state of 8 numbers \(h beside c\).*Dense\(8\)"):
        LSTM(UNITS, initial_state=True).init(jax.random.key(0), ((TIMES, FEATURES), (UNITS,)))
    with pytest.raises(InvalidValue, match="Bidirectional begins both directions at 0"):
        Bidirectional(GRU(UNITS, initial_state=True))
    with pytest.raises(InvalidValue, match="reads 2 inputs"):
        Network.graph(inputs="x", nodes={"a": (GRU(UNITS, initial_state=True), "x")}, outputs="a")
