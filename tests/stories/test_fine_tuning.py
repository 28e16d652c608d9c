"""Features of eight digits, a new head for the last two: from Python and from the command line."""

import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main

LAST = (8, 9)
DIGITS = pel.load_dataset("digits")


def rows_of(part, digits, rows=None, seed=0):
    chosen = np.flatnonzero(np.isin(part.y, digits))
    chosen = chosen if rows is None else np.random.default_rng(seed).permutation(chosen)[:rows]
    return part.x[chosen], np.searchsorted(digits, part.y[chosen])


def network(classes):
    return pel.Network(
        pel.Dense(64), pel.BatchNorm(), pel.Activation("relu"), pel.Dense(64, "relu"), pel.Dense(classes, "softmax")
    )


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    digits = tuple(digit for digit in range(10) if digit not in LAST)
    data = pel.make_dataset(*rows_of(DIGITS.train, digits), held_out=rows_of(DIGITS.held_out, digits))
    folder = tmp_path_factory.mktemp("runs") / "features"
    run = pel.train(network(8), data, epochs=15, learning_rate=0.003, folder=folder, progress=False)
    assert run.result["accuracy"] > 0.95
    return run


def accuracy(seed, **start):
    data = pel.make_dataset(
        *rows_of(DIGITS.train, LAST, 40, seed),
        classes=["8", "9"],
        task="multiclass",
        held_out=rows_of(DIGITS.held_out, LAST),
    )
    return pel.train(
        network(2), data, epochs=2, learning_rate=0.003, seed=seed, record_every=0, progress=False, **start
    )


def test_a_new_head_on_trained_layers_needs_fewer_rows_and_steps(features):
    gains = []
    for seed in range(5):
        tuned = accuracy(seed, initial=features, freeze=["dense_1", "batch_norm_1"])
        for layer in ("dense_1", "batch_norm_1"):
            for name, array in features.weights[layer].items():
                np.testing.assert_array_equal(tuned.weights[layer][name], array)
        gains.append(tuned.result["accuracy"] - accuracy(seed).result["accuracy"])
    assert np.mean(gains) > 0.05


def test_the_same_from_the_command_line(features, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = rows_of(DIGITS.train, LAST, 40)
    np.savez("last.npz", x=x, y=y)

    def pellucid(*arguments):
        return CliRunner().invoke(main, [*map(str, arguments)])

    start = ["--initial", features.folder, "--freeze", "dense_1", "--no-progress", "--learning-rate", "0.003"]
    result = pellucid("train", "last.npz", "--network", "64-64", "--epochs", 2, "--folder", "run", *start)
    assert result.exit_code == 0, result.output
    assert f"dense_1: starts from {features.folder}" in result.output
    assert "dense_3: initialised; weights 64×8 there, 64×1 here" in result.output
    run = pel.load("run")
    np.testing.assert_array_equal(run.weights["dense_1"]["weights"], features.weights["dense_1"]["weights"])
    assert pellucid("resume", "run", "--epochs", 3, "--no-progress").exit_code == 0
    assert pellucid("train", "run/experiment.toml", "--epochs", 3, "--folder", "again", "--no-progress").exit_code == 0
    for layer, arrays in pel.load("again").weights.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, pel.load("run").weights[layer][name])
    wrong = pellucid("train", "last.npz", "--network", "64-64", "--initial", features.folder, "--freeze", "conv*")
    assert wrong.exit_code == 2
    assert "'conv*' matches no layer with weights" in wrong.output
