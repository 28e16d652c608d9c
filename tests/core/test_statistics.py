"""Intervals and paired tests against SciPy, and what they do at the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.statistics import holm, interval, paired

NUMBERS = st.floats(-100, 100).map(lambda number: round(number, 3))
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=20)


@given(PAIRS)
def test_paired_is_scipys_test(pairs):
    a, b = np.array(pairs).T
    differences = a - b
    if differences.std() < 1e-9:
        return
    found, expected = paired(a, b), stats.ttest_rel(a, b)
    low, high = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.interval == pytest.approx((low, high), rel=1e-6, abs=1e-9)
    assert found.d == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert paired(b, a).difference == -found.difference


@given(st.lists(NUMBERS, min_size=2, max_size=20), st.sampled_from([0.5, 0.95, 0.99]))
def test_interval_is_scipys(values, confidence):
    found = interval(values, confidence)
    if found.std > 1e-9:
        expected = stats.t.interval(confidence, len(values) - 1, np.mean(values), stats.sem(values))
        assert (found.low, found.high) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_an_interval_holds_the_mean_as_often_as_it_says():
    values = np.random.default_rng(0).normal(3.0, 2.0, (2000, 6))
    found = [interval(row) for row in values]
    assert np.mean([one.low <= 3.0 <= one.high for one in found]) == pytest.approx(0.95, abs=0.015)


def test_edges():
    same, shifted = paired([1.0, 2.0], [1.0, 2.0]), paired([2.0, 3.0], [1.0, 2.0])
    assert (same.p, same.d) == (1.0, 0.0)
    assert (shifted.p, shifted.d) == (0.0, np.inf)
    one = paired([1.0, np.nan], [0.5, 2.0])
    assert (one.difference, one.count) == (0.5, 1)
    assert np.isnan(one.p)
    assert np.isnan(interval([]).mean)
    assert interval([1.0, np.nan, 2.0]).count == 2
    with pytest.raises(ShapeError, match="3 and 2"):
        paired([1, 2, 3], [1, 2])
    with pytest.raises(InvalidValue, match="confidence"):
        interval([1.0, 2.0], confidence=1)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    corrected = holm([0.5, float("nan"), 0.6])
    assert corrected[::2] == [1.0, 1.0]
    assert np.isnan(corrected[1])
