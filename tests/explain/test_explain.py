"""One example with every number: against a calculation by hand, against backpropagation, on real data."""

import json
import re
from dataclasses import dataclass
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue, UnknownName
from pellucid.explanations.update import rule_lines
from pellucid.layers import Layer
from pellucid.optimizers import optimizers

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


def xor(params=None, network=None, **settings):
    """A run on XOR, with custom weights."""
    network = network or pel.Network(pel.Dense(2, "sigmoid"), pel.Dense(1, "sigmoid"))
    settings = {"optimizer": pel.SGD(0.5), "epochs": 1, "batch_size": 4} | settings
    x, y = np.tile(CORNERS, (8, 1)), np.tile([0, 1, 1, 0], 8)
    data = pel.make_dataset(x, y, preprocessing="none")
    run = pel.train(network, data, seed=0, progress=False, **settings)
    if params is not None:
        run.params = jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), params)
        run.training.state = run.training.state._replace(params=run.params)
    return run


def two_layers(first, biases):
    """The parameters of a network 2–2–1 whose second layer has weights of 1 and no biases."""
    second = {"weights": np.ones((2, 1)), "biases": np.zeros(1)}
    return ({"weights": np.array(first), "biases": np.array(biases)}, {}, second, {})


@pytest.fixture(scope="module")
def by_hand():
    """The network of the calculation below."""
    first = {"weights": np.array([[0.5, -0.5], [0.25, 0.75]]), "biases": np.array([0.0, 0.5])}
    second = {"weights": np.array([[1.0], [-1.0]]), "biases": np.array([0.0])}
    return xor((first, {}, second, {}))


# By hand, for x = (1, 0), y = 1:
#   z₁ = 1·0.5 + 0·0.25 + 0 = 0.5        a₁ = 1/(1 + e^−0.5) = 0.6224593
#   z₂ = 1·(−0.5) + 0·0.75 + 0.5 = 0     a₂ = 0.5
#   z = 1·0.6224593 − 1·0.5 = 0.1224593  a = 0.5305766     L = −log 0.5305766 = 0.6337909
#   ∂L/∂a = (a − 1) / (a (1 − a)) = −1.8847419     ∂a/∂z = 0.5305766 · 0.4694234 = 0.2490651
#   ∂L/∂z = −1.8847419 · 0.2490651 = −0.4694234
#   ∂L/∂v₁ = −0.4694234 · 0.6224593 = −0.2921970   v₁ ← 1 + 0.5 · 0.2921970 = 1.1460985
#   ∂L/∂a₁ = −0.4694234 · 1      ∂a₁/∂z₁ = 0.6224593 · 0.3775407 = 0.2350037
#   ∂L/∂z₁ = −0.1103162          ∂L/∂w₁₁ = −0.1103162 · 1     w₁₁ ← 0.5 + 0.5 · 0.1103162 = 0.5551581
def test_xor_agrees_with_the_calculation_by_hand(by_hand):
    told = by_hand.explain(CORNERS[2], 1)  # by default the weight of the last layer with the largest gradient
    chosen, near = told.chosen, lambda number: pytest.approx(number, abs=5e-8)
    (term,) = chosen.terms
    assert (chosen.layer, chosen.index, chosen.weight) == ("dense_2", (0, 0), 1.0)
    assert told.layer("dense_1").output == near(np.array([0.5, 0.0]))
    assert told.layer("sigmoid_1").output == near(np.array([0.6224593, 0.5]))
    assert (term.z, term.a, told.loss.value) == (near(0.1224593), near(0.5305766), near(0.6337909))
    assert (term.dL_da, term.da_dz, term.dL_dz, term.dz_dw) == (
        near(-1.8847419),
        near(0.2490651),
        near(-0.4694234),
        near(0.6224593),
    )
    assert (chosen.gradient, chosen.update.after) == (near(-0.2921970), near(1.1460985))

    first = by_hand.explain(CORNERS[2], 1, weight="dense_1:0,0").chosen
    (term,) = first.terms
    assert (term.dL_da, term.da_dz, term.dL_dz) == (near(-0.4694234), near(0.2350037), near(-0.1103162))
    assert (first.gradient, first.update.after) == (near(-0.1103162), near(0.5551581))
    assert "sgd" in first.update.source
    assert told.worst_error < 1e-9


