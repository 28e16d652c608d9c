"""A hundred steps in double precision beside PyTorch: two inputs, two outputs and a shared layer; labels at steps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.functions.losses import JointLoss, SparseCategoricalCrossEntropy
from pellucid.functions.metrics import Accuracy, JointMetric
from pellucid.layers import LSTM, Concatenate, Dense
from pellucid.network import Network
from pellucid.optimizers import Adam, Momentum
from pellucid.training import Recorder, Rows, Supervised, initial_state
from pellucid.training.rows import Scaling, epoch_order
from pellucid.training.state import with_numbers

ROWS, BATCH, STEPS, RATE = 40, 12, 100, 0.02
OPTIMIZERS = {
    "momentum": (Momentum(RATE, average=False), lambda torch, p: torch.optim.SGD(p, RATE, momentum=0.9)),
    "adam": (Adam(RATE), lambda torch, p: torch.optim.Adam(p, RATE)),
}
SHARED = Dense(5, "tanh")
TWINS = Network.graph(
    inputs=("left", "right"),
    nodes={
        "a": (SHARED, "left"),
        "b": (SHARED, "right"),
        "both": (Concatenate(), ("a", "b")),
        "kind": (Dense(3, "softmax"), "both"),
        "size": (Dense(2), "both"),
    },
    outputs=("kind", "size"),
)
TAGGER = Network(LSTM(4, return_sequences=True, mask_value=0.0), Dense(3, "softmax"))


@pytest.fixture
def torch(float64):
    torch = pytest.importorskip("torch")
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(torch.float32)


def trained(program, optimizer, shape, x, y):
    """The parameters before and after the steps, and loss and other measures of each, in double precision."""
    state = initial_state(program.network, optimizer, None, shape, 0)
    state = jax.tree.map(lambda a: a.astype(jnp.float64) if a.dtype == jnp.float32 else a, state)
    state = with_numbers(state, optimizer)
    scaling = Scaling(jnp.zeros(()), jnp.ones(()))
    rows = Rows(jax.tree.map(jnp.asarray, x), jax.tree.map(jnp.asarray, y))

    @jax.jit
    def steps(state):
        def step(state, _):
            result = program.step(state, scaling, rows, epoch_order(state, rows, BATCH), False)
            return result.state, result.metrics

        return jax.lax.scan(step, state, None, STEPS)

    after, measures = steps(state)
    return jax.tree.map(np.array, (state.params, after.params, measures))


def follow(torch, parameters, loss_of, make):
    """The losses of PyTorch's steps on the same batches: rows in their order, the last batch short."""
    optimizer, losses = make(torch, parameters), []
    per_epoch = -(-ROWS // BATCH)
    for step in range(STEPS):
        first = step % per_epoch * BATCH
        value = loss_of(slice(first, min(first + BATCH, ROWS)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def linear(torch, of_layer):
    layer = torch.nn.Linear(*of_layer["weights"].shape)
    layer.weight.data = torch.tensor(of_layer["weights"].T.copy())
    layer.bias.data = torch.tensor(of_layer["biases"])
    return layer


def check(params, layer):
    np.testing.assert_allclose(params["weights"].T, layer.weight.detach().numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(params["biases"], layer.bias.detach().numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_inputs_two_outputs_and_a_shared_layer(name, rng, torch):
    optimizer, make = OPTIMIZERS[name]
    x = tuple(rng.normal(size=(ROWS, 4)) for _ in range(2))
    y = (rng.integers(0, 3, ROWS).astype(np.int32), rng.normal(size=(ROWS, 2)))
    loss = JointLoss(("sparse_categorical_cross_entropy", "mean_squared_error"), (1.0, 0.3))
    metric = JointMetric(("accuracy", "mean_absolute_error"), ("kind", "size"))
    program = Supervised(TWINS, loss, metric, BATCH, Recorder(0), shuffle=False)
    before, after, measures = trained(program, optimizer, ((4,), (4,)), x, y)
    names = TWINS.names
    layers = {part: linear(torch, before[names.index(part)]) for part in ("a", "kind", "size")}
    left, right, size = (torch.tensor(array) for array in (*x, y[1]))
    kind = torch.tensor(y[0]).long()

    def parts(rows):
        both = torch.cat([torch.tanh(layers["a"](side[rows])) for side in (left, right)], dim=1)
        entropy = torch.nn.functional.cross_entropy(layers["kind"](both), kind[rows])
        return entropy, torch.nn.functional.mse_loss(layers["size"](both), size[rows])

    def loss_of(rows):
        entropy, square = parts(rows)
        return entropy + 0.3 * square

    first = [part.item() for part in parts(slice(0, BATCH))]
    parameters = [parameter for layer in layers.values() for parameter in layer.parameters()]
    losses = follow(torch, parameters, loss_of, make)
    np.testing.assert_allclose(measures[:, 0], losses, rtol=0, atol=1e-9)
    assert program.extra_names == ("kind loss", "size loss", "size mean_absolute_error")
    np.testing.assert_allclose(measures[0, 3:5], first, rtol=0, atol=1e-9)
    assert losses[-1] < losses[0]
    assert after[names.index("b")] == {}
    for part, layer in layers.items():
        check(after[names.index(part)], layer)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_labels_at_each_step_with_padding(name, rng, torch):
    """Padded steps are of no sequence; two steps more have no label. Each sequence weighs the same."""
    optimizer, make = OPTIMIZERS[name]
    lengths = rng.integers(3, 8, ROWS)
    real = np.arange(7) < lengths[:, None]
    x = np.where(real[..., None], rng.normal(size=(ROWS, 7, 2)), 0.0)
    labelled = real & (rng.uniform(size=real.shape) > 0.1)
    labelled[:, 0] = True
    y = np.where(labelled, rng.integers(0, 3, real.shape), -1).astype(np.int32)
    program = Supervised(
        TAGGER, SparseCategoricalCrossEntropy(ignore=-1), Accuracy(ignore=-1), BATCH, Recorder(0), shuffle=False
    )
    before, after, measures = trained(program, optimizer, (7, 2), x, y)
    lstm, dense = torch.nn.LSTM(2, 4, batch_first=True), linear(torch, before[1])
    for theirs, own in (("weight_ih_l0", "weights"), ("weight_hh_l0", "recurrent"), ("bias_ih_l0", "biases")):
        getattr(lstm, theirs).data = torch.tensor(before[0][own].T.copy())
    lstm.bias_hh_l0.data.zero_()
    lstm.bias_hh_l0.requires_grad_(False)
    inputs, labels, counted = torch.tensor(x), torch.tensor(y).long(), torch.tensor(labelled)

    def loss_of(rows):
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            inputs[rows], torch.tensor(lengths[rows]), batch_first=True, enforce_sorted=False
        )
        states, _ = torch.nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=7)
        logits = dense(states).swapaxes(1, 2)
        each = torch.nn.functional.cross_entropy(logits, labels[rows], ignore_index=-1, reduction="none")
        return (each.sum(dim=1) / counted[rows].sum(dim=1)).mean()

    trainable = partial(filter, lambda parameter: parameter.requires_grad)
    losses = follow(torch, list(trainable([*lstm.parameters(), *dense.parameters()])), loss_of, make)
    np.testing.assert_allclose(measures[:, 0], losses, rtol=0, atol=1e-9)
    assert losses[-1] < losses[0]
    check(after[1], dense)
    for theirs, own in (("weight_ih_l0", "weights"), ("weight_hh_l0", "recurrent"), ("bias_ih_l0", "biases")):
        expected = getattr(lstm, theirs).detach().numpy().T
        np.testing.assert_allclose(after[0][own], expected, rtol=0, atol=1e-9)
