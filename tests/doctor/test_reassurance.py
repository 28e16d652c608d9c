"""The doctor reassures nobody wrongly, and alarms nobody without need: what is not there, what is too easy, what is."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from pellucid.data import load_table, make_dataset
from pellucid.doctor import diagnose
from pellucid.doctor.diagnose import suspicion
from pellucid.doctor.findings import Findings, counted, percent
from pellucid.doctor.remedies import REMEDIES, changes, offered, plan_of_run, ready_of
from pellucid.doctor.remedies.table import same, with_settings
from pellucid.doctor.rule import RULES
from pellucid.doctor.rules.columns import a_column_alone
from pellucid.doctor.signal import LEVEL, Signal, permutation_test
from pellucid.doctor.skill import classes_named
from pellucid.doctor.subject import Subject
from pellucid.functions.losses import losses
from pellucid.functions.regularizers import L2
from pellucid.layers import BatchNorm, Dense, Dropout
from pellucid.network import Network

RULE_ALONE = next(rule for rule in RULES if rule.judge is a_column_alone)
TASKS = ("binary", "multiclass", "multilabel", "regression")


def labels(findings, label):
    return [finding for finding in findings if finding.label == label]


def targets_of(task, x, rng):
    """Targets that hang on the inputs, with some noise."""
    score = x[:, :3] + 0.5 * rng.normal(size=(len(x), 3))
    if task == "multiclass":
        return score.argmax(1).astype(np.int32)
    if task == "binary":
        return (score[:, :1] > 0.7).astype(np.float32)  # a quarter of the rows
    return (score > 0).astype(np.float32) if task == "multilabel" else score[:, :1].astype(np.float32)


def examination(task, x, y, x_new, y_new, outputs=None):
    """What the tests of a signal read; the network guesses unless told otherwise."""
    columns = 3 if task == "multiclass" else y.shape[1]
    guesses = np.full((len(x_new), columns), 0.5, np.float32)
    loss = losses.build("sparse_categorical_cross_entropy" if columns > 1 else "binary_cross_entropy")
    return SimpleNamespace(
        task=task,
        classifies=task in ("binary", "multiclass"),
        output_shape=(columns,),
        rows=len(x),
        x=x,
        y=y,
        x_new=x_new,
        y_new=y_new,
        finite=x.astype(np.float64),
        prediction_new=guesses if outputs is None else outputs,
        decide=lambda outputs: classes_named(outputs, loss),
    )


def rows_of(task, rows, seed, *, shuffled):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)).astype(np.float32)
    y = targets_of(task, x, rng)
    if shuffled:
        y = y[rng.permutation(rows)]
    cut = rows * 4 // 5
    return x[:cut], y[:cut], x[cut:], y[cut:]


# --------------------------------------------------------------------------------------------- is there a signal?


@pytest.mark.parametrize("rows", [40, 300])
@pytest.mark.parametrize("task", TASKS)
def test_a_signal_is_found_where_there_is_one_and_only_there(task, rows):
    for thorough in (True, False):
        assert Signal(examination(task, *rows_of(task, 2 * rows, 0, shuffled=False)), thorough).found
        assert not Signal(examination(task, *rows_of(task, rows, 1, shuffled=True)), thorough).found


@pytest.mark.parametrize("task", TASKS)
def test_what_the_network_alone_finds_is_a_signal(task):
    x, y, x_new, y_new = rows_of(task, 200, 2, shuffled=True)
    outputs = np.eye(3)[y_new] if task == "multiclass" else y_new
    assert Signal(examination(task, x, y, x_new, y_new, outputs.astype(np.float32)), False).found


def test_labels_that_only_the_training_rows_have_wrong_are_a_signal():
    x, y, x_new, y_new = rows_of("multiclass", 400, 3, shuffled=False)
    y = y[np.random.default_rng(0).permutation(len(y))]
    assert Signal(examination("multiclass", x, y, x_new, y_new)).found


def test_shuffled_labels_seldom_pass_for_a_signal():
    found = [
        Signal(examination("binary", *rows_of("binary", 100, seed, shuffled=True)), False).found
        for seed in range(10, 50)
    ]
    assert sum(found) <= 2  # of 40, at a level of a hundredth


def test_a_test_by_permutation_counts_the_permutations_that_do_as_well():
    """Of three rows in one of six orders: no order is better, and one in six is as good."""
    true = np.arange(3)
    p = permutation_test(lambda orders: (orders == true).sum(1, keepdims=True).astype(float), 3, 5000)
    assert p == pytest.approx(1 / 6, abs=0.05)


def test_too_few_rows_tell_nothing():
    x, y, x_new, y_new = rows_of("binary", 12, 0, shuffled=True)
    assert Signal(examination("binary", x, y, x_new, y_new)).p == 0


@pytest.fixture(scope="module")
def shuffled_run():
    rng = np.random.default_rng(0)
    iris = pel.load_dataset("iris")
    y = rng.permutation(iris.train.y.reshape(-1)).astype(int)
    return pel.train((16,), make_dataset(iris.train.x, y), epochs=3, progress=False)


def test_shuffled_labels_are_said_to_hold_no_signal(shuffled_run):
    for found in (diagnose(shuffled_run), diagnose(shuffled_run, trials=False)):
        assert found[0].label == "no_signal"
        assert "no method finds a signal in these rows" in str(found)
        assert "as well as baselines" not in str(found)
        assert not [finding for finding in found if finding.severity == "problem"]
        assert found[0].evidence["p"] > LEVEL.value
    assert "no method finds a signal" in (suspicion(shuffled_run) or "")


def test_a_healthy_network_is_compared_in_figures():
    run = pel.train((16,), pel.load_dataset("iris"), optimizer=pel.Adam(0.02), epochs=30, progress=False)
    found, subject = diagnose(run, trials=False), Subject(run, False)
    assert not [finding for finding in found if finding.severity == "problem"]
    best = max(subject.baselines.reached.values())
    nearly = "nearly " if best > subject.e.skill_new + 0.005 else ""
    message = f"the network learns {nearly}as well as the baselines do: on held-out rows its skill is "
    assert found.compared.startswith(f"{message}{subject.e.skill_new:.2f}, that of the best baseline")
    assert f"{best:.2f} (0 is guessing, 1 perfect" in found.compared
    assert str(Findings([], found.compared)) == f"nothing found: {found.compared}"


# ------------------------------------------------------------------------------------- a column that tells all


def alone(data):
    """What the columns are found to tell before a training: nothing of the network is asked."""
    parts = data.train, data.held_out
    x, x_new = (data.preprocessing.apply_numpy(part.x) for part in parts)
    e = SimpleNamespace(
        task=data.task,
        classifies=data.task in TASKS[:2],
        reconstructs=False,
        output_shape=(data.outputs,),
        x=x,
        x_new=x_new,
        y=data.train.y,
        y_new=data.held_out.y,
        run=SimpleNamespace(facts=SimpleNamespace(encoder=data.encoder, features=data.features)),
    )
    return RULE_ALONE.find(SimpleNamespace(e=e))


def iris_rows():
    iris = pel.load_dataset("iris")
    return iris.train.x.astype(np.float32), iris.train.y.reshape(-1).astype(int)


def with_column(column):
    x, y = iris_rows()
    return make_dataset(np.column_stack([x, column(y)]).astype(np.float32), y)


def people(**columns):
    """A table of 200 people, of whom a column tells who survived."""
    rng = np.random.default_rng(0)
    lived = rng.random(200) < 0.4
    rows = [
        {"age": float(rng.normal(40, 9)), "sex": "fm"[int(rng.integers(2))], "port": "abc"[int(rng.integers(3))]}
        | {name: of(yes, rng) for name, of in columns.items()}
        for yes in lived
    ]
    return load_table([row | {"lived": "yes" if yes else "no"} for row, yes in zip(rows, lived, strict=True)], "lived")


def houses(**columns):
    rng = np.random.default_rng(0)
    prices = rng.normal(3e5, 8e4, 200).round()
    rows = [{"area": float(rng.normal(90, 20)), "age": float(rng.normal(40, 9)), "price": p} for p in prices]
    return load_table([row | {name: of(row["price"]) for name, of in columns.items()} for row in rows], "price")


LEAKS = {
    "a copy": (lambda: with_column(lambda y: y), "column 4"),
    "a multiple": (lambda: with_column(lambda y: 3 - 7 * y), "column 4"),
    "with noise": (lambda: with_column(lambda y: y + 0.05 * np.random.default_rng(0).normal(size=len(y))), "column 4"),
    "a category": (lambda: people(alive=lambda yes, rng: "y" if yes else "n"), "'alive'"),
    "finer categories": (
        lambda: people(ward=lambda yes, rng: ("AB" if yes else "CDE")[int(rng.integers(2 + (not yes)))]),
        "'ward'",
    ),
    "a number, other units": (lambda: houses(francs=lambda price: round(price * 0.95)), "'francs'"),
    "a bent number": (lambda: houses(log=lambda price: float(np.log(max(price, 1)))), "'log'"),
    "a rounded number": (lambda: houses(thousands=lambda price: float(round(price, -4))), "'thousands'"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_column_that_tells_the_target_is_named_before_the_training(leak):
    data, name = LEAKS[leak]
    found = alone(data())
    assert not found.holds_back
    assert name in found.because
    assert "alone predicts the target" in found.because


def blobs(columns, apart):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    return make_dataset((rng.normal(size=(120, columns)) + y[:, None] * np.asarray(apart)).astype(np.float32), y)


def truth_table(repeats):
    bits = np.stack(np.meshgrid(*[[0.0, 1.0]] * 6), -1).reshape(-1, 6).astype(np.float32)
    return make_dataset(np.tile(bits, (repeats, 1)), np.tile(bits[:, 0], repeats).astype(int))


EASY = {
    "iris": lambda: make_dataset(*iris_rows()),
    "two kinds of iris": lambda: make_dataset(*(part[iris_rows()[1] < 2] for part in iris_rows())),
    "petal width alone": lambda: make_dataset(iris_rows()[0][:, 3:], iris_rows()[1]),
    "two inputs": lambda: blobs(2, [9, 0]),
    "every input tells": lambda: blobs(4, [9, 9, 9, 9]),
    "a truth table": lambda: truth_table(1),
    "a truth table many times": lambda: truth_table(5),
    "people": people,
    "houses": houses,
}


@pytest.mark.parametrize("easy", EASY)
def test_easy_data_raise_no_alarm(easy):
    assert alone(EASY[easy]()) is None


def test_a_leak_warns_and_is_told_after_the_training_too():
    with pytest.warns(pel.DoctorWarning, match="column 4 .* alone predicts the target"):
        run = pel.train((16,), with_column(lambda y: y), optimizer=pel.Adam(0.02), epochs=30, progress=False)
    assert labels(diagnose(run, trials=False), "label_leakage")


# ------------------------------------------------------------------------------------------- other judgements


def test_too_few_updates_survive_the_trials():
    """Two updates: eight times as many show nothing, a thousand do."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    data = make_dataset(x, (x[:, 0] + 0.5 * x[:, 1]).astype(np.float32))
    run = pel.train((16,), data, epochs=1, batch_size="all", progress=False)
    for trials in (False, True):
        assert diagnose(run, trials=trials)[0].label == "too_few_epochs"


