"""The compiled program and the loop around it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.core.errors import TrainingDiverged
from pellucid.functions.losses import losses
from pellucid.functions.metrics import metrics
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import schedules
from pellucid.layers import Dense, Dropout
from pellucid.network import Network, backpropagate
from pellucid.optimizers import SGD, Adam
from pellucid.training import (
    EarlyStopping,
    History,
    Recorder,
    Rows,
    Scaling,
    Supervised,
    Training,
    advance,
    initial_state,
    permutation,
)

ROWS = 70
CENTRES = np.random.default_rng(1).normal(size=(3, 5)) * 2


def rows_of(seed, rows=ROWS):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    return (CENTRES[y] + rng.normal(size=(rows, 5))).astype(np.float32), y.astype(np.int32)


def make(
    batch_size=16,
    *,
    optimizer=None,
    network=None,
    record_every=10,
    regularizer=None,
    weights=None,
    stopping=None,
    seed=0,
):
    network = network or Network(Dense(8, "relu"), Dense(3, "softmax"))
    optimizer = optimizer or Adam(0.01)
    program = Supervised(
        network,
        losses.build("sparse_categorical_cross_entropy"),
        metrics.build("accuracy"),
        batch_size,
        Recorder(record_every),
    )
    (x, y), (hx, hy) = rows_of(0), rows_of(5, 40)
    train = Rows(jnp.asarray(x), jnp.asarray(y), None if weights is None else jnp.asarray(weights, jnp.float32))
    regularizer = None if regularizer is None else regularizers.build(regularizer)
    state = initial_state(network, optimizer, regularizer, (5,), seed)
    scaling = Scaling(jnp.float32(0), jnp.float32(1))
    return Training(
        program,
        scaling,
        train,
        Rows(jnp.asarray(hx), jnp.asarray(hy)),
        optimizer,
        state,
        History.begin(program, ROWS),
        stopping,
    )


def finish(training, epochs):
    for _ in training.run(epochs):
        pass
    return training


@pytest.mark.parametrize("rows", [1, 2, 3, 17, 256, 1000, 4097])
def test_permutation_visits_each_row_once(rows):
    for seed in range(3):
        assert sorted(np.asarray(permutation(jax.random.key(seed), rows))) == list(range(rows))


@pytest.mark.parametrize("count", [1, 5, 57, 64])
def test_permutation_of_rows_that_count_visits_each_of_them_once(count):
    for seed in range(4):
        order = permutation(jax.random.key(seed), 64, jnp.int32(count))
        assert sorted(np.asarray(order[:count])) == list(range(count))


def test_permutation_has_no_favourite_places():
    """χ² over (row, place) of 8 rows in 20,000 shuffles; 49 degrees of freedom, 99.99 % below 92."""
    orders = np.asarray(jax.vmap(lambda key: permutation(key, 8))(jax.random.split(jax.random.key(0), 20_000)))
    counts = np.stack([np.bincount(orders[:, place], minlength=8) for place in range(8)])
    assert ((counts - 2500.0) ** 2 / 2500).sum() < 92
    neighbours = np.bincount((orders[:, 0] * 8 + orders[:, 1]), minlength=64)
    expected = np.where(np.eye(8, dtype=bool).ravel(), 0, 20_000 / 56)
    pairs = expected > 0
    assert (neighbours[~pairs] == 0).all()
    assert ((neighbours[pairs] - expected[pairs]) ** 2 / expected[pairs]).sum() < 104  # 55 degrees, 99.99 %


def test_a_step_is_forward_backward_update_on_the_stated_rows():
    """Two epochs repeated by hand from the order of the rows: the same weights."""
    training = make(batch_size=16, optimizer=SGD(0.1))
    params, key = training.state.params, training.state.key
    x, y = training.train.x, training.train.y
    losses_by_hand = []
    for epoch in range(2):
        order = permutation(jax.random.fold_in(key, epoch), ROWS)
        for first in range(0, ROWS, 16):
            rows = order[first : first + 16]  # the last batch has 6 rows
            program = training.program
            result = backpropagate(
                program.network, program.loss, params, ({},) * 4, x[rows], y[rows], jnp.ones(len(rows))
            )
            params = jax.tree.map(lambda w, g: w - 0.1 * g, params, result.grads)
            losses_by_hand.append(float(result.loss))
    finish(training, 2)
    np.testing.assert_allclose(training.history.steps["loss"], losses_by_hand, rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), training.state.params, params)


def test_a_history_shows_its_last_epochs_in_a_notebook():
    history = finish(make(batch_size=16), 12).history
    assert repr(history) == f"<History 12 epochs, {history.steps_made} steps, {ROWS} rows>"
    page = history._repr_html_()
    assert page.count("<tr>") == 1 + 10
    assert "<td>12</td>" in page
    assert "<td>2</td>" not in page
    assert f"<td>{history.epochs['held_out_loss'][-1]:.4f}</td>" in page


def test_where_calls_are_cut_changes_no_bit():
    network = Network(Dense(8, "relu"), Dropout(0.3), Dense(3, "softmax"))
    whole = finish(make(network=network), 6)
    cut = make(network=network)
    total = 6 * cut.steps_per_epoch
    step = 0
    for size in [1, 2, 7, 3, 5, 11, 1]:
        cut._call(step, min(step + size, total))
        step = min(step + size, total)
    jax.tree.map(np.testing.assert_array_equal, whole.state.params, cut.state.params)
    for name, array in whole.history.to_arrays().items():
        np.testing.assert_array_equal(array, cut.history.to_arrays()[name])


def test_seeds_decide():
    same, again, other = (finish(make(seed=seed), 1).history.steps["loss"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(same, again)
    assert (same != other).any()


def test_epoch_table_averages_over_rows():
    training = finish(make(batch_size=16), 1)
    per_step = training.history.steps["loss"]
    by_hand = (16 * per_step[:4].sum() + 6 * per_step[4]) / ROWS
    assert training.history.epochs["loss"][0] == pytest.approx(by_hand)


def test_held_out_figures_are_those_of_the_rows():
    training = finish(make(), 2)
    prediction = training.program.network.forward(training.state.params, ({},) * 4, training.monitor.x).outputs[-1]
    loss = training.program.loss(prediction, training.monitor.y)
    accuracy = (prediction.argmax(axis=1) == training.monitor.y).mean(dtype=jnp.float32)
    np.testing.assert_allclose(training.history.held_out[-1], [loss, accuracy], rtol=1e-5)


def test_weights_of_zero_leave_rows_out():
    """With half of the rows weighing nothing, their targets do not matter."""
    weights = np.arange(ROWS) % 2
    kept = finish(make(weights=weights), 3)
    changed = make(weights=weights)
    y = np.asarray(changed.train.y).copy()
    y[::2] = (y[::2] + 1) % 3
    changed.train = changed.train._replace(y=jnp.asarray(y))
    finish(changed, 3)
    jax.tree.map(np.testing.assert_array_equal, kept.state.params, changed.state.params)


def test_another_rate_or_penalty_does_not_recompile():
    # Shapes of its own, so that no other test has compiled them.
    before = advance._cache_size()
    for rate, strength in ((0.01, 1e-3), (0.1, 1e-2), (0.5, 0.0)):
        finish(make(11, optimizer=SGD(rate), regularizer={"name": "l2", "strength": strength}), 1)
    assert advance._cache_size() == before + 1


def test_batch_larger_than_an_epochs_rest_and_of_all_rows():
    assert finish(make(batch_size=ROWS), 3).history.steps_made == 3
    assert finish(make(batch_size=69), 3).history.steps_made == 6


def test_l1_makes_exact_zeros_and_l2_does_not():
    shares = {}
    for name in ("l1", "l2"):
        training = finish(make(optimizer=SGD(0.1), regularizer={"name": name, "strength": 0.02}), 60)
        shares[name] = float((training.state.params[0]["weights"] == 0).mean())
    assert shares["l1"] > 0.2
    assert shares["l2"] == 0


def test_schedule_moves_the_rate_by_epochs():
    optimizer = SGD(schedules.build({"name": "step_decay", "learning_rate": 0.1, "factor": 0.5, "every": 2}))
    rates = finish(make(optimizer=optimizer), 4).history.epochs["learning_rate"]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.05, 0.05], rtol=1e-6)


def test_plateau_lowers_the_rate_when_nothing_improves():
    optimizer = SGD(
        schedules.build({"name": "on_plateau", "learning_rate": 1e-9, "patience": 2, "factor": 0.5, "min_delta": 1e-3})
    )
    rates = finish(make(optimizer=optimizer), 8).history.epochs["learning_rate"]
    assert rates[0] == pytest.approx(1e-9)
    assert rates[-1] < 0.3e-9


def test_plateau_after_a_warm_up_lowers_the_rate_too():
    plateau = {"name": "on_plateau", "learning_rate": 1e-9, "patience": 2, "factor": 0.5, "min_delta": 1e-3}
    optimizer = SGD(schedules.build({"name": "warm_up", "learning_rate": plateau, "epochs": 1.0}))
    rates = finish(make(optimizer=optimizer), 8).history.epochs["learning_rate"]
    assert rates[1] == pytest.approx(1e-9)
    assert rates[-1] < 0.3e-9


def test_early_stopping_keeps_the_best_weights():
    training = finish(
        make(
            stopping=EarlyStopping(patience=3),
            optimizer=Adam(0.05),
            network=Network(Dense(64, "relu"), Dense(3, "softmax")),
        ),
        500,
    )
    losses = training.history.held_out[:, 0]
    assert len(losses) < 500
    best = int(losses.argmin())
    assert len(losses) == best + 4
    prediction = training.program.network.forward(training.params, ({},) * 4, training.monitor.x).outputs[-1]
    assert float(training.program.loss(prediction, training.monitor.y)) == pytest.approx(losses[best], rel=1e-5)


@pytest.mark.parametrize("every", [0, 1, 7])
def test_recording_changes_no_weight(every):
    reference, other = finish(make(record_every=10), 3), finish(make(record_every=every), 3)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), reference.state.params, other.state.params
    )
    expected = 0 if every == 0 else -(-other.history.steps_made // every)
    assert len(other.history.layer_measures) == expected


def test_divergence_names_the_step_and_the_layer_and_keeps_the_state_before():
    network = Network(Dense(8), Dense(1))
    program = Supervised(network, losses.build("mean_squared_error"), metrics.build("mean_squared_error"), 16)
    x, _ = rows_of(0)
    train = Rows(jnp.asarray(x * 10), jnp.asarray(x[:, :1]))
    optimizer = SGD(1e3)
    state = initial_state(network, optimizer, None, (5,), 0)
    scaling = Scaling(jnp.float32(0), jnp.float32(1))
    training = Training(program, scaling, train, None, optimizer, state, History.begin(program, ROWS))
    with pytest.raises(TrainingDiverged, match=r"step \d+ \(epoch \d\).*layer dense_\d.*learning rate"):
        finish(training, 50)
    assert np.isfinite(training.history.steps["loss"]).all()
    assert training.history.steps_made == int(training.state.step) > 0


def test_divergence_by_the_data_says_so():
    training = make()
    training.train = training.train._replace(x=training.train.x.at[3, 2].set(jnp.nan))
    with pytest.raises(TrainingDiverged, match="inputs of its batch"):
        finish(training, 2)
