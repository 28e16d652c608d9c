"""Metrics of sequences of labels against the plain algorithms, and the arrays that sequences become."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.errors import DataError, DataWarning, InvalidValue, ShapeError
from pellucid.core.registry import describe
from pellucid.data.transcription import as_sequences, is_ragged, packed, steps_needed
from pellucid.functions.ctc import CTC, ctc_decode
from pellucid.functions.masking import masked_value
from pellucid.functions.metrics import metrics
from pellucid.functions.set_metrics import Answers
from pellucid.functions.transcription import LabelErrorRate, SequenceAccuracy, edit_distances

SEQUENCE = st.lists(st.integers(0, 3), max_size=6)
PAIRS = st.lists(st.tuples(SEQUENCE, SEQUENCE), min_size=1, max_size=8)


def levenshtein(one, other):
    @cache
    def distance(i, j):
        if 0 in (i, j):
            return i + j
        replaced = distance(i - 1, j - 1) + (one[i - 1] != other[j - 1])
        return min(replaced, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(one), len(other))


def filled(rows, width=6):
    return np.array([[*row, *[-1] * (width - len(row))] for row in rows])


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_edit_distances_are_those_of_the_recursion(pairs):
    ones, others = zip(*pairs, strict=True)
    expected = [levenshtein(one, other) for one, other in pairs]
    assert edit_distances(filled(ones), filled(others)).tolist() == expected
    assert edit_distances(filled(others), filled(ones)).tolist() == expected
    assert edit_distances(filled(ones), filled(ones)).tolist() == [0] * len(ones)
    labels = sum(map(len, others))
    if labels:
        answers = Answers("transcription", filled(ones), filled(others))
        assert LabelErrorRate().of(answers)[""] == pytest.approx(sum(expected) / labels)


def test_rows_weigh_as_repetitions():
    rng = np.random.default_rng(0)
    ones, others = rng.integers(0, 3, (2, 5, 4))
    counts = np.array([3, 0, 1, 2, 1])
    weighed = LabelErrorRate().of(Answers("transcription", ones, others, counts / 2))
    repeated = (np.repeat(array, counts, axis=0) for array in (ones, others))
    assert weighed[""] == pytest.approx(LabelErrorRate().of(Answers("transcription", *repeated))[""])
    with pytest.warns(DataWarning, match="no sequence has a label"):
        assert np.isnan(LabelErrorRate().of(Answers("transcription", ones, np.full((5, 4), -1)))[""])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), blank=st.integers(0, 3), masked=st.booleans())
def test_a_sequence_is_right_where_its_decoding_is_the_target(seed, blank, masked):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(12, 4, 4)).astype(np.float32)
    mask = rng.random((12, 4)) < 0.7 if masked else None
    decoded = ctc_decode(outputs, blank=blank, mask=mask)
    target = np.full((12, 5), blank, np.int32)
    for row, labels in zip(target, decoded, strict=True):
        row[rng.permutation(5)[: len(labels)]] = 9  # blanks between labels are skipped
        row[row == 9] = labels
    wrong = rng.random(12) < 0.5
    target[wrong, rng.integers(5)] = rng.integers(0, 4, wrong.sum())
    expected = [tuple(row[row != blank]) == labels for row, labels in zip(target, decoded, strict=True)]
    real = None if mask is None else jnp.asarray(mask)
    metric = SequenceAccuracy().beside(CTC(blank=blank))
    value = masked_value(metric, jnp.asarray(outputs), jnp.asarray(target), real)
    assert np.asarray(value).tolist() == expected


def test_what_is_not_known_is_not_right():
    outputs = jnp.full((2, 3, 4), jnp.nan).at[0].set(0.0)
    assert SequenceAccuracy().value(outputs, jnp.zeros((2, 2), jnp.int32)).tolist() == [1.0, 0.0]
    with pytest.raises(ShapeError, match="batch, longest"):
        SequenceAccuracy().value(outputs, jnp.zeros(2, jnp.int32))
    with pytest.raises(InvalidValue, match=r"metrics=\['label_error_rate'\]"):
        LabelErrorRate().value(outputs, jnp.zeros((2, 2), jnp.int32))


@pytest.mark.parametrize("name", ["sequence_accuracy", "label_error_rate"])
def test_described_and_built_again(name):
    metric = metrics.build(name)
    assert metrics.build(describe(metric)) == metric
    assert metric.tasks == ("transcription",)


def test_it_is_mapped_and_keeps_the_dtype():
    outputs, target = jnp.zeros((3, 2, 4, 5), jnp.bfloat16), jnp.zeros((3, 2, 3), jnp.int32)
    value = jax.jit(jax.vmap(SequenceAccuracy().value))(outputs, target)
    assert (value.shape, value.dtype) == ((3, 2), jnp.bfloat16)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(SEQUENCE, min_size=1, max_size=6), blank=st.integers(0, 4))
def test_classes_leave_the_blank_out_there_and_back(rows, blank):
    classes = packed(filled(rows))
    target = CTC(blank=blank).encode(classes)
    assert ((target == blank) == (classes < 0)).all()
    # Said one by one, with a blank after each.
    said = np.stack([target, np.full_like(target, blank)], axis=2).reshape(len(rows), -1)
    np.testing.assert_array_equal(packed(filled(rows)), widen(CTC(blank=blank).decode(20.0 * np.eye(5)[said]), classes))


def widen(classes, like):
    return np.pad(classes, ((0, 0), (0, like.shape[1] - classes.shape[1])), constant_values=-1)


@pytest.mark.parametrize("steps", [2, 5])
def test_a_sequence_needs_the_steps_without_which_its_loss_is_infinite(steps):
    rng = np.random.default_rng(steps)
    numbers = filled([rng.integers(0, 2, length).tolist() for length in rng.integers(0, 7, 60)])
    loss = CTC().value(jnp.zeros((60, steps, 3)), jnp.asarray(CTC().encode(numbers)))
    np.testing.assert_array_equal(np.isfinite(loss), steps_needed(numbers) <= steps)
    assert len(set(steps_needed(numbers) - steps)) > 5


@pytest.mark.parametrize(
    ("y", "array"),
    [
        ([[3, 1], [4]], [[3, 1], [4, -1]]),
        ([np.array([3, 1]), np.array([4])], [[3, 1], [4, -1]]),
        (np.array([[3, 1], [4, -1]]), [[3, 1], [4, -1]]),
        (np.array([[3, 1], [4]], object), [[3, 1], [4, -1]]),
        (["ab", "c"], [["a", "b"], ["c", None]]),
        (np.array(["ab", "c"]), [["a", "b"], ["c", None]]),
        ([["yes", "no"], ["no"]], [["yes", "no"], ["no", None]]),
        ([["yes", "no"], ["no", ""]], [["yes", "no"], ["no", ""]]),
        ([[1], []], [[1], [-1]]),
    ],
)
def test_sequences_become_arrays(y, array):
    assert as_sequences(y).tolist() == array


def test_what_is_no_sequence_is_refused_with_its_row():
    assert not is_ragged(np.zeros((3, 2)))
    assert not is_ragged([[[1], [2]], [[3]]])
    with pytest.raises(DataError, match="an int at row 0"):
        as_sequences([1, 2])
    with pytest.raises(ShapeError, match=r"\(rows, longest\)"):
        as_sequences(np.zeros((3, 2, 2)))
