"""A folder of tables on the command line: looked at, trained on, resumed, predicted and measured."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("clicks")
    for i in range(2):
        chance = np.random.default_rng(i)
        pages, device = chance.poisson(3, 300), chance.choice(["phone", "laptop"], 300)
        clicked = np.where(pages + (device == "phone") > 3, "yes", "no")
        pq.write_table(pa.table({"pages": pages, "device": device, "clicked": clicked}), where / f"{i}.parquet")
    return where


def pellucid(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.stderr
    return result


def test_a_folder_from_the_first_look_to_predictions(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "600 rows looked at, 3 columns" in pellucid("data", "show", folder, "--target", "clicked").stdout
    train = ("train", folder, "--target", "clicked", "--network", "8", "--epochs", 2, "--batch-size", 32)
    result = pellucid(*train, "--learning-rate", "0.01", "--held-out", 0.25, "--folder", "run", "--no-progress")
    assert "read while it is trained on" in result.stderr
    pellucid("resume", "run", "--epochs", 4, "--no-progress")
    run = pel.load("run")
    assert run.history.epochs_made == 4
    measured = json.loads(pellucid("evaluate", "run", folder, "--json").stdout)
    assert measured == pytest.approx(run.evaluate(str(folder)))
    result = pellucid("predict", "run", folder, "--output", "predictions.parquet")
    assert "600 predictions" in result.stderr
    written = pq.read_table("predictions.parquet")
    assert written.column("prediction").to_pylist() == run.predict(str(folder)).tolist()
    rows = list(csv.DictReader(io.StringIO(pellucid("predict", "run", folder, "--limit", 3).stdout)))
    assert [row["prediction"] for row in rows] == written.column("prediction").to_pylist()[:3]
    assert len(json.loads(pellucid("predict", "run", folder, "--limit", 2, "--json").stdout)) == 2


def test_a_file_is_streamed_where_that_is_said_and_an_experiment_repeats_it(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pellucid("train", folder / "0.parquet", "--target", "clicked", "--stream", "--network", "4", "--epochs", 1,
             "--folder", "run", "--no-progress")  # fmt: skip
    pellucid("train", "run/experiment.toml", "--folder", "again", "--no-progress")
    first, again = (pel.load(name) for name in ("run", "again"))
    assert first.facts.fingerprint == again.facts.fingerprint
    assert first.result == again.result


def test_what_a_folder_cannot_is_refused(folder, tmp_path):
    assert "--time" in pellucid("train", folder, "--target", "clicked", "--time", "pages", code=3).stderr
    assert "name the column to predict" in pellucid("train", folder, code=2).stderr
    assert "without images" in pellucid("train", tmp_path, "--target", "y", code=3).stderr
