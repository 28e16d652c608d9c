"""Tokens reach an embedding as they are, or are refused; padded sequences are scaled by their real steps alone."""

import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue
from pellucid.data import Preprocessing, reconstruction
from pellucid.runs.plan import settle
from pellucid.runs.ready import make_ready

VOCABULARY, TIME = 50, 6
NETWORK = pel.Network(pel.Embedding(VOCABULARY, 4), pel.layers.GlobalMaxPool(), pel.Dense(1, "sigmoid"))
SETTINGS = {"epochs": 2, "progress": False, "seed": 0}


def words(rows=40):
    rng = np.random.default_rng(0)
    x = rng.integers(1, VOCABULARY, (rows, TIME))
    return x, ((x > VOCABULARY / 2).sum(axis=1) % 2).astype(int)


@pytest.fixture(scope="module")
def run():
    return pel.train(NETWORK, words(), **SETTINGS)


@pytest.mark.parametrize(
    "network",
    [
        NETWORK,
        pel.Network(
            pel.layers.Frozen(pel.Embedding(VOCABULARY, 4)), pel.layers.GlobalMaxPool(), pel.Dense(1, "sigmoid")
        ),
        pel.Network(pel.Embedding(VOCABULARY, 4), pel.layers.Bidirectional(pel.RNN(2)), pel.Dense(1, "sigmoid")),
        pel.Network.graph(
            inputs="words",
            nodes={
                "table": (pel.Embedding(VOCABULARY, 4), "words"),
                "pooled": (pel.layers.GlobalAveragePool(), "table"),
                "y": (pel.Dense(1, "sigmoid"), "pooled"),
            },
            outputs="y",
        ),
    ],
    ids=["network", "frozen", "bidirectional", "graph"],
)
@pytest.mark.parametrize("preprocessing", ["auto", "standardise", Preprocessing(1.0, 0.5)])
def test_tokens_are_never_scaled(network, preprocessing):
    data = pel.make_dataset(*words(), preprocessing=preprocessing)
    assert not data.preprocessing.is_identity
    planned = settle(network, data, {})
    ready = make_ready(planned.experiment, planned.data, network)
    assert ready.data.preprocessing.is_identity
    np.testing.assert_array_equal(ready.scaling(ready.train.x), data.train.x)


def test_bytes_that_are_tokens_are_not_divided_by_255():
    x, y = words()
    data = pel.make_dataset(x.astype(np.uint8), y)
    planned = settle(NETWORK, data, {})
    assert make_ready(planned.experiment, data, NETWORK).data.preprocessing.is_identity


def test_the_user_is_told_that_tokens_are_not_scaled(capsys):
    pel.train(NETWORK, words(), epochs=1, seed=0)
    assert "inputs not scaled: Embedding(50, 4) reads them as tokens" in capsys.readouterr().err


def test_a_scaling_asked_for_is_refused():
    with pytest.raises(InvalidValue, match=r"scale_inputs='min_max'.*Embedding\(50, 4\)"):
        pel.train(NETWORK, words(), scale_inputs="min_max", **SETTINGS)


@pytest.mark.parametrize(
    ("token", "message"),
    [(50, r"Write Embedding\(51, 4\)"), (-1, "Number the tokens from 0"), (2.5, "Tokens are whole numbers")],
)
def test_a_token_outside_the_vocabulary_is_refused_in_training(token, message):
    x, y = words()
    x = x.astype(float)
    x[7, 2] = token
    with pytest.raises(
        DataError, match=rf"x holds the token {token} at row 7, column 2; Embedding\(50, 4\).*{message}"
    ):
        pel.train(NETWORK, (x, y), **SETTINGS)
    whole = words()
    with pytest.raises(DataError, match=rf"held-out part holds the token {token} at row 7, column 2"):
        pel.train(NETWORK, pel.make_dataset(*whole, held_out=(x, y)), **SETTINGS)


@pytest.mark.parametrize("use", ["predict", "evaluate", "outputs", "explain"])
@pytest.mark.parametrize("token", [50, -1, 2.5])
def test_a_token_outside_the_vocabulary_is_refused_afterwards(run, use, token):
    x, y = words(2)
    x = x.astype(float)
    x[-1, 3] = token
    given = {"evaluate": (x, y), "explain": (x[-1], y[-1])}.get(use, (x,))
    row = 0 if use == "explain" else 1
    with pytest.raises(DataError, match=rf"token {token} at row {row}, column 3; Embedding\(50, 4\).*from 0 to 49"):
        getattr(run, use)(*given)


