"""Targets that are distributions over classes, and targets of several outputs of which some are not known."""

import csv
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn import metrics as sk

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import DataError, InvalidValue
from pellucid.functions.losses import PerOutput, losses
from pellucid.network import backpropagate
from pellucid.runs.plan import settle
from pellucid.runs.ready import make_ready

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)).astype(np.float32)
LOGITS = X @ RNG.normal(size=(3, 3)) + RNG.normal(size=(120, 3))
SOFT = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
BLANK = RNG.random((120, 3)) < 0.3
BLANK[:, 0] &= ~BLANK.all(axis=1)
NUMBERS = np.where(BLANK, np.nan, 100 * LOGITS + [0, 500, 1000])
LABELS = np.where(BLANK, np.nan, LOGITS > 0)
SETTINGS = {"epochs": 3, "record_every": 0, "progress": False}


# --------------------------------------------------------------------------------------- distributions


def test_distributions_are_classes_and_say_so():
    data = pel.make_dataset(X, SOFT, classes=["a", "b", "c"])
    assert (data.task, data.classes, data.train.y.dtype) == ("multiclass", ("a", "b", "c"), np.float32)
    assert "a distribution over 3 classes a row" in data.notes[0]
    assert settle((), data, {}).experiment.loss == "categorical_cross_entropy"
    assert pel.make_dataset(X, SOFT, task="regression").task == "regression"
    table = {"x": X[:, 0].tolist()} | {name: SOFT[:, i].tolist() for i, name in enumerate(("p", "q", "r"))}
    assert pel.load_table(table, ["p", "q", "r"]).classes == ("p", "q", "r")


@pytest.mark.parametrize("loss", ["categorical_cross_entropy", "kl_divergence", "softmax_cross_entropy"])
def test_a_training_on_distributions_follows_pytorch(loss, float64):
    """One step of gradient descent on all rows."""
    data = pel.make_dataset(X, SOFT, held_out=None, preprocessing="none")
    plan = settle((), data, {"loss": loss, "epochs": 1})
    ready = make_ready(plan.experiment, data, plan.network)
    state = jax.tree.map(lambda w: w.astype(jnp.float64) if w.dtype == jnp.float32 else w, ready.initial_state(0))
    back = backpropagate(
        ready.network,
        ready.program.loss,
        state.params,
        state.layer_state,
        jnp.asarray(X, jnp.float64),
        jnp.asarray(SOFT),
        jnp.ones(120),
    )
    w, b = (torch.tensor(np.array(state.params[0][name]), requires_grad=True) for name in ("weights", "biases"))
    z = torch.tensor(X, dtype=torch.float64) @ w + b
    expected = torch.nn.functional.cross_entropy(z, torch.tensor(SOFT))
    if loss == "kl_divergence":
        expected = torch.nn.functional.kl_div(torch.log_softmax(z, 1), torch.tensor(SOFT), reduction="batchmean")
    expected.backward()
    np.testing.assert_allclose(back.loss, expected.item(), rtol=1e-9)
    np.testing.assert_allclose(back.grads[0]["weights"], w.grad, rtol=1e-8, atol=1e-10)


def test_metrics_of_classes_take_the_likeliest(tmp_path):
    data = pel.make_dataset(X, SOFT, classes=["a", "b", "c"])
    run = pel.train((8,), data, metrics=["f1", "roc_auc"], folder=tmp_path / "run", **SETTINGS | {"epochs": 20})
    part = data.held_out
    truth, outputs = part.y.argmax(axis=1), run.outputs(part.x)
    assert run.result["accuracy"] == pytest.approx(sk.accuracy_score(truth, outputs.argmax(axis=1)))
    assert run.result["f1"] == pytest.approx(sk.f1_score(truth, outputs.argmax(axis=1), average="macro"))
    assert set(run.predict(part.x)) <= {"a", "b", "c"}
    loaded = pel.load(tmp_path / "run")
    assert loaded.evaluate(part.x, part.y) == pytest.approx(run.result)
    assert loaded.evaluate(part.x, np.array(["a", "b", "c"])[truth])["accuracy"] == run.result["accuracy"]
    assert "Predictions" in (tmp_path / "run" / "report.html").read_text()
    assert run.diagnose() is not None
    assert run.explain(part.x[0], "a").worst_error < 1e-4
    validated = pel.cross_validate((8,), data, folds=3, **SETTINGS)
    assert validated.predictions.shape == (120,)


