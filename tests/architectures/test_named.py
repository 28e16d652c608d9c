"""Every network by name: it learns real digits, and a run of it is saved, loaded and resumed to the bit."""

import jax
import numpy as np
import pytest

import pellucid as pel
from pellucid.architectures.by_name import ARCHITECTURES, build_by_name
from pellucid.core.errors import InvalidValue, ShapeError, UnknownName

SMALL = {
    "autoencoder": {"hidden": [16], "code": 4, "noise": 0.2, "sparsity": "kl_activity"},
    "cnn": {
        "filters": [4, 8],
        "hidden": [16],
        "normalize": True,
        "dropout": 0.1,
        "augmentation": ["random_shift", "mixup"],
    },
    "convolutional_autoencoder": {"filters": [4], "code": 4},
    "gru": {"units": [12], "bidirectional": True},
    "lstm": {"units": [12, 8], "dropout": 0.1},
    "rnn": {"units": [12], "mask_value": 0.0},
    "spiking": {"hidden": [16], "steps": 4},
}


@pytest.fixture(scope="module")
def digits():
    return pel.load_dataset("digits")


def test_the_table_has_every_network():
    learning = {name for name, built in ARCHITECTURES.items() if built.learns != "examples"}
    assert set(SMALL) == learning - {"translator"}  # which have tests of their own


@pytest.mark.parametrize("name", list(SMALL))
def test_a_run_is_resumed_and_loaded_to_the_bit(name, digits, tmp_path):
    options = {"batch_size": 100, "optimizer": pel.Adam(5e-3), "progress": False}
    specification = {"name": name, **SMALL[name]}
    whole = pel.train(specification, digits, epochs=4, **options)
    part = pel.train(specification, digits, epochs=2, folder=tmp_path / "run", **options)
    assert whole.history.epochs["loss"][-1] < part.history.epochs["loss"][0]

    resumed = pel.resume(tmp_path / "run", epochs=4, progress=False)
    loaded = pel.load(tmp_path / "run")
    for run in (resumed, loaded):
        trees = [(run.params, run.layer_state), (whole.params, whole.layer_state)]
        jax.tree.map(np.testing.assert_array_equal, *trees)
        np.testing.assert_array_equal(run.outputs(digits.held_out.x), whole.outputs(digits.held_out.x))
        assert run.result == whole.result


@pytest.mark.parametrize("name", list(SMALL))
def test_its_defaults_fit_the_digits(name, digits):
    network, data = build_by_name(name, digits)
    assert pel.summarize(network, data.input_shape).parameters > 0


@pytest.mark.parametrize("name", ["cnn", "lstm", "gru", "rnn"])
def test_it_classifies_digits(name, digits):
    run = pel.train(name, digits, epochs=15, optimizer=pel.Adam(3e-3), progress=False)
    assert run.result["accuracy"] > (0.9 if name == "rnn" else 0.93)


def test_a_sequence_is_a_regression_too():
    """The next value of a noisy sine from the eight before it."""
    wave = np.sin(np.arange(2000) * 0.3) + np.random.default_rng(0).normal(0, 0.05, 2000)
    x = np.lib.stride_tricks.sliding_window_view(wave, 8)[:-1]
    data = pel.make_dataset(x, wave[8:], task="regression", preprocessing="none")
    run = pel.train({"name": "lstm", "units": [16]}, data, epochs=15, optimizer=pel.Adam(5e-3), progress=False)
    assert run.result["loss"] < 0.03 * wave.var()


def test_what_does_not_fit_is_refused(digits):
    with pytest.raises(UnknownName, match=r"autoencodr.*Did you mean 'autoencoder'"):
        pel.train("autoencodr", digits)
    with pytest.raises(InvalidValue, match=r"no field 'depth'.*Fields: hidden"):
        pel.train({"name": "autoencoder", "depth": 3}, digits)
    with pytest.raises(ShapeError, match=r"takes images.*iris"):
        pel.train("cnn", pel.load_dataset("iris"))
    images = pel.make_dataset(np.zeros((4, 6, 6, 3), np.uint8), [0, 1, 0, 1], held_out=None)
    with pytest.raises(ShapeError, match=r"sequences.*\(6, 6, 3\)"):
        pel.train("lstm", images)
