"""The table of a network counts what the layers compute."""

import pytest

import pellucid as pel
from pellucid.layers import LSTM, Conv2D, ConvTranspose2D


@pytest.mark.parametrize(
    ("layer", "shape", "multiply_adds"),
    [
        (Conv2D(32, 3), (28, 28, 1), 26 * 26 * 9 * 32),
        (Conv2D(6, (2, 3), groups=2), (5, 4, 4), 4 * 2 * (2 * 3 * 2) * 6),
        (Conv2D(8, 3, groups=8), (5, 5, 8), 3 * 3 * 9 * 8),
        (ConvTranspose2D(4, 3, stride=2), (5, 5, 2), 5 * 5 * 2 * 9 * 4),
        (LSTM(128), (28, 28), 28 * (28 + 128) * 512),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else None,
)
def test_multiply_adds_are_those_of_the_formula(layer, shape, multiply_adds):
    assert pel.summarize(pel.Network(layer), shape).multiply_adds == multiply_adds