@pytest.mark.parametrize("hard", [np.eye(3)[[0, 2, 1]], np.array([0, 2, 1]), np.array(["a", "c", "b"])], ids=str)
def test_held_out_rows_may_have_one_class_each(hard):
    data = pel.make_dataset(X, SOFT, classes=["a", "b", "c"], held_out=(X[:3], hard))
    assert data.held_out.labels.tolist() == [0, 2, 1]
    assert data.held_out.y.sum(axis=1).tolist() == [1, 1, 1]


def test_what_takes_one_class_a_row_refuses_distributions():
    with pytest.raises(InvalidValue, match=r"takes one class a row.*'categorical_cross_entropy'"):
        pel.train((8,), (X, SOFT), loss="sparse_categorical_cross_entropy", **SETTINGS)
    with pytest.raises(DataError, match="distributions, which sum to 1"):
        pel.make_dataset(X, SOFT * 1.1, task="multiclass")


def test_classes_may_be_weighed_and_the_recipe_works():
    data = pel.make_dataset(X, SOFT)
    plan = settle((), data, {"class_weights": {"0": 3.0, "1": 1.0, "2": 1.0}})
    weights = np.asarray(make_ready(plan.experiment, data, plan.network).train.weights)
    expected = data.train.y @ np.array([3.0, 1.0, 1.0])
    np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-5)
    assert pel.train((4,), data, progress=False).result["accuracy"] > 0.4


# ---------------------------------------------------------------------------------------------- blanks

PER_OUTPUT = [name for name in losses if issubclass(losses.find(name), PerOutput)]


@pytest.mark.parametrize("name", PER_OUTPUT)
def test_a_blank_has_no_loss_and_no_gradient(name, float64):
    """The loss of a row is that of its known outputs alone."""
    loss = losses.build(name)
    positive = loss.reads in ("probabilities", "rates", "distances")
    prediction = RNG.uniform(0.1, 0.9, (6, 4)) if positive else RNG.normal(size=(6, 4))
    target = RNG.choice([0.0, 1.0], (6, 4)) if np.isfinite(loss.target_range[0]) else RNG.normal(size=(6, 4))
    blank = RNG.random((6, 4)) < 0.4
    blank[:, 0], blank[0] = False, False
    holed = jnp.asarray(np.where(blank, np.nan, target))
    value, gradient = loss.value(jnp.asarray(prediction), holed), loss.gradient(jnp.asarray(prediction), holed)
    assert not np.asarray(gradient)[blank].any()
    for row in range(6):
        known = ~blank[row]
        alone = jnp.asarray(prediction[row, known])[None], jnp.asarray(target[row, known])[None]
        np.testing.assert_allclose(value[row], loss.value(*alone)[0], rtol=1e-10)
        np.testing.assert_allclose(np.asarray(gradient)[row, known], loss.gradient(*alone)[0], rtol=1e-10)


def test_weights_by_the_number_known_give_the_mean_over_all_known_targets_as_pytorch_masks(float64):
    prediction, target = RNG.normal(size=(8, 3)), np.where(BLANK[:8], np.nan, RNG.choice([0.0, 1.0], (8, 3)))
    known = ~np.isnan(target)
    z = torch.tensor(prediction, requires_grad=True)
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        z, torch.tensor(np.nan_to_num(target)), reduction="none"
    )
    mask = torch.tensor(known)
    by_row = ((each * mask).sum(1) / mask.sum(1)).mean()
    by_target = (each * mask).sum() / mask.sum()
    loss = losses.build("sigmoid_binary_cross_entropy")
    arrays = jnp.asarray(prediction), jnp.asarray(target)
    assert float(loss(*arrays)) == pytest.approx(by_row.item(), rel=1e-9)
    assert float(loss(*arrays, jnp.asarray(known.sum(axis=1)))) == pytest.approx(by_target.item(), rel=1e-9)
    by_row.backward()
    gradient = jax.grad(lambda p: loss(p, arrays[1]))(arrays[0])
    np.testing.assert_allclose(gradient, z.grad, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.asarray(loss.gradient(*arrays)) / 8, z.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("y", "task", "chosen"),
    [
        (LABELS, "multilabel", ["f1", "roc_auc", "accuracy", "log_loss"]),
        (NUMBERS, "regression", ["r2", "root_mean_squared_error", "mean_absolute_error"]),
    ],
    ids=["labels", "numbers"],
)
def test_a_training_with_blanks_is_that_without_them_and_shows_itself(y, task, chosen, tmp_path):
    data = pel.make_dataset(X, y)
    blanks = int(np.isnan(y).sum())
    assert data.task == task
    assert f"{blanks} of 360 targets are blank: left out of loss and metrics" in data.notes
    run = pel.train((8,), data, metrics=chosen, folder=tmp_path / "run", **SETTINGS | {"epochs": 20})
    assert np.isfinite(list(run.result.values())).all()
    part, outputs = data.held_out, run.outputs(data.held_out.x)
    known = ~np.isnan(part.y)
    for i in range(3):
        truth, column = part.y[known[:, i], i], outputs[known[:, i], i]
        if task == "multilabel":
            assert run.result[f"roc_auc of {i}"] == pytest.approx(sk.roc_auc_score(truth, column))
            assert run.result[f"binary_accuracy of {i}"] == pytest.approx(np.mean(truth == (column > 0.5)))
        else:
            assert run.result[f"r2 of output {i + 1}"] == pytest.approx(sk.r2_score(truth, column), rel=1e-5)
            mean = run.facts.target_preprocessing.shift[i]
            assert mean == pytest.approx(np.nanmean(data.train.y[:, i]), rel=1e-5)
    loaded = pel.load(tmp_path / "run")
    assert loaded.evaluate(part.x, part.y) == pytest.approx(run.result)
    assert "not finite" not in (tmp_path / "run" / "report.html").read_text()
    filled = pel.make_dataset(X, np.where(np.isnan(y), 1.0, y), task=task)
    assert data.fingerprint != filled.fingerprint
    assert run.diagnose() is not None


