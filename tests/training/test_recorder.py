"""The recorder: what it measures is what it says, and what is not selected is not computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import pellucid as pel
from pellucid.core.errors import InvalidValue
from pellucid.functions.losses import losses
from pellucid.functions.metrics import metrics
from pellucid.layers import RNN, Dense, Flatten
from pellucid.network import Network, backpropagate
from pellucid.optimizers import SGD
from pellucid.training import GROUPS, MEASURES, History, Rows, Scaling, Supervised, Training, initial_state, permutation
from pellucid.training.program import advance
from pellucid.training.recorder import BINS, DECAY, Recorder, _signal_to_noise, histogram

ROWS = 64
ALL = tuple(GROUPS)


def make(record=ALL, *, network=None, histograms_every=0, record_every=1, shape=(5,)):
    network = network or Network(Dense(8, "relu"), Dense(3, "softmax"))
    program = Supervised(
        network,
        losses.build("sparse_categorical_cross_entropy"),
        metrics.build("accuracy"),
        16,
        Recorder(record_every, record, histograms_every),
    )
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, ROWS).astype(np.int32)
    x = (rng.normal(size=(ROWS, *shape)) + y.reshape(-1, *[1] * len(shape))).astype(np.float32)
    optimizer = SGD(0.1)
    state = initial_state(network, optimizer, None, shape, 0, recorder=program.recorder)
    scaling = Scaling(jnp.float32(0), jnp.float32(1))
    train = Rows(jnp.asarray(x), jnp.asarray(y))
    return Training(program, scaling, train, None, optimizer, state, History.begin(program, ROWS))


def finish(training, epochs):
    for _ in training.run(epochs):
        pass
    return training


def first_pass(training):
    order = permutation(jax.random.fold_in(training.state.key, 0), ROWS)[:16]
    program, train = training.program, training.train
    return backpropagate(
        program.network,
        program.loss,
        training.state.params,
        training.state.layer_state,
        train.x[order],
        train.y[order],
        jnp.ones(16),
    )


def test_measures_are_what_they_say():
    training = make(histograms_every=1)
    before, pass_ = training.state, first_pass(training)
    training._call(0, 1)
    table = training.history.layers
    w, new_w, g = before.params[0]["weights"], training.state.params[0]["weights"], pass_.grads[0]["weights"]
    assert table["gradient_norm"][0] == pytest.approx(float(jnp.linalg.norm(g)), rel=1e-5)
    assert table["weight_norm"][0] == pytest.approx(float(jnp.linalg.norm(new_w)), rel=1e-5)
    ratio = float(jnp.linalg.norm(new_w - w) / jnp.linalg.norm(new_w))
    assert table["update_ratio"][0] == pytest.approx(ratio, rel=1e-4)
    for i, output in enumerate(pass_.outputs):
        assert table["activation_mean"][i] == pytest.approx(float(output.mean()), abs=1e-6)
        assert table["activation_std"][i] == pytest.approx(float(output.std()), rel=1e-4)
        assert table["fraction_zero"][i] == pytest.approx(float((output == 0).mean(dtype=jnp.float32)))
    softmax = np.asarray(pass_.outputs[-1])
    assert table["fraction_saturated"][-1] == pytest.approx(((softmax < 0.01) | (softmax > 0.99)).mean())
    assert np.isnan(table["fraction_saturated"][1])  # ReLU has no upper end to saturate at
    assert np.isnan(table["gradient_norm"][1])
    assert np.isnan(table["signal_to_noise"]).all()  # of one gradient alone nothing can be told
    assert (table["finite"] == 1).all()
    ratios = table["gradient_norm"][0] / table["gradient_norm"][2]
    assert table["gradient_ratio"][0] == pytest.approx(ratios)
    assert list(table["layer"]) == list(training.program.network.names)
    assert set(table) == {"step", "layer", "gradient_ratio", *MEASURES}

    histograms = pd.DataFrame(training.history.histograms)
    of = histograms.set_index(["layer", "kind"]).loc[("dense_1", "weights")]
    counts, edges = np.histogram(np.asarray(new_w), BINS)
    assert of["low"], of["high"] == pytest.approx((edges[0], edges[-1]))
    assert np.abs(np.subtract(of["counts"], counts)).sum() <= 2  # a number on an edge may fall to either side
    assert sum(of["counts"]) == new_w.size


def test_what_is_not_selected_is_not_computed():
    """Operations of the compiled program, by what is selected: each group adds its own, and alone has no other's."""

    def flops(record, record_every=1):
        training = make(record, record_every=record_every)
        arguments = (training.scaling, training.train, None, jnp.asarray(4, jnp.int32))
        lowered = advance.lower(training.program, training.state, *arguments)
        return lowered.compile().cost_analysis()["flops"]

    def of_measuring(record):
        training = make(record)
        pass_, state = first_pass(training), training.state
        measure = jax.jit(training.program.recorder.measure, static_argnums=0)
        given = (training.program.network, state.params, state.params, pass_, state.recorder, state.step)
        return measure.lower(*given).compile().cost_analysis()["flops"]

    assert flops(ALL, 0) == flops(("gradients",), 0)
    assert flops(("gradients",)) < flops(ALL)
    alone = {group: of_measuring((group,)) for group in ALL}
    together = of_measuring(ALL)
    assert all(0 < count < together for count in alone.values()), alone


