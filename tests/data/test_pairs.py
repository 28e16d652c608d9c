"""Pairs of examples, alike or not."""

import numpy as np
import pytest

from pellucid.core.errors import DataError, InvalidValue
from pellucid.data import pairs

X = np.arange(30).reshape(30, 1)
KINDS = np.repeat([3, 5, 9], [5, 10, 15])


def test_half_are_of_one_kind_and_none_is_paired_with_itself():
    both, differ = pairs(X, KINDS, count=2000, seed=1)
    first, second = (both[name][:, 0] for name in ("first", "second"))
    assert differ.mean() == 0.5
    np.testing.assert_array_equal(KINDS[first] != KINDS[second], differ == 1)
    assert (first != second).all()
    counts = [np.mean(KINDS[first[differ == 0]] == kind) for kind in (3, 5, 9)]
    np.testing.assert_allclose(counts, 1 / 3, atol=0.05)  # each kind alike
    assert len({*zip(first.tolist(), second.tolist(), strict=True)}) > 500


def test_the_seed_decides():
    one, again, other = (pairs(X, KINDS, count=20, seed=seed)[0]["first"] for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(DataError, match="two kinds"):
        pairs(X[:5], KINDS[:5], count=4)
    with pytest.raises(DataError, match="the least of 1"):
        pairs(X[4:8], KINDS[4:8], count=4)
    with pytest.raises(DataError, match="a label each"):
        pairs(X, KINDS[:5], count=4)
    with pytest.raises(InvalidValue, match="count"):
        pairs(X, KINDS, count=1)