def test_the_text_shows_formulas_with_their_numbers(by_hand):
    told = by_hand.explain(CORNERS[2], 1)
    text = str(told)
    for line in (
        "L = −(y · log(ŷ) + (1 − y) · log(1 − ŷ)) = −(1 · log(0.530577) + (1 − 1) · log(1 − 0.530577)) = 0.63379",
        "∂L/∂a = (ŷ − y) / (ŷ · (1 − ŷ)) = (0.530577 − 1) / (0.530577 · (1 − 0.530577)) = −1.88474",
        "∂a/∂z = a · (1 − a) = 0.530577 · (1 − 0.530577) = 0.249065",
        "∂L/∂z = ∂L/∂a · ∂a/∂z = −1.88474 · 0.249065 = −0.469423",
        "∂L/∂w = ∂L/∂z · ∂z/∂w = −0.469423 · 0.622459 = −0.292197",
        "w ← w − η · g = 1 − 0.5 · (−0.292197) = 1.1461",
    ):
        assert line in text
    assert r"\frac{\partial L}{\partial z} = \frac{\partial L}{\partial a} \cdot" in told.to_markdown()
    assert r"&= \frac{\partial L}{\partial a}" in told.to_latex()
    page = told.to_html()
    for formula in re.findall(r"<math.*?</math>", page):
        ElementTree.fromstring(formula)  # well formed
    assert not re.search(r"(?:src|href)=[\"'](?!data:|#)", page)  # nothing is fetched
    assert "<script" not in page
    numbers = json.loads(json.dumps(told.to_dict()))
    assert numbers["chosen"]["terms"][0]["product"] == told.chosen.gradient
    assert numbers["worst_relative_error"] == told.worst_error


