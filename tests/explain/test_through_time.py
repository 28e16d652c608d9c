"""Step through time: gradients, updates and moves that agree where they must, and a story on real digits."""

import csv
import io

import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue, UnknownName


@pytest.mark.parametrize("regularizer", [None, {"name": "l2", "strength": 0.01}])
def test_gradient_descent_moves_by_its_rule_and_nothing_else(regularizer):
    """All rows in each step and a snapshot of each: the move is the update, and without a penalty −η · gradient."""
    iris = pel.load_dataset("iris")
    run = pel.train(
        (8,),
        iris,
        optimizer=pel.optimizers.GradientDescent(0.1),
        epochs=12,
        snapshots=50,
        regularizer=regularizer,
        progress=False,
    )
    for kind, name in {"weight": "dense_1:2,3", "neuron": "dense_1:3", "layer": "dense_2"}.items():
        followed = pel.through_time(run, **{kind: name})
        table = followed.table
        assert table["step"].tolist() == list(range(13))
        np.testing.assert_allclose(table["move"][:-1], table["update"][:-1], rtol=2e-3, atol=1e-6)
        np.testing.assert_allclose(table["with_update"][:-1], 1, atol=1e-3)
        np.testing.assert_allclose(table["loss"][:-1], run.history.steps["loss"], rtol=1e-4)
        if regularizer is None:
            sign = -1 if kind == "weight" else 1
            np.testing.assert_allclose(table["move"][:-1], sign * 0.1 * table["gradient"][:-1], rtol=2e-3, atol=1e-6)
            np.testing.assert_allclose(table["with_gradient"][:-1], 1, atol=1e-3)
            assert "Between 12 of 12 pairs" in str(followed)
    value = pel.through_time(run, weight="dense_1:2,3").table["value"]
    assert value[-1] == run.params[0]["weights"][2, 3]


def test_a_neuron_that_dies_is_said_to():
    network = pel.Network(pel.Dense(4, "relu", biases={"name": "constant", "value": -50.0}), pel.Dense(3, "softmax"))
    with pytest.warns(pel.DoctorWarning, match="bad init large"):
        run = pel.train(network, pel.load_dataset("iris"), epochs=1, snapshots=4, progress=False)
    followed = pel.through_time(run, neuron="dense_1:1")
    assert (followed.table["share_active"] == 0).all()
    assert (followed.table["gradient"] == 0).all()
    assert np.isnan(followed.table["with_gradient"]).all()
    assert "active for none" in str(followed)


@pytest.mark.parametrize(
    ("network", "asked", "pictures"),
    [
        (
            pel.Network(pel.Conv2D(4, 3), pel.BatchNorm(), pel.Flatten(), pel.Dropout(0.5), pel.Dense(10, "softmax")),
            {"layer": "conv2d_1"},
            (4, 3, 3, 1),
        ),
        (pel.Network(pel.LSTM(3), pel.Flatten(), pel.Dense(10, "softmax")), {"weight": "lstm_1:recurrent:1,2"}, None),
    ],
)
def test_other_layers_are_followed_too(network, asked, pictures):
    digits = pel.load_dataset("digits")
    run = pel.train(network, digits, epochs=1, batch_size=300, snapshots=4, record_every=0, progress=False)
    followed = pel.through_time(run, **asked)
    assert np.isfinite(followed.table["gradient"]).all()
    if pictures is None:
        assert followed.pictures is None
    else:
        assert followed.pictures.shape == (len(followed.table["step"]), *pictures)
        followed.plot()


def test_slips_are_told():
    iris = pel.load_dataset("iris")
    run = pel.train((4,), iris, epochs=1, snapshots=4, progress=False)
    with pytest.raises(UnknownName, match="dense_1, dense_2"):
        pel.through_time(run, layer="dense_7")
    with pytest.raises(UnknownName, match="has no array 'recurrent'"):
        pel.through_time(run, weight="dense_1:recurrent:0,0")
    with pytest.raises(InvalidValue, match="4×4"):
        pel.through_time(run, weight="dense_1:7,0")
    with pytest.raises(InvalidValue, match="whole numbers"):
        pel.through_time(run, neuron="dense_1:x")
    with pytest.raises(InvalidValue, match="one thing"):
        pel.through_time(run, neuron="dense_1:1", layer="dense_1")
    with pytest.raises(InvalidValue, match="snapshots=50"):
        pel.through_time(pel.train((4,), iris, epochs=1, progress=False))


def test_story_on_digits_by_the_command_line(tmp_path, shared_data):
    """The first layer's weights of real digits grow along the gradient of the loss, and the loss falls."""
    runner, run, figure = CliRunner(), str(tmp_path / "run"), tmp_path / "neuron.png"
    settings = ["--network", "16", "--epochs", "2", "--batch-size", "100", "--snapshots", "10", "--no-progress"]
    recorder = ["--record", "gradients,noise", "--record-every", "10", "--histograms-every", "40"]
    done = runner.invoke(main, ["train", "mnist-5k", *settings, *recorder, "--folder", run])
    assert done.exit_code == 0, done.output
    done = runner.invoke(main, ["replay", run, "--neuron", "dense_1:5", "--output", str(figure)])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [int(row["step"]) for row in rows] == list(range(0, 81, 16))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 2
    assert all(float(row["with_gradient"]) > 0 for row in rows[:-1])
    assert figure.read_bytes().startswith(b"\x89PNG")
    loaded = pel.load(run)
    assert set(loaded.history.layers) == {
        "step",
        "layer",
        "gradient_norm",
        "finite",
        "signal_to_noise",
        "gradient_ratio",
    }
    assert np.nanmax(loaded.history.layers["signal_to_noise"]) > 0
    assert set(loaded.history.histograms["kind"]) == {"gradients"}
