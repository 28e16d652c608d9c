"""Trainings on rows that are read meanwhile: the same run in every respect, resumed to the bit."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pellucid as pel
from pellucid.core.errors import DataError, DataWarning, InvalidValue, StorageError
from pellucid.data import Part, folds
from pellucid.data.preprocessing import SCALINGS
from pellucid.doctor.diagnose import diagnose
from pellucid.training import feed

SOURCE = Path(__file__).parents[2]


def columns(rows=3000, seed=0):
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(rows, 3)).astype(np.float32)
    city = np.array(["Oslo", "Rome", "Bonn"])[chance.integers(0, 3, rows)]
    score = x[:, 0] - x[:, 1] * x[:, 2] + (city == "Rome")
    return {
        **{f"x{i}": x[:, i] for i in range(3)},
        "city": city,
        "kind": np.where(score > 1.2, "high", np.where(score < 0, "low", "middle")),
        "price": 1000 + 100 * score,
        "weight": chance.integers(1, 4, rows),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("rows")
    for i in range(3):
        pq.write_table(pa.table(columns(1000, seed=i)), where / f"{i}.parquet", row_group_size=180)
    return str(where)


@pytest.fixture(autouse=True)
def windows(monkeypatch):
    """Windows and pieces so small that an epoch has many."""
    monkeypatch.setattr(feed, "WINDOW_BYTES", 20_000)
    monkeypatch.setattr(feed, "PIECE", 64)


OTHERS = {"kind": "ignored", "price": "ignored", "weight": "ignored"}


def load(folder, target="kind", **options):
    return pel.load_table(folder, target, columns={n: k for n, k in OTHERS.items() if n != target}, **options)


def train(data, folder=None, **settings):
    return pel.train((8,), data, folder=folder, progress=False, **{"epochs": 4, "learning_rate": 0.01, **settings})


def same(one, other):
    for layer, arrays in one.weights.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, other.weights[layer][name])
    for name, table in one.history.tables.items():
        for column, values in table.items():
            np.testing.assert_array_equal(values, other.history.tables[name][column])


class TestRuns:
    @pytest.mark.parametrize("target", ["kind", "price"])
    def test_a_stream_is_learnt_as_well_as_the_same_rows_in_memory(self, folder, target):
        data = load(folder, target, held_out=0.2)
        streamed, in_memory = train(data), train(data.sample())
        assert streamed.facts.rows == len(data.train) == data.rows  # so few that all are in the sample
        assert streamed.history.steps_made == in_memory.history.steps_made
        name = {"kind": "accuracy", "price": "loss"}[target]
        assert streamed.result[name] == pytest.approx(in_memory.result[name], rel=0.1)

    def test_what_is_measured_at_the_end_is_of_all_held_out_rows(self, folder, tmp_path, monkeypatch):
        monkeypatch.setattr("pellucid.data.table_stream.SAMPLE_ROWS", 200)
        run = train(load(folder, held_out=0.3), tmp_path / "run", metrics=["f1"])
        held_out = list(run.data.stream.read_held_out())
        assert sum(map(len, held_out)) == run.facts.held_out_rows > 3 * len(run.data.held_out)
        x, y = (np.concatenate([getattr(part, name) for part in held_out]) for name in ("x", "y"))
        whole = run.evaluate_part(Part(x, y))
        assert run.result == pytest.approx(whole, rel=1e-6)
        assert run.evaluate(metrics=["roc_auc"])["roc_auc"] > 0.8
        assert "held-out rows are measured after each epoch, all at the end" in " ".join(run.notes.choices)
        page = (tmp_path / "run" / "report.html").read_text()
        few, all_ = f"{len(run.data.held_out):,}", f"{run.facts.held_out_rows:,}"
        assert f"{few} of the {all_} held-out rows, drawn by chance" in page

    def test_a_validation_part_is_of_rows_that_are_not_trained_on(self, folder):
        run = train(load(folder), epochs=30, early_stopping=2, validation=0.2)
        assert run.training.feed.rows + run.training.monitor.rows == run.facts.rows
        assert run.training.monitor.rows == pytest.approx(0.2 * run.facts.rows, rel=0.1)
        assert run.best_epoch is not None

    def test_the_default_recipe_completes_the_settings(self, folder, monkeypatch):
        monkeypatch.setattr("pellucid.runs.recipe.STEPS_OF_MANY", 40)
        run = pel.train((8,), load(folder), progress=False)
        assert run.training.monitor.rows == pytest.approx(0.1 * run.facts.rows, rel=0.2)
        assert run.history.steps_made >= 40

    @pytest.mark.parametrize("weights", [None, "weight"])
    def test_weights_have_mean_1_over_all_rows(self, folder, weights):
        run = train(load(folder, weights=weights), class_weights={"high": 3, "low": 2, "middle": 1}, epochs=1)
        fed, total, count, step = run.training.feed, 0.0, 0, 0
        while step < fed.steps_per_epoch:
            rows, step = fed.at(step)
            n = int(rows.window.counted)
            total, count = total + float(np.asarray(rows.weights)[:n].sum(dtype=float)), count + n
        fed.close()
        assert total / count == pytest.approx(1, rel=1e-5)

    @pytest.mark.parametrize("scaling", ["min_max", "standardise", "none"])
    def test_scalings_are_of_all_rows(self, folder, scaling, monkeypatch):
        monkeypatch.setattr("pellucid.data.table_stream.SAMPLE_ROWS", 100)
        data = load(folder, "price", held_out=None)
        run = train(data, scale_inputs=scaling, scale_targets="standardise", epochs=1)
        parts = list(data.stream.read(data.stream.training))
        x, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y"))
        for ours, theirs in (
            (run.facts.preprocessing, SCALINGS[scaling](x)),
            (run.facts.target_preprocessing, SCALINGS["standardise"](y)),
        ):
            for name in ("shift", "scale"):
                size = max(getattr(theirs, name).size, getattr(ours, name).size)
                values = [np.broadcast_to(getattr(one, name), size) for one in (ours, theirs)]
                scaled = data.encoder.scaled if size > 1 and scaling != "none" else slice(None)
                np.testing.assert_allclose(values[0][scaled], values[1][scaled], rtol=1e-5)

    def test_an_autoencoder_learns_from_a_stream(self, folder):
        data = pel.load_table(folder, columns=OTHERS)
        run = pel.train({"name": "autoencoder", "code": 2}, data, epochs=2, progress=False)
        assert run.facts.task == "reconstruction"
        assert run.history.epochs["loss"][-1] < run.history.epochs["loss"][0]

    def test_a_loaded_run_predicts_is_diagnosed_and_explained(self, folder, tmp_path):
        train(load(folder), tmp_path / "run")
        run = pel.load(tmp_path / "run")
        assert diagnose(run, trials=False) is not None
        row = {name: values[0] for name, values in columns(1000).items()}
        assert "dense_1" in str(run.explain([row], row["kind"]))

    def test_folders_are_predicted_and_measured_block_by_block(self, folder, tmp_path):
        run = train(load(folder, held_out=None))
        whole = pa.concat_tables([pq.read_table(f"{folder}/{i}.parquet") for i in range(3)]).to_pandas()
        np.testing.assert_array_equal(run.predict(folder), run.predict(whole))
        np.testing.assert_allclose(run.outputs(folder), run.outputs(whole), rtol=1e-6)
        measured = run.evaluate(folder, metrics=["f1"])
        assert measured == pytest.approx(run.evaluate(whole, metrics=["f1"]), rel=1e-6)
        other = tmp_path / "other"
        other.mkdir()
        pq.write_table(pa.table(columns(20) | {"city": ["Ulm"] * 5 + ["Rome"] * 15}), other / "0.parquet")
        with pytest.raises(DataError, match="'Ulm' at row 0, a category that the training did not see"):
            run.predict(str(other))
        with pytest.warns(DataWarning, match="5 of 20 rows have an unknown category"):
            assert len(run.predict(str(other), unknown=True)) == 20


class TestRefusals:
    @pytest.mark.parametrize(
        "settings", [{"batch_size": "all"}, {"optimizer": "gradient_descent"}, {"sample_weights": np.ones(3)}], ids=str
    )
    def test_settings_that_need_all_rows(self, folder, settings):
        with pytest.raises(InvalidValue):
            train(load(folder), **settings)

    def test_what_needs_rows_in_memory_says_how_to_take_a_sample(self, folder):
        data = load(folder)
        for call in (
            lambda: pel.cross_validate((4,), data, epochs=1, progress=False),
            lambda: pel.compare(data, {"optimizer": ["adam", "sgd"]}, epochs=1, progress=False),
            lambda: pel.train("gan", data, epochs=1, progress=False),
            lambda: train(data, epochs=1).prove(),
            lambda: folds(data, 3),
        ):
            with pytest.raises(InvalidValue, match=r"data\.sample\(\)"):
                call()


KILLED = """
import os, signal, sys
import pellucid as pel
from pellucid.training import feed
from tests.runs import test_streams

