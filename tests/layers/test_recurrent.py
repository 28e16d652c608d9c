"""The recurrent layers against PyTorch: same weights, same sequences, same outputs and gradients to 1e-8."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.functions.losses import losses
from pellucid.layers import GRU, LSTM, RNN, Bidirectional, Dense, Embedding
from pellucid.network import Network, backpropagate

torch = pytest.importorskip("torch")

BATCH, TIME, FEATURES, UNITS = 4, 6, 3, 5
KINDS = {"rnn": (RNN, torch.nn.RNN), "lstm": (LSTM, torch.nn.LSTM), "gru": (GRU, torch.nn.GRU)}
LENGTHS = (6, 3, 1, 4)
every_kind = pytest.mark.parametrize("kind", KINDS)


def double(params):
    return jax.tree.map(lambda w: w.astype(jnp.float64), params)


def random_biases(params, rng):
    """Zero biases would hide an error in them."""
    if "forward" in params:
        return {name: random_biases(part, rng) for name, part in params.items()}
    return {
        name: jnp.asarray(rng.normal(size=w.shape)) if "biases" in name else w.astype(jnp.float64)
        for name, w in params.items()
    }


def copy_into(module, params, layer=0, suffix=""):
    """Our parameters in PyTorch's layout; its second bias is zero where we have one."""
    second = params.get("recurrent_biases", jnp.zeros_like(params["biases"]))
    arrays = {
        "weight_ih": params["weights"].T,
        "weight_hh": params["recurrent"].T,
        "bias_ih": params["biases"],
        "bias_hh": second,
    }
    for name, array in arrays.items():
        getattr(module, f"{name}_l{layer}{suffix}").data = torch.from_numpy(np.array(array))


def assert_gradients(module, grads, layer=0, suffix=""):
    names = {"weights": "weight_ih", "recurrent": "weight_hh", "biases": "bias_ih", "recurrent_biases": "bias_hh"}
    for name, gradient in grads.items():
        expected = getattr(module, f"{names[name]}_l{layer}{suffix}").grad.numpy()
        np.testing.assert_allclose(gradient, expected.T, rtol=1e-8, atol=1e-10, err_msg=name)


def draw(rng, *shape):
    return rng.normal(size=shape)


@partial(jax.jit, static_argnums=0)
def run_ours(layer, params, x, dy):
    y, _, cache = layer.forward(params, {}, x, training=True)
    return y, *layer.backward(params, cache, dy)


@every_kind
@pytest.mark.parametrize("sequences", [True, False])
def test_values_and_gradients_equal_those_of_pytorch(kind, sequences, rng, float64):
    ours, theirs = KINDS[kind]
    layer = ours(UNITS, return_sequences=sequences)
    params = random_biases(layer.init(jax.random.key(0), (TIME, FEATURES))[0], rng)
    x = draw(rng, BATCH, TIME, FEATURES)
    dy = draw(rng, BATCH, TIME, UNITS) if sequences else draw(rng, BATCH, UNITS)
    y, dx, grads = run_ours(layer, params, x, dy)

    module = theirs(FEATURES, UNITS, batch_first=True).double()
    copy_into(module, params)
    tx = torch.from_numpy(x).requires_grad_()
    ty = module(tx)[0]
    ty = ty if sequences else ty[:, -1]
    ty.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-8, atol=1e-10)
    assert_gradients(module, grads)


@every_kind
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("merge", ["concatenate", "sum"])
def test_both_directions_equal_those_of_pytorch(kind, sequences, merge, rng, float64):
    ours, theirs = KINDS[kind]
    layer = Bidirectional(ours(UNITS, return_sequences=sequences), merge)
    params, _, shape = layer.init(jax.random.key(0), (TIME, FEATURES))
    params = random_biases(params, rng)
    x, dy = draw(rng, BATCH, TIME, FEATURES), draw(rng, BATCH, *shape)
    y, dx, grads = run_ours(layer, params, x, dy)

    module = theirs(FEATURES, UNITS, batch_first=True, bidirectional=True).double()
    copy_into(module, params["forward"])
    copy_into(module, params["backward"], suffix="_reverse")
    tx = torch.from_numpy(x).requires_grad_()
    ahead, back = module(tx)[0].split(UNITS, dim=-1)
    if not sequences:
        ahead, back = ahead[:, -1], back[:, 0]
    ty = torch.cat([ahead, back], -1) if merge == "concatenate" else ahead + back
    ty.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-8, atol=1e-10)
    assert_gradients(module, grads["forward"])
    assert_gradients(module, grads["backward"], suffix="_reverse")