NETWORKS = {
    "mlp": ("mnist-5k", (32, 32), {}),
    "cnn": (
        "mnist-5k",
        pel.Network(pel.Conv2D(4, 3, "relu"), pel.MaxPool2D(2), pel.Flatten(), pel.Dense(10, "softmax")),
        {"weight": "conv2d_1:1,1,0,2"},
    ),
    "lstm": ("digits", {"name": "lstm", "units": [12]}, {"weight": "lstm_1:recurrent:3,14"}),
    "gru": (
        "digits",
        pel.Network(pel.GRU(6, mask_value=0.0), pel.Dense(10, "softmax")),
        {"weight": "gru_1:recurrent:1,13"},
    ),
    "graph": (
        "diabetes",
        pel.Network.graph(
            inputs="x",
            nodes={
                "a": (pel.Dense(8, "tanh"), "x"),
                "norm": (pel.BatchNorm(), "a"),
                "b": (pel.Dense(8, "gelu"), "norm"),
                "sum": (pel.layers.Add(), ("a", "b")),
                "out": (pel.Dense(1), "sum"),
            },
            outputs="out",
        ),
        {"neuron": "b:3"},
    ),
    "autoencoder": ("digits", {"name": "autoencoder", "code": 4}, {}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_derivative_agrees_with_central_differences(name):
    dataset, network, chosen = NETWORKS[name]
    data = pel.load_dataset(dataset)
    run = pel.train(network, data, epochs=1, batch_size=64, seed=0, progress=False)
    y = None if name == "autoencoder" else data.held_out.y[3]
    told = run.explain(data.held_out.x[3], y, **chosen)
    assert told.worst_error <= 1e-6
    compared = [check for check in told.checks if check.status == "checked"]
    assert len(compared) > 0.8 * len(told.checks)
    assert sum(abs(check.exact) > check.resolution for check in compared) > len(compared) / 3
    weight = told.chosen
    assert sum(term.product for term in weight.terms) == pytest.approx(weight.gradient, rel=1e-9)
    whole = told.layer(weight.layer).grads[weight.parameter]
    assert whole[weight.index] == weight.gradient
    if weight.summands:
        z = sum(part.product for part in weight.summands) + weight.bias
        assert z == pytest.approx(weight.z, rel=1e-9)
    assert weight.update.lines[-1].value == pytest.approx(weight.update.after, rel=1e-12)
    if told.coupled is not None:
        assert told.coupled.paired
        assert told.coupled.difference < 1e-12
    if told.attribution is not None and name != "gru":  # its padding is a jump between the baseline and all else
        assert told.attribution.completeness_error < 5e-3
    json.dumps(told.to_dict(), allow_nan=False)
    for form in (told.to_markdown(), told.to_latex(), told.to_html()):
        assert not re.search(r"\b(nan|None)\b", form)


def test_a_wrong_backward_is_found():
    @dataclass(frozen=True)
    class Doubled(Layer):
        name = "doubled"

        def init(self, key, input_shape):
            return {}, {}, input_shape

        def forward(self, params, state, x, *, key, training):
            return 2 * x, state, None

        def backward(self, params, cache, dy):
            return 2.001 * dy, {}

    told = xor(network=pel.Network(pel.Dense(3, "tanh"), Doubled(), pel.Dense(1, "sigmoid"))).explain(CORNERS[2], 1)
    assert told.worst_error == pytest.approx(5e-4, rel=0.1)


def test_what_lies_at_a_kink_is_left_out_and_named():
    network = pel.Network(pel.Dense(2, "relu"), pel.Dense(1, "sigmoid"))
    run = xor(two_layers([[1.0, 1.0], [1.0, 1.0]], [-1.0, 0.0]), network)
    told = run.explain(CORNERS[2], 1)  # z = (0, 1): the first neuron is at the kink of its ReLU
    left = {check.of for check in told.left_out("kink")}
    assert "∂L/∂dense_1[0]" in left
    assert "∂L/∂dense_1[1]" not in left
    assert told.worst_error < 1e-9
    assert "kink" in str(told)


def test_a_neuron_that_nothing_comes_back_to():
    network = pel.Network(pel.Dense(2, "relu"), pel.Dense(1, "sigmoid"))
    run = xor(two_layers([[1.0, -1.0], [1.0, -1.0]], [0.0, 0.0]), network)
    chosen = run.explain(CORNERS[2], 1, neuron="relu_1:1").chosen
    assert (chosen.layer, chosen.index, chosen.gradient) == ("dense_1", (0, 1), 0.0)
    assert (chosen.terms[0].a, chosen.terms[0].da_dz, chosen.terms[0].dz_dw) == (0.0, 0.0, 1.0)


def test_spiking_neurons_are_named_as_having_no_derivative():
    data = pel.load_dataset("iris")
    run = pel.train("spiking", data, epochs=1, batch_size=60, progress=False)
    told = run.explain(data.held_out.x[0], data.held_out.y[0])
    assert told.left_out("surrogate")
    assert told.worst_error <= 1e-6
    assert "surrogate" in str(told)


@pytest.mark.parametrize("name", sorted(name for name in optimizers if "pellucid" in optimizers.find(name).__module__))
def test_the_lines_of_every_rule_come_to_what_the_rule_does(name, float64, rng):
    """After three updates, line by line against the optimiser itself, with its clipping."""
    fields = {"name": name, "learning_rate": 0.1, "clip_norm": 0.5}
    params = {"weights": jnp.asarray(rng.normal(size=3))}
    state = optimizers.build(fields).init(params)
    for _ in range(3):
        grads = {"weights": jnp.asarray(rng.normal(size=3))}
        before, update = (params, state), state.rule.update(grads, state, params)
        params, state = update.params, update.state
    (old, held), gradient = before, float(grads["weights"][1])
    rate = float(update.learning_rate)
    lines = rule_lines(held, grads, lambda tree: float(tree["weights"][1]), gradient, float(old["weights"][1]), rate)
    assert lines[-1].value == pytest.approx(float(params["weights"][1]), rel=1e-12)


def test_regularised_weights_and_weights_of_the_best_epoch():
    run = xor(regularizer={"name": "elastic_net", "l1": 0.01, "l2": 0.1}, optimizer="adam")
    told = run.explain(CORNERS[1], 1)
    lines = [line.text for line in told.chosen.update.lines]
    assert lines[0].startswith("g = ∂L/∂w + 2 · λ₂ · w")
    assert lines[-1].startswith("w ← sign(w) · max(|w| − η · λ₁, 0)")
    assert told.chosen.update.lines[-1].value == pytest.approx(told.chosen.update.after, rel=1e-9)
    run.params = jax.tree.map(lambda array: array * 2, run.params)
    update = run.explain(CORNERS[1], 1).chosen.update
    assert "plain gradient descent with η = 0.001: the weights are those of the best epoch" in update.source


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"neuron": "dense_1:2"}, InvalidValue, "'dense_1' has the shape 2.*at most 1.*2"),
        ({"neuron": "dense_1"}, InvalidValue, "LAYER:UNIT"),
        ({"neuron": "dens_1:0"}, UnknownName, "Did you mean 'dense_1'"),
        ({"weight": "dense_1:0"}, InvalidValue, "2×2: give 2 numbers, at most 1,1"),
        ({"weight": "dense_1:bias:0"}, UnknownName, "no array 'bias'.*biases, weights"),
        ({"weight": "dense_1:a,b"}, InvalidValue, "whole numbers"),
        ({"weight": "dense_1:0,0", "neuron": "dense_1:0"}, InvalidValue, "not both"),
    ],
)
def test_slips_are_answered(by_hand, settings, error, says):
    with pytest.raises(error, match=says):
        by_hand.explain(CORNERS[0], 0, **settings)


