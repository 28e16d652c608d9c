"""Large states are updated where they lie, and end with the same bits; rows are held once."""

import jax
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import TrainingDiverged
from pellucid.training import loop, program

IRIS = pel.load_dataset("iris")
RNG = np.random.default_rng(0)
NUMBERS = pel.make_dataset(
    RNG.normal(size=(90, 4)), RNG.normal(size=90), task="regression", preprocessing="none", name="noise"
)
UNSTABLE = {"optimizer": "sgd", "loss": "mean_squared_error", "batch_size": 30, "progress": False}


@pytest.fixture(params=[1, 2**22], ids=["large", "small"])
def size(request, monkeypatch):
    """Every state is large, or none is."""
    monkeypatch.setattr(program, "LARGE", request.param)
    jax.clear_caches()
    return request.param


@pytest.fixture
def calls(monkeypatch):
    """Names of the compiled functions that were called."""
    names = []
    for name in ("advance", "advance_in_place"):
        function = getattr(loop, name)
        monkeypatch.setattr(loop, name, lambda *given, f=function, n=name: names.append(n) or f(*given))
    return names


def train(**settings):
    settings = {"epochs": 6, "batch_size": 30, "record_every": 3, "progress": False} | settings
    return pel.train((8,), IRIS, **settings)


@pytest.mark.parametrize(
    "settings",
    [{}, {"early_stopping": 2}, {"average_weights": 0.9, "accumulate": 2}, {"snapshots": 3}],
    ids=["plain", "early stopping", "averaged, accumulated", "snapshots"],
)
def test_a_large_state_ends_with_the_bits_of_a_small_one(settings, calls, monkeypatch):
    jax.clear_caches()
    small = train(**settings)
    assert set(calls) == {"advance"}
    calls.clear()
    monkeypatch.setattr(program, "LARGE", 1)
    jax.clear_caches()
    large = train(**settings)
    assert "advance_in_place" in calls
    jax.tree.map(np.testing.assert_array_equal, large.params, small.params)
    np.testing.assert_array_equal(large.history.step_rows, small.history.step_rows)
    np.testing.assert_array_equal(large.history.layer_measures, small.history.layer_measures)
    assert large.result == small.result
    for step in small.snapshots:
        jax.tree.map(np.testing.assert_array_equal, large.snapshots[step].params, small.snapshots[step].params)
    jax.clear_caches()


def test_a_diverged_training_keeps_the_state_before_the_bad_step(size, tmp_path):
    with pytest.raises(TrainingDiverged, match="NaN or infinite at step") as error:
        pel.train((8,), NUMBERS, learning_rate=1e5, epochs=9, folder=tmp_path / "run", **UNSTABLE)
    run = pel.load(tmp_path / "run")
    steps = run.history.steps_made
    assert f"at step {steps} " in str(error.value)
    assert np.isfinite(run.history.step_rows).all()
    assert run.stopped == "diverged"
    jax.clear_caches()


def test_many_large_states_at_once_end_where_one_diverges(size):
    over = {"learning_rate": [0.01, 1e5]}
    compared = pel.compare(NUMBERS, over, network=(4,), seeds=2, epochs=9, **UNSTABLE)
    assert [run.stopped for runs in compared.runs for run in runs] == ["epochs"] * 2 + ["diverged"] * 2
    jax.clear_caches()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="a GPU has a memory of its own")
def test_rows_of_a_dataset_are_held_once_and_cannot_be_written_to():
    rows = train().training.train
    for held, shared in ((rows.x, IRIS.train.x), (rows.y, IRIS.train.y)):
        assert held.unsafe_buffer_pointer() == shared.ctypes.data
        assert not shared.flags.writeable


def test_rows_that_may_be_written_to_are_copied():
    memory = np.zeros(90 * 4 * 4 + 64, np.uint8)
    x = memory[-memory.ctypes.data % 64 :][: 90 * 4 * 4].view(np.float32).reshape(90, 4)
    data = pel.make_dataset(x, np.arange(90) % 3, held_out=(x, np.arange(90) % 3), preprocessing="none")
    training = pel.train((4,), data, epochs=1, progress=False).training
    x[:] = 1
    assert not np.asarray(training.train.x).any()
    assert not np.asarray(training.monitor.x).any()


def test_outputs_in_parts_are_those_of_all(monkeypatch):
    """Metrics, predictions and page of rows whose outputs are not held at once."""
    from pellucid.runs import trained

    run = train()
    x, y = IRIS.held_out.x, run.facts.class_values[IRIS.held_out.y]
    whole = run.predict(x), run.evaluate(x, y), run.evaluate(x, y, weights=np.arange(len(y)))
    monkeypatch.setattr(trained, "OUTPUT_BYTES", 4 * 3 * 8)
    assert run.rows_at_a_time == 8
    np.testing.assert_array_equal(run.predict(x), whole[0])
    assert run.evaluate(x, y) == pytest.approx(whole[1], rel=1e-12)
    assert run.evaluate(x, y, weights=np.arange(len(y))) == pytest.approx(whole[2], rel=1e-12)
    again = train()
    assert again.result == pytest.approx(run.result, rel=1e-12)


def test_a_page_of_many_rows_says_which_it_shows(monkeypatch, tmp_path):
    from pellucid.runs import trained

    monkeypatch.setattr(trained, "OUTPUT_BYTES", 4 * 3 * 8)
    train(folder=tmp_path / "run", metrics=["f1_macro"])
    page = (tmp_path / "run" / "report.html").read_text()
    assert "8 of the 30 held-out rows, taken evenly" in page
