"""Permutation importance, partial dependence and Shapley values, in the columns of the user."""

import itertools
import json
import math
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn import inspection as oracle
from sklearn.base import BaseEstimator, ClassifierMixin

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import DataError, InvalidValue, MissingExtra, UnknownName
from pellucid.explanations.columns import columns_of, mixed

RNG = np.random.default_rng(0)
ROWS = 200
TABLE = {
    "city": RNG.choice(["Oslo", "Paris", "Rome"], ROWS),
    "age": RNG.uniform(18, 80, ROWS).round(1),
    "since": np.datetime64("2020-01-01") + RNG.integers(0, 900, ROWS),
    "noise": RNG.normal(size=ROWS),
}
BOUGHT = np.where((TABLE["city"] == "Paris") * 1.5 + (TABLE["age"] - 50) / 15 > 0.5, "yes", "no")
QUIET = {"progress": False}


def pellucid(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "bought"
    arguments = ["--target", "bought", "--network", "8", "--epochs", "30", "--learning-rate", "0.02", "--no-progress"]
    pellucid("train", save_table(folder.parent / "bought.csv"), *arguments, "--folder", folder)
    loaded = pel.load(folder)
    return loaded._with_data(None)


def save_table(path):
    lines = zip(*TABLE.values(), BOUGHT, strict=True)
    path.write_text("\n".join([",".join([*TABLE, "bought"]), *(",".join(map(str, line)) for line in lines)]))
    return path


@pytest.fixture(scope="module")
def iris():
    data = pel.load_dataset("iris")
    return pel.train((8,), data, epochs=20, learning_rate=0.02, **QUIET), data


class Answers(ClassifierMixin, BaseEstimator):
    """A run as an estimator of scikit-learn, on arrays."""

    def __init__(self, run):
        self.run, self.classes_ = run, np.arange(3)

    def fit(self, x, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, x):
        return self.run.outputs(np.asarray(x, np.float32))

    def predict(self, x):
        return self.predict_proba(x).argmax(axis=1)


def test_importance_and_dependence_on_numbers_are_those_of_scikit_learn(iris):
    run, data = iris
    x, y = data.held_out.x, data.held_out.y
    importance = run.permutation_importance(repeats=4, seed=3)
    expected = oracle.permutation_importance(Answers(run), x, y, n_repeats=4, random_state=3)
    np.testing.assert_allclose(importance.drops, expected.importances, atol=1e-6)
    assert importance.columns == data.features
    assert importance.value == pytest.approx(run.result["accuracy"])
    for k, name in enumerate(data.features):
        dependence = run.partial_dependence(name, points=6)
        expected = oracle.partial_dependence(Answers(run), x.astype(float), [k], grid_resolution=6, method="brute")
        np.testing.assert_allclose(dependence.of[0].answers, expected["average"], atol=1e-6)
        np.testing.assert_allclose(dependence.of[0].values, expected["grid_values"][0])


def test_a_category_is_one_column(run):
    assert [(column.name, column.places.stop - column.places.start) for column in columns_of(run)][:2] == [
        ("city", 3), ("age", 1),
    ]  # fmt: skip
    importance = run.permutation_importance(repeats=10)
    assert importance.columns == ("city", "age", "since", "noise")
    assert set(importance.table["column"][:2]) == {"city", "age"}
    part = run.data.held_out
    rows = np.tile(np.arange(len(part))[:, None], 4)
    rows[:, 0] = np.roll(rows[:, 0], 1)
    shuffled = mixed(columns_of(run), part.x, rows)
    np.testing.assert_array_equal(shuffled[:, :3], np.roll(part.x[:, :3], 1, axis=0))
    np.testing.assert_array_equal(shuffled[:, 3:], part.x[:, 3:])


def test_dependence_is_the_mean_answer_with_the_column_set(run):
    city, age = run.partial_dependence(["city", "age"], points=5).of
    held_out = run.data.held_out.rows
    table = {name: column[held_out] for name, column in TABLE.items()}
    for of, name in ((city, "city"), (age, "age")):
        for value, mean in zip(of.values, of.answers[0], strict=True):
            same = table | {name: np.full(len(held_out), value)}
            assert run.outputs(same)[:, 0].mean() == pytest.approx(mean, abs=1e-6), (name, value)
    assert city.values == ("Oslo", "Paris", "Rome")
    assert city.answers[0].argmax() == 1
    assert run.partial_dependence("age").answers == ("yes",)


def test_importance_by_another_metric_and_on_other_rows(run):
    auc = run.permutation_importance(metric="roc_auc")
    assert auc.value == run.evaluate(metrics=["roc_auc"])["roc_auc"]
    loss = run.permutation_importance(metric="loss")
    assert loss.drops[1].mean() > 0  # the loss rises, which is a loss too
    some = {name: column[:50] for name, column in TABLE.items()}
    other = run.permutation_importance(some, BOUGHT[:50])
    assert other.rows == 50
    assert other.value == pytest.approx(run.evaluate(some, BOUGHT[:50])["binary_accuracy"])
    assert run.permutation_importance(some | {"bought": BOUGHT[:50]}).value == other.value


def test_shapley_values_are_those_of_the_definition(run):
    some = {name: column[:3] for name, column in TABLE.items()}
    explanation = pel.explanations.shap_values(run, some, samples=15)
    assert explanation.feature_names == ["city", "age", "since", "noise"]
    assert explanation.data[:, 0].tolist() == TABLE["city"][:3].tolist()
    np.testing.assert_allclose(explanation.data[:, 1].astype(float), TABLE["age"][:3], rtol=1e-6)
    held_out = run.data.held_out.rows
    behind = held_out[np.unique(np.linspace(0, len(held_out) - 1, 15).astype(int))]

    def value(row, known):
        rows = {name: np.full(15, column[row]) if name in known else column[behind] for name, column in TABLE.items()}
        return run.outputs(rows)[:, 0].mean()

    for row in range(3):
        for k, name in enumerate(TABLE):
            others, phi = [other for other in TABLE if other != name], 0.0
            for size in range(4):
                for known in itertools.combinations(others, size):
                    weight = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
                    phi += weight * (value(row, {*known, name}) - value(row, known))
            assert explanation.values[row, k] == pytest.approx(phi, abs=1e-5)
    np.testing.assert_allclose(
        explanation.values.sum(axis=1) + explanation.base_values, run.outputs(some)[:, 0], atol=1e-5
    )


X2 = RNG.normal(size=(80, 3)).astype(np.float32)
IMAGES = RNG.normal(size=(80, 6, 6)).astype(np.float32)


def several():
    network = pel.Network.graph(
        inputs=("photo", "table"),
        nodes={
            "flat": (pel.layers.Flatten(), "photo"),
            "both": (pel.layers.Concatenate(), ("flat", "table")),
            "out": (pel.Dense(1), "both"),
        },
        outputs="out",
    )
    return pel.train(
        network, ({"photo": IMAGES, "table": X2}, X2 @ [3.0, 0.0, 1.0]), epochs=40, learning_rate=0.05, **QUIET
    )


def test_columns_of_several_inputs_and_of_sequences():
    run = several()
    importance = run.permutation_importance()
    assert importance.columns == ("photo", "table x1", "table x2", "table x3")
    assert importance.order[0] == 1
    assert importance.metric == "mean_absolute_error"
    dependence = run.partial_dependence("table x1", points=3).of[0]
    assert (np.diff(dependence.answers[0]) > 0).all()
    sequences = RNG.normal(size=(60, 5, 2)).astype(np.float32)
    run = pel.train("lstm", (sequences, sequences[:, :, 1].sum(axis=1) > 0), epochs=5, **QUIET)
    assert run.permutation_importance(repeats=1).columns == ("x1", "x2")


def test_what_has_no_columns_or_no_rows_is_refused(run, iris, monkeypatch):
    images = pel.train((2,), (IMAGES[..., None], RNG.integers(0, 2, 80)), epochs=1, **QUIET)
    with pytest.raises(
        InvalidValue, match=r"shape \(6, 6, 1\), have no columns that mean something on their own\. expl"
    ):
        images.permutation_importance()
    with pytest.raises(UnknownName, match=r"no column 'aeg'\. Did you mean 'age'"):
        run.partial_dependence("aeg")
    with pytest.raises(InvalidValue, match="'since' is of kind date"):
        run.partial_dependence("since")
    with pytest.raises(InvalidValue, match="repeats must be a whole number of at least 1"):
        run.permutation_importance(repeats=0)
    with pytest.raises(InvalidValue, match="metric 'r2' is of a target that is"):
        run.permutation_importance(metric="r2")
    alone = pel.train((2,), pel.make_dataset(X2, X2.sum(axis=1), held_out=None), epochs=1, **QUIET)
    with pytest.raises(DataError, match=r"no held-out rows\. Give the examples x and their targets y"):
        alone.permutation_importance()
    assert alone.permutation_importance(X2, X2.sum(axis=1)).rows == 80
    constant = np.ones((20, 4), np.float32)
    with pytest.raises(DataError, match="the same value in all 20 rows"):
        iris[0].partial_dependence("petal length (cm)", constant)
    points = pel.make_dataset(X2[:, :2], task="generation", held_out=None)
    gan = pel.train("wgan", points, epochs=0, batch_size=8, **QUIET)
    with pytest.raises(InvalidValue, match="this run is of generation"):
        gan.permutation_importance()
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(MissingExtra, match=r"pellucid\[shap\]"):
        pel.explanations.shap_values(run, TABLE)


def test_texts_pages_and_the_command_line(run, tmp_path):
    importance, dependence = run.permutation_importance(), run.partial_dependence(["city", "age"], points=4)
    for found in (importance, dependence):
        assert "age" in repr(found)
        assert "age" in str(found)
        assert "<svg" in found._repr_html_()
        assert found.plot().axes
        assert found.to_frame("polars").shape[0] == len(found.to_frame())
    assert json.loads(pellucid("importance", run.folder, "--json")) == importance.to_dict()
    printed = pellucid("dependence", run.folder, "city", "age", "--points", 4, "--json")
    assert json.loads(printed) == dependence.to_dict()
    pellucid("importance", run.folder, "--output", tmp_path / "page.html")
    assert "importance of each column" in (tmp_path / "page.html").read_text()
    assert "Paris" in pellucid("dependence", run.folder, "city")
