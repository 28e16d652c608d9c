"""Find a learning rate: what is trained and on which rows, when none is suggested, table, picture and command."""

import json
from dataclasses import replace

import numpy as np
import optax
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue
from pellucid.data import validation_rows
from pellucid.report.learning_rates import rate_document
from pellucid.runs.experiment import Experiment
from pellucid.runs.learning_rates import LearningRates, _parts
from pellucid.runs.plan import settle

IRIS = pel.load_dataset("iris")
FEW = {"steps": 40, "seeds": 2, "progress": False}


@pytest.fixture(scope="module")
def found():
    return pel.find_learning_rate((8,), IRIS, low=1e-3, high=100.0, optimizer="sgd", epochs=5, **FEW)


def test_each_loss_is_that_of_a_training_on_the_rows_that_its_seed_leaves(found):
    np.testing.assert_allclose(found.rates, 10 ** np.linspace(-3, 2, 16))
    assert found.steps == 42  # whole epochs of 96 rows in batches of 32
    for i, seed in ((0, 0), (8, 1)):
        rows, aside = validation_rows(IRIS, 0.2, seed)
        part = replace(IRIS, train=IRIS.train.take(np.sort(rows)), held_out=IRIS.train.take(np.sort(aside)))
        optimizer = pel.SGD(float(found.rates[i]))
        run = pel.train((8,), part, optimizer=optimizer, epochs=14, seed=seed, progress=False)
        assert found.losses[i, seed] == pytest.approx(run.history.held_out[:, 0].min(), rel=1e-3)


def test_the_held_out_rows_have_no_part(found):
    other = replace(IRIS, held_out=IRIS.held_out.take(np.arange(3)))
    again = pel.find_learning_rate((8,), other, low=1e-3, high=100.0, optimizer="sgd", epochs=5, **FEW)
    np.testing.assert_array_equal(again.losses, found.losses)


def test_of_many_rows_as_many_as_the_steps_take():
    rng = np.random.default_rng(0)
    data = pel.make_dataset(rng.normal(size=(30_000, 3)).astype(np.float32), rng.integers(0, 2, 30_000))
    part = _parts(settle((4,), data, {"batch_size": 16}), seed=1, steps=50)
    assert (len(part.train), len(part.held_out)) == (800, 2000)
    part = _parts(settle((4,), data, {"batch_size": 16, "accumulate": 4}), seed=1, steps=50)
    assert len(part.train) == 3200


def test_the_best_rate_is_suggested_with_those_that_are_as_good(found):
    assert found.rates[found.best] == found.rates[np.argmin(found.losses.mean(axis=1))]
    assert found.suggestion == float(f"{found.rates[found.best]:.2g}")
    assert 0.03 < found.suggestion < 10
    low, high = found.good
    assert low <= found.rates[found.best] <= high
    text = str(found)
    assert text.startswith(f"Learning rate {found.suggestion:g}")
    assert "suggested" in text
    assert "<svg" in found._repr_html_()
    assert found.plot().axes
    assert repr(found) == f"<LearningRates: {found.suggestion:g}>"
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["suggestion"] == found.suggestion
    assert [row["rate"] for row in plain["rates"]] == found.rates.tolist()


def made(losses, constant=(1.1, 1.0, 1.2)):
    losses = np.array(losses, float)
    experiment = Experiment(network=["flatten"], loss="mean_squared_error", optimizer="adam")
    return LearningRates(np.geomspace(1e-3, 1, len(losses)), (0, 1, 2), losses, np.array(constant), 200, experiment)


INF = float("inf")
REFUSED = {
    "flat": ([[1.1, 1.0, 1.2], [1.05, 1.05, 1.1], [1.1, 1.1, 1.1], [1.2, 1.3, 1.4]], "the loss is flat.*noise of 3"),
    "worse": ([[1.4, 1.4, 1.4], [1.3, 1.3, 1.3], [1.4, 1.5, 1.4], [2, 2, 2]], "the loss is flat"),
    "lowest": (
        [[0.1, 0.1, 0.2], [0.3, 0.2, 0.2], [0.4, 0.5, 0.5], [INF] * 3],
        "the lowest rate tried, 0.001.*lower low",
    ),
    "highest": ([[0.9, 0.9, 0.9], [0.8, 0.8, 0.7], [0.4, 0.5, 0.5], [0.1, 0.2, 0.1]], "the highest rate tried, 1, "),
    "diverged": ([[INF, 1.0, 1.0]] * 4, "at every rate from 0.001 to 1 a training diverged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_rate_is_suggested_where_the_losses_name_none(case):
    losses, text = REFUSED[case]
    tried = made(losses)
    with pytest.raises(InvalidValue, match=text):
        _ = tried.suggestion
    assert rate_document(tried).title.startswith("No learning rate can be suggested")
    assert tried.to_dict()["suggestion"] is None


def test_a_seed_that_diverges_rules_a_rate_out():
    tried = made([[0.9, 0.9, 0.9], [0.5, 0.4, 0.5], [0.3, 0.3, INF], [INF] * 3])
    assert tried.suggestion == 0.01
    assert tried.to_dict()["rates"][2]["losses"] == [0.3, 0.3, None]


def test_targets_that_do_not_depend_on_the_inputs_have_none():
    """The loss falls from its first value to that of a constant prediction, which every rate reaches."""
    rng = np.random.default_rng(0)
    for y in (rng.integers(0, 3, 200), rng.normal(size=200).astype(np.float32)):
        tried = pel.find_learning_rate((8,), (rng.normal(size=(200, 6)).astype(np.float32), y), **FEW | {"seeds": 3})
        assert tried.losses.max(axis=1).min() < 0.9 * tried.losses[0].mean()
        assert "the loss is flat" in tried.refusal


def test_an_autoencoder_has_one_and_what_has_none_is_refused():
    x = pel.load_dataset("digits").train.x[:200]
    assert pel.find_learning_rate({"name": "autoencoder", "code": 4}, x, **FEW).suggestion > 1e-4
    for network, data, settings, text in (
        ("wgan", x, {}, "which a GAN does not have"),
        ((4,), IRIS, {"optimizer": optax.adam(1e-3)}, "from Optax holds its rate inside"),
        ((4,), IRIS, {"learning_rate": 0.1}, "learning_rate is what is looked for"),
        ((4,), IRIS, {"seeds": 1}, "seeds must be a whole number of at least 2.*says nothing of the noise"),
        ((4,), IRIS, {"low": 1.0, "high": 2.0}, "high must be a number in.*span a factor of 10"),
        ((4,), IRIS, {"learning_rat": 1.0}, "Did you mean 'learning_rate'"),
    ):
        with pytest.raises(InvalidValue, match=text):
            pel.find_learning_rate(network, data, progress=False, **settings)


def test_the_command(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(main, ["find-learning-rate", *arguments, "--seeds", "2", "--no-progress"])

    figure = tmp_path / "rates.png"
    result = run("iris", "--network", "8", "--steps", "40", "--optimizer", "sgd", "--figure", str(figure))
    assert result.exit_code == 0, result.output
    assert "Learning rate " in result.stdout
    assert figure.stat().st_size > 10_000
    flat = run("iris", "--network", "8", "--steps", "10", "--low", "1e-6", "--high", "1e-4", "--json")
    assert flat.exit_code == 2
    assert json.loads(flat.stdout)["suggestion"] is None
    assert "no learning rate can be suggested" in flat.stderr
    assert "Examples:" in run("--help").output
