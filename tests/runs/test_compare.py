"""Settings compared: the same seeds, tables that SciPy agrees with, errors that say what to do."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import DataError, InvalidValue
from pellucid.report.comparison import comparison_charts
from pellucid.runs.plan import settle

IRIS = pel.load_dataset("iris")
COMMON = {"network": (8,), "epochs": 4, "batch_size": 30, "record_every": 0, "progress": False}


@pytest.fixture(scope="module")
def found():
    over = {"initializer": ["he_normal", "glorot_uniform"], "learning_rate": [0.02, 0.1, 1e30]}
    return pel.compare(IRIS, over, seeds=[3, 4, 5, 6], optimizer="sgd", **COMMON)


def test_values_are_those_of_train(found):
    assert [setting["learning_rate"] for setting in found.settings] == [0.02, 0.1, 1e30] * 2
    run = found.runs[3][1]
    assert (run.experiment.seed, run.experiment.optimizer["learning_rate"]) == (4, 0.02)
    network = pel.networks.feedforward(IRIS, (8,), initializer="glorot_uniform")
    settings = {name: value for name, value in COMMON.items() if name != "network"}
    alone = pel.train(network, IRIS, optimizer=pel.SGD(0.02), seed=4, **settings)
    assert found.values()[3, 1] == pytest.approx(alone.result["accuracy"])
    assert found.values("held_out_loss")[3, 1] == pytest.approx(alone.result["loss"], rel=1e-4)
    assert found.values("loss")[3, 1] == pytest.approx(alone.history.epochs["loss"][-1], rel=1e-4)
    np.testing.assert_allclose(found.curves("held_out_loss")[3, 1], alone.history.epochs["held_out_loss"], rtol=1e-4)


def test_the_table_is_scipys(found):
    rows, values = found.rows("held_out_loss"), found.values("held_out_loss")
    reference = found.reference("held_out_loss")
    sound = [0, 1, 3, 4]
    assert reference == sound[np.argmin(values[sound].mean(axis=1))]
    others = [i for i in sound if i != reference]
    tests = [stats.ttest_rel(values[i], values[reference]) for i in others]
    assert [rows[i].against.p for i in others] == pytest.approx([test.pvalue for test in tests])
    assert rows[others[0]].p >= rows[others[0]].against.p
    assert rows[reference].against is None
    for i in (2, 5):
        assert rows[i].diverged == 4
        assert np.isnan(rows[i].estimate.mean)
    assert "4 of 4" in str(found)


def test_epochs_to_a_target(found):
    curves = found.curves()
    epochs = found.epochs_to(float(np.nanmin(curves[0, :, 0])))
    assert epochs[0].max() >= 1
    assert (epochs[0] == 1).sum() >= 1
    assert np.isnan(found.epochs_to(1.1)).all()


def test_the_figure_shows_every_setting(found):
    dots, lines = comparison_charts(found)
    assert [strip.name for strip in dots.strips] == list(found.labels)
    assert len(lines.series) == 4  # those that did not diverge
    texts = {text.get_text() for text in found.plot().axes[0].texts}
    assert set(found.labels) <= texts
    assert all(label in found._repr_html_() for label in found.labels)


def test_settings_reach_wherever_they_are():
    settings = {
        "optimizer": "momentum",
        "optimizer.momentum": 0.5,
        "learning_rate": 0.2,
        "regularizer": "l2",
        "regularizer.strength": 0.3,
    }
    experiment = settle({"name": "rnn", "units": [4]}, pel.load_dataset("digits"), settings).experiment
    assert experiment.optimizer == {"name": "momentum", "momentum": 0.5, "learning_rate": 0.2}
    assert experiment.regularizer == {"name": "l2", "strength": 0.3}
    planned = settle(pel.Network(pel.Dense(4), pel.Dense(3, "softmax")), IRIS, {"network.0.units": 7})
    assert planned.network.layers[0].units == 7


@pytest.mark.parametrize(
    ("over", "settings", "text"),
    [
        ({"activatoin": ["relu"]}, {}, "no setting 'activatoin'"),
        ({"activation": "relu"}, {}, "must be a list of values"),
        ({}, {}, "nothing to compare"),
        ({"seed": [1, 2]}, {}, "seeds takes the seeds"),
        ({"activation": ["relu"]}, {"network": pel.Network(pel.Dense(3, "softmax"))}, "given as an object"),
        ({"learning_rate": [-1.0]}, {}, "learning_rate"),
    ],
)
def test_slips_are_said(over, settings, text):
    with pytest.raises(InvalidValue, match=text):
        pel.compare(IRIS, over, progress=False, **settings)


def test_held_out_rows_are_needed():
    data = pel.make_dataset(IRIS.train.x, IRIS.train.y, task="multiclass", held_out=None)
    with pytest.raises(DataError, match="no held-out rows"):
        pel.compare(data, {"epochs": [1]})


def test_the_command(tmp_path):
    picture = tmp_path / "compared.png"
    arguments = ["compare", "iris", "--over", "optimizer=sgd:learning_rate=0.02,clip_norm=1,sgd", "--seeds", "2"]
    more = [
        "--network",
        "8",
        "--epochs",
        "4",
        "--batch-size",
        "30",
        "--no-progress",
        "--json",
        "--figure",
        str(picture),
    ]
    result = CliRunner().invoke(main, arguments + more)
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    first = content["settings"][0]
    assert first["setting"]["optimizer"] == {"name": "sgd", "learning_rate": 0.02, "clip_norm": 1}
    assert (len(content["settings"]), len(first["values"]), content["seeds"]) == (2, 2, [0, 1])
    assert picture.read_bytes()[:4] == b"\x89PNG"
    result = CliRunner().invoke(main, ["compare", "iris", "--over", "epochs"])
    assert result.exit_code == 2
    assert "setting=value" in result.output
