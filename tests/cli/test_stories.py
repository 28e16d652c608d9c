"""The command line, from a table to predictions, evaluation and a run taken up again."""

import csv
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

import pellucid as pel
from pellucid.cli.main import main

COMPARED = [
    "weights.safetensors",
    "result.json",
    "experiment.toml",
    "report.html",
    "history/epochs.parquet",
    "history/steps.parquet",
    "history/layers.parquet",
]


def pellucid(*arguments, code=0):
    """Run the command line in this process; the exit code must be ``code``."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    unexpected = None if isinstance(result.exception, SystemExit) else result.exception
    assert (result.exit_code, unexpected) == (code, None), result.output
    return result


def kept(path):
    """The content of a file; of a page without the notes, which say what was chosen and what was asked for."""
    if path.name != "report.html":
        return path.read_bytes()
    return re.sub(r"<ul><li>Chosen: .*?</ul>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def as_table(bunch, labels):
    """Header and rows of a scikit-learn dataset, the target named and last."""
    return [*bunch.feature_names, "target"], [[*x, label] for x, label in zip(bunch.data.tolist(), labels, strict=True)]


def names_of(bunch):
    return bunch.target_names[bunch.target].tolist()


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    """A run on a table of irises, the table cut into what it was trained on and what is new."""
    folder = tmp_path_factory.mktemp("flowers")
    header, rows = as_table(load_iris(), names_of(load_iris()))
    chance = np.random.default_rng(0).permutation(len(rows))
    seen, new = [rows[i] for i in chance[:110]], [rows[i] for i in chance[110:]]
    write_csv(folder / "seen.csv", header, seen)
    write_csv(folder / "new.csv", header, new)
    write_csv(folder / "unlabelled.csv", header[:-1], [row[:-1] for row in new])
    result = pellucid(
        "train",
        folder / "seen.csv",
        "--target",
        "target",
        "--network",
        "16",
        "--epochs",
        30,
        "--learning-rate",
        0.02,
        "--folder",
        folder / "run",
        "--json",
    )
    return folder, [row[-1] for row in new], result


def test_json_alone_is_on_stdout_and_all_else_on_stderr(flowers):
    folder, _, result = flowers
    told = json.loads(result.stdout)
    assert told.keys() == {"run", "stopped", "loss", "accuracy"}
    assert told["stopped"] == "epochs"
    assert told["accuracy"] > 0.75  # of 22 rows
    assert told["run"] == str(folder / "run")
    for message in (
        "Dataset 'seen'",
        "output layer: softmax, 3 wide (one softmax neuron a class",
        "loss: sparse_categorical_cross_entropy",
        "epoch 30/30",
        f"run saved to {folder / 'run'}",
    ):
        assert message in result.stderr


def test_plain_lines_where_no_terminal_is(flowers):
    _, _, result = flowers
    assert "\x1b" not in result.output
    assert "\r" not in result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in (lines[0], lines[-1])] == ["epoch 1/30", "epoch 30/30"]
    assert len(lines) < 15  # every tenth part, and the first ones
    assert all("loss" in line and "accuracy" in line for line in lines)


def test_predictions_for_new_rows_come_as_csv_and_as_json(flowers):
    folder, truth, _ = flowers
    rows = list(csv.DictReader(pellucid("predict", folder / "run", folder / "unlabelled.csv").stdout.splitlines()))
    assert [row["prediction"] for row in rows] == pel.load(folder / "run").predict(folder / "unlabelled.csv").tolist()
    assert np.mean([row["prediction"] == name for row, name in zip(rows, truth, strict=True)]) > 0.85
    assert all(1 / 3 <= float(row["probability"]) <= 1 for row in rows)
    told = json.loads(pellucid("predict", folder / "run", folder / "new.csv", "--json", "--limit", 5).stdout)
    assert [row["prediction"] for row in told] == [row["prediction"] for row in rows[:5]]


def test_evaluation_on_new_rows_is_the_share_of_right_predictions(flowers):
    folder, truth, trained = flowers
    told = json.loads(pellucid("evaluate", folder / "run", folder / "new.csv", "--json").stdout)
    run = pel.load(folder / "run")
    right = run.predict(folder / "new.csv") == np.array(truth)
    assert told["accuracy"] == pytest.approx(right.mean())
    outputs = run.outputs(folder / "new.csv")
    true_places = [run.facts.classes.index(name) for name in truth]
    log_likelihood = np.log(outputs[np.arange(len(truth)), true_places]).mean()
    assert told["loss"] == pytest.approx(-log_likelihood, rel=1e-5)
    held_out = json.loads(pellucid("evaluate", folder / "run", "--json").stdout)
    assert held_out == {name: json.loads(trained.stdout)[name] for name in ("loss", "accuracy")}
    assert f"accuracy: {held_out['accuracy']:.4f}" in pellucid("evaluate", folder / "run").stdout


def test_evaluation_without_the_target_column_names_it(flowers):
    folder, _, _ = flowers
    result = pellucid("evaluate", folder / "run", folder / "unlabelled.csv", code=3)
    assert "no column 'target'" in result.stderr


def test_order_of_columns_does_not_matter_and_a_missing_one_is_named(flowers, tmp_path):
    folder, _, _ = flowers
    header, *rows = csv.reader((folder / "unlabelled.csv").read_text().splitlines())
    turned = write_csv(tmp_path / "turned.csv", header[::-1], [row[::-1] for row in rows])
    expected = pellucid("predict", folder / "run", folder / "unlabelled.csv").stdout
    assert pellucid("predict", folder / "run", turned).stdout == expected
    fewer = write_csv(tmp_path / "fewer.csv", header[1:], [row[1:] for row in rows])
    assert repr(header[0]) in pellucid("predict", folder / "run", fewer, code=3).stderr


@pytest.mark.parametrize(
    ("bunch", "task", "metric", "limit"),
    [(load_breast_cancer, "binary", "binary_accuracy", 0.9), (load_diabetes, "regression", "mean_absolute_error", 60)],
)
def test_each_kind_of_table_trains_and_predicts(tmp_path, bunch, task, metric, limit):
    data = bunch()
    labels = data.target.tolist() if task == "regression" else names_of(data)
    header, rows = as_table(data, labels)
    table = write_csv(tmp_path / "table.csv", header, rows)
    told = json.loads(
        pellucid(
            "train",
            table,
            "--target",
            "target",
            "--network",
            "32",
            "--epochs",
            60,
            "--learning-rate",
            0.01,
            "--folder",
            tmp_path / "run",
            "--json",
            "--no-progress",
        ).stdout
    )
    assert told[metric] < limit if task == "regression" else told[metric] > limit
    rows = list(csv.DictReader(pellucid("predict", tmp_path / "run", table).stdout.splitlines()))
    assert len(rows) == len(labels)
    if task == "regression":
        error = np.abs([float(row["prediction"]) - label for row, label in zip(rows, labels, strict=True)])
        # All rows, those trained on among them.
        assert error.mean() < limit
    else:
        assert {row["prediction"] for row in rows} == set(labels)


def test_numbers_that_name_classes_stay_what_the_table_wrote(tmp_path):
    """Classes 3 and 7: evaluate takes them by name, never as positions in the list of classes."""
    data = load_breast_cancer()
    header, rows = as_table(data, [3 + 4 * label for label in data.target.tolist()])
    table = write_csv(tmp_path / "table.csv", header, rows)
    pellucid(
        "train",
        table,
        "--target",
        "target",
        "--network",
        "32",
        "--folder",
        tmp_path / "run",
        "--no-progress",
        "--learning-rate",
        0.01,
    )
    run = pel.load(tmp_path / "run")
    truth = 3 + 4 * data.target
    assert (run.predict(table) == truth).mean() > 0.9
    told = json.loads(pellucid("evaluate", tmp_path / "run", table, "--json").stdout)
    assert told["binary_accuracy"] == pytest.approx((run.predict(table) == truth).mean())
    assert run.evaluate(data.data, truth) == pytest.approx(told)
    only_sevens = write_csv(tmp_path / "sevens.csv", header, [row for row in rows if row[-1] == 7])
    told = json.loads(pellucid("evaluate", tmp_path / "run", only_sevens, "--json").stdout)
    assert told["binary_accuracy"] == pytest.approx((run.predict(only_sevens) == 7).mean())


# Few programs for many tests: compiling them is what takes the time.
SCHEDULED = ["iris", "--no-progress", "--network", "8", "--dropout", 0.2, "--schedule", "cosine_decay:epochs=5"]
STOPPED = [
    "iris",
    "--no-progress",
    "--network",
    "8",
    "--early-stopping",
    3,
    "--class-weights",
    "setosa=2,versicolor=1",
    "--regularizer",
    "l1:strength=1e-3",
]


def test_a_network_from_a_file_of_layers_is_that_of_the_options(tmp_path):
    network = tmp_path / "network.toml"
    network.write_text(
        '[[layers]]\nname = "dense"\nunits = 8\nactivation = "relu"\nweights = "he_normal"\n'
        '[[layers]]\nname = "dropout"\nrate = 0.2\n'
        '[[layers]]\nname = "dense"\nunits = 3\nactivation = "softmax"\nweights = "glorot_uniform"\n'
    )
    pellucid("train", *SCHEDULED, "--epochs", 2, "--folder", tmp_path / "options")
    in_file = [network if option == "8" else option for option in SCHEDULED]
    del in_file[in_file.index("--dropout") : in_file.index("--dropout") + 2]
    pellucid("train", *in_file, "--epochs", 2, "--folder", tmp_path / "file", "--name", "iris-8")
    names = pel.load(tmp_path / "file").network.names
    assert names == ("dense_1", "relu_1", "dropout_1", "dense_2", "softmax_1")
    for name in COMPARED:
        assert kept(tmp_path / "file" / name) == kept(tmp_path / "options" / name), name


def test_an_experiment_repeated_gives_the_same_bits_and_another_seed_others(tmp_path):
    pellucid("train", *SCHEDULED, "--epochs", 5, "--folder", tmp_path / "first", "--seed", 4)
    experiment = tmp_path / "first" / "experiment.toml"
    pellucid("train", experiment, "--folder", tmp_path / "again", "--no-progress")
    for name in COMPARED:
        assert kept(tmp_path / "first" / name) == kept(tmp_path / "again" / name), name
    pellucid("train", experiment, "--folder", tmp_path / "other", "--no-progress", "--seed", 5)
    pellucid("train", *SCHEDULED, "--epochs", 5, "--folder", tmp_path / "five", "--seed", 5)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("first", "other", "five")]
    assert weights[0] != weights[1]
    assert weights[1] == weights[2]


def test_a_schedule_starts_from_the_rate_given_or_the_optimizers_own(tmp_path):
    pellucid("train", *SCHEDULED, "--epochs", 1, "--folder", tmp_path / "usual")
    pellucid("train", *SCHEDULED, "--epochs", 1, "--folder", tmp_path / "given", "--learning-rate", 0.003)
    rates = [pel.load(tmp_path / name).history.steps["learning_rate"][0] for name in ("usual", "given")]
    np.testing.assert_allclose(rates, [0.001, 0.003], rtol=1e-6)


@pytest.mark.parametrize("settings", [SCHEDULED, STOPPED], ids=["scheduled", "stopped"])
def test_resumed_for_more_epochs_equals_the_longer_run(tmp_path, settings):
    pellucid("train", *settings, "--epochs", 7, "--folder", tmp_path / "long")
    pellucid("train", *settings, "--epochs", 3, "--folder", tmp_path / "short")
    assert (tmp_path / "short/result.json").read_bytes() != (tmp_path / "long/result.json").read_bytes()
    pellucid("resume", tmp_path / "short", "--epochs", 7, "--no-progress")
    for name in COMPARED:
        assert (tmp_path / "short" / name).read_bytes() == (tmp_path / "long" / name).read_bytes(), name


def test_early_stopping_ends_before_the_epochs_do_and_says_so(tmp_path):
    result = pellucid(
        "train", *STOPPED, "--learning-rate", 0.5, "--epochs", 400, "--folder", tmp_path / "run", "--json"
    )
    assert json.loads(result.stdout)["stopped"] == "early"
    assert "stopped early" in result.stderr
    assert "weights of the best epoch kept" in result.stderr
    run = pel.load(tmp_path / "run")
    assert run.stopped == "early"
    again = ("resume", tmp_path / "run", "--no-progress")
    told = " ".join(pellucid(*again).stderr.split())
    assert "no step was made" in told
    assert f"not fallen since epoch {run.best_epoch}" in told
    more = run.history.epochs_made + 1
    pellucid(*again, "--early-stopping", 60, "--epochs", more, "--learning-rate", 0.01)
    run = pel.load(tmp_path / "run")
    assert (run.experiment.early_stopping, run.history.epochs_made) == (60, more)
    assert run.history.steps["learning_rate"][-1] == np.float32(0.01)


def test_folds_of_a_table_are_saved_as_runs_that_other_verbs_take(flowers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = flowers[0] / "seen.csv"
    arguments = ["train", table, "--target", "target", "--network", 16, "--epochs", 4, "--folds", 3, "--no-progress"]
    result = pellucid(*arguments, "--json")
    told = json.loads(result.stdout)
    folder = tmp_path / told["folder"]
    assert folder.name == "seen-16-cv-001"
    assert [fold["held_out"] for fold in told["folds"]] == [37, 37, 36]
    assert "output layer: softmax" in result.stderr
    with open(table, newline="", encoding="utf-8") as file:
        targets = [row["target"] for row in csv.DictReader(file)]
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["row"]) for row in rows] == list(range(110))
    correct = [row["prediction"] == target for row, target in zip(rows, targets, strict=True)]
    of_fold = [[c for c, row in zip(correct, rows, strict=True) if row["fold"] == fold] for fold in "123"]
    assert told["metrics"]["held_out_accuracy"]["values"] == pytest.approx([np.mean(fold) for fold in of_fold])
    assert json.loads((folder / "cross_validation.json").read_text()) == {
        k: v for k, v in told.items() if k != "folder"
    }

    evaluated = json.loads(pellucid("evaluate", folder / "fold-2", "--json").stdout)
    assert evaluated["accuracy"] == told["metrics"]["held_out_accuracy"]["values"][1]
    longer = pellucid("resume", folder / "fold-2", "--epochs", 5, "--no-progress", "--json")
    assert json.loads(longer.stdout)["stopped"] == "epochs"
    assert "holds a cross-validation" in pellucid(*arguments, "--folder", folder, code=4).stderr
    again = pellucid(*arguments)
    assert "mean" in again.stdout
    assert (tmp_path / "runs" / "seen-16-cv-002" / "predictions.csv").read_bytes() == (
        folder / "predictions.csv"
    ).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", 1], "folds must be a whole number of at least 2"),
        (["--folds", 3, "--network", "wgan"], "a GAN cannot be cross-validated"),
        (["--folds", 3, "--held-out", 0.3], "each fold is held out once"),
        (["--folds", 3, "--checkpoint-every", 1], "keeps no checkpoints"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in pellucid("train", "iris", *arguments, "--no-progress", code=2).stderr
    assert not list(tmp_path.iterdir())


def test_runs_without_a_name_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        told = pellucid("train", *SCHEDULED, "--epochs", 1, "--json").stdout
        assert json.loads(told)["run"] == f"runs/iris-8-00{number}"


def test_list_of_datasets():
    infos = json.loads(pellucid("data", "list", "--json").stdout)
    assert {"mnist", "mnist-5k", "iris"} <= {info["name"] for info in infos}
    table = pellucid("data", "list").stdout
    assert all(info["name"] in table for info in infos)