def test_the_doctor_does_not_ask_to_scale_tokens(run):
    assert "inputs_not_scaled" not in [finding.label for finding in run.diagnose()]


RNG = np.random.default_rng(1)
LENGTHS = RNG.integers(2, TIME + 1, 40)
SERIES = RNG.normal(20.0, 5.0, (40, TIME, 2)).astype(np.float32)
SERIES[np.arange(TIME)[None] >= LENGTHS[:, None]] = 0.0
LABELS = (SERIES[:, :2].mean(axis=(1, 2)) > 20).astype(int)
RECURRENT = pel.Network(pel.RNN(3, mask_value=0.0), pel.Dense(1, "sigmoid"))


def scaled_by(network, x, preprocessing="standardise"):
    data = pel.make_dataset(x, LABELS, preprocessing=preprocessing, seed=0)
    planned = settle(network, data, {})
    ready = make_ready(planned.experiment, data, network)
    return data, ready


def test_padding_is_not_scaled_and_has_no_part_in_the_statistics():
    data, ready = scaled_by(RECURRENT, SERIES)
    x = data.train.x
    real = (x != 0).any(axis=-1)
    seen = ready.data.preprocessing.apply_numpy(x)
    np.testing.assert_array_equal(seen[~real], 0)
    assert abs(seen[real].mean()) < 1e-5
    assert abs(seen[real].std() - 1) < 1e-5
    np.testing.assert_allclose(np.asarray(ready.scaling(jnp.asarray(x))), seen, rtol=1e-6, atol=1e-6)


def test_a_real_step_at_the_mean_is_no_padding():
    x = SERIES[:, :, :1].copy()
    made = Preprocessing(shift=20.0, scale=0.2)
    x[0, 0] = 20.0
    _, ready = scaled_by(RECURRENT, x, made)
    seen = np.asarray(ready.scaling(jnp.asarray(x)))
    assert seen[0, 0, 0] != 0
    assert abs(seen[0, 0, 0]) < 1e-30
    np.testing.assert_array_equal((seen == 0).all(axis=-1), (x == 0).all(axis=-1))


def test_more_padding_changes_no_prediction_after_standardising():
    """Trained on sequences padded to 6 steps and to 9: the same scaling, the same probabilities."""
    wide = np.concatenate([SERIES, np.zeros((40, 3, 2), np.float32)], axis=1)
    runs = [
        pel.train(RECURRENT, pel.make_dataset(x, LABELS, preprocessing="standardise", seed=0), **SETTINGS)
        for x in (SERIES, wide)
    ]
    outputs = [run.outputs(x) for run, x in zip(runs, (SERIES, wide), strict=True)]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-5, atol=1e-6)


def test_a_column_of_numbers_keeps_its_padding(tmp_path):
    """(rows, time) in a table's shape, made a sequence by the network; saved and loaded with its padding."""
    network = pel.Network(pel.layers.Reshape((TIME, 1)), pel.RNN(3, mask_value=0.0), pel.Dense(1, "sigmoid"))
    run = pel.train(network, (SERIES[:, :, 0], LABELS), folder=tmp_path / "run", **SETTINGS)
    again = pel.load(tmp_path / "run")
    seen = again.facts.preprocessing.apply_numpy(SERIES[:, :, 0])
    np.testing.assert_array_equal(seen == 0, SERIES[:, :, 0] == 0)
    np.testing.assert_array_equal(again.outputs(SERIES[:, :, 0]), run.outputs(SERIES[:, :, 0]))


def test_an_autoencoder_of_sequences_is_scored_on_real_steps():
    """Its outputs at padding are whatever they are; loss and metric leave them out, in training and afterwards."""
    network = pel.Network(pel.RNN(4, return_sequences=True, mask_value=0.0), pel.Dense(2))
    data = reconstruction(pel.make_dataset(SERIES, LABELS, preprocessing="none", seed=0))
    run = pel.train(network, data, loss="mean_squared_error", metric="mean_squared_error", **SETTINGS)
    x = data.held_out.x
    real = (x != 0).any(axis=-1)
    errors = ((run.outputs(x) - x) ** 2).mean(axis=-1)
    expected = np.mean([errors[i][real[i]].mean() for i in range(len(x))])
    np.testing.assert_allclose(run.result["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(run.result["mean_squared_error"], expected, rtol=1e-5)
    np.testing.assert_allclose(run.history.epochs["held_out_loss"][-1], expected, rtol=1e-5)
