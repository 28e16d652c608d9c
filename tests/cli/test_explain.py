"""``pellucid explain``: from a saved run to every number of one of its examples."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "iris"
    pel.train((6,), pel.load_dataset("iris"), epochs=2, seed=0, folder=folder, progress=False)
    return folder


def explain(*arguments):
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def test_a_saved_run_is_explained_with_the_state_of_its_optimiser(saved, tmp_path):
    result = explain(saved, "--example", 2, "--format", "json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["title"] == "iris: example 2 of the held-out rows"
    assert told["worst_relative_error"] <= 1e-6
    assert "run's own adam, from its state after step 8" in told["chosen"]["update"]["source"]

    terminal = explain(saved, "--neuron", "relu_1:2")
    assert "The chain rule for dense_1.weights" in terminal.stdout
    page = tmp_path / "two.html"
    written = explain(saved, "--example", 2, "--output", page)
    assert written.stdout == ""
    assert "worst relative error" in written.stderr
    assert page.read_text().startswith("<!doctype html>")


def test_slips_end_with_advice(saved, tmp_path):
    for arguments, says in (
        (("--example", 30), "numbered 0 to 29"),
        (("--weight", "dense_3:0,0"), "no layer is named 'dense_3'"),
        (("--output", tmp_path / "two.pdf"), "names no format"),
    ):
        result = explain(saved, *arguments)
        assert result.exit_code == 2, result.output
        assert says in result.stderr


def test_arrays_have_to_be_given_again(tmp_path):
    x = np.linspace(-1, 1, 20)[:, None]
    pel.train((3,), pel.make_dataset(x, x[:, 0] > 0, name="signs"), epochs=1, folder=tmp_path / "run", progress=False)
    result = explain(tmp_path / "run")
    assert result.exit_code == 4
    assert "'signs', are no dataset known by name" in result.stderr
    assert "explain(load(folder), x, y)" in result.stderr