def test_dead_units_are_named():
    network = Network(Dense(8, "relu"), Dense(3, "softmax"))
    training = make(network=network)
    params = list(training.state.params)
    biases = params[0]["biases"].at[jnp.array([2, 5])].set(-1e3)
    params[0] = params[0] | {"biases": biases}
    training.state = training.state._replace(params=tuple(params))
    finish(training, 3)
    assert (training.history.layers["dead_units"][1::4] >= 2).all()
    dead = training.history.dead_units()
    assert list(zip(dead["layer"], dead["unit"], strict=True)) == [("relu_1", 2), ("relu_1", 5)]
    assert list(dead["last_active"]) == [-1, -1]
    assert list(dead["silent_for"]) == [12, 12]
    assert len(training.history.units["unit"]) == 8 + 3


def test_signal_to_noise_of_gradients_with_known_noise(rng):
    """μ of length 3 under noise of length σ = 6: 0.5, found from 400 windows of ten to a few percent."""
    recorder = Recorder(groups=("noise",))
    network = Network(Dense(1))
    params, state, _ = network.init(jax.random.key(0), (50,))
    average = recorder.begin(network, params, state, (50,)).mean
    mean = np.full((50, 1), 3 / np.sqrt(50), np.float32)
    step = jax.jit(lambda mean, g: _signal_to_noise(mean, ({"weights": g},)))
    powers = []
    for _ in range(4000):
        noise = rng.normal(size=(50, 1)) * 6 / np.sqrt(50)
        average, found = step(average, jnp.asarray(mean + noise, jnp.float32))
        powers.append(float(found[0]) ** 2)
    assert np.isnan(powers[0])
    assert np.nanmedian(powers[50:]) == pytest.approx(0.25, rel=0.15)
    assert 0 < DECAY < 1


@pytest.mark.parametrize("groups", [("activations",), ALL])
def test_where_calls_are_cut_changes_no_bit_of_the_records(groups):
    whole, cut = (make(groups, histograms_every=4, record_every=2) for _ in range(2))
    whole._call(0, 11)
    for start, stop in ((0, 3), (3, 4), (4, 9), (9, 11)):
        cut._call(start, stop)
    for name, array in whole.history.to_arrays().items():
        np.testing.assert_array_equal(array, cut.history.to_arrays()[name], err_msg=name)
    assert len(whole.history.histogram_numbers) == 3


def test_recurrent_weights_are_measured_by_layer_and_inputs_are_not_measured_twice():
    network = Network(RNN(4), Flatten(), Dense(3, "softmax"))
    history = finish(make(network=network, shape=(6, 2)), 1).history
    table = pd.DataFrame(history.layers)
    assert table[table.layer == "rnn_1"].gradient_norm.gt(0).all()
    assert table[table.layer == "flatten_1"].activation_mean.isna().all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"record": ()}, "record names no group"),
        ({"record": ("weight",)}, "each group of record"),
        ({"histograms_every": 30}, "multiple of record_every = 20"),
        ({"record": ("noise",), "histograms_every": 20}, "need one of the groups"),
        ({"record_every": 0, "histograms_every": 5}, "multiple of record_every"),
    ],
)
def test_slips_are_refused(settings, message):
    with pytest.raises(InvalidValue, match=message):
        pel.train((4,), pel.load_dataset("iris"), epochs=1, progress=False, **settings)


def test_run_folder_has_tables_that_pandas_reads(tmp_path):
    folder = tmp_path / "run"
    run = pel.train(
        (16,),
        pel.load_dataset("iris"),
        epochs=4,
        folder=folder,
        progress=False,
        record=ALL,
        record_every=2,
        histograms_every=8,
    )
    for name, table in run.history.tables.items():
        read = pd.read_parquet(folder / "history" / f"{name}.parquet")
        assert list(read) == list(table), name
        assert len(read) == len(next(iter(table.values()))), name
    histograms = pd.read_parquet(folder / "history" / "histograms.parquet")
    assert set(histograms.kind) == {"activations", "gradients", "updates", "weights"}
    assert histograms.counts.map(len).eq(BINS).all()
    again = pel.load(folder)
    assert again.experiment.record == ALL
    for name, array in run.history.to_arrays().items():
        np.testing.assert_array_equal(array, again.history.to_arrays()[name])
    assert pd.read_parquet(folder / "history" / "units.parquet").layer[0] == "relu_1"


def test_histogram_of_one_number_and_of_none():
    assert np.isnan(np.asarray(histogram([]))).all()
    one = np.asarray(histogram([jnp.full((3, 2), 0.5)]))
    assert one[:2].tolist() == [0.5, 0.5]
    assert one[2:].sum() == 6
