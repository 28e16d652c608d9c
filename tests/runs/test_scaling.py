"""Scaling of inputs and targets: a setting of the experiment. Predictions and metrics are in the target's own units."""

import msgspec
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import InvalidValue
from pellucid.data import load_dataset, make_dataset
from pellucid.doctor.findings import Finding
from pellucid.doctor.prove import Trainer
from pellucid.doctor.remedies import changes, plan_of_run, settled
from pellucid.functions.losses import losses
from pellucid.layers import LSTM, Dense
from pellucid.network import Network
from pellucid.runs.fit import begin, fit
from pellucid.runs.many import many
from pellucid.runs.plan import plan_of, settle
from pellucid.runs.scaling import scaled_targets


def prices(rng, outputs=1):
    """Houses: a price in hundreds of thousands; and, where asked for, a number of rooms."""
    x = rng.normal(size=(300, 3)).astype(np.float32)
    price = 300_000 + 90_000 * x[:, 0] - 30_000 * x[:, 1] + rng.normal(0, 10_000, 300)
    rooms = 4 + x[:, 2] - 0.5 * x[:, 0] + rng.normal(0, 0.1, 300)
    return make_dataset(x, np.stack([price, rooms], axis=1)[:, :outputs], task="regression", name="houses")


def explained(true, predicted):
    """R² of each output."""
    return 1 - ((true - predicted) ** 2).mean(0) / true.var(0)


@pytest.fixture(scope="module")
def houses():
    return prices(np.random.default_rng(0))


