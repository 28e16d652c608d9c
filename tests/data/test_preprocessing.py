"""Scaling by the shape of the inputs, whatever their type; checks of new images; logarithms of targets."""

import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue
from pellucid.data import Preprocessing, make_dataset
from pellucid.data.preprocessing import usual_preprocessing

RNG = np.random.default_rng(0)
TABLE = RNG.integers(0, 200, (60, 3))
PIXELS = RNG.integers(0, 256, (40, 12, 12))
SEQUENCES = RNG.normal([5.0, 300.0], [1.0, 40.0], (50, 6, 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64])
def test_the_shape_decides_and_not_the_type(dtype):
    table = make_dataset(TABLE.astype(dtype), np.arange(60) * 0.5, held_out=None)
    np.testing.assert_allclose(table.preprocessing.apply_numpy(table.train.x).std(axis=0), 1, atol=1e-3)
    images = make_dataset(PIXELS.astype(dtype), np.arange(40) * 0.5, held_out=None)
    assert images.preprocessing.scale == np.float32(1 / 255)


def test_sequences_are_standardised_feature_by_feature():
    data = make_dataset(SEQUENCES, np.arange(50) * 0.5, held_out=None)
    scaled = data.preprocessing.apply_numpy(data.train.x)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=(0, 1)), 1, atol=1e-4)


def test_padding_stays_padding_and_out_of_the_mean():
    padded = np.concatenate([SEQUENCES, np.zeros((50, 30, 2))], axis=1)
    network = pel.Network(pel.LSTM(4, mask_value=0.0), pel.Dense(1))
    run = pel.train(network, make_dataset(padded, np.arange(50) * 0.5, held_out=None), epochs=1, progress=False)
    scaling = run.facts.preprocessing
    np.testing.assert_allclose(scaling.shift, SEQUENCES.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_array_equal(scaling.apply_numpy(padded)[:, 6:], 0)


@pytest.mark.parametrize(("low", "high", "scale"), [(0, 1, 1), (-1, 1, 1), (0, 255, 1 / 255), (0, 60000, 1 / 65535)])
def test_images_are_scaled_by_their_range(low, high, scale):
    x = np.round(RNG.uniform(low, high, (30, 9, 9, 3)), 0 if high > 1 else 3)
    assert usual_preprocessing(x).scale == np.float32(scale)


def test_images_of_another_range_are_refused_at_prediction():
    y = np.arange(40) % 2
    run = pel.train((4,), (PIXELS.astype(np.uint8), y), epochs=1, batch_size=8, progress=False)
    with pytest.raises(DataError, match=r"pixels of x run from .* to 0\.9.*those of the training images from 0 to 255"):
        run.predict(PIXELS / 256)
    fractions = pel.train((4,), (PIXELS / 255, y), epochs=1, batch_size=8, progress=False)
    with pytest.raises(DataError, match="run from 0 to 255, those of the training images from 0 to 1"):
        fractions.predict(PIXELS)
    assert run.predict(np.zeros((1, 12, 12))).shape == (1,)  # black is black in any range


def test_targets_scaled_by_their_logarithm_come_back_in_their_own_units():
    x = RNG.normal(size=(400, 2))
    y = np.exp(3 * x[:, 0] + 5)
    data = make_dataset(x, y)
    run = pel.train((32,), data, scale_targets="log", epochs=60, batch_size=32, progress=False)
    relative = np.abs(run.predict(data.held_out.x) / data.held_out.y[:, 0] - 1)
    assert np.median(relative) < 0.25
    assert run.outputs(data.held_out.x).min() > 0
    error = np.abs(run.predict(data.held_out.x) - data.held_out.y[:, 0]).mean()
    assert run.result["mean_absolute_error"] == pytest.approx(error, rel=1e-4)
    again = Preprocessing.from_dict(run.facts.target_preprocessing.to_dict())
    np.testing.assert_array_equal(
        again.invert_numpy(np.zeros(1)), run.facts.target_preprocessing.invert_numpy(np.zeros(1))
    )


def test_targets_without_a_logarithm_are_refused():
    with pytest.raises(DataError, match="smallest target is -1"):
        pel.train((4,), (TABLE, np.arange(60) - 1.0), scale_targets="log", epochs=1, progress=False)
    with pytest.raises(InvalidValue, match="needs a target of numbers"):
        pel.train((4,), (TABLE, np.arange(60) % 2), scale_targets="log", epochs=1, progress=False)


def test_each_output_has_its_own_scale_and_its_own_metric():
    x = RNG.normal(size=(300, 3))
    y = {"yield": 1e5 * x[:, 0] + 3e4 * x[:, 1], "purity": 1e-3 * x[:, 1] + 1e-3 * x[:, 2]}
    data = make_dataset({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}, y)
    run = pel.train((32,), data, epochs=60, batch_size=16, progress=False)
    predicted = run.predict(data.held_out.x)
    for i, name in enumerate(("yield", "purity")):
        error = np.abs(predicted[:, i] - data.held_out.y[:, i]).mean()
        assert run.result[f"mean_absolute_error of {name}"] == pytest.approx(error, rel=1e-3)
        assert error < 0.1 * data.held_out.y[:, i].std()
