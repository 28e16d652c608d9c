"""make_dataset: what is kept, what is inferred, what is refused and where."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_array, csr_matrix
from sklearn.preprocessing import StandardScaler

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue, ShapeError
from pellucid.data import Part, Preprocessing, generation, make_dataset, reconstruction, split
from pellucid.data.preprocessing import standardise

X = np.arange(80, dtype=np.float64).reshape(40, 2) ** 1.5


def table(rows, columns=2):
    return np.random.default_rng(0).normal(size=(rows, columns))


# ---- inputs ----


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(2, 12), st.integers(1, 5)),
        elements=st.floats(-1000, 1000, width=32).map(lambda v: np.float32(round(v, 2))),
    )
)
def test_standardise_agrees_with_scikit_learn(x):
    ours = standardise(x).apply_numpy(x)
    np.testing.assert_allclose(ours, StandardScaler().fit_transform(x.astype(np.float64)), atol=2e-3)


def test_standardisation_is_learnt_from_the_training_part_alone():
    data = make_dataset(X, np.arange(40) * 0.5, seed=1)
    assert data.held_out is not None
    seen = data.preprocessing.apply_numpy(data.train.x)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(seen.std(axis=0), 1, atol=1e-6)
    assert abs(data.preprocessing.apply_numpy(data.held_out.x).mean()) > 1e-3


def test_a_constant_column_is_shifted_and_not_scaled():
    x = np.column_stack([np.full(10, 0.1), np.arange(10)])
    data = make_dataset(x, np.arange(10) * 0.5, held_out=None)
    assert data.preprocessing.scale[0] == 1
    np.testing.assert_array_equal(data.preprocessing.apply_numpy(data.train.x)[:, 0], np.zeros(10))


@pytest.mark.parametrize(
    ("x", "dtype", "scale"),
    [
        (np.arange(80, dtype=np.uint8).reshape(10, 2, 4), np.uint8, 1 / 255),
        (np.eye(10, dtype=np.uint8), np.uint8, 1),
        (np.eye(10, dtype=bool), np.uint8, 1),
        (np.full((10, 9, 9), 0.5), np.float32, 1),
        (np.full((10, 9, 9), 200), np.float32, 1 / 255),
        (np.full((10, 4, 4, 3), 60000.0), np.float32, 1 / 65535),
    ],
)
def test_auto_keeps_eight_bit_inputs_and_scales_only_pixels(x, dtype, scale):
    data = make_dataset(x, [0, 1] * 5, held_out=None)
    assert data.train.x.dtype == dtype
    assert data.preprocessing.scale == np.float32(scale)
    np.testing.assert_array_equal(data.train.x, x)


def test_standardising_images_uses_one_mean_and_one_spread():
    x = np.random.default_rng(0).normal(5, 2, (20, 4, 4, 1))
    data = make_dataset(x, [0, 1] * 10, held_out=None, preprocessing="standardise")
    assert data.preprocessing.shift.shape == ()
    assert abs(data.preprocessing.apply_numpy(data.train.x).std() - 1) < 1e-5


def test_preprocessing_survives_its_dictionary():
    before = standardise(X)
    after = Preprocessing.from_dict(before.to_dict())
    np.testing.assert_array_equal(before.apply_numpy(X), after.apply_numpy(X))


def test_preprocessing_refuses_a_scale_of_zero():
    with pytest.raises(DataError, match=r"scale .* not 0"):
        Preprocessing(scale=[1.0, 0.0])


# ---- tasks ----


@pytest.mark.parametrize(
    ("y", "task", "classes", "outputs"),
    [
        ([0, 1] * 20, "binary", ("0", "1"), 1),
        (["spam", "ham"] * 20, "binary", ("ham", "spam"), 1),
        ([True, False] * 20, "binary", ("False", "True"), 1),
        ([-5, 7, 7, 90] * 10, "multiclass", ("-5", "7", "90"), 3),
        (["b", "c", "a", "a"] * 10, "multiclass", ("a", "b", "c"), 3),
        (np.array(["b", "a"] * 20, dtype=object), "binary", ("a", "b"), 1),
        (np.arange(40), "regression", (), 1),
        (np.array([0.0, 1.0] * 20), "binary", ("0", "1"), 1),
        (np.array([0.0, 1.5] * 20), "regression", (), 1),
        (np.arange(40)[:, None] * 0.5, "regression", (), 1),
        (np.ones((40, 3)) * 0.5, "regression", (), 3),
        (np.eye(4)[np.arange(40) % 4], "multiclass", ("0", "1", "2", "3"), 4),
        (np.tile([[1, 1, 0], [0, 0, 0]], (20, 1)), "multilabel", ("0", "1", "2"), 3),
    ],
)
def test_the_task_is_inferred_from_the_target(y, task, classes, outputs):
    data = make_dataset(table(40), y, held_out=None)
    assert (data.task, data.classes, data.outputs) == (task, classes, outputs)
    shape, dtype = {
        "binary": ((40, 1), np.float32),
        "multiclass": ((40,), np.int32),
        "multilabel": ((40, outputs), np.float32),
        "regression": ((40, outputs), np.float32),
    }[task]
    assert (data.train.y.shape, data.train.y.dtype) == (shape, dtype)


@pytest.mark.parametrize("values", [["b", "a", "c", "a"], [30, 10, 20, 10], [True, False, True, True]])
def test_class_numbers_lead_back_to_the_labels(values):
    data = make_dataset(table(40), values * 10, held_out=None)
    numbers = data.train.y.astype(int).ravel()
    assert [data.classes[number] for number in numbers] == [str(value) for value in values * 10]


def test_one_hot_rows_become_the_numbers_of_their_ones():
    labels = np.arange(40) % 4
    data = make_dataset(table(40), np.eye(4)[labels], held_out=None)
    np.testing.assert_array_equal(data.train.y, labels)


def test_a_given_task_overrides_the_inference():
    assert make_dataset(table(40), [0, 1] * 20, task="regression").classes == ()
    assert make_dataset(table(40), np.array([0.0, 1.0] * 20), task="binary").classes == ("0", "1")
    two = make_dataset(table(40), [0, 1] * 20, task="multiclass")
    assert (two.outputs, two.train.y.dtype) == (2, np.int32)


# ---- splits ----


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from([0.1, 0.25, 0.5]))
def test_a_split_parts_the_rows_and_keeps_the_shares_of_the_classes(seed, share):
    y = np.repeat([0, 1, 2], [100, 60, 20]).astype(np.int32)
    part = Part(np.arange(180)[:, None], y)
    rest, drawn = split(part, share, seed, stratify=True)
    both = np.sort(np.concatenate([rest.x, drawn.x]).ravel())
    np.testing.assert_array_equal(both, np.arange(180))
    np.testing.assert_array_equal(rest.y, y[rest.x.ravel()])
    np.testing.assert_allclose(np.bincount(drawn.y), np.array([100, 60, 20]) * share, atol=1)


def test_the_same_seed_gives_the_same_data_and_another_seed_another_split():
    one, same, other = (make_dataset(X, np.arange(40) * 0.5, seed=seed) for seed in (3, 3, 4))
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint


def test_one_changed_value_changes_the_fingerprint():
    x = X.copy()
    before = make_dataset(x, np.arange(40) * 0.5, held_out=None).fingerprint
    x[7, 1] += 1
    assert make_dataset(x, np.arange(40) * 0.5, held_out=None).fingerprint != before


def test_a_given_held_out_part_is_encoded_like_the_training_part():
    data = make_dataset(table(4), ["b", "a", "c", "a"], held_out=(table(2), ["c", "a"]))
    assert data.held_out is not None
    assert data.held_out.y.tolist() == [2, 0]


def test_a_class_of_the_held_out_part_that_training_lacks_is_refused():
    with pytest.raises(DataError, match=r"'z' at row 1.*Allowed: 'a', 'b', 'c'"):
        make_dataset(table(4), ["b", "a", "c", "a"], held_out=(table(2), ["c", "z"]))


@pytest.mark.parametrize(("task", "same"), [("reconstruction", reconstruction), ("generation", generation)])
def test_examples_alone_are_their_own_targets(task, same):
    labelled = make_dataset(X, [0, 1] * 20)
    data = make_dataset(X, task=task, held_out=(X[:3], None))
    assert (data.task, data.outputs, data.classes) == (task, X[0].size, ())
    for part in (data.train, data.held_out, same(labelled).train):
        assert part.y is part.x
    assert same(labelled).task == task
    assert same(data) is data
    with pytest.raises(InvalidValue, match=r"'reconstruction', 'generation'.*needs targets"):
        make_dataset(X, task="multiclass")


def test_a_held_out_part_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        make_dataset(table(4), [0, 1, 0, 1], held_out=(table(2, 3), [0, 1]))


def test_a_class_of_one_row_cannot_be_split():
    with pytest.raises(DataError, match=r"class 'rare' has only 1 row.*held_out=None"):
        make_dataset(table(11), ["usual"] * 10 + ["rare"])


def test_too_few_rows_for_every_class_are_refused_with_the_numbers():
    with pytest.raises(DataError, match=r"6 rows of 3 classes.*parts of 4 and 2 rows"):
        make_dataset(table(6), ["a", "b", "c"] * 2)


@pytest.mark.parametrize("share", [1.0, -0.1, 20.5, float("nan")])
def test_a_share_outside_zero_and_one_is_refused(share):
    with pytest.raises(InvalidValue, match=r"held_out must be a number in \(0, 1\)"):
        make_dataset(table(10), [0, 1] * 5, held_out=share)


# ---- refusals ----


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_in_float32_are_named_with_their_place(value):
    x = table(10)
    x[3, 1] = value
    with pytest.raises(DataError, match=r"at row 3, column 1, one of 1 values"):
        make_dataset(x, [0, 1] * 5)


def test_nan_in_an_image_and_in_a_target_is_named_with_its_place():
    x = np.zeros((4, 2, 2, 1))
    x[2, 1, 0, 0] = np.nan
    with pytest.raises(DataError, match=r"x holds nan at row 2, position \(1, 0, 0\)"):
        make_dataset(x, [0, 1, 0, 1])
    with pytest.raises(DataError, match=r"y holds nan at row 1"):
        make_dataset(table(3), [0.5, np.nan, 1.0])
    with pytest.raises(DataError, match=r"y holds None \(NoneType\) at row 1"):
        make_dataset(table(3), np.array(["a", None, "b"], dtype=object))


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("three", "load_table"),
        (None, "load_table"),
        (1 + 2j, "real and imaginary part as two columns"),
        (np.datetime64("2024-01-01"), "days since a first one"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(value, advice):
    x = np.array([[1, 2], [3, 4]], dtype=object)
    x[1, 0] = value
    with pytest.raises(DataError, match=r"at row 1, column 0, which is no real number.*" + advice):
        make_dataset(x, [0, 1])


def test_text_that_looks_like_numbers_is_still_text():
    with pytest.raises(DataError, match=r"'1' \(str_\) at row 0, column 0"):
        make_dataset([["1", "2"], ["3", "4"]], [0, 1])


def test_a_column_whose_differences_float32_would_lose_is_refused():
    x = table(10)
    x[:, 1] = 1_700_000_000 + np.arange(10)
    with pytest.raises(DataError, match=r"column 1 of x runs from 1700000000 to 1700000009"):
        make_dataset(x, [0, 1] * 5)


OTHER_THINGS = {
    "a path": (lambda: "houses.csv", "the text 'houses.csv', not an array.*np.load.*load_table"),
    "a path object": (lambda: Path("houses.csv"), "the path 'houses.csv'.*load_table"),
    "a generator": (lambda: (row for row in X), r"a generator, which can be read once only. Give list\("),
    "a set": (lambda: {1.0, 2.0}, "a set, which has no order"),
    "nothing": (lambda: None, "None. Give an array"),
    "an object": (object, "an object, which is no array"),
    "a function": (lambda: len, "a builtin_function_or_method, which is no array"),
    "one number": (lambda: 3.5, "the single value 3.5"),
    "a tensor with gradients": (
        lambda: torch.ones(40, 2, requires_grad=True),
        r"a Tensor that gives no array.*detach\(\).cpu\(\).numpy\(\)",
    ),
}


@pytest.mark.parametrize("thing", OTHER_THINGS)
def test_what_is_no_array_is_named_with_what_to_give(thing):
    make, message = OTHER_THINGS[thing]
    for x, y, name in ((make(), np.arange(40.0), "x"), (X, make(), "y")):
        if y is None:  # inputs alone: what an autoencoder learns from
            continue
        with pytest.raises((DataError, ShapeError), match=f"^{name} is {message}"):
            make_dataset(x, y)


def test_a_target_at_each_step_says_how_it_is_given():
    x = np.zeros((6, 5, 2))
    assert make_dataset(x, np.zeros((6, 5, 1))).task == "forecasting"
    assert make_dataset(x, np.arange(30).reshape(6, 5) % 3).task == "tagging"
    assert make_dataset(x, np.arange(30).reshape(6, 5) % 2).task == "multilabel"
    with pytest.raises(ShapeError, match=r"y has shape \(6, 4, 1\).*task='tagging'.*task='forecasting'.*reshape"):
        make_dataset(x, np.zeros((6, 4, 1)))
    with pytest.raises(DataError, match=r"y holds 2 at row 1, column 1.*task='tagging'"):
        make_dataset(x, np.array([[0, 1], [1, 2]] * 3), task="multiclass")


# ---- weights ----


def test_weights_stay_with_their_rows():
    x = np.arange(50.0)[:, None] * [1, 2]
    data = make_dataset(x, x[:, 0], weights=x[:, 0], seed=3)
    for part in (data.train, data.held_out):
        np.testing.assert_array_equal(part.weights, part.x[:, 0])
    rest, drawn = split(data.train, 0.25, seed=0, stratify=False)
    for part in (rest, drawn, data.train.take([3, 1]), reconstruction(data).train):
        np.testing.assert_array_equal(part.weights, part.x[:, 0])
    assert "one for each row" in str(data)
    by_hand = make_dataset(x[:40], x[:40, 0], weights=x[:40, 0], held_out=(x[40:], x[40:, 0], x[40:, 0]))
    np.testing.assert_array_equal(by_hand.held_out.weights, x[40:, 0])


@pytest.mark.parametrize(
    ("weights", "kind", "message"),
    [
        (np.ones(39), ShapeError, "40 rows need as many weights, one for each. Received: 39 weights"),
        (np.ones((40, 2)), ShapeError, r"an array of shape \(40, 2\)"),
        (-np.ones(40), DataError, "-1 at row 0: a weight is at least 0"),
        (np.full(40, np.nan), DataError, "weights holds nan at row 0"),
        (np.zeros(40), DataError, "all weights are 0"),
        ("heavy", DataError, "weights is the text 'heavy'"),
    ],
)
def test_weights_that_are_none_are_refused(weights, kind, message):
    with pytest.raises(kind, match=message):
        make_dataset(X, np.arange(40.0), weights=weights)


def test_rows_that_differ_are_refused():
    with pytest.raises(ShapeError, match=r"x has 10 rows and y has 9"):
        make_dataset(table(10), [0, 1, 0] * 3)
    with pytest.raises(ShapeError, match=r"rows of x differ in length"):
        make_dataset([[1, 2], [3]], [0, 1])


def test_one_axis_is_refused_with_the_way_out():
    with pytest.raises(ShapeError, match=r"\(10,\).*reshape\(-1, 1\)"):
        make_dataset(np.arange(10), [0, 1] * 5)


def test_empty_arrays_are_refused():
    with pytest.raises(DataError, match=r"x is empty: shape \(0, 2\)"):
        make_dataset(np.empty((0, 2)), [])


@pytest.mark.parametrize("y", [["a"] * 10, [7] * 10, [True] * 10, np.tile([1, 0], (10, 1))])
def test_one_class_only_is_refused(y):
    with pytest.raises(DataError, match="one class only"):
        make_dataset(table(10), y, task="multiclass")


def test_labels_outside_the_given_classes_are_named_with_row_and_allowed_values():
    with pytest.raises(DataError, match=r"label 3 at row 2.*Allowed: 0, 1, 2"):
        make_dataset(table(4), [0, 1, 3, 2], classes=["x", "y", "z"])
    with pytest.raises(DataError, match=r"label 'w' at row 1.*Allowed: 'x', 'y', 'z'"):
        make_dataset(table(4), ["x", "w", "z", "y"], classes=["x", "y", "z"])


def test_given_classes_keep_their_order():
    data = make_dataset(table(4), ["low", "high", "mid", "low"], classes=["low", "mid", "high"], held_out=None)
    assert data.train.y.tolist() == [0, 2, 1, 0]


def test_a_binary_task_of_three_classes_is_refused():
    with pytest.raises(DataError, match=r"exactly two classes. Received 3: 0, 1, 2"):
        make_dataset(table(6), [0, 1, 2] * 2, task="binary")


def test_fractions_are_no_class_labels():
    with pytest.raises(DataError, match=r"y holds 0.5 at row 1"):
        make_dataset(table(4), [0.0, 0.5, 1.0, 0.0], task="multiclass")


def test_rows_that_are_not_zero_and_one_are_refused_as_labels():
    with pytest.raises(DataError, match=r"y holds 2 at row 1, column 0"):
        make_dataset(table(2), [[0, 1], [2, 1]], task="multilabel")
    with pytest.raises(DataError, match=r"row 1 of y has 2 ones"):
        make_dataset(table(2), [[0, 1], [1, 1]], task="multiclass")


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(InvalidValue, match=r"'binary', 'multiclass', 'multilabel', 'regression'.*'classes'"):
        make_dataset(table(2), [0, 1], task="classes")


def test_feature_names_must_fit_the_columns():
    with pytest.raises(ShapeError, match="3 feature names"):
        make_dataset(table(4), [0, 1] * 2, features=["a", "b", "c"])


def test_sparse_matrices_are_the_arrays_they_stand_for(rng):
    x = np.where(rng.random((20, 3)) < 0.5, 0, rng.normal(size=(20, 3))).astype(np.float32)
    y = ["a", "b"] * 10
    sparse = [csr_matrix(x[:15]), csr_array(x[15:])]
    full = make_dataset(x[:15], y[:15], held_out=(x[15:], y[15:]))
    data = make_dataset(sparse[0], y[:15], held_out=(sparse[1], y[15:]))
    np.testing.assert_array_equal(data.train.x, full.train.x)
    np.testing.assert_array_equal(data.held_out.x, full.held_out.x)
    run = pel.train((2,), data, epochs=1, progress=False)
    np.testing.assert_array_equal(run.outputs(sparse[1]), run.outputs(x[15:]))
    assert run.evaluate(sparse[1], y[15:]) == run.evaluate(x[15:], y[15:])