def test_rare_classes_found_as_often_as_plain_methods_find_them_raise_no_word():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 4)).astype(np.float32)
    y = (x.sum(1) + rng.normal(size=1000) > 1.7).astype(int)  # 22 of 100
    run = pel.train((16,), make_dataset(x, y), optimizer=pel.Adam(0.02), epochs=10, progress=False)
    assert not labels(diagnose(run, trials=False), "class_imbalance")


def parts(x, x_new):
    network = pel.Network(pel.Dense(1))
    e = SimpleNamespace(x=x, x_new=x_new, finite=x.astype(np.float64), network=network)
    return SimpleNamespace(e=e)


def test_a_split_by_time_is_drift_and_a_slip_of_preparation_a_mismatch():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 3))
    in_time = rows + np.linspace(0, 4, 500)[:, None]
    limits = next(rule for rule in RULES if rule.name == "drift")
    assert limits.find(parts(in_time[:400], in_time[400:])) is not None
    mismatch = next(rule for rule in RULES if rule.name == "train_test_mismatch")
    assert mismatch.find(parts(in_time[:400], in_time[400:])) is None
    for prepared in (rows[400:] + 3, rows[400:] * 4):
        assert limits.find(parts(rows[:400], prepared)) is None
        found = mismatch.find(parts(rows[:400], prepared))
        assert found is not None
        assert " 0 standard deviations" not in found.because
    assert limits.find(parts(rows[:400], rows[400:])) is None


