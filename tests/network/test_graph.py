"""Graphs: branches, merges, several inputs and outputs; against JAX, trained, saved and resumed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue, ShapeError, UnknownName
from pellucid.functions.losses import JointLoss, SparseCategoricalCrossEntropy, losses
from pellucid.functions.metrics import metrics
from pellucid.layers import LSTM, Add, Attention, Concatenate, Dense, Dropout, Multiply
from pellucid.network import Network, backpropagate, build_network, summarize
from pellucid.optimizers import as_optimizer
from pellucid.training import Rows, Scaling, Supervised, initial_state
from pellucid.training.program import advance

RESIDUAL = Network.graph(
    inputs="x",
    nodes={
        "wide": (Dense(8, "relu"), "x"),
        "block": (Dense(8, "tanh"), "wide"),
        "sum": (Add(), ("wide", "block")),
        "out": (Dense(3, "softmax"), "sum"),
    },
    outputs="out",
)
BRANCHES = Network.graph(
    inputs="image",
    nodes={
        "flat": ("flatten", "image"),
        "narrow": (Dense(16, "relu"), "flat"),
        "dropped": (Dropout(0.2), "flat"),
        "wide": (Dense(32, "tanh"), "dropped"),
        "both": (Concatenate(), ("narrow", "wide")),
        "out": (Dense(10, "softmax"), "both"),
    },
    outputs="out",
)
TWO = Network.graph(
    inputs=("query", "keys"),
    nodes={
        "seen": (Attention(), ("query", "keys")),
        "gate": (Multiply(), ("seen", "query")),
        "flat": ("flatten", "gate"),
        "kind": (Dense(3, "softmax"), "flat"),
        "size": (Dense(2), "flat"),
        "yes": (Dense(1, "sigmoid"), "kind"),
    },
    outputs=("kind", "size", "yes"),
)


jitted = jax.jit(backpropagate, static_argnums=(0, 1))


def drawn(network, input_shape, seed=1):
    params, state, _ = network.init(jax.random.key(seed), input_shape)
    return jax.tree.map(lambda w: w.astype(jnp.float64), params), state


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12), one, other)


def test_a_chain_is_a_network_to_the_bit(rng):
    network = Network(Dense(5, "relu"), Dropout(0.3), Dense(3, "softmax"))
    chain = Network.graph(
        inputs="x",
        nodes={"a": (Dense(5, "relu"), "x"), "b": (Dropout(0.3), "a"), "c": (Dense(3, "softmax"), "b")},
        outputs="c",
    )
    x, y = jnp.asarray(rng.normal(size=(6, 4)), jnp.float32), jnp.asarray(rng.integers(0, 3, 6))
    loss = losses.build("sparse_categorical_cross_entropy")
    results = []
    for one in (network, chain):
        params, state, shape = one.init(jax.random.key(0), (4,))
        assert shape == (3,)
        result = jitted(one, loss, params, state, x, y, jnp.ones(6), key=jax.random.key(3))
        results.append((params, result))
    jax.tree.map(np.testing.assert_array_equal, *results)


def test_backward_equals_the_vjp_of_forward(rng, float64):
    params, state = drawn(BRANCHES, (3, 4))
    x, dy, key = (jnp.asarray(rng.normal(size=(5, 3, 4))), jnp.asarray(rng.normal(size=(5, 10))), jax.random.key(2))

    def outputs(params, x):
        return BRANCHES.forward(params, state, x, key=key, training=True).outputs[-1]

    @jax.jit
    def both_ways(params, x):
        pass_ = BRANCHES.forward(params, state, x, key=key, training=True)
        back = BRANCHES.backward(params, pass_.caches, {BRANCHES.ends[0]: dy})
        return (back.grads, back.dx), jax.vjp(outputs, params, x)[1](dy)

    close(*both_ways(params, x))


@pytest.mark.parametrize("loss", ["sparse_categorical_cross_entropy", "softmax_cross_entropy"], ids=["fused", "apart"])
def test_gradients_of_a_residual_block_equal_those_of_jax(loss, rng, float64):
    loss = losses.build(loss)
    params, state = drawn(RESIDUAL, (4,))
    labels = rng.integers(0, 3, 6)
    y = jnp.asarray(labels if loss.target_kind == "classes" else np.eye(3)[labels])
    x, weights = jnp.asarray(rng.normal(size=(6, 4))), jnp.asarray(rng.uniform(0.1, 2.0, 6))

    def value(params):
        return loss(RESIDUAL.forward(params, state, x).outputs[-1], y, weights)

    result = jitted(RESIDUAL, loss, params, state, x, y, weights)
    expected, grads = jax.jit(jax.value_and_grad(value))(params)
    close(result.loss, expected)
    close(result.grads, grads)


def test_several_inputs_and_outputs_under_a_joint_loss(rng, float64):
    loss = JointLoss(
        (
            "sparse_categorical_cross_entropy",
            {"name": "mean_squared_error", "reduction": "sum"},
            "binary_cross_entropy",
        ),
        (1.0, 0.3, 2.0),
    )
    shapes = ((3, 4), (5, 4))
    params, state = drawn(TWO, shapes)
    x = tuple(jnp.asarray(rng.normal(size=(6, *shape))) for shape in shapes)
    y = (
        jnp.asarray(rng.integers(0, 3, 6)),
        jnp.asarray(rng.normal(size=(6, 2))),
        jnp.asarray(rng.integers(0, 2, (6, 1)), jnp.float64),
    )
    weights = jnp.asarray(rng.uniform(0.1, 2.0, 6))

    def value(params, x):
        outputs = TWO.forward(params, state, x).outputs
        return loss(tuple(outputs[end] for end in TWO.ends), y, weights)

    # The softmax is an output, whose loss is fused with it, and is read by another layer too.
    result = jitted(TWO, loss, params, state, x, y, weights)
    expected, grads = jax.jit(jax.value_and_grad(value))(params, x)
    close(result.loss, expected)
    close(result.grads, grads)
    # The loss steps over the sigmoid that nobody else reads; of all other layers the gradient is known.
    assert [name for name, delta in zip(TWO.names, result.deltas, strict=True) if delta is None] == ["yes.sigmoid"]
    # One gradient alone: what it does not depend on is passed by.
    pass_ = TWO.forward(params, state, x)
    back = TWO.backward(params, pass_.caches, {TWO.names.index("size"): jnp.ones((6, 2))})
    assert back.deltas[TWO.names.index("kind")] is None
    assert not np.asarray(back.grads[TWO.names.index("kind")]["weights"]).any()


def test_a_joint_loss_says_what_does_not_fit(rng):
    params, state, _ = RESIDUAL.init(jax.random.key(0), (4,))
    joint = JointLoss(("mean_squared_error", "mean_squared_error"))
    with pytest.raises(InvalidValue, match=r"1 outputs needs as many losses.*2"):
        backpropagate(RESIDUAL, joint, params, state, jnp.ones((2, 4)), (None, None), jnp.ones(2))
    with pytest.raises(InvalidValue, match="2 losses, 1 weights"):
        JointLoss(("huber", "huber"), (1.0,))
    with pytest.raises(InvalidValue, match="weight of a loss"):
        JointLoss(("huber",), (-1.0,))


def test_names_and_order():
    graph = Network.graph(
        inputs="x",
        nodes={"out": (Add(), ["b", "a"]), "b": (Dense(2), "a"), "a": (Dense(2, "relu"), ["x"])},
        outputs=["out"],
    )
    assert graph.names == ("a", "a.relu", "b", "out")
    assert graph.reads == (("x",), ("a",), ("a.relu",), ("b", "a.relu"))
    assert graph.layers[0] == Dense(2)
    assert hash(graph) == hash(Network.graph(**graph.describe()))


@pytest.mark.parametrize("graph", [RESIDUAL, BRANCHES, TWO], ids=["residual", "branches", "two"])
def test_a_description_builds_it_again(graph):
    described = graph.describe()
    assert build_network(described) == graph
    assert described["nodes"][graph.names[-1]]["reads"]
    assert build_network(Network(Dense(2, "relu")).describe()) == Network(Dense(2, "relu"))


def test_the_table_shows_what_each_node_reads():
    summary = summarize(RESIDUAL, (4,))
    assert summary.parameters == 4 * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3
    assert summary.rows[4].reads == ("wide.relu", "block.tanh")
    text = str(summary)
    assert "wide.relu, block.tanh" in text
    assert text.splitlines()[2].split() == ["x", "4"]
    two = str(summarize(TWO, ((3, 4), (5, 4))))
    assert "query" in two
    assert "3×4" in two
    assert "reads" not in str(summarize(Network(Dense(2)), (4,)))


def test_the_table_counts_the_products_of_every_time_step():
    assert summarize(Network(LSTM(8)), (5, 3)).multiply_adds == 5 * (3 * 32 + 8 * 32)


def node(layer, reads="x"):
    return {"a": (layer, reads)}


@pytest.mark.parametrize(
    ("nodes", "outputs", "error", "text"),
    [
        ({"first": (Dense(2), "x"), "b": (Dense(2), "frist")}, "b", UnknownName, "'frist'.*Did you mean 'first'"),
        (node(Dense(2)), "aa", UnknownName, "output is 'aa'.*Did you mean 'a'"),
        ({"a": (Dense(2), "b"), "b": (Dense(2), "a")}, "b", InvalidValue, "circle: a reads b reads a"),
        ({"a": (Dense(2), "x"), "b": (Dense(2), "x")}, "b", InvalidValue, "no output depends on 'a'"),
        ({"a": (Dense(2, "relu"), "x"), "a.relu": (Dense(2), "a")}, "a", InvalidValue, "a.relu.*activation"),
        (node(Dense(2), ("x", "x")), "a", InvalidValue, r"'a' \(dense\) reads 1 input.*2.*Add"),
        (node(Attention()), "a", InvalidValue, r"'a' \(attention\) reads 2 inputs.*1"),
        (node(Add(), ()), "a", InvalidValue, r"'a' \(add\) reads at least 1"),
        ({"x": (Dense(2), "x")}, "x", InvalidValue, "Twice: x"),
        (node(Dense(2)), ("a", "a"), InvalidValue, "Twice: a"),
        (node(Dense(2)), (), InvalidValue, "one input and one output"),
        (node("dens"), "a", UnknownName, "'dens'.*Did you mean 'dense'"),
        ({"a": Dense(2)}, "a", InvalidValue, "'a' needs a layer and what it reads"),
        ({"a": {"name": "dense", "units": 2}}, "a", InvalidValue, "'a' needs a layer and what it reads"),
    ],
)
def test_refuses_what_is_no_graph(nodes, outputs, error, text):
    with pytest.raises(error, match=text):
        Network.graph(inputs="x", nodes=nodes, outputs=outputs)


def test_refuses_inputs_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"2 inputs \(query, keys\).*Received: one"):
        TWO.init(jax.random.key(0), (3, 4))
    with pytest.raises(ShapeError, match="'keys'"):
        TWO.check_input((np.ones((1, 3, 4)), np.ones((1, 5, 3))), ((3, 4), (5, 4)))
    with pytest.raises(ShapeError, match=r"x\[None\]"):
        RESIDUAL.check_input(np.ones(4), (4,))
    with pytest.raises(InvalidValue, match=r"'add' reads several layers; describe the network by Network\.graph"):
        Network(Dense(2), Add())
    with pytest.raises(InvalidValue, match=r"inputs, outputs and a table.*Received: node"):
        build_network({"node": {}})


@pytest.mark.parametrize(
    ("graph", "name", "epochs"), [(RESIDUAL, "iris", 20), (BRANCHES, "digits", 5)], ids=["residual", "branches"]
)
def test_trains_saves_and_loads_on_real_data(graph, name, epochs, tmp_path):
    data = pel.load_dataset(name)
    run = pel.train(graph, data, optimizer=pel.Adam(0.01), epochs=epochs, progress=False, folder=tmp_path / "run")
    assert run.result["accuracy"] > 0.9
    assert list(run.history.layers["layer"][: len(graph.names)]) == list(graph.names)
    loaded = pel.load(tmp_path / "run")
    assert loaded.network == graph
    np.testing.assert_array_equal(loaded.outputs(data.held_out.x), run.outputs(data.held_out.x))
    assert "narrow" in str(run.summary) or "block" in str(run.summary)


def test_an_interrupted_training_of_a_graph_ends_with_the_same_bits(tmp_path):
    data = pel.load_dataset("iris")
    whole = pel.train(RESIDUAL, data, epochs=4, progress=False)
    pel.train(RESIDUAL, data, epochs=2, progress=False, folder=tmp_path / "run")
    resumed = pel.resume(tmp_path / "run", epochs=4, progress=False)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)


def test_the_command_line_trains_a_graph(tmp_path):
    (tmp_path / "graph.toml").write_text(
        'inputs = "x"\noutputs = "out"\n'
        '[nodes.a]\nname = "dense"\nunits = 8\nactivation = "relu"\nreads = "x"\n'
        '[nodes.both]\nname = "concatenate"\nreads = ["a", "x"]\n'
        '[nodes.out]\nname = "dense"\nunits = 3\nactivation = "softmax"\nreads = "both"\n'
    )
    arguments = ["train", "iris", "--network", str(tmp_path / "graph.toml"), "--epochs", "2", "--no-progress"]
    outcome = CliRunner().invoke(main, [*arguments, "--folder", str(tmp_path / "run")])
    assert outcome.exit_code == 0, outcome.output
    assert "a.relu, x" in outcome.output
    again = CliRunner().invoke(
        main, ["train", str(tmp_path / "run" / "experiment.toml"), "--folder", str(tmp_path / "again"), "--no-progress"]
    )
    assert again.exit_code == 0, again.output
    first, second = (pel.load(tmp_path / folder) for folder in ("run", "again"))
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)


def test_the_supervised_program_takes_several_inputs(rng):
    """Which of two vectors is the longer: learnt from both at once."""
    graph = Network.graph(
        inputs=("left", "right"),
        nodes={
            "l": (Dense(16, "relu"), "left"),
            "r": (Dense(16, "relu"), "right"),
            "both": (Concatenate(), ("l", "r")),
            "out": (Dense(2, "softmax"), "both"),
        },
        outputs="out",
    )
    x = tuple(rng.normal(size=(512, 3)).astype(np.float32) for _ in range(2))
    y = (np.linalg.norm(x[0], axis=1) < np.linalg.norm(x[1], axis=1)).astype(np.int32)
    loss, metric = SparseCategoricalCrossEntropy(), metrics.build("accuracy")
    program = Supervised(graph, loss, metric, batch_size=32)
    state = initial_state(graph, as_optimizer({"name": "adam", "learning_rate": 0.01}), None, ((3,), (3,)), 0)
    rows = Rows(tuple(map(jnp.asarray, x)), jnp.asarray(y))
    scaling = Scaling(jnp.zeros(()), jnp.ones(()))
    _, records = advance(program, state, scaling, rows, rows, jnp.asarray(16 * 20, jnp.int32))
    assert float(records.epochs[19, 1]) > 0.95