def test_what_cannot_be_left_out_is_refused():
    empty = LABELS.copy()
    empty[7] = np.nan
    with pytest.raises(DataError, match="row 7 of y has no value at all"):
        pel.make_dataset(X, empty)
    with pytest.raises(DataError, match="no training row of 'arrays' has a value of target 2"):
        pel.train((4,), (X, np.where([[False, True, False]], np.nan, 100 * LOGITS)), **SETTINGS)
    with pytest.raises(InvalidValue, match=r"'cosine' takes all outputs of a row together.*'mean_squared_error'"):
        pel.train((4,), (X, NUMBERS), loss="cosine", **SETTINGS)
    with pytest.raises(DataError, match="nan at row"):
        pel.make_dataset(X, NUMBERS[:, 0])


def test_blank_cells_of_a_table_are_left_out_rows_without_any_too(tmp_path):
    lines = ["x,a,b"] + [
        f"{i % 7},{'' if i % 3 == 0 else i % 2},{'' if i % 5 == 0 else (i // 2) % 2}" for i in range(60)
    ]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    data = pel.load_table(path, ["a", "b"])
    assert data.task == "multilabel"
    assert len(data.train) + len(data.held_out) == 56
    assert "4 rows without a target left out" in data.notes
    assert any("targets are blank" in note for note in data.notes)
    dropped = pel.load_table(path, ["a", "b"], missing="drop")
    assert not np.isnan(dropped.train.y).any()
    with pytest.raises(DataError, match="A target is never filled in"):
        pel.load_table(path, ["a", "b"], missing="refuse")


TOX21 = Path(os.environ.get("PELLUCID_DATA", "")) / "molecules" / "tox21.csv"


@pytest.mark.skipif(not TOX21.is_file(), reason="needs molecules/tox21.csv in PELLUCID_DATA")
def test_toxicity_of_molecules_from_the_command_line(tmp_path):
    """Counts of letters in a formula tell something of twelve assays, a sixth of whose results are blank."""
    letters = {"carbons": "Cc", "nitrogens": "Nn", "oxygens": "Oo", "sulphurs": "Ss", "halogens": "FIlr", "rings": "1"}
    letters |= {"double": "=", "triple": "#", "branches": "(", "aromatic": "c"}
    with TOX21.open() as file:
        rows = list(csv.DictReader(file))[:3000]
    assays = [name for name in rows[0] if name not in ("mol_id", "smiles")]
    table = tmp_path / "tox21.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*letters, *assays])
        for row in rows:
            counts = (sum(row["smiles"].count(letter) for letter in group) for group in letters.values())
            writer.writerow([*counts, *(row[assay] for assay in assays)])
    folder = str(tmp_path / "run")
    words = [word for assay in assays for word in ("--target", assay)]
    words += ["--network", "32", "--epochs", "15", "--folder", folder, "--no-progress", "--metrics", "roc_auc"]
    trained = CliRunner().invoke(main, ["train", str(table), *words])
    assert trained.exit_code == 0, trained.output
    assert "targets are blank: left out of loss and metrics" in trained.stderr
    result = pel.load(folder).result
    assert result["roc_auc"] > 0.65
    assert result["roc_auc of NR-AhR"] > 0.7
    said = CliRunner().invoke(main, ["evaluate", folder, str(table), "--metrics", "average_precision,f1"])
    assert said.exit_code == 0, said.output
    assert "average precision of SR-p53: " in said.stdout