def test_columns_that_are_seldom_not_zero_scatter_and_are_no_mismatch():
    rng = np.random.default_rng(0)
    words = rng.random((1250, 400)) * (rng.random((1250, 400)) < 0.003)
    mismatch = next(rule for rule in RULES if rule.name == "train_test_mismatch")
    assert mismatch.find(parts(words[:1000], words[1000:])) is None
    often = np.concatenate([words, rng.random((1250, 9))], axis=1)
    assert mismatch.find(parts(often[:1000], often[1000:])) is None
    assert mismatch.find(parts(often[:1000], often[1000:] * 9)) is not None


def test_rows_of_few_words_are_not_scaled_too_small():
    rng = np.random.default_rng(0)
    words = rng.random((200, 4000)) * (rng.random((200, 4000)) < 0.003)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    small = next(rule for rule in RULES if rule.name == "inputs_scaled_too_small")
    assert small.find(parts(words, None)) is None
    assert small.find(parts(words / 255, None)) is not None


def test_sentences_say_neither_nothing_of_little_nor_all_of_most():
    assert [percent(share) for share in (0.0, 0.004, 0.5, 0.996, 1.0)] == ["0%", "0.4%", "50%", "99.6%", "100%"]
    assert [counted(number, "epoch") for number in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]


# ----------------------------------------------------------------------------------------------- what is offered


