"""Gradients of several batches for one update, and the moving average of the weights."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pellucid as pel
from pellucid.core.errors import InvalidValue, TrainingDiverged
from pellucid.training import Supervised, advance, initial_state
from pellucid.training.average import Average
from pellucid.training.stopping import Learned

torch = pytest.importorskip("torch")
IRIS = pel.load_dataset("iris")
WEIGHTED = pel.make_dataset(IRIS.train.x, IRIS.train.y, weights=np.random.default_rng(0).uniform(0, 2, len(IRIS.train)))
QUIET = {"progress": False, "epochs": 3, "seed": 1}


def same(a, b, rtol=0.0, atol=0.0):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), a, b)


@pytest.mark.parametrize(
    ("data", "batch_size", "parts", "settings"),
    [
        (IRIS, 8, 4, {"optimizer": {"name": "adam", "epsilon": 1e-4}, "regularizer": "l2"}),
        (WEIGHTED, 11, 3, {"optimizer": {"name": "momentum", "clip_norm": 0.5}, "shuffle": False}),
        (WEIGHTED, "all", 7, {"loss": {"name": "sparse_categorical_cross_entropy", "reduction": "sum"}}),
    ],
    ids=["rows alike", "weighted rows", "all rows"],
)
def test_parts_of_a_batch_train_as_the_whole(data, batch_size, parts, settings):
    """The last update of an epoch has parts without rows; the parts of all rows differ in size."""
    network = pel.Network(pel.Dense(6, "tanh"), pel.LayerNorm(), pel.Dense(3, "softmax"))
    whole = "all" if batch_size == "all" else batch_size * parts
    together = pel.train(network, data, batch_size=whole, **settings, **QUIET)
    added = pel.train(network, data, batch_size=batch_size, accumulate=parts, **settings, **QUIET)
    same(added.params, together.params, rtol=2e-4, atol=2e-5)
    for name, column in together.history.epochs.items():
        np.testing.assert_allclose(added.history.epochs[name], column, rtol=1e-4, err_msg=name)
    of_layers = together.history.layers
    np.testing.assert_allclose(added.history.layers["gradient_norm"], of_layers["gradient_norm"], rtol=1e-3)


def test_what_depends_on_the_batch_sees_a_part_and_it_is_noted():
    network = pel.Network(pel.Dense(6), pel.BatchNorm(), pel.Dense(3, "softmax"))
    run = pel.train(network, IRIS, batch_size=8, accumulate=4, **QUIET)
    assert any(
        note == "accumulate: what depends on the batch (batch_norm_1) sees 8 rows, not the 32 of an update"
        for note in run.notes.choices
    )
    apart = pel.train(network, IRIS, batch_size=32, **QUIET)
    assert not any("accumulate" in note for note in apart.notes.choices)
    statistics = [run.layer_state[1]["variance"] for run in (run, apart)]
    assert np.abs(statistics[0] - statistics[1]).max() > 1e-3


def test_each_part_draws_its_own_random_numbers():
    """With the same rows in both parts of a batch, dropout would otherwise drop the same neurons."""
    program = Supervised(
        pel.Network(pel.Dense(4)), pel.losses.MeanSquaredError(), pel.metrics.AbsoluteError(), 4, accumulate=2
    )
    state = initial_state(program.network, pel.SGD(), None, (3,), 0)
    first, second = (jax.random.key_data(program.key_of(state, part)) for part in (0, 1))
    assert (first != second).any()


def test_the_memory_of_a_step_is_that_of_a_part():
    data = pel.make_dataset(np.zeros((2048, 10), np.float32), np.zeros((2048, 1), np.float32), held_out=None)
    network = pel.Network(*[pel.Dense(256, "relu") for _ in range(4)], pel.Dense(1))

    def bytes_of_a_step(**settings):
        training = pel.train(network, data, epochs=1, record_every=0, progress=False, **settings).training
        compiled = advance.lower(
            training.program, training.state, training.scaling, training.train, None, jnp.int32(1)
        ).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    small, large, parts = (
        bytes_of_a_step(batch_size=size, accumulate=parts) for size, parts in ((128, 1), (2048, 1), (128, 16))
    )
    assert large > 10 * small
    # Two more copies of the gradients: of a part, and their sum.
    gradients = 4 * (3 * 256 * 256 + 10 * 256)
    assert parts < small + 2.5 * gradients


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1"),
        ({"batch_size": 100, "accumulate": 2}, "accumulate adds up batches of 100 rows for 2 parts"),
        ({"batch_size": "all", "accumulate": 1000}, "more than the 120 rows"),
        ({"average_weights": 1.0}, r"average_weights must be a number in \(0, 1\)"),
    ],
)
def test_what_cannot_be_is_refused(settings, text):
    with pytest.raises(InvalidValue, match=text):
        pel.train((4,), IRIS, **QUIET, **settings)


def test_a_gan_adds_up_no_batches():
    with pytest.raises(InvalidValue, match="accumulate is a setting for a network"):
        pel.train("wgan", IRIS.train.x, epochs=1, progress=False, accumulate=2)


def test_a_loss_that_diverges_in_any_part_is_explained():
    x = IRIS.train.x.copy()
    x[7] = 3e38
    data = pel.make_dataset(x, IRIS.train.y, held_out=None)
    with pytest.raises(TrainingDiverged, match=r"inputs|largest weight|overflow"):
        pel.train((4,), data, batch_size=30, accumulate=4, scale_inputs="none", **QUIET)


# ------------------------------------------------------------------------------------ the average


@pytest.mark.parametrize("decay", [0.5, 0.99, 0.9999])
def test_average_is_optaxs_and_pytorchs(decay, rng):
    """Optax's corrected average; and PyTorch's with its first weights taken out: ours · (1 − dᵗ) = its − dᵗ · θ₁."""
    weights = rng.normal(size=(60, 5)).astype(np.float32)
    average = Average.begin(decay, jnp.zeros(5), ())
    ema = optax.ema(decay)
    state = ema.init(jnp.zeros(5))
    model = torch.nn.Linear(5, 1, bias=False, dtype=torch.float64)
    averaged = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    )
    for t, theta in enumerate(weights):
        average = average.follow(jnp.int32(t), jnp.asarray(theta), ())
        with jax.numpy_dtype_promotion("standard"):
            expected, state = ema.update(jnp.asarray(theta), state)
        np.testing.assert_allclose(average.learned.params, expected, rtol=1e-3, atol=1e-5)
        with torch.no_grad():
            model.weight.copy_(torch.tensor(theta))
        averaged.update_parameters(model)
        uncorrected = averaged.module.weight.detach().numpy()[0] - decay ** (t + 1) * weights[0]
        np.testing.assert_allclose(
            average.learned.params, uncorrected / (1 - decay ** (t + 1)), rtol=1e-3, atol=2e-6 / (1 - decay) ** 0.5
        )
    np.testing.assert_array_equal(
        Average.begin(decay, jnp.zeros(5), ()).follow(jnp.int32(0), jnp.asarray(weights[0]), ()).learned.params,
        weights[0],
    )


NETWORK = pel.Network(pel.Dense(6, "relu"), pel.BatchNorm(), pel.Dense(3, "softmax"))


def test_the_averaged_weights_predict_and_are_evaluated():
    """By hand from the states after each step: weights and running statistics; the steps are those without it."""
    run = pel.train(NETWORK, IRIS, average_weights=0.9, snapshots=2000, **QUIET)
    plain = pel.train(NETWORK, IRIS, snapshots=2000, **QUIET)
    same(run.training.state.params, plain.params)
    expected, d = None, 0.9
    steps = list(plain.snapshots)[1:]
    assert steps == list(range(1, run.history.steps_made + 1))
    for t, step in enumerate(steps, 1):
        state = plain.snapshots[step]
        now = Learned(state.params, state.layer_state)
        expected = (
            now
            if t == 1
            else jax.tree.map(lambda mean, new, t=t: mean + (new - mean) * (1 - d) / (1 - d**t), expected, now)
        )
    same((run.params, run.layer_state), tuple(expected), rtol=1e-4, atol=1e-5)
    assert np.abs(run.params[0]["weights"] - plain.params[0]["weights"]).max() > 1e-4
    outputs = run.network.forward(run.params, run.layer_state, run.training.scaling(jnp.asarray(IRIS.held_out.x)))
    np.testing.assert_allclose(run.outputs(IRIS.held_out.x), outputs.outputs[-1], rtol=1e-5, atol=1e-6)
    assert run.history.epochs["held_out_loss"][-1] == pytest.approx(run.result["loss"], rel=1e-4)
    assert run.result["loss"] != plain.result["loss"]
    np.testing.assert_array_equal(run.history.steps["loss"], plain.history.steps["loss"])


def test_an_averaged_training_is_resumed_to_the_bit(tmp_path):
    settings = {**QUIET, "epochs": 9, "average_weights": 0.95, "snapshots": 4, "accumulate": 2, "batch_size": 8}
    settings["early_stopping"] = 2
    whole = pel.train(NETWORK, IRIS, folder=tmp_path / "whole", **settings)
    pel.train(NETWORK, IRIS, folder=tmp_path / "cut", **{**settings, "epochs": 2})
    resumed = pel.resume(tmp_path / "cut", epochs=settings["epochs"], progress=False)
    same(
        (resumed.params, resumed.layer_state, resumed.training.state.average),
        (whole.params, whole.layer_state, whole.training.state.average),
    )
    assert resumed.result == whole.result
    loaded = pel.load(tmp_path / "cut")
    same(loaded.params, whole.params)
    np.testing.assert_array_equal(loaded.predict(IRIS.held_out.x), whole.predict(IRIS.held_out.x))
    for kind, run in (("run", resumed), ("loaded", loaded)):
        assert len(pel.through_time(run).table["step"]) > 2, kind
    assert loaded.explain(IRIS.held_out.x[0], IRIS.held_out.y[0])
    assert loaded.diagnose() is not None


def test_members_of_a_population_average_as_alone():
    comparison = pel.compare(
        IRIS, {"average_weights": [None, 0.9, 0.99]}, network=NETWORK, seeds=2, epochs=3, batch_size=16, progress=False
    )
    for setting, runs in zip(comparison.settings, comparison.runs, strict=True):
        for run in runs:
            alone = pel.train(
                NETWORK, IRIS, epochs=3, batch_size=16, seed=run.experiment.seed, progress=False, **setting
            )
            same(run.params, alone.params, rtol=1e-3, atol=1e-4)
            assert run.result["loss"] == pytest.approx(alone.result["loss"], rel=1e-3)


def test_another_decay_does_not_recompile():
    before = advance._cache_size()
    for decay in (0.5, 0.9):
        pel.train((5,), IRIS, average_weights=decay, batch_size=17, **QUIET)
    assert advance._cache_size() == before + 1
