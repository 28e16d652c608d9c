"""Spaces: what ranges hold, what is drawn, what is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.errors import InvalidValue
from pellucid.sweeps import Range
from pellucid.sweeps.space import as_space, draws, grid, settings_at, size_of


@settings(max_examples=50)
@given(st.integers(1, 50), st.integers(1, 500), st.floats(0, 1), st.booleans())
def test_numbers_of_a_range_lie_within_it_and_are_read_from_its_text(low, more, fraction, log):
    for kind in (int, float):
        values = Range(kind(low), kind(low + more), log)
        at = values.at(fraction)
        assert low <= at <= low + more
        assert isinstance(at, kind)
        assert Range.parse(str(values)) == values


def test_a_range_is_drawn_evenly_and_with_log_its_logarithm():
    fractions = (np.arange(1000) + 0.5) / 1000
    assert np.mean([Range(0.0, 1.0).at(f) for f in fractions]) == pytest.approx(0.5, abs=1e-3)
    logs = np.log10([Range(1e-4, 1.0, log=True).at(f) for f in fractions])
    np.testing.assert_allclose(np.quantile(logs, [0.25, 0.5, 0.75]), [-3, -2, -1], atol=0.02)
    counts = np.bincount([Range(1, 4).at(f) for f in fractions])
    np.testing.assert_allclose(counts[1:], 250, atol=1)  # the ends as often as the others


SPACE = as_space({"learning_rate": "log:1e-3:1e-1", "units": [4, 8], "activation": ["relu", "tanh", "sigmoid"]})


def test_more_draws_begin_with_the_same_ones():
    few, many = (list(itertools.islice(draws(SPACE, seed=3), count)) for count in (5, 40))
    assert many[:5] == few
    assert few != list(itertools.islice(draws(SPACE, seed=4), 5))
    assert {settings_at(SPACE, point)["activation"] for point in many} == {"relu", "tanh", "sigmoid"}
    assert all(1e-3 <= settings_at(SPACE, point)["learning_rate"] <= 1e-1 for point in many)


def test_of_lists_each_combination_is_drawn_once():
    lists = {name: values for name, values in SPACE.items() if name != "learning_rate"}
    assert size_of(lists) == 6
    assert size_of(SPACE) is None
    drawn = list(draws(lists, seed=0))
    assert sorted(map(str, drawn)) == sorted(map(str, grid(lists)))


def test_whole_numbers_are_drawn_once_each_and_stay_whole():
    space = as_space({"batch_size": "8:11", "units": "log:1:3"})
    drawn = list(draws(space, seed=0))
    assert len(drawn) == size_of(space) == 12
    read = {name: float(at) for name, at in drawn[0].items()}  # as JSON may give it back
    assert all(isinstance(value, int) for value in settings_at(space, read).values())


REFUSED = {
    "nothing": ({}, "space names nothing to vary"),
    "a word": ({"activation": "relu"}, r"space\['activation'\] must be a list.*Received: 'relu'"),
    "no values": ({"activation": []}, "must be a list"),
    "twice": ({"dropout": [0.1, 0.1]}, r"space\['dropout'\] holds 0.1 twice"),
    "a seed": ({"seed": [0, 1]}, "seed cannot be in the space: seeds takes the seeds"),
    "a metric": ({"metric": ["accuracy"]}, "compared by the same metric"),
    "turned": ({"dropout": "0.5:0.1"}, "high must be above low.*low 0.5, high 0.1"),
    "log of 0": ({"dropout": "log:0:1"}, "with log, low must be above 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    space, text = REFUSED[case]
    with pytest.raises(InvalidValue, match=text):
        as_space(space)


def test_a_grid_has_no_ranges():
    with pytest.raises(InvalidValue, match=r"space\['learning_rate'\] is the range log:0.001:0.1. Give a list"):
        grid(SPACE)