@every_kind
@pytest.mark.parametrize("sequences", [True, False])
def test_padding_equals_packed_sequences_of_pytorch(kind, sequences, rng, float64):
    ours, theirs = KINDS[kind]
    layer = Bidirectional(ours(UNITS, return_sequences=sequences, mask_value=-1.0))
    params, _, shape = layer.init(jax.random.key(0), (TIME, FEATURES))
    params = random_biases(params, rng)
    real = np.arange(TIME)[None, :, None] < np.array(LENGTHS)[:, None, None]
    x, dy = draw(rng, BATCH, TIME, FEATURES), draw(rng, BATCH, *shape)
    if sequences:
        dy = dy * real
    y, dx, grads = run_ours(layer, params, np.where(real, x, -1.0), dy)

    module = theirs(FEATURES, UNITS, batch_first=True, bidirectional=True).double()
    copy_into(module, params["forward"])
    copy_into(module, params["backward"], suffix="_reverse")
    tx = torch.from_numpy(x).requires_grad_()
    packed = torch.nn.utils.rnn.pack_padded_sequence(tx, LENGTHS, batch_first=True, enforce_sorted=False)
    out, last = module(packed)
    if sequences:
        ty = torch.nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0]
        y = np.asarray(y) * real
    else:
        ty = torch.cat(list(last[0] if kind == "lstm" else last), -1)
    ty.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-8, atol=1e-10)
    assert_gradients(module, grads["forward"])
    assert_gradients(module, grads["backward"], suffix="_reverse")


@every_kind
def test_padding_leaves_the_state_of_the_short_sequence(kind, rng):
    layer = KINDS[kind][0](UNITS, return_sequences=True, mask_value=0.0)
    params, _, _ = layer.init(jax.random.key(0), (TIME, FEATURES))
    short = jnp.asarray(draw(rng, BATCH, 2, FEATURES), jnp.float32)
    padded = jnp.pad(short, ((0, 0), (0, TIME - 2), (0, 0)))
    y, alone = layer.forward(params, {}, padded)[0], layer.forward(params, {}, short)[0]
    np.testing.assert_array_equal(y[:, :2], alone)
    np.testing.assert_array_equal(y[:, 2:], 0)
    top = KINDS[kind][0](UNITS, mask_value=0.0)
    params, _, _ = top.init(jax.random.key(1), (TIME, UNITS))
    np.testing.assert_array_equal(top.forward(params, {}, y)[0], top.forward(params, {}, alone)[0])


def test_a_step_with_one_feature_unlike_the_mask_is_real():
    layer = RNN(UNITS, mask_value=0.0)
    params, _, _ = layer.init(jax.random.key(0), (1, FEATURES))
    x = jnp.zeros((1, 1, FEATURES)).at[0, 0, 1].set(1.0)
    assert (layer.forward(params, {}, x)[0] != 0).all()


def test_two_stacked_layers_of_a_network_equal_those_of_pytorch(rng, float64):
    network = Network(LSTM(UNITS, return_sequences=True), LSTM(UNITS), Dense(4, "softmax"))
    params, state, shape = network.init(jax.random.key(0), (TIME, FEATURES))
    assert shape == (4,)
    params = tuple(random_biases(p, rng) for p in params)
    x, y = draw(rng, BATCH, TIME, FEATURES), rng.integers(0, 4, BATCH)
    loss = losses.build("sparse_categorical_cross_entropy")
    result = backpropagate(network, loss, params, state, jnp.asarray(x), jnp.asarray(y), jnp.ones(BATCH))

    module = torch.nn.LSTM(FEATURES, UNITS, num_layers=2, batch_first=True).double()
    head = torch.nn.Linear(UNITS, 4).double()
    copy_into(module, params[0])
    copy_into(module, params[1], layer=1)
    head.weight.data = torch.from_numpy(np.array(params[2]["weights"].T))
    head.bias.data = torch.from_numpy(np.array(params[2]["biases"]))
    value = torch.nn.functional.cross_entropy(head(module(torch.from_numpy(x))[0][:, -1]), torch.from_numpy(y))
    value.backward()
    np.testing.assert_allclose(result.loss, value.item(), rtol=1e-10)
    assert_gradients(module, result.grads[0])
    assert_gradients(module, result.grads[1], layer=1)
    np.testing.assert_allclose(result.grads[2]["weights"], head.weight.grad.numpy().T, rtol=1e-8)


