"""Rules are data with reasons; what is certain is found without a trial; looking changes nothing."""

from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import pellucid as pel
from pellucid.doctor import diagnose
from pellucid.doctor.baselines import HEALTH
from pellucid.doctor.calibration import probability
from pellucid.doctor.diagnose import BELOW, findings_of
from pellucid.doctor.facts import Facts
from pellucid.doctor.rule import CAUSES, RULES, Evidence, Rule, above, below
from pellucid.doctor.rules.output import target_shape
from pellucid.doctor.rules.targets import label_errors
from pellucid.doctor.subject import OF_INPUTS, Subject
from pellucid.functions.initializers import Constant, Normal
from pellucid.functions.losses import losses
from pellucid.functions.regularizers import L2
from pellucid.layers import Dense, Dropout, Embedding, Flatten
from pellucid.network import Network


def trained(network, data="iris", **settings):
    settings = {"optimizer": pel.Adam(0.02), "epochs": 25, "progress": False, "seed": 0} | settings
    return pel.train(network, pel.load_dataset(data) if isinstance(data, str) else data, **settings)


def net(*, first=None, last="softmax", units=16, outputs=3, function="relu"):
    settings = {} if first is None else {"weights": first}
    return Network(Dense(units, function, **settings), Dense(outputs, last))


TRAININGS = {
    "constant_init": lambda: trained(net(first=Constant(0.1))),
    "hidden_softmax": lambda: trained(net(function="softmax")),
    "bad_init_large": lambda: trained(net(first=Normal(40.0)), epochs=5),
    "learning_rate_too_low": lambda: trained(net(), optimizer=pel.SGD(1e-5)),
    "learning_rate_too_high": lambda: trained(net(), optimizer=pel.SGD(10.0)),
    "too_few_epochs": lambda: trained(net(), optimizer=pel.SGD(0.01), epochs=1),
    "over_regularised": lambda: trained(net(), regularizer=L2(3.0)),
}
"""A label, and a training that has its cause."""


@pytest.mark.filterwarnings("ignore::pellucid.core.errors.DoctorWarning")
@pytest.mark.parametrize("label", TRAININGS)
def test_a_cause_is_among_the_first_three_with_and_without_trials(label):
    run = TRAININGS[label]()
    before = jax.tree.map(np.array, run.params)
    for trials in (True, False):
        findings = diagnose(run, trials=trials)
        assert label in [finding.label for finding in findings[:3]], (trials, findings)
        assert all(0 <= finding.probability <= 1 and finding.because for finding in findings)
    jax.tree.map(np.testing.assert_array_equal, before, run.params)


@pytest.mark.parametrize("data", ["iris", "wine", "digits"])
def test_healthy_trainings_have_no_problem(data):
    assert not [finding for finding in diagnose(trained((32,), data)) if finding.severity == "problem"]


def test_every_limit_has_a_reason_and_every_rule_is_described():
    limits = [HEALTH, *(rule.limits for rule in RULES)]
    assert all(limit.value > 0 and limit.reason for some in limits for limit in some.values())
    assert all(rule.reason and CAUSES[rule.name].meaning and CAUSES[rule.name].remedies for rule in RULES)


def test_moving_a_limit_moves_the_answer():
    """The limits of the table are what the judgement uses: with an absurd one a rule falls silent."""
    subject = Subject(trained(net(), optimizer=pel.SGD(1e-5)), with_trials=False)
    rule = next(rule for rule in RULES if rule.name == "learning_rate_too_low")
    silent = replace(rule, limits={n: limit._replace(value=1e-30) for n, limit in rule.limits.items()})
    assert findings_of(subject, [rule])
    assert not findings_of(subject, [silent])


def test_near_a_limit_there_is_no_cliff():
    values = np.geomspace(0.1, 10, 50)
    grades = np.array([above(float(value), 1.0) for value in values])
    assert (np.diff(grades) >= 0).all()
    assert np.diff(grades).max() < 0.1
    assert above(1.0, 1.0) == below(1.0, 1.0) == 0.5
    assert above(float("nan"), 1.0) == below(float("nan"), 1.0) == 0


def test_without_trials_nothing_is_compiled(caplog):
    """Program, records and rows tell: the network is sent through the program that evaluated it, and no other."""
    run = trained(net(units=23), optimizer=pel.SGD(1e-5), epochs=60)  # a network that no other test looks at
    with jax.log_compiles():
        assert diagnose(run, trials=False)[0].label == "learning_rate_too_low"
        assert "Compiling" not in caplog.text
        diagnose(run)
        assert "Compiling" in caplog.text


