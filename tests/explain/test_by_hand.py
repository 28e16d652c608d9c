"""Weights written by hand: the exercises of courses, from Python and from a file."""

import json

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import DataError, InvalidValue, ShapeError

NETWORK = pel.Network(pel.Dense(2, "sigmoid"), pel.Dense(2, "sigmoid"))
WEIGHTS = {
    "dense_1": {"weights": [[0.15, 0.25], [0.20, 0.30]], "biases": [0.35, 0.35]},
    "dense_2": {"weights": [[0.40, 0.50], [0.45, 0.55]], "biases": [0.60, 0.60]},
}
EXAMPLE = {"x": [0.05, 0.10], "y": [0.01, 0.99]}


def test_the_worked_example_of_two_inputs_two_neurons_two_outputs():
    """Mazur, A step by step backpropagation example, 2015: its ½ Σ (y − ŷ)² over two outputs is their mean square."""
    explanation = pel.explain(NETWORK, **EXAMPLE, params=WEIGHTS, optimizer=pel.SGD(0.5), weight="dense_2:0,0")
    assert round(explanation.loss.value, 9) == 0.298371109
    np.testing.assert_allclose(explanation.layer("sigmoid_2").output, [0.75136507, 0.772928465], atol=5e-9)
    after = explanation.chosen.update.params
    expected = [[0.35891648, 0.511301270], [0.408666186, 0.561370121]]
    np.testing.assert_allclose(after["dense_2"]["weights"], expected, atol=5e-9)
    expected = [[0.149780716, 0.24975114], [0.19956143, 0.29950229]]
    np.testing.assert_allclose(after["dense_1"]["weights"], expected, atol=5e-9)
    assert explanation.chosen.update.after == after["dense_2"]["weights"][0, 0]
    assert explanation.worst_error < 1e-6
    assert "dense_1.weights[1,1]" in str(explanation)


def test_the_same_exercise_from_a_file(tmp_path):
    layer = {"name": "dense", "units": 2, "activation": "sigmoid"}
    table = {
        **EXAMPLE,
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "layers": [layer, layer],
        "weights": WEIGHTS,
    }
    path = tmp_path / "exercise.toml"
    path.write_text(tomli_w.dumps(table))
    result = CliRunner().invoke(main, ["explain", str(path), "--weight", "dense_1:0,0", "--format", "json"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert round(shown["chosen"]["update"]["after"], 9) == 0.149780716
    assert shown["remarks"][0].startswith("Computed in float64 from the weights as they are written")
    for change, text in (({"wights": 1}, "Did you mean 'weights'"), ({"example": 1}, "no field 'example'")):
        path.write_text(tomli_w.dumps(table | change))
        result = CliRunner().invoke(main, ["explain", str(path)])
        assert result.exit_code == 2
        assert text in result.output
    assert CliRunner().invoke(main, ["explain", str(path), "--example", "1"]).exit_code == 2


HEAD = {"dense_1": {"weights": [[1.0, -1.0, 0.5], [0.5, 2.0, 1.0]], "biases": [0.0, 0.1, -0.1]}}
ONE = {"dense_1": {"weights": [[1.0], [0.5]], "biases": [0.1]}}


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


CASES = {
    "class number": ("softmax", 3, HEAD, 2, None, lambda z: -np.log(softmax(z)[2])),
    "one-hot": ("softmax", 3, HEAD, [0, 0, 1], "categorical_cross_entropy", lambda z: -np.log(softmax(z)[2])),
    "logits": (None, 3, HEAD, 1, "sparse_softmax_cross_entropy", lambda z: -np.log(softmax(z)[1])),
    "yes": ("sigmoid", 1, ONE, 1, "binary_cross_entropy", lambda z: np.log1p(np.exp(-z[0]))),
    "number": (None, 1, ONE, 3.0, None, lambda z: (z[0] - 3) ** 2),
    "labels": ("sigmoid", 3, HEAD, [1, 0, 1], "binary_cross_entropy", None),
    "distance": (None, 3, HEAD, [1.0, 2.0, 3.0], "mean_absolute_error", lambda z: np.abs(z - [1, 2, 3]).mean()),
    "margin": (None, 1, ONE, 1, "hinge", lambda z: max(0.0, 1 - z[0])),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_target(case):
    activation, units, params, y, loss, expected = CASES[case]
    x = np.array([0.3, -0.7])
    explanation = pel.explain(pel.Network(pel.Dense(units, activation)), x, y, params=params, loss=loss)
    assert explanation.worst_error < 1e-6
    z = x @ np.array(params["dense_1"]["weights"]) + params["dense_1"]["biases"]
    if expected is not None:
        np.testing.assert_allclose(explanation.loss.value, expected(z), rtol=1e-12)


def test_layers_with_a_state_and_recurrent_ones():
    own = {"scale": [2.0, 1.0], "shift": [0.0, 1.0], "mean": [1.0, 1.0], "variance": [4.0, 1.0]}
    network = pel.Network(pel.BatchNorm(), pel.Dense(1))
    params = {"batch_norm_1": own, "dense_1": {"weights": [[1.0], [1.0]], "biases": [0.0]}}
    value = pel.explain(network, [3.0, 2.0], [0.0], params=params).loss.value
    np.testing.assert_allclose(value, (2 * 2 / np.sqrt(4 + 1e-5) + 1 / np.sqrt(1 + 1e-5) + 1) ** 2, rtol=1e-12)
    rnn = pel.Network(pel.RNN(1), pel.Dense(1))
    one = {"weights": [[1.0]], "biases": [0.0]}
    params = {"rnn_1": {**one, "recurrent": [[0.5]]}, "dense_1": one}
    value = pel.explain(rnn, [[1.0], [2.0]], [0.0], params=params).loss.value
    np.testing.assert_allclose(value, np.tanh(2 + 0.5 * np.tanh(1)) ** 2, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"params": None}, InvalidValue, "explain needs the weights"),
        ({"params": {"dense_1": WEIGHTS["dense_1"]}}, InvalidValue, "params lack dense_2/biases, dense_2/weights"),
        ({"params": WEIGHTS | {"dense_3": {"weights": [[1.0]]}}}, InvalidValue, "'dense_3' is no layer with weights"),
        ({"params": {"dense_1": {"weight": [[1.0]]}}}, InvalidValue, "Did you mean 'weights'"),
        ({"params": {"dense_1": {"weights": [[1.0, 2.0]]}}}, InvalidValue, r"have the shape \(2, 2\), inputs × units"),
        ({"y": [1.0]}, ShapeError, "one number for each of 2 outputs"),
        ({"loss": "sparse_categorical_cross_entropy", "y": 5}, DataError, "the number of a class, 0 to 1"),
    ],
)
def test_what_is_no_exercise_is_refused(change, error, text):
    with pytest.raises(error, match=text):
        pel.explain(NETWORK, **({**EXAMPLE, "params": WEIGHTS} | change))


def test_a_run_has_its_own_weights():
    run = pel.train((2,), pel.load_dataset("iris"), epochs=1, progress=False)
    with pytest.raises(InvalidValue, match="a run has its own"):
        pel.explain(run, [1.0, 2.0, 3.0, 4.0], "setosa", params=WEIGHTS)