@pytest.fixture(scope="module")
def run(houses, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "houses"
    return pel.train((16,), houses, optimizer=pel.Adam(0.01), epochs=20, folder=folder, progress=False, record_every=0)


def test_targets_in_the_hundreds_of_thousands_are_learnt_and_predicted_in_their_own_units(run, houses):
    true = houses.held_out.y
    predicted = run.predict(houses.held_out.x)[:, None]
    assert explained(true, predicted) > 0.95
    error = np.abs(true - predicted).mean()
    assert error < 20_000
    assert run.result["mean_absolute_error"] == pytest.approx(error, rel=1e-4)
    # The program itself measures in the same units at the end of each epoch; its loss is of scaled targets.
    assert run.history.epochs["held_out_mean_absolute_error"][-1] == pytest.approx(error, rel=1e-3)
    assert run.history.epochs["held_out_loss"][-1] == pytest.approx(run.result["loss"], rel=1e-3)
    assert run.result["loss"] == pytest.approx(((true - predicted) ** 2).mean() / houses.train.y.var(), rel=1e-3)


def test_a_loaded_run_predicts_and_evaluates_in_the_same_units(run, houses):
    loaded = pel.load(run.folder)
    x, y = houses.held_out.x, houses.held_out.y
    np.testing.assert_array_equal(loaded.predict(x), run.predict(x))
    assert loaded.evaluate(x, y) == run.evaluate(x, y)


def test_the_scaling_of_targets_is_said_on_the_page_and_on_stderr(run, houses, capfd):
    message = "targets scaled for training: y"
    assert message[1:] in (run.folder / "report.html").read_text(encoding="utf-8")
    pel.train((4,), houses, epochs=1, record_every=0)
    assert message in capfd.readouterr().err


def test_an_explanation_names_target_and_prediction_in_their_own_units(run, houses):
    x, y = houses.held_out.x[0], float(houses.held_out.y[0, 0])
    explanation = run.explain(x, y)
    assert float(explanation.facts.target) == pytest.approx(y, rel=1e-5)
    assert float(explanation.facts.prediction) == pytest.approx(run.predict(x[None])[0], rel=1e-4)
    assert explanation.worst_error < 1e-5
    assert any("y' = (y − " in remark for remark in explanation.facts.remarks)


def test_two_outputs_of_unlike_size_are_both_learnt():
    data = prices(np.random.default_rng(1), outputs=2)
    run = pel.train((16,), data, optimizer=pel.Adam(0.01), epochs=20, progress=False, record_every=0)
    assert (explained(data.held_out.y, run.predict(data.held_out.x)) > 0.9).all()


@pytest.mark.parametrize(
    ("end", "loss", "standardised"),
    [
        (Dense(1), "mean_squared_error", True),
        (Dense(1, "leaky_relu"), "mean_absolute_error", True),
        (Dense(1), "huber", True),
        (Dense(1), "log_cosh", True),
        (Dense(1, "sigmoid"), "mean_squared_error", False),
        (Dense(1, "relu"), "mean_squared_error", False),
        (Dense(1, "softplus"), "mean_absolute_error", False),
        (LSTM(1), "mean_squared_error", False),
        (Dense(1), "hinge", False),
        (Dense(1, "sigmoid"), "binary_cross_entropy", False),
    ],
)
def test_targets_are_standardised_only_where_output_and_loss_allow_it(end, loss, standardised, houses):
    scaled = scaled_targets(houses, "auto", Network(end), losses.build(loss))
    y = scaled.target_preprocessing.apply_numpy(houses.train.y)
    assert (abs(y.mean()) < 1e-5 and abs(y.std() - 1) < 1e-5) == standardised
    assert scaled.target_preprocessing.is_identity == (not standardised)


def test_choices_that_cannot_be_are_refused(houses):
    with pytest.raises(InvalidValue, match="scale_targets='standardise' needs a target of numbers"):
        pel.train((4,), load_dataset("iris"), scale_targets="standardise", progress=False)
    for setting in ("scale_inputs", "scale_targets"):
        with pytest.raises(InvalidValue, match=f"{setting}.*min_max.*Received: 'minmax'"):
            pel.train((4,), houses, **{setting: "minmax"}, progress=False)


@pytest.mark.parametrize(
    ("remedy", "setting"),
    [
        ("standardise the inputs", "scale_inputs"),
        ("min-max the inputs", "scale_inputs"),
        ("standardise the targets", "scale_targets"),
        ("scale the targets into the range", "scale_targets"),
    ],
)
def test_a_remedy_that_scales_is_written_down_and_trains_to_what_the_trial_reached(remedy, setting, houses):
    settings = {"scale_inputs": "none", "scale_targets": "none", "epochs": 3, "record_every": 0}
    raw = fit(begin(settle((4,), houses, settings | {"metric": "mean_absolute_error"})), progress=False)

    def error(decided, truth):
        return float(np.abs(decided - truth).mean())

    plan = plan_of_run(raw)
    for change in changes([remedy], plan):
        repaired = settled(change.plan)
        choice = getattr(repaired, setting)
        assert choice in ("standardise", "min_max")
        assert msgspec.structs.replace(repaired, **{setting: "none"}) == raw.experiment
        (trial,) = Trainer(raw, plan, error)([(change, raw.experiment.seed)])
        again = fit(begin(plan_of(repaired, houses)), progress=False)
        assert trial.score == pytest.approx(again.result["mean_absolute_error"], rel=1e-4)


def test_a_population_keeps_scalings_apart(houses):
    experiments = [
        settle((4,), houses, {"scale_targets": choice, "epochs": 2, "record_every": 0}).experiment
        for choice in ("none", "standardise", "min_max")
    ]
    together = many(experiments, houses)
    for experiment, run in zip(experiments, together, strict=True):
        alone = fit(begin(plan_of(experiment, houses)), progress=False)
        assert run.result == pytest.approx(alone.result, rel=1e-4)


def test_scaling_is_tried_before_the_rate_that_would_only_make_up_for_it(houses):
    raw = pel.train((4,), houses, scale_targets="none", epochs=5, progress=False, record_every=0)
    findings = [
        Finding(label, "problem", p) for label, p in (("learning_rate_too_low", 0.9), ("targets_not_scaled", 0.5))
    ]
    proof = raw.prove(findings=findings, seeds=3, most=4, random=False)
    assert proof.best.proven
    assert settled(proof.best.change.plan).scale_targets == "standardise"
