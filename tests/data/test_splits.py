"""Held-out rows: by chance, number, time, groups, from another table; weights and groups go with their rows."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupShuffleSplit, train_test_split

import pellucid as pel
from pellucid.core.errors import DataError, ShapeError
from pellucid.data import load_table, make_dataset, validation_rows
from pellucid.data.splits import group_rows, split_rows

X = np.arange(200.0).reshape(100, 2)
Y = np.arange(100) % 2
GROUPS = np.repeat(np.arange(20), 5)


def frame():
    days = pd.date_range("2024-01-01", periods=100).strftime("%d.%m.%Y")
    table = pd.DataFrame({"a": X[:, 0], "day": days, "patient": GROUPS, "w": np.arange(100.0), "y": Y})
    return table.sample(frac=1, random_state=0)


@pytest.mark.parametrize(("held_out", "count"), [(0.2, 20), (0.25, 25), (7, 7), (0, 0), (None, 0), ("last", 20)])
def test_a_fraction_a_number_none_or_the_last(held_out, count):
    data = make_dataset(X, Y * 0.3, held_out=held_out)
    assert (0 if data.held_out is None else len(data.held_out)) == count
    rows = np.concatenate([data.train.rows, [] if data.held_out is None else data.held_out.rows])
    assert sorted(rows.tolist()) == list(range(100))
    if held_out == "last":
        assert data.held_out.rows.tolist() == list(range(80, 100))
        assert data.order == "time"


@pytest.mark.parametrize("held_out", [100, 200, "first"])
def test_what_cannot_be_held_out_is_refused(held_out):
    with pytest.raises(DataError, match=r"held_out|cannot be held out of 100"):
        make_dataset(X, Y * 0.3, held_out=held_out)


def test_the_rows_of_a_time_column_are_held_out_from_its_end_whatever_their_order():
    data = load_table(frame(), "y", time="day", columns={"patient": "ignored"})
    newest = data.held_out.rows.astype(int)
    assert sorted(newest.tolist()) == list(range(80, 100))  # the frame's index is the number of the day
    watched = data.train.rows[validation_rows(data, 0.25, seed=0)[1]].astype(int)
    assert sorted(watched.tolist()) == list(range(60, 80))


def test_a_group_is_never_divided_not_for_validation_either():
    for data in (load_table(frame(), "y", group="patient"), make_dataset(X, Y, groups=GROUPS)):
        assert data.order == "groups"
        assert len(np.unique(data.held_out.groups)) == 4
        assert not set(data.train.groups) & set(data.held_out.groups)
        kept, watched = validation_rows(data, 0.25, seed=1)
        assert not set(data.train.groups[kept]) & set(data.train.groups[watched])
    assert "patient" not in load_table(frame(), "y", group="patient").features


@pytest.mark.parametrize("seed", range(20))
def test_the_rows_are_those_that_scikit_learn_draws(seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, random.integers(2, 8), random.integers(60, 300))
    fraction = random.uniform(0.2, 0.8)
    drawn = int(np.ceil(fraction * len(labels)))
    for stratify in (False, True):
        options = {"test_size": drawn, "random_state": seed, "stratify": labels if stratify else None}
        expected = train_test_split(np.arange(len(labels)), **options)
        np.testing.assert_array_equal(np.concatenate(split_rows(labels, fraction, seed, stratify)), np.hstack(expected))
    if math.ceil(fraction * len(np.unique(labels))) < len(np.unique(labels)):
        divide = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
        expected = next(divide.split(np.zeros(len(labels)), groups=labels))
        np.testing.assert_array_equal(np.concatenate(group_rows(labels, fraction, seed)), np.hstack(expected))


def test_groups_that_cannot_be_divided_are_refused():
    with pytest.raises(DataError, match=r"2 groups cannot be split with a fraction of 0\.9"):
        group_rows(np.array([0, 0, 1]), 0.9, seed=0)


def test_weights_travel_with_their_rows():
    data = load_table(frame(), "y", weights="w", columns={"patient": "ignored", "day": "ignored"})
    for part in (data.train, data.held_out):
        np.testing.assert_array_equal(part.weights, part.x[:, 0] / 2)


def test_another_table_is_held_out_and_its_unknown_categories_are_reported(tmp_path):
    train = pd.DataFrame({"c": ["red", "blue"] * 10, "a": np.arange(20.0), "y": [0.5, 1.5] * 10})
    test = pd.DataFrame({"y": [0.1, 0.2], "a": [1.0, 2.0], "c": ["red", "pink"]})
    test.to_csv(tmp_path / "test.csv", index=False)
    for given in (test, tmp_path / "test.csv", str(tmp_path / "test.csv")):
        data = load_table(train, "y", held_out=given)
        assert data.held_out.x.tolist() == [[0, 1, 1], [0, 0, 2]]
        assert "1 held-out rows have a category that the training rows do not: c" in data.notes


def test_a_training_split_by_groups_trains_on_whole_groups():
    data = make_dataset(np.random.default_rng(0).normal(size=(100, 3)), Y, groups=GROUPS)
    run = pel.train((4,), data, epochs=2, batch_size=5, early_stopping=1, validation=0.25, progress=False)
    assert run.training.train.rows == 60


def test_groups_and_weights_need_one_for_each_row():
    with pytest.raises(ShapeError, match="100 rows need as many groups"):
        make_dataset(X, Y, groups=GROUPS[:-1])
    with pytest.raises(DataError, match="cannot be the column of groups too"):
        load_table(frame(), "y", group="y")
    with pytest.raises(DataError, match="all rows are of one group"):
        make_dataset(X, Y, groups=np.zeros(100))


def test_refitting_estimates_from_the_new_training_rows_alone():
    rng = np.random.default_rng(0)
    table = {"a": rng.normal(size=60), "b": np.where(rng.random(60) < 0.2, np.nan, rng.normal(5, 2, 60)), "y": Y[:60]}
    data = load_table(table, "y", held_out=None)
    refitted = data.refit(data.train.take(np.arange(30)), data.train.take(np.arange(30, 60)))
    alone = load_table({name: values[:30] for name, values in table.items()}, "y", held_out=None)
    np.testing.assert_array_equal(refitted.train.x, alone.train.x)
    np.testing.assert_array_equal(refitted.preprocessing.shift, alone.preprocessing.shift)
    assert refitted.encoder.columns == alone.encoder.columns
