"""Batches of predictions: sized by what an example adds to the memory of the forward pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from pellucid.network.memory import bytes_of_example, power_of_two, rows_at_once, rows_that_fit
from pellucid.runs.outputs import outputs_of
from pellucid.training import Scaling

IMAGES = pel.Network(
    pel.Conv2D(16, 3, "relu"), pel.MaxPool2D(2), pel.Conv2D(16, 3, "relu"), pel.layers.GlobalAveragePool(), pel.Dense(1)
)
SEQUENCES = pel.Network(pel.LSTM(32), pel.Dense(1))
TABLE = pel.Network(pel.Dense(16, "relu"), pel.Dense(1))
CASES = [(IMAGES, (96, 96, 3)), (SEQUENCES, (2000, 4)), (TABLE, (4,))]
NAMES = ["images", "sequences", "table"]


@pytest.mark.parametrize(("network", "shape"), [(IMAGES, (16, 16, 3)), (SEQUENCES, (100, 4))], ids=NAMES[:2])
def test_an_example_adds_what_the_compiled_program_needs_for_it(network, shape):
    params, state, _ = network.init(jax.random.key(0), shape)
    few, more = (
        jax.jit(lambda x: network.forward(params, state, x).outputs[-1])
        .lower(jnp.zeros((rows, *shape)))
        .compile()
        .memory_analysis()
        .temp_size_in_bytes
        for rows in (2, 4)
    )
    needed = (more - few) / 2
    assert needed <= bytes_of_example(network, shape) <= 2.5 * needed


@pytest.mark.parametrize(("network", "shape"), CASES, ids=NAMES)
def test_batches_are_powers_of_two_that_fit(network, shape):
    fitting = rows_that_fit(network, shape)
    sizes = [rows_at_once(network, shape, rows) for rows in range(1, 3000, 7)]
    assert all(power_of_two(size) == size <= fitting for size in sizes)
    assert sizes == sorted(sizes)
    assert all(size >= min(rows, fitting) for rows, size in zip(range(1, 3000, 7), sizes, strict=True))


def test_one_example_of_much_memory_is_computed_alone_and_small_ones_share_a_size():
    assert [rows_at_once(*case, 1) for case in CASES] == [1, 1, 1024]
    assert rows_that_fit(IMAGES, (96, 96, 3)) <= 8
    assert rows_that_fit(SEQUENCES, (2000, 4)) <= 8


def test_several_inputs_are_counted_together():
    graph = pel.Network.graph(
        inputs=["a", "b"],
        outputs="out",
        nodes={"both": (pel.layers.Concatenate(), ["a", "b"]), "out": (pel.Dense(1), "both")},
    )
    assert bytes_of_example(graph, ((1000,), (500,))) >= 4 * 1500


def test_outputs_do_not_depend_on_the_batches():
    params, state, _ = IMAGES.init(jax.random.key(0), (12, 12, 3))
    x = np.random.default_rng(0).normal(size=(70, 12, 12, 3)).astype(np.float32)
    expected = IMAGES.forward(params, state, jnp.asarray(x)).outputs[-1]
    scaling = Scaling(jnp.float32(0), jnp.float32(1))
    for rows, like in ((1, None), (3, 4), (70, None), (70, 4)):
        found = outputs_of(IMAGES, params, state, x[:rows], scaling, like=like)
        np.testing.assert_allclose(found, expected[:rows], rtol=1e-4, atol=1e-5)