def test_what_the_recorder_tells_of_the_layers_is_what_a_look_tells():
    dead = net(units=32, function="relu", first=Normal(0.5))
    run = trained(dead, optimizer=pel.SGD(3.0), epochs=25)
    looked, told = (Subject(run, trials).e for trials in (True, False))
    assert told.recorded
    assert not looked.recorded
    for hidden in told.hidden:
        np.testing.assert_allclose(told.dead(hidden), looked.dead(hidden), atol=0.15)
    run = trained(net(function="tanh", first=Normal(4.0)), epochs=25)
    looked, told = (Subject(run, trials).e for trials in (True, False))
    for hidden in told.hidden:
        np.testing.assert_allclose(told.saturated(hidden), looked.saturated(hidden), atol=0.15)


def test_a_training_ends_with_what_held_it_back(capsys):
    trained(net(), optimizer=pel.SGD(1e-5), progress=True)
    assert "the doctor suspects learning rate too low" in capsys.readouterr().err
    trained(net(), progress=True)
    assert "doctor" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "constant", "copies", "message"),
    [
        (lambda x: np.concatenate([x] + [x[:, :1]] * 6, 1), 0, 6, "6 of 10 columns are copies"),
        (lambda x: np.concatenate([x, np.random.default_rng(0).normal(size=(len(x), 400))], 1), 0, 0, "unrelated"),
        (lambda x: np.concatenate([x, np.full((len(x), 3), 1e3)], 1), 3, 0, None),  # 0 once they are standardised
    ],
    ids=["copies", "noise", "constants"],
)
def test_columns_that_tell_nothing(columns, constant, copies, message):
    iris = pel.load_dataset("iris")
    checkup = pel.check((16,), pel.data.make_dataset(columns(iris.train.x).astype(np.float32), iris.train.y))
    found = [finding for finding in checkup.findings if finding.label == "uninformative_features"]
    assert found[0].because.find(message) >= 0 if message else not found
    assert checkup.facts["constant columns"] == constant
    assert checkup.facts["columns that are copies of others"] == copies


@pytest.mark.parametrize("steps", [3, 4, 5, 7])
def test_a_loss_at_each_step_holds_no_target_against_those_of_other_examples(steps):
    """Whatever the number of steps beside that of the classes, 3: an axis of steps is none of examples."""
    loss = losses.build("sparse_categorical_cross_entropy")
    e = SimpleNamespace(outputs=3, output_shape=(steps, 3), y=np.zeros((2, steps), np.int32), loss=loss)
    assert target_shape(SimpleNamespace(e=e)) is None


def ruled(**found):
    """A table of rules that find labels with probabilities, whatever they are asked of."""
    return [Rule(label, "training", lambda s, p=p: Evidence(p, {}, "given"), "given", {}) for label, p in found.items()]


SICK = SimpleNamespace(healthy=False, gain_made=lambda trials: None)


@pytest.mark.parametrize(
    ("gains", "first"),
    [
        ({"standardised": 0.02, "scaled_targets": 0.6}, "targets_not_scaled"),
        ({"standardised": 0.5, "scaled_targets": 0.6}, "inputs_not_scaled"),
        ({"standardised": 0.02}, "inputs_not_scaled"),
        ({"scaled_targets": 0.6}, "inputs_not_scaled"),
    ],
)
def test_of_two_causes_the_first_is_the_one_whose_repair_alone_gains_more_where_trials_of_both_tell(gains, first):
    subject = SimpleNamespace(healthy=False, gain_made=lambda trials: next(map(gains.get, trials), None))
    rules = ruled(inputs_not_scaled=0.9, overfitting=0.5, targets_not_scaled=0.4)
    findings = findings_of(subject, rules)
    assert findings[0].label == first
    assert [finding.probability for finding in findings] == sorted((f.probability for f in findings), reverse=True)


@pytest.mark.parametrize("symptom", [cause.name for cause in CAUSES.values() if cause.symptom_of])
def test_a_symptom_ranks_below_a_likely_cause_of_it_and_above_an_unlikely_one(symptom):
    for cause in CAUSES[symptom].symptom_of:
        first, second = findings_of(SICK, ruled(**{symptom: 0.9, cause: 0.6}))
        assert (first.label, second.label) == (cause, symptom)
        assert second.probability == pytest.approx(probability(BELOW * 0.6))
        assert cause.replace("_", " ") in second.because
        assert findings_of(SICK, ruled(**{symptom: 0.9, cause: 0.3}))[0].label == symptom
    assert findings_of(SICK, ruled(**{symptom: 0.9, "label_errors": 0.6}))[0].label == symptom