@pytest.fixture(scope="module")
def plan():
    network = Network(Dense(8, "relu"), BatchNorm(), Dropout(0.05), Dense(3, "softmax"))
    run = pel.train(
        network,
        pel.load_dataset("iris"),
        epochs=1,
        optimizer=pel.Adam(0.01, clip_norm=1.0),
        regularizer=L2(1e-3),
        class_weights="balanced",
        progress=False,
    )
    return plan_of_run(run)


def test_no_remedy_is_what_the_training_has_already(plan):
    before = ready_of(plan)
    for name in REMEDIES["supervised"]:
        for change in changes([name], plan):
            longer = change.plan.experiment.epochs != plan.experiment.epochs
            assert longer or not same(before, ready_of(change.plan)), change.text


HAS = (
    "adam",
    "standardise the inputs",
    "relu",
    "relu in the hidden layers",
    "He initialisation",
    "batch normalisation",
    "dropout",
    "less dropout",
    "gradient clipping",
    "balanced class weights",
    "oversample rare classes",
    "biases",
    "shuffle the rows",
    "mean instead of sum",
    "cross-entropy",
    "softmax or sigmoid output",
    "impute the values",
    "drop the rows",
    "train all layers",
    "smaller batch",
    "larger batch",
)


def test_nothing_is_offered_that_the_training_has(plan):
    assert not set(offered(HAS, plan)) - {"less dropout"}
    assert offered(["more epochs", "momentum", "other inputs"], plan) == ("more epochs", "momentum", "other inputs")


def test_two_trainings_differ_in_what_is_trained_and_in_nothing_else(plan):
    ready = ready_of(plan)
    assert same(ready, ready._replace(scaling=ready.scaling._replace(shift=ready.scaling.shift + 1e-6)))
    alike = [ready._replace(train=ready.train._replace(weights=weights)) for weights in (None, jnp.full(120, 2.0))]
    assert same(*alike)
    for other in (
        with_settings(plan, regularizer=None),
        with_settings(plan, batch_size=16),
        plan._replace(optimizer=pel.Adam(0.02, clip_norm=1.0)),
    ):
        assert not same(ready, ready_of(other))


def test_a_finding_offers_adam_to_others_alone():
    slow = {
        name: pel.train((16,), pel.load_dataset("iris"), optimizer=rule, epochs=3, progress=False)
        for name, rule in (("adam", pel.Adam(1e-6)), ("sgd", pel.SGD(1e-6)))
    }
    for name, run in slow.items():
        (found,) = labels(diagnose(run, trials=False), "learning_rate_too_low")
        assert ("adam" in found.remedies) == (name == "sgd")
