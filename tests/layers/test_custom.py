"""A custom layer is one class: all that is built on layers finds what it needs on the class itself."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from layer_rows import assert_close, derive, example_row, set_up, train
from pellucid.core.errors import DataError
from pellucid.core.registry import describe
from pellucid.layers import RNN, Dense, Embedding, GlobalAveragePool, layers
from pellucid.network import Network, build_network, check_tokens, rows_that_fit, summarize

SOURCE = '''
from dataclasses import dataclass

import jax.numpy as jnp

from pellucid.layers import Layer, layers


@layers.register("scaled")
@dataclass(frozen=True)
class Scaled(Layer):
    """Each unit times a factor."""

    units: int = 3

    masks = "passes"
    linear = True
    output_range = (-float("inf"), float("inf"))
    formula = "w ⊙ x"
    example = {"units": 4}, (5, 4)

    def init(self, key, input_shape):
        return {"weights": jnp.full(self.units, 0.5)}, {}, input_shape

    def forward(self, params, state, x, *, key, training):
        return x * jnp.broadcast_to(params["weights"], x.shape), state, None
'''


@pytest.fixture
def scaled(tmp_path: Path, monkeypatch):
    """The layer from a module of its own, forgotten again."""
    (tmp_path / "custom_layer.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    import custom_layer  # pyright: ignore[reportMissingImports]

    yield custom_layer.Scaled
    del sys.modules["custom_layer"], layers._classes["scaled"]


def test_it_is_built_from_its_description(scaled):
    network = build_network([{"name": "scaled", "units": 4}, {"name": "dense", "units": 2}])
    assert network.layers[0] == scaled(4)
    assert build_network(network.describe()) == network
    assert describe(scaled(4)) == {"name": "scaled", "units": 4}


def test_it_obeys_the_laws_of_layers(scaled):
    row = example_row("scaled")
    assert row.layer == scaled(4)
    assert_close(train(row, *set_up(row)), derive(row, *set_up(row)))


def test_the_summary_and_the_plan_of_memory_measure_it(scaled):
    network = Network(scaled(4), Dense(2))
    row = summarize(network, (4,)).rows[0]
    assert (row.layer, row.output_shape, row.parameters) == ("scaled_1", (4,), 4)
    assert rows_that_fit(network, (10_000, 4)) < rows_that_fit(Network(Dense(1)), (4,)) == 1024


def test_masks_pass_through_it(scaled):
    network = Network(Embedding(6, 3, mask_zero=True), scaled(3), GlobalAveragePool())
    params, state, _ = network.init(jax.random.key(0), (4,))
    passed = network.forward(params, state, jnp.array([[1, 2, 0, 0]]))
    np.testing.assert_array_equal(passed.masks["scaled_1"], [[True, True, False, False]])
    assert network.forward(params, state, jnp.array([[1, 2]])).outputs[-1] == pytest.approx(passed.outputs[-1])


def test_a_layer_that_says_so_reads_tokens_declares_padding_and_takes_an_image(scaled):
    class Words(scaled):
        name, vocabulary = "words", 7

    class Series(scaled):
        name, mask_value, takes_mask = "series", -1.0, False

    class Picture(scaled):
        name, input_axes = "picture", 3

    with pytest.raises(DataError, match=r"Words\(7, 3\) knows the whole numbers from 0 to 6"):
        check_tokens(Network(Words()), np.array([[7]]))
    x = jnp.array([[[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]])
    network = Network(Series(), RNN(2, return_sequences=True))
    params, state, _ = network.init(jax.random.key(0), (2, 3))
    np.testing.assert_array_equal(network.forward(params, state, x).masks["input"], [[True, False]])
    assert Network(Picture()).accepting((8, 8)).names == ("reshape_1", "picture_1")
