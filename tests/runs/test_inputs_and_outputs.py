"""Several inputs and outputs by name, through the whole public face."""

import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue, PellucidError, ShapeError, UnknownName

QUIET = {"progress": False}
RNG = np.random.default_rng(0)
ROWS = 96
X = {"image": RNG.integers(0, 256, (ROWS, 4, 4)).astype(np.uint8), "table": RNG.normal(5, 10, (ROWS, 3))}
LIGHT = X["image"].mean((1, 2)) > 127
Y = {"kind": np.where(LIGHT, "light", "dark"), "size": X["table"] @ [1.0, 2.0, 3.0] * 100}


def graph():
    return pel.Network.graph(
        inputs=("image", "table"),
        nodes={
            "flat": (pel.layers.Flatten(), "image"),
            "a": (pel.Dense(6, "relu"), "flat"),
            "b": (pel.Dense(6, "relu"), "table"),
            "both": (pel.layers.Concatenate(), ("a", "b")),
            "kind": (pel.Dense(1, "sigmoid"), "both"),
            "size": (pel.Dense(1), "both"),
        },
        outputs=("kind", "size"),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs") / "two"


@pytest.fixture(scope="module")
def run(folder):
    settings = {"loss_weights": {"size": 0.5}, "metrics": {"kind": ["f1"]}, "learning_rate": 0.01, "folder": folder}
    return pel.train(graph(), (X, Y), epochs=6, **settings, **QUIET)


def some(rows):
    return {name: x[rows] for name, x in X.items()}, {name: y[rows] for name, y in Y.items()}


def test_each_output_has_its_task_loss_metric_and_scaling(run):
    assert {name: head.task for name, head in run.facts.heads.items()} == {"kind": "binary", "size": "regression"}
    assert run.experiment.loss == {"kind": "binary_cross_entropy", "size": "mean_squared_error"}
    assert run.experiment.metric == {"kind": "binary_accuracy", "size": "mean_absolute_error"}
    assert [part.is_identity for part in run.facts.target_preprocessing.parts] == [True, False]
    # Pixels by their range, the table by its columns.
    assert [part.shift.shape for part in run.facts.preprocessing.parts] == [(), (3,)]


def test_predictions_and_outputs_are_by_name(run):
    x, _ = some(slice(5))
    predictions, outputs = run.predict(x), run.outputs(x)
    assert set(predictions["kind"]) <= {"light", "dark"}
    assert predictions["size"].shape == (5,)
    assert {name: array.shape for name, array in outputs.items()} == {"kind": (5, 1), "size": (5, 1)}
    # The order of the names does not matter, and the arrays as the dataset holds them are taken too.
    turned = dict(reversed(list(x.items())))
    np.testing.assert_array_equal(run.predict(turned)["size"], predictions["size"])
    np.testing.assert_array_equal(run.predict(tuple(x.values()))["size"], predictions["size"])
    np.testing.assert_array_equal(run.output("size").predict(x), predictions["size"])
    # In own units: of the order of the targets.
    assert np.corrcoef(run.predict(X)["size"], Y["size"])[0, 1] > 0.5


def test_metrics_are_of_each_output_and_the_loss_is_their_sum(run):
    result = run.evaluate(X, Y)
    assert {"loss", "kind loss", "kind binary_accuracy", "kind f1", "size loss"} < set(result)
    assert result["loss"] == pytest.approx(result["kind loss"] + 0.5 * result["size loss"])
    error = np.abs(run.predict(X)["size"] - Y["size"]).mean()
    assert result["size mean_absolute_error"] == pytest.approx(error, rel=1e-5)
    assert result["kind binary_accuracy"] == pytest.approx((run.predict(X)["kind"] == Y["kind"]).mean())
    assert run.evaluate() == run.result


def test_the_history_holds_each_output(run):
    epochs = run.history.epochs
    names = ("loss", "kind binary_accuracy", "kind loss", "size loss", "size mean_absolute_error")
    assert [name for name in epochs if name in names] == list(names)
    assert all(len(epochs[f"held_out_{name}"]) == 6 for name in names)
    np.testing.assert_allclose(epochs["loss"], epochs["kind loss"] + 0.5 * epochs["size loss"], rtol=1e-5)
    for name in ("loss", "kind loss", "size loss", "size mean_absolute_error"):
        assert run.result[name] == pytest.approx(epochs[f"held_out_{name}"][-1], rel=1e-5)


def test_a_saved_run_is_the_same_run(run, folder):
    again = pel.load(folder)
    assert again.result == run.result
    x, y = some(slice(7))
    np.testing.assert_array_equal(again.predict(x)["size"], run.predict(x)["size"])
    assert again.evaluate(x, y) == run.evaluate(x, y)
    assert again.explain(*some(0)).compared > 20
    page = (folder / "report.html").read_text()
    for text in ("Output kind", "Output size", "size mean absolute error", "image 4×4, table 3"):
        assert text in page


def test_resuming_is_to_the_bit(tmp_path):
    whole = pel.train(graph(), (X, Y), epochs=6, **QUIET)
    pel.train(graph(), (X, Y), epochs=4, folder=tmp_path / "run", **QUIET)
    resumed = pel.resume(tmp_path / "run", (X, Y), epochs=6, **QUIET)
    assert resumed.result == whole.result
    np.testing.assert_array_equal(resumed.history.step_rows, whole.history.step_rows)


def test_one_example_is_explained_through_all_outputs(run):
    explanation = run.explain(*some(3))
    assert explanation.worst_error < 1e-6
    by_name = {output.name: output for output in explanation.outputs}
    assert by_name["kind"].facts.target == Y["kind"][3]
    total = by_name["kind"].loss.value + 0.5 * by_name["size"].loss.value
    assert explanation.loss.value == pytest.approx(total)
    assert explanation.to_dict()["outputs"][1]["weight"] == 0.5
    for text in ("Output kind", "Output size", "times 0.5 in the sum"):
        assert text in str(explanation)


def test_a_shared_weight_is_followed_through_both_uses():
    twin = pel.Dense(4, "tanh")
    network = pel.Network.graph(
        inputs=("left", "right"),
        nodes={
            "a": (twin, "left"),
            "b": (twin, "right"),
            "both": (pel.layers.Concatenate(), ("a", "b")),
            "end": (pel.Dense(1), "both"),
        },
        outputs="end",
    )
    x = {"left": X["table"], "right": X["table"][::-1]}
    run = pel.train(network, (x, Y["size"]), epochs=2, **QUIET)
    assert run.facts.task == "regression"
    example = {name: array[0] for name, array in x.items()}
    explanation = run.explain(example, Y["size"][0], weight="b:1,2")
    assert explanation.chosen.layer == "a"
    assert {term.layer for term in explanation.chosen.terms} == {"", "b"}
    total = sum(term.product for term in explanation.chosen.terms)
    assert total == pytest.approx(explanation.chosen.gradient)
    assert explanation.worst_error < 1e-6


def test_one_input_and_several_outputs():
    nodes = {"h": (pel.Dense(5, "relu"), "x"), "kind": (pel.Dense(1, "sigmoid"), "h"), "size": (pel.Dense(1), "h")}
    network = pel.Network.graph(inputs="x", nodes=nodes, outputs=("kind", "size"))
    run = pel.train(network, (X["table"], Y), epochs=2, **QUIET)
    assert run.predict(X["table"][:3])["size"].shape == (3,)
    assert run.explain(X["table"][0], some(0)[1]).attribution is not None


def test_weights_splits_early_stopping_and_folds(run):
    weights = np.where(LIGHT, 2.0, 0.0)
    data = pel.make_dataset(X, Y, weights=weights, held_out=(X, Y, weights))
    weighed = pel.train(graph(), data, epochs=2, early_stopping=1, **QUIET)
    assert weighed.result["kind loss"] > 0
    # Inputs and targets in another order are put into that of the network.
    turned = pel.make_dataset(dict(reversed(X.items())), dict(reversed(Y.items())))
    assert pel.train(graph(), turned, epochs=2, **QUIET).facts.inputs == ("image", "table")
    validated = pel.cross_validate(graph(), (X, Y), folds=2, epochs=1, record_every=0, **QUIET)
    assert validated.predictions["kind"].shape == (ROWS,)
    assert validated.predictions_as_csv().startswith("row,fold,kind,size\n")
    assert validated.values("held_out_size loss").shape == (2,)


def test_the_doctor_reads_program_and_records_alone(run):
    findings = run.diagnose()
    assert not findings
    assert "2 inputs and 2 outputs" in findings.compared
    with pytest.raises(InvalidValue, match="prove scores candidates by one output"):
        run.prove()
    nodes = {"h": (pel.Dense(5, "relu", weights="zeros"), "x"), "a": (pel.Dense(1), "h"), "b": (pel.Dense(1), "h")}
    network = pel.Network.graph(inputs="x", nodes=nodes, outputs=("a", "b"))
    targets = {"a": Y["size"], "b": Y["size"]}
    assert [finding.label for finding in pel.check(network, (X["table"], targets)).problems] == ["constant_init"]
    assert pel.check(graph(), (X, Y)).findings == ()


REFUSED = [
    ({"loss": "mean_squared_error"}, (X, Y), InvalidValue, "loss is given for each output by its name"),
    ({"metric": {"kinds": "accuracy"}}, (X, Y), InvalidValue, "metric is given for each output"),
    ({"metrics": ["f1"]}, (X, Y), InvalidValue, "metrics is a list for each output"),
    ({"loss": {"kind": "sparse_softmax_cross_entropy"}}, (X, Y), ShapeError, "'arrays: kind'"),
    ({"loss_weights": {"kin": 1}}, (X, Y), InvalidValue, "Did you mean 'kind'"),
    ({"class_weights": "balanced"}, (X, Y), InvalidValue, "class_weights need one target"),
    ({}, (X["table"], Y), DataError, "x is a dictionary of arrays, one for each of 'image', 'table'"),
    ({}, (X, Y["kind"]), DataError, "y is a dictionary"),
    ({}, ({"image": X["image"]}, Y), DataError, "x lacks 'table'"),
    ({}, ({"image": X["image"], "tables": X["table"]}, Y), DataError, "Did you mean 'table'"),
    ({}, ({"image": X["image"][:3], "table": X["table"]}, Y), ShapeError, "'table' has 96 rows, 'image' has 3"),
    ({}, ({"image": X["image"], "table": X["table"] * np.nan}, Y), DataError, "the input 'table': x holds nan"),
]


@pytest.mark.parametrize(("settings", "data", "error", "text"), REFUSED)
def test_what_does_not_fit_is_refused(settings, data, error, text):
    with pytest.raises(error, match=text):
        pel.train(graph(), data, epochs=1, **settings, **QUIET)


def test_networks_without_names_are_refused(run):
    with pytest.raises(InvalidValue, match=r"Network\.graph with these inputs and outputs"):
        pel.train((8,), pel.make_dataset(X, Y), epochs=1, **QUIET)
    with pytest.raises(InvalidValue, match="loss_weights weigh the losses of several outputs"):
        pel.train((8,), (X["table"], Y["size"]), epochs=1, loss_weights={"a": 1}, **QUIET)
    with pytest.raises(UnknownName, match="no output 'sizes'"):
        run.output("sizes")
    with pytest.raises(PellucidError, match="differ in rows"):
        run.predict({"image": X["image"][:2], "table": X["table"]})