def test_what_is_missing_is_said(by_hand):
    with pytest.raises(DataError, match="needs the target"):
        by_hand.explain(CORNERS[0])
    with pytest.raises(DataError, match=r"one example\. Received: 4"):
        by_hand.explain(CORNERS, [0, 1, 1, 0])


def test_the_function_keeps_its_name_when_its_package_is_imported():
    import importlib

    importlib.import_module("pellucid.explanations.example")
    assert callable(pel.explain)


def test_a_new_layer_is_explained_without_a_change_elsewhere():
    @dataclass(frozen=True)
    class Swish(Layer):
        """A layer with a parameter of its own."""

        name, masks, formula = "swish_gate", "passes", "x · σ(s · x)"

        def init(self, key, input_shape):
            return {"scale": jnp.ones(input_shape)}, {}, input_shape

        def forward(self, params, state, x, *, key, training):
            return x * jax.nn.sigmoid(params["scale"][None] * x), state, None

    explanation = xor(network=pel.Network(pel.Dense(3), Swish(), pel.Dense(1, "sigmoid"))).explain(
        CORNERS[2], 1, weight="swish_gate_1:scale:1"
    )
    checks = {check.of: check for check in explanation.checks[: explanation.chosen_checks]}
    assert checks["∂L/∂swish_gate_1.scale[1]"].status == "checked"
    assert explanation.worst_error < 1e-9
    assert "x · σ(s · x)" in str(explanation)
    assert "swish_gate_1" in explanation.to_html()


def test_the_page_begins_with_the_example_and_the_answer(by_hand):
    page = by_hand.explain(CORNERS[2], 1).to_html()
    titles = re.findall(r'<h2 id="([^"]*)"', page)
    assert titles == [
        "the-example-and-the-answer",
        "the-network-with-its-numbers",
        "inputs-that-moved-the-answer",
        "the-chain-rule-for-dense-2-weights-0-0",
        "the-update-and-the-new-weight",
        "every-number",
    ]
    network = page[page.index('<h2 id="the-network') : page.index('<h2 id="inputs-that')]
    for number in ("0.62", "0.5", "0.53", "−0.29"):  # a of the hidden neurons and of the output; ∂L/∂w
        assert f">{number}<" in network
    every = page[page.index('<h2 id="every-number') :]
    assert every.count("<details>") >= 4
    assert "<details open" not in page


