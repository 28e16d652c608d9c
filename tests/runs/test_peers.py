"""Weights of PyTorch and Keras, in and out: the outputs are equal, and what cannot be carried over is refused."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import torch
from safetensors.torch import load, save

import pellucid as pel
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.layers import layers as registry

RANDOM = np.random.default_rng(0)
K = keras.layers


def drawn(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


class Last(torch.nn.Module):
    """A recurrent layer whose last state is read, of both directions side by side."""

    def __init__(self, layer, head):
        super().__init__()
        self.layer, self.head = layer, head

    def forward(self, x):
        last = self.layer(x)[1]
        last = last[0] if isinstance(last, tuple) else last
        ways = 2 if self.layer.bidirectional else 1
        return self.head(torch.cat(list(last[-ways:]), dim=-1))


class Whole(torch.nn.Module):
    """A recurrent layer whose states are all read."""

    def __init__(self, layer, head):
        super().__init__()
        self.layer, self.head = layer, head

    def forward(self, x):
        return self.head(self.layer(x)[0].flatten(1))


def cnn(rank=2):
    conv, norm, pool = (getattr(torch.nn, f"{kind}{rank}d") for kind in ("Conv", "BatchNorm", "MaxPool"))
    return torch.nn.Sequential(
        conv(2, 6, 3, padding=1),
        norm(6),
        torch.nn.ReLU(),
        pool(2),
        conv(6, 4, 3, groups=2),
        norm(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.BatchNorm1d(4 if rank == 1 else 8),
        torch.nn.Linear(4 if rank == 1 else 8, 5),
        torch.nn.ReLU(),
        torch.nn.Linear(5, 3),
    )


def pellucid_cnn(rank=2):
    conv, pool = getattr(pel.layers, f"Conv{rank}D"), getattr(pel.layers, f"MaxPool{rank}D")
    return pel.Network(
        conv(6, 3, padding="same"),
        pel.BatchNorm(),
        pel.Activation("relu"),
        pool(2),
        conv(4, 3, groups=2),
        pel.BatchNorm(),
        pel.Activation("relu"),
        pel.Flatten(),
        pel.BatchNorm(),
        pel.Dense(5, "relu"),
        pel.Dense(3),
    )


def recurrent(kind, **options):
    return getattr(torch.nn, kind)(3, 4, batch_first=True, **options)


two = {"num_layers": 2}
ways = {"bidirectional": True}
LSTM = {"name": "lstm", "units": 4}
TRANSPOSED = torch.nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2)

TORCH = {
    "mlp": (
        torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2)),
        pel.Network(pel.Dense(8, "tanh"), pel.LayerNorm(), pel.Dense(2)),
        (4,),
    ),
    "no biases": (torch.nn.Linear(4, 2, bias=False), pel.Network(pel.Dense(2, use_biases=False)), (4,)),
    "cnn": (cnn(), pellucid_cnn(), (6, 8, 2)),
    "cnn of sequences": (cnn(1), pellucid_cnn(1), (7, 2)),
    "images flattened": (
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24, 2)),
        pel.Network(pel.Flatten(), pel.Dense(2)),
        (4, 3, 2),
    ),
    "strides, dilation": (
        torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, (3, 2), stride=(2, 1), dilation=(1, 2)), torch.nn.Flatten(), torch.nn.Linear(18, 1)
        ),
        pel.Network(pel.Conv2D(2, (3, 2), stride=(2, 1), dilation=(1, 2)), pel.Flatten(), pel.Dense(1)),
        (7, 5, 1),
    ),
    "transposed": (
        TRANSPOSED,
        pel.Network(pel.layers.ConvTranspose2D(6, 4, stride=2, padding="same", groups=2)),
        (3, 5, 4),
    ),
    "transposed of sequences": (
        torch.nn.ConvTranspose1d(4, 6, 3, output_padding=1, stride=4),
        pel.Network(pel.layers.ConvTranspose1D(6, 3, stride=4)),
        (5, 4),
    ),
    "embedding": (
        torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Flatten(), torch.nn.Linear(20, 2)),
        pel.Network(pel.Embedding(9, 4), pel.Flatten(), pel.Dense(2)),
        (5,),
    ),
    "rnn": (
        Last(recurrent("RNN", nonlinearity="relu"), torch.nn.Linear(4, 2)),
        pel.Network(pel.RNN(4, "relu"), pel.Dense(2)),
        (6, 3),
    ),
    "lstm": (Last(recurrent("LSTM"), torch.nn.Linear(4, 2)), pel.Network(pel.LSTM(4), pel.Dense(2)), (6, 3)),
    "gru": (Last(recurrent("GRU"), torch.nn.Linear(4, 2)), pel.Network(pel.GRU(4), pel.Dense(2)), (6, 3)),
    "lstm without biases": (
        Last(recurrent("LSTM", bias=False), torch.nn.Linear(4, 2)),
        pel.Network(pel.LSTM(4), pel.Dense(2)),
        (6, 3),
    ),
    "two grus": (
        Whole(recurrent("GRU", **two), torch.nn.Linear(24, 2)),
        pel.Network(pel.GRU(4, return_sequences=True), pel.GRU(4, return_sequences=True), pel.Flatten(), pel.Dense(2)),
        (6, 3),
    ),
    "bidirectional": (
        Last(recurrent("LSTM", **ways), torch.nn.Linear(8, 2)),
        pel.Network(pel.layers.Bidirectional(LSTM), pel.Dense(2)),
        (6, 3),
    ),
    "two bidirectional": (
        Whole(recurrent("LSTM", **ways, **two), torch.nn.Linear(48, 2)),
        pel.Network(*[pel.layers.Bidirectional(LSTM | {"return_sequences": True})] * 2, pel.Flatten(), pel.Dense(2)),
        (6, 3),
    ),
}


def inputs(network, shape):
    layer = network.layers[0]
    return RANDOM.integers(0, layer.vocabulary, (5, *shape)) if layer.vocabulary else drawn(5, *shape)


def shaken(module):
    """The module with numbers of its own in every array, running statistics too, in evaluation mode."""
    for name, tensor in module.state_dict().items():
        if tensor.dtype.is_floating_point:
            values = drawn(*tensor.shape) * 0.5
            tensor.copy_(torch.tensor(np.abs(values) + 0.5 if name.endswith("var") else values))
    return module.eval()


def of_torch(module, x, shape):
    tensor = torch.tensor(x)
    if len(shape) == 3 or (
        len(shape) == 2 and any(isinstance(m, torch.nn.Conv1d | torch.nn.ConvTranspose1d) for m in module.modules())
    ):
        tensor = tensor.movedim(-1, 1)
    with torch.no_grad():
        outputs = module(tensor)
    return (outputs.movedim(1, -1) if outputs.ndim > 2 else outputs).numpy()


def of_network(network, arrays, x):
    params, state, _ = network.init(jax.random.key(0), x.shape[1:])
    params, state = pel.network.with_arrays(network, params, state, arrays)
    return np.asarray(network.forward(params, state, jnp.asarray(x, jnp.float32)).outputs[-1])


@pytest.mark.parametrize("case", TORCH)
def test_weights_of_pytorch_give_its_outputs(case):
    module, network, shape = TORCH[case]
    module, x = shaken(module), inputs(network, shape)
    expected = of_torch(module, x, shape)
    state = module.state_dict()
    table = {name: state[name].numpy() for name in sorted(state, reverse=True)}
    sources = [module, state, *([] if isinstance(module, Last | Whole) else [table])]
    if len(sources) == 2:
        with pytest.raises(InvalidValue, match="does not tell the order of its layers"):
            pel.weights.from_torch(table, network, shape)
    for source in sources:
        arrays = pel.weights.from_torch(source, network, shape)
        np.testing.assert_allclose(of_network(network, arrays, x), expected, atol=1e-5)


@pytest.mark.parametrize("case", TORCH)
def test_weights_of_pellucid_give_its_outputs_in_pytorch(case):
    module, network, shape = TORCH[case]
    module, x = module.eval(), inputs(network, shape)
    run, arrays = drawn_run(network, x)
    if case == "lstm without biases":
        with pytest.raises(InvalidValue, match="has no bias_ih, bias_hh, and biases of lstm_1 are not 0"):
            pel.weights.to_torch(run, module)
        return
    assert pel.weights.to_torch(run, module) is module
    np.testing.assert_allclose(of_torch(module, x, shape), of_network(network, arrays, x), atol=1e-5)
    for name, back in pel.weights.from_torch(module, network, shape).items():
        for path, array in back.items():
            np.testing.assert_allclose(array, arrays[name][path], atol=1e-6)


def drawn_run(network, x):
    """A run that made no step, with numbers drawn for every array."""

    class Holder:
        """What `to_torch` asks of a run."""

        facts = type("Facts", (), {"input_shape": x.shape[1:]})

    shapes = pel.network.shapes_by_layer(network, x.shape[1:])
    weights = {
        layer: {
            name: np.abs(drawn(*a.shape)) + 0.5 if name == "variance" else drawn(*a.shape) * 0.5
            for name, a in own.items()
        }
        for layer, own in shapes.items()
    }
    holder = Holder()
    holder.network, holder.weights = network, weights
    return holder, weights


def of_keras(*parts, shape, dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *parts])


def norm(kind, **options):
    return getattr(K, kind)(epsilon=1e-5, **options)


KERAS = {
    "mlp": (
        of_keras(K.Dense(8, "tanh"), norm("LayerNormalization"), K.Dense(2), shape=(4,)),
        pel.Network(pel.Dense(8, "tanh"), pel.LayerNorm(), pel.Dense(2)),
    ),
    "cnn": (
        of_keras(
            K.Conv2D(6, 3, padding="same"),
            norm("BatchNormalization"),
            K.ReLU(),
            K.MaxPooling2D(2),
            K.Conv2D(4, 3),
            K.Flatten(),
            norm("BatchNormalization", scale=False),
            K.Dense(5, "relu"),
            K.Dense(3),
            shape=(6, 8, 2),
        ),
        pel.Network(
            pel.Conv2D(6, 3, padding="same"),
            pel.BatchNorm(),
            pel.Activation("relu"),
            pel.MaxPool2D(2),
            pel.Conv2D(4, 3),
            pel.Flatten(),
            pel.BatchNorm(scale=False),
            pel.Dense(5, "relu"),
            pel.Dense(3),
        ),
    ),
    "sequences": (
        of_keras(K.Conv1D(4, 3, strides=2, padding="same"), K.Conv1DTranspose(3, 4, strides=2), shape=(7, 2)),
        pel.Network(pel.layers.Conv1D(4, 3, stride=2, padding="same"), pel.layers.ConvTranspose1D(3, 4, stride=2)),
    ),
    "transposed": (
        of_keras(K.Conv2DTranspose(3, 4, strides=2, padding="same"), shape=(3, 5, 4)),
        pel.Network(pel.layers.ConvTranspose2D(3, 4, stride=2, padding="same")),
    ),
    "embedding": (
        of_keras(K.Embedding(9, 4), K.Flatten(), K.Dense(2), shape=(5,)),
        pel.Network(pel.Embedding(9, 4), pel.Flatten(), pel.Dense(2)),
    ),
    "rnn": (
        of_keras(K.SimpleRNN(4, "relu", return_sequences=True), K.SimpleRNN(3), K.Dense(2), shape=(6, 3)),
        pel.Network(pel.RNN(4, "relu", return_sequences=True), pel.RNN(3), pel.Dense(2)),
    ),
    "lstm": (of_keras(K.LSTM(4), K.Dense(2), shape=(6, 3)), pel.Network(pel.LSTM(4), pel.Dense(2))),
    "gru": (of_keras(K.GRU(4), K.Dense(2), shape=(6, 3)), pel.Network(pel.GRU(4), pel.Dense(2))),
    "bidirectional": (
        of_keras(
            K.Bidirectional(K.LSTM(4, return_sequences=True)), K.Bidirectional(K.GRU(3)), K.Dense(2), shape=(6, 3)
        ),
        pel.Network(
            pel.layers.Bidirectional(LSTM | {"return_sequences": True}),
            pel.layers.Bidirectional({"name": "gru", "units": 3}),
            pel.Dense(2),
        ),
    ),
    "summed": (
        of_keras(K.Bidirectional(K.SimpleRNN(4), merge_mode="sum"), K.Dense(2), shape=(6, 3)),
        pel.Network(pel.layers.Bidirectional({"name": "rnn", "units": 4}, merge="sum"), pel.Dense(2)),
    ),
}


def outputs_of(model, x):
    return model(x, training=False).detach().numpy()


@pytest.mark.parametrize("case", KERAS)
def test_weights_of_keras_give_its_outputs_and_back(case):
    model, network = KERAS[case]
    shape = model.input_shape[1:]
    x = inputs(network, shape)
    for weights in model.weights:
        values = drawn(*weights.shape) * 0.5
        weights.assign(np.abs(values) + 0.5 if weights.name == "moving_variance" else values)
    arrays = pel.weights.from_keras(model, network, shape)
    np.testing.assert_allclose(of_network(network, arrays, x), outputs_of(model, x), atol=1e-5)
    run, arrays = drawn_run(network, x)
    assert pel.weights.to_keras(run, model) is model
    np.testing.assert_allclose(outputs_of(model, x), of_network(network, arrays, x), atol=1e-5)


WITHOUT = {"frozen": "a wrapper: the peer is that of its layer"}
"""Layers with weights that no case needs to hold, and why."""


def test_every_layer_with_weights_has_peers_that_are_compared():
    compared = {
        library: {type(layer).name for _, network, *_ in cases.values() for layer in network.layers}
        for library, cases in (("torch", TORCH), ("keras", KERAS))
    }
    for name in registry:
        fields, shape = registry.find(name).example
        layer = registry.build({"name": name, **fields})
        params, state, _ = layer.init(jax.random.key(0), shape)
        if not layer.unpack(params, state)[0]:
            continue
        assert set(layer.peers) == {"torch", "keras"}, name
        assert name in WITHOUT or all(name in layers for layers in compared.values()), name


def linear(units=3):
    return torch.nn.Sequential(torch.nn.Linear(4, units))


def sequence(layer, *others, shape):
    return of_keras(layer, *others, shape=shape)


REFUSED = {
    "number of layers": (linear(), pel.Network(pel.Dense(3, "relu"), pel.Dense(2)), (4,), "has 1 layers with weights"),
    "another kind": (linear(), pel.Network(pel.LayerNorm()), (4,), "is a Linear, and layer_norm_1 in its place"),
    "no bias": (torch.nn.Linear(4, 3, bias=False), pel.Network(pel.Dense(3)), (4,), "use_biases=False"),
    "a bias": (linear(), pel.Network(pel.Dense(3, use_biases=False)), (4,), "has bias, for which dense_1 has no array"),
    "epsilon": (torch.nn.BatchNorm1d(4, eps=1e-3), pel.Network(pel.BatchNorm()), (4,), r"eps = 0.001.* Set epsilon"),
    "padding": (
        torch.nn.Conv2d(1, 2, 3, stride=2, padding=1),
        pel.Network(pel.Conv2D(2, 3, stride=2, padding="same")),
        (6, 6, 1),
        r"padding = \(1, 1\), which conv2d_1 does not. Set padding",
    ),
    "activation": (recurrent("RNN"), pel.Network(pel.RNN(4, "relu")), (6, 3), "nonlinearity = 'tanh'"),
    "directions": (recurrent("LSTM", bidirectional=True), pel.Network(pel.LSTM(4)), (6, 3), "weight_ih_reverse"),
    "channels of a vector": (
        torch.nn.Sequential(torch.nn.Linear(4, 12), torch.nn.Unflatten(1, (3, 4)), torch.nn.Conv1d(3, 2, 1)),
        pel.Network(pel.Dense(12), pel.layers.Reshape((4, 3)), pel.layers.Conv1D(2, 1)),
        (4,),
        "makes channels of a vector",
    ),
    "keras epsilon": (
        sequence(K.BatchNormalization(), shape=(4,)),
        pel.Network(pel.BatchNorm()),
        (4,),
        "epsilon = 0.001",
    ),
    "keras gru": (
        sequence(K.GRU(4, reset_after=False), shape=(6, 3)),
        pel.Network(pel.GRU(4)),
        (6, 3),
        "reset_after = False",
    ),
    "keras gates": (sequence(K.LSTM(4, "relu"), shape=(6, 3)), pel.Network(pel.LSTM(4)), (6, 3), "activation = 'relu'"),
    "keras depthwise": (
        sequence(K.DepthwiseConv2D(3), shape=(6, 6, 2)),
        pel.Network(pel.Conv2D(2, 3, groups=2)),
        (6, 6, 2),
        "is a DepthwiseConv2D, and conv2d_1 in its place does what a Conv2D does",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_carried_over_is_refused(case):
    source, network, shape, text = REFUSED[case]
    read = pel.weights.from_keras if isinstance(source, keras.Model) else pel.weights.from_torch
    with pytest.raises(InvalidValue, match=text):
        read(source, network, shape)


def test_a_training_starts_from_a_model_and_its_head_may_differ():
    iris = pel.load_dataset("iris")
    module = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 5))
    network = pel.Network(pel.Dense(6, "tanh"), pel.Dense(3, "softmax"))
    for source in (module, module.state_dict()):
        run = pel.train(network, iris, initial=source, epochs=0, progress=False)
        np.testing.assert_array_equal(run.weights["dense_1"]["weights"], module[0].weight.detach().numpy().T)
        assert "dense_2: initialised; weights 6×5 there, 6×3 here" in run.notes.choices
    table = load(save(module.state_dict()))  # in another order
    run = pel.train(network, iris, initial=table, epochs=0, progress=False)
    np.testing.assert_array_equal(run.weights["dense_1"]["weights"], module[0].weight.detach().numpy().T)
    with pytest.raises(ShapeError, match=r"2 has weight of shape \(5, 6\). Received: \(3, 6\)"):
        pel.weights.to_torch(run, module)
    model = of_keras(K.Dense(6, "tanh"), K.Dense(3, "softmax"), shape=(4,))
    run = pel.train(network, iris, initial=model, epochs=0, progress=False)
    scaled = run.facts.preprocessing.apply_numpy(iris.held_out.x)
    np.testing.assert_allclose(outputs_of(model, scaled), run.outputs(iris.held_out.x), atol=1e-5)


def test_layers_are_paired_by_name_where_all_names_agree():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = torch.nn.Linear(5, 3), torch.nn.Linear(4, 5)

    nodes = {"first": (pel.Dense(5), "x"), "second": (pel.Dense(3), "first")}
    graph = pel.Network.graph(inputs="x", nodes=nodes, outputs="second")
    module = Model()
    arrays = pel.weights.from_torch(module, graph, (4,))
    np.testing.assert_array_equal(arrays["first"]["weights"], module.first.weight.detach().numpy().T)


def test_what_is_no_model_is_refused():
    with pytest.raises(InvalidValue, match="from_torch takes a PyTorch module"):
        pel.weights.from_torch(3, pel.Network(pel.Dense(2)), (4,))
    with pytest.raises(InvalidValue, match="from_keras takes a Keras model"):
        pel.weights.from_keras(linear(), pel.Network(pel.Dense(3)), (4,))
    with pytest.raises(InvalidValue, match="to_torch takes a PyTorch module"):
        pel.weights.to_torch(None, {"0.weight": np.ones(3)})