def test_words_and_their_padding_reach_the_weights_alike(rng, float64):
    """An embedding whose 0 is padding, read by an LSTM that skips it: as without the padding."""
    network = Network(Embedding(9, FEATURES, mask_zero=True), LSTM(UNITS, mask_value=0.0), Dense(1))
    params, state, _ = network.init(jax.random.key(0), (TIME,))
    params, loss = double(params), losses.build("mean_squared_error")
    words = jnp.asarray(rng.integers(1, 9, (BATCH, 3)))
    padded = jnp.pad(words, ((0, 0), (0, TIME - 3)))
    target, weights = jnp.ones((BATCH, 1)), jnp.ones(BATCH)
    short, long = (backpropagate(network, loss, params, state, x, target, weights) for x in (words, padded))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), short.grads, long.grads)


def test_many_seeds_at_once_equal_one_after_another(rng):
    network = Network(GRU(UNITS), Dense(2, "softmax"))
    x, y = jnp.asarray(draw(rng, BATCH, TIME, FEATURES), jnp.float32), jnp.asarray(rng.integers(0, 2, BATCH))
    loss = losses.build("sparse_categorical_cross_entropy")

    def grads(seed):
        params, state, _ = network.init(jax.random.key(seed), (TIME, FEATURES))
        return backpropagate(network, loss, params, state, x, y, jnp.ones(BATCH)).grads

    together, alone = jax.jit(jax.vmap(grads))(jnp.arange(2)), jax.jit(grads)
    for seed in range(2):
        jax.tree.map(
            lambda a, b, seed=seed: np.testing.assert_allclose(a[seed], b, rtol=1e-4, atol=1e-6), together, alone(seed)
        )


def test_memory_opens_the_forget_gate_as_far_as_it_closes_the_input_gate():
    params, _, _ = LSTM(50, memory=100).init(jax.random.key(0), (TIME, FEATURES))
    entered, kept, candidate, output = jnp.split(params["biases"], 4)
    np.testing.assert_array_equal(entered, -kept)
    assert 0 <= kept.min() < kept.max() <= np.log(99)
    assert not candidate.any()
    assert not output.any()


def test_first_values():
    params, _, _ = LSTM(UNITS).init(jax.random.key(0), (TIME, FEATURES))
    np.testing.assert_array_equal(
        params["biases"], jnp.repeat(jnp.array([0.0, 1.0, 0.0, 0.0]), UNITS), "only the forget gate begins at 1"
    )
    recurrent = params["recurrent"]
    np.testing.assert_allclose(recurrent @ recurrent.T, jnp.eye(UNITS), atol=1e-5)


def test_the_gates_are_in_the_cache_under_their_names(rng):
    layer = LSTM(UNITS)
    params, state, _ = layer.init(jax.random.key(0), (TIME, FEATURES))
    x = jnp.asarray(draw(rng, BATCH, TIME, FEATURES), jnp.float32)
    y, _, cache = layer.forward(params, state, x)
    assert {cache[name].shape for name in ("input", "forget", "candidate", "output")} == {(TIME, BATCH, UNITS)}
    np.testing.assert_allclose(y, cache["output"][-1] * jnp.tanh(cache["cell"][-1]), rtol=1e-6)


def test_a_network_keeps_the_activation_of_a_recurrence_inside_it():
    assert Network(RNN(4, "relu"), Dense(2, "softmax")).names == ("rnn_1", "dense_1", "softmax_1")


@every_kind
def test_refuses_what_is_no_sequence(kind):
    layer = KINDS[kind][0](UNITS)
    with pytest.raises(ShapeError, match=rf"{kind}.*\(time, features\).*\(784,\)"):
        layer.init(jax.random.key(0), (784,))
    params, state, _ = layer.init(jax.random.key(0), (TIME, FEATURES))
    with pytest.raises(ShapeError, match=rf"{kind}.*time, 3.*\(2, 6, 4\)"):
        layer.forward(params, state, jnp.ones((2, TIME, 4)))


def test_only_recurrent_layers_read_from_both_ends():
    with pytest.raises(InvalidValue, match="rnn, lstm or gru"):
        Bidirectional(Dense(3))
    with pytest.raises(InvalidValue, match=r"merge.*'average'"):
        Bidirectional(LSTM(3), merge="average")