def test_padding_is_read_as_padding(rng):
    """Scaled sequences: padded steps stay as they are, have no gradient, and are left out of the drawing."""
    x = rng.normal(3.0, 1.0, size=(40, 6, 2)).astype(np.float32)
    x[:, 4:] = 0
    network = pel.Network(pel.layers.LSTM(3, mask_value=0.0), pel.Dense(1, "sigmoid"))
    data = pel.make_dataset(x, (x[:, :, 0].sum(axis=1) > 12).astype(int), preprocessing="standardise")
    run = pel.train(network, data, epochs=1, progress=False)
    explanation = run.explain(data.held_out.x[0], int(data.held_out.y[0, 0]))
    (entry,) = explanation.inputs
    assert entry.mask.tolist() == [True] * 4 + [False] * 2
    assert (entry.x[4:] == 0).all()
    assert (entry.gradient[4:] == 0).all()
    assert explanation.loss.prediction[0] == pytest.approx(float(run.outputs(data.held_out.x[:1])[0, 0]), rel=1e-5)
    assert explanation.worst_error < 1e-6
    assert "2 of them padding" in str(explanation)


@pytest.mark.parametrize("task", ["regression", "multilabel", "tokens", "critic"])
def test_other_kinds_of_run(task, rng):
    x = rng.normal(size=(60, 4)).astype(np.float32)
    if task == "regression":
        y = 100 * (x[:, 0] + x[:, 1]) + 500
        explanation = pel.train((3,), pel.make_dataset(x, y), epochs=1, progress=False).explain(x[0], y[0])
        assert float(explanation.facts.target_values[0]) == pytest.approx(y[0], rel=1e-5)
    elif task == "multilabel":
        y = (x[:, :3] + x[:, 1:] > 0).astype(int)
        data = pel.make_dataset(x, y, task="multilabel")
        explanation = pel.train((3,), data, epochs=1, progress=False).explain(x[0], y[0])
        assert len(explanation.facts.answer) == 3
    elif task == "tokens":
        words = rng.integers(1, 9, size=(60, 5))
        network = pel.Network(pel.layers.Embedding(9, 3), pel.layers.GRU(3), pel.Dense(1, "sigmoid"))
        y = (words.sum(axis=1) > 22).astype(int)
        data = pel.make_dataset(words, y)
        explanation = pel.train(network, data, epochs=1, progress=False).explain(words[0], int(y[0]))
        assert explanation.attribution is None
        assert "Tokens: " + " ".join(map(str, words[0])) in str(explanation)
    else:
        networks = pel.networks.GAN(pel.Network(pel.Dense(2)), pel.Network(pel.Dense(3, "tanh"), pel.Dense(1)), 2)
        run = pel.train(networks, pel.make_dataset(x[:, :2], x[:, 2]), epochs=1, batch_size=5, progress=False)
        explanation = run.explain(x[0, :2])
        assert explanation.facts.answer[0][1] == pytest.approx(float(run.score(x[:1, :2])[0]), rel=1e-4)
        assert "run's own" in explanation.chosen.update.source
    assert explanation.worst_error <= 1e-6
    assert explanation.to_html().startswith("<!doctype html>")
    json.dumps(explanation.to_dict(), allow_nan=False)


def test_a_loaded_run_names_the_columns_of_its_array(tmp_path):
    data = pel.load_dataset("iris")
    pel.train((4,), data, epochs=1, folder=tmp_path / "run", progress=False)
    loaded = pel.load(tmp_path / "run")
    explanation = str(loaded.explain(data.held_out.x[0], data.held_out.y[0]))
    assert data.features
    assert all(name in explanation for name in data.features)