def blobs(scale=1.0, offset=0.0, columns=4, **changes):
    """Three classes, each around its own place, of inputs of some size, some way off 0."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    x = (rng.normal(size=(300, columns)) + 3 * np.eye(3, columns)[labels]) * scale + offset
    return pel.data.make_dataset(x.astype(np.float32), labels, **changes)


def first_of(network, data, **settings):
    findings = diagnose(trained(network, data, **{"scale_inputs": "none", "batch_size": 32} | settings))
    return findings[0].label, findings


@pytest.mark.filterwarnings("ignore::pellucid.core.errors.DoctorWarning")
def test_units_that_large_inputs_kill_are_told_of_as_large_inputs():
    """All units are dead at the end; scaled inputs alone bring the network on: so it is the inputs that are named."""
    label, findings = first_of(net(units=16), blobs(1000.0, 4000.0), optimizer=pel.SGD(0.01), epochs=15)
    assert label == "inputs_not_scaled", findings


@pytest.mark.filterwarnings("ignore::pellucid.core.errors.DoctorWarning")
def test_dropped_inputs_are_not_taken_for_too_few_units():
    network = Network(Dropout(0.65), Dense(16, "relu"), Dropout(0.6), Dense(3, "softmax"))
    label, findings = first_of(network, blobs(columns=3), optimizer=pel.Adam(0.02), epochs=20)
    assert label == "over_regularised", findings


def test_a_training_that_is_only_slow_is_warned_of():
    """It has reached what the baselines reach, nearly, and eight times the epochs reach more: no problem, a warning."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)).astype(np.float32)
    bits = pel.data.make_dataset(x, np.stack([x[:, 0] > 0, x[:, 1] > 0, x[:, 0] > x[:, 1]], 1).astype(np.float32))
    run = trained(
        Network(Dense(16, "relu"), Dense(3, "sigmoid")),
        bits,
        loss="binary_cross_entropy",
        epochs=12,
        optimizer=pel.Adam(0.001),
        batch_size=32,
    )
    findings = diagnose(run)
    assert findings[0].label in ("too_few_epochs", "learning_rate_too_low"), findings
    assert {finding.severity for finding in findings} == {"warning"}


def test_a_trial_is_the_training_itself_but_for_its_change():
    """On the same seed, rows in the same order, with the program that made it: unchanged, it ends where that ended."""
    subject = Subject(trained(net(), epochs=3))
    assert subject.trials.again == subject.e.skill_new


@pytest.mark.parametrize(("times", "found"), [(1.0, False), (4.0, True)])
def test_numbers_of_many_columns_are_held_against_each_other_as_a_whole(times, found):
    """Neighbours that agree a little are a pale copy of the truth, and no sign of labels of another size."""
    rng = np.random.default_rng(0)
    truth = np.concatenate([np.zeros((80, 1)), rng.normal(size=(80, 5))], 1)
    baselines = SimpleNamespace(
        possible=True,
        healthy=False,
        targets=(truth, times * truth),
        named=0.4 * truth + rng.normal(size=(80, 6)) / 3,
        agreement=(0.5, 0.5),
        across=0.5,
        curved=(0.5, 0.5),
    )
    e = SimpleNamespace(rows=80, task="regression", classifies=False)
    rule = next(one for one in RULES if one.judge is label_errors)
    assert (rule.find(SimpleNamespace(baselines=baselines, e=e)) is not None) == found


def test_tokens_are_not_tried_as_standardised_numbers():
    """An embedding looks rows up by whole numbers: no other inputs are tried."""
    run = SimpleNamespace(training=True, network=Network(Embedding(9, 4), Flatten(), Dense(3, "softmax")))
    subject = Subject(run)  # pyright: ignore[reportArgumentType]
    assert all(subject.gain(cure) is None for cure in OF_INPUTS)


@pytest.mark.parametrize(("losses", "share"), [([5, 4, 3, 2, 1], 0.25), ([1, 1, 1, 1, 2], -1), ([2, 1, 1, 1, 1], 0)])
def test_the_share_that_fell_last_is_a_share_even_of_a_loss_that_rose(losses, share):
    history = SimpleNamespace(step_rows=np.repeat(np.array(losses, float), 2)[:, None])
    assert Facts(SimpleNamespace(training=True, history=history)).falling == share
