"""Windows over a series: nothing of the future in the past, and the naive forecast beside."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit

import pellucid as pel
from pellucid.core.errors import DataError
from pellucid.data import folds, load_table, validation_rows
from pellucid.data.series import windows_of

N = 120


def series(order=slice(None)):
    times = pd.date_range("2024-01-01", periods=N, freq="h").strftime("%Y-%m-%d %H:%M")
    return pd.DataFrame({"time": times, "load": np.arange(N) + 0.5, "heat": 10.0 * np.arange(N)})[order]


def wave():
    return series().assign(load=np.abs(np.arange(N) % 14 - 7.0), heat=np.arange(N) % 5 * 1.0)


@pytest.mark.parametrize(("window", "horizon"), [(1, 1), (5, 1), (24, 3)])
def test_windows_and_targets_are_those_of_numpy(window, horizon):
    data = load_table(series()[["load", "heat"]], "load", window=window, horizon=horizon, held_out=None)
    view = np.lib.stride_tricks.sliding_window_view(np.arange(N) + 0.5, window)
    count = N - window - horizon + 1
    np.testing.assert_array_equal(data.train.x[:, :, 0], view[:count])
    for step in range(horizon):
        np.testing.assert_array_equal(data.train.y[:, step], np.arange(count) + window + step + 0.5)
    assert data.features == ("load", "heat")


@pytest.mark.parametrize("horizon", [1, 4])
def test_no_value_is_a_target_of_both_parts_and_the_last_are_held_out(horizon):
    data = load_table(series(slice(None, None, -1)), "load", time="time", window=6, horizon=horizon)
    assert data.train.y.max() < data.held_out.y.min()
    assert data.held_out.y.max() == N - 0.5
    assert len(data.held_out) == -(-(N - 6 - horizon + 1) // 5)
    assert all("days" not in name for name in data.features)


@pytest.mark.parametrize("splitter", [3, TimeSeriesSplit(3, test_size=10)])
def test_no_fold_predicts_what_it_was_trained_on(splitter):
    data = load_table(series()[["load"]], "load", window=6, horizon=4, held_out=None)
    for fold, _ in folds(data, splitter):
        assert fold.held_out is not None
        assert fold.train.y.max() == fold.held_out.y.min() - 1  # and nothing more is left out


def test_the_validation_part_shares_no_value_with_the_rows_trained_on():
    data = load_table(series()[["load"]], "load", window=6, horizon=4)
    train, aside = validation_rows(data, 0.1, seed=0)
    assert data.train.y[train].max() == data.train.y[aside].min() - 1


def test_a_horizon_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(DataError, match="each of the 8 windows to train on predicts a value that is held out too"):
        load_table(series()[["load"]], "load", window=80, horizon=32, held_out=1)


def test_each_feature_is_scaled_by_itself():
    data = load_table(series()[["load", "heat"]], "load", window=10)
    scaled = data.preprocessing.apply_numpy(data.train.x)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=(0, 1)), 1, atol=1e-4)


def test_naive_forecasts_are_measured_beside_the_network():
    load = wave()["load"].to_numpy()
    data = load_table(wave()[["load"]], "load", window=7)
    run = pel.train((8,), data, epochs=2, progress=False)
    after = N - len(data.held_out) + np.arange(len(data.held_out))
    assert run.result["mean_absolute_error of the last value"] == pytest.approx(1)
    earlier = np.abs(load[after] - load[after - 7]).mean()
    assert run.result["mean_absolute_error of the value 7 rows before"] == pytest.approx(earlier)


def test_a_file_gives_as_many_predictions_as_it_has_windows_and_is_evaluated(tmp_path):
    wave().to_csv(tmp_path / "s.csv", index=False)
    data = load_table(tmp_path / "s.csv", "load", time="time", window=6)
    run = pel.train((16,), data, epochs=2, progress=False)
    assert len(run.predict(tmp_path / "s.csv")) == N - 6 + 1  # the last is of the hour after the file
    shuffled = wave().sample(frac=1, random_state=1)
    np.testing.assert_array_equal(run.predict(shuffled), run.predict(tmp_path / "s.csv"))
    assert run.evaluate(tmp_path / "s.csv").keys() == run.evaluate(data.train.x, data.train.y).keys()


def test_what_gives_no_windows_is_refused():
    with pytest.raises(DataError, match="120 rows give 0 windows of 120 with 1 next"):
        load_table(series(), "load", window=120)
    with pytest.raises(DataError, match=r"has no value at row 3.*a series has no gaps"):
        load_table(series().assign(load=[np.nan if i == 3 else float(i) for i in range(N)]), "load", window=5)
    with pytest.raises(DataError, match="neither groups nor weights"):
        load_table(series(), "load", window=5, weights="heat")
    assert windows_of(np.zeros((4, 2)), 4).shape == (1, 4, 2)