def kill(training):
    if training.step >= 370:
        os.kill(os.getpid(), signal.SIGKILL)

kill.every = 37
feed.WINDOW_BYTES, feed.PIECE = 20_000, 64
data = test_streams.load(sys.argv[1], "price", held_out=0.1)
test_streams.train(data, sys.argv[2], checkpoint_every=0.0, callbacks=[kill], **test_streams.TO_THE_BIT)
"""
TO_THE_BIT = {"batch_size": 16, "early_stopping": 3, "average_weights": 0.9, "snapshots": 4, "histograms_every": 60}


def test_a_training_that_is_killed_resumes_to_the_bit(folder, tmp_path, monkeypatch):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    environment = os.environ | {"PYTHONPATH": f"{SOURCE / 'src'}{os.pathsep}{SOURCE}"}
    process = subprocess.run([sys.executable, "-c", KILLED, folder, str(killed)], env=environment, capture_output=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    steps = [int(file.stem.removeprefix("step-")) for file in (killed / "checkpoints").glob("step-*.json")]
    again = train(load(folder, "price", held_out=0.1), whole, **TO_THE_BIT)
    assert max(steps) % again.training.steps_per_epoch  # within an epoch, and within a window
    with monkeypatch.context() as patch:  # nothing is read to find out what is known already
        patch.setattr("pellucid.data.table_stream.Pass", None)
        resumed = pel.resume(killed, progress=False)
    same(resumed, again)
    assert resumed.result == again.result


def test_rows_that_have_changed_are_not_resumed_on(folder, tmp_path):
    other = tmp_path / "rows"
    shutil.copytree(folder, other)
    train(load(str(other)), tmp_path / "run", epochs=1)
    pq.write_table(pa.table(columns(1000, seed=9)), other / "1.parquet", row_group_size=180)
    with pytest.raises(StorageError, match="the data are not those of the run"):
        pel.resume(tmp_path / "run", epochs=2, progress=False)
