"""Batches by length: the same steps as of padded rows, in another order, and refused where they would not be."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import InvalidValue
from pellucid.runs.experiment import Experiment
from pellucid.runs.ready import make_ready
from pellucid.training.rows import GROUP, epoch_order, rows_of_step

STEPS = 24


def sequences(rows=90, seed=0):
    """Tokens of 2 to 24 steps, and whether most are large."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.geometric(0.2, rows) + 1, 2, STEPS)
    x = rng.integers(1, 9, (rows, STEPS)) * (np.arange(STEPS) < lengths[:, None])
    y = (x > 4).sum(axis=1) > (x < 5).sum(axis=1) - (STEPS - lengths)
    return pel.make_dataset(x.astype(np.float32), y, held_out=0.2, preprocessing="none")


TOKENS = [{"name": "embedding", "vocabulary": 9, "units": 3, "mask_zero": True}]
OUTPUT = [{"name": "dense", "units": 1}, {"name": "activation", "function": "sigmoid"}]
NETWORKS = {
    "lstm": [*TOKENS, {"name": "lstm", "units": 4}, *OUTPUT],
    "bidirectional": [*TOKENS, {"name": "bidirectional", "layer": {"name": "gru", "units": 4}}, *OUTPUT],
    "mean": [*TOKENS, {"name": "global_average_pool"}, *OUTPUT],
}


def ready(network, data, **settings):
    settings = {"batch_size": 8, "group_by_length": True, **settings}
    return make_ready(
        Experiment(network=network, loss="binary_cross_entropy", optimizer="sgd", metric="binary_accuracy", **settings),
        data,
    )


@pytest.mark.parametrize(("name", "measured"), [("lstm", True), ("bidirectional", False), ("mean", False)])
def test_a_step_on_cut_rows_is_the_step_on_padded_ones(name, measured):
    one = ready(NETWORKS[name], sequences())
    assert one.train.lengths is not None
    assert len(one.program.cuts) > 2
    assert one.program.cuts[-1] == STEPS
    state = one.initial_state(0)
    order = epoch_order(state, one.train, 8)

    @jax.jit
    def step(train):
        return one.program.step(state, one.scaling, train, order, measured)

    cut, whole = step(one.train), step(one.train._replace(lengths=None))
    assert jax.tree.structure(cut) == jax.tree.structure(whole)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), cut.state.params, whole.state.params
    )
    np.testing.assert_allclose(cut.metrics, whole.metrics, rtol=1e-5)


def test_recordings_are_cut_behind_the_frames_of_their_last_sound():
    rng = np.random.default_rng(0)
    lengths = rng.integers(300, 2000, 40)
    x = (rng.normal(size=(40, 2000, 1)) * (np.arange(2000) < lengths[:, None])[..., None]).astype(np.float32)
    network = [{"name": "log_mel", "rate": 8000, "mask_zero": True}, {"name": "gru", "units": 3}, *OUTPUT]
    data = pel.make_dataset(x, lengths > 1000, held_out=None, preprocessing="none")
    one = ready(network, data, batch_size=4)
    np.testing.assert_array_equal(np.sort(one.train.lengths), np.sort(np.minimum(lengths + 200, 2000)))
    state = one.initial_state(0)
    cut, whole = (
        jax.jit(one.program.evaluate)(state, one.scaling, part)
        for part in (one.train, one.train._replace(lengths=None))
    )
    np.testing.assert_allclose(cut, whole, rtol=1e-5)


def test_held_out_rows_are_measured_alike():
    one = ready(NETWORKS["lstm"], sequences())
    state = one.initial_state(0)
    cut, whole = (
        jax.jit(one.program.evaluate)(state, one.scaling, part)
        for part in (one.monitor, one.monitor._replace(lengths=None))
    )
    np.testing.assert_allclose(cut, whole, rtol=1e-5)


def test_an_epoch_takes_every_row_once_in_batches_of_similar_length():
    one = ready(NETWORKS["mean"], sequences(2000))
    lengths, size = np.asarray(one.train.lengths), 8
    orders = []
    for epoch in range(2):
        state = one.initial_state(0)._replace(step=jnp.int32(epoch * one.train.steps_per_epoch(size)))
        order = np.asarray(epoch_order(state, one.train, size))[: one.train.rows]
        assert sorted(order.tolist()) == list(range(one.train.rows))
        orders.append(order)
    assert (orders[0] != orders[1]).mean() > 0.9
    batches = lengths[orders[0][: len(lengths) // size * size]].reshape(-1, size)
    assert np.ptp(batches, axis=1).mean() < 0.2 * np.ptp(lengths)
    means = batches.mean(axis=1)
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.2  # short and long batches are mixed
    assert len(means) > 2 * GROUP


def test_a_training_by_length_learns_and_is_resumed_to_the_bit(tmp_path):
    data = sequences(400)
    settings = {"learning_rate": 0.02, "group_by_length": True, "progress": False, "early_stopping": 50}
    network = pel.Network(pel.Embedding(9, 4, mask_zero=True), pel.LSTM(8), pel.Dense(1, "sigmoid"))
    whole = pel.train(network, data, epochs=20, folder=tmp_path / "whole", **settings)
    pel.train(network, data, epochs=8, folder=tmp_path / "parts", **settings)
    resumed = pel.resume(tmp_path / "parts", data, epochs=20, progress=False)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)
    assert whole.result["binary_accuracy"] > 0.9


def test_what_cannot_be_cut_is_refused():
    data = sequences()
    embedding = {"name": "embedding", "vocabulary": 9, "units": 3}
    plain = [embedding, {"name": "lstm", "units": 4}, *OUTPUT]
    flat = [*TOKENS, {"name": "flatten"}, *OUTPUT]
    for network, settings, text in (
        (plain, {}, "needs padding that the network passes over: mask_zero=True"),
        (flat, {}, "weights of this network depend on the number of steps"),
        (NETWORKS["lstm"], {"shuffle": False}, "needs shuffled rows"),
    ):
        with pytest.raises(InvalidValue, match=text):
            ready(network, data, **settings)


def test_the_first_rows_of_a_step_are_those_of_its_order():
    one = ready(NETWORKS["mean"], sequences())
    state = one.initial_state(0)
    order = epoch_order(state, one.train, 8)
    chosen, _ = rows_of_step(state, one.train, order, 8)
    longest = int(one.train.lengths[chosen].max())
    cut = next(cut for cut in one.program.cuts if cut >= longest)
    batch = replace(one.program, cut=cut).take_batch(state, one.scaling, one.train, order)
    assert batch.x.shape == (8, cut)
    assert (np.asarray(batch.x) != 0).sum() == (np.asarray(one.train.x)[np.asarray(chosen)] != 0).sum()
