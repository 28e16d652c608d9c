"""Rules are data with reasons; what is certain is found without a trial; looking changes nothing."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import pellucid as pel
from pellucid.doctor import diagnose
from pellucid.doctor.before import BEFORE
from pellucid.doctor.diagnose import findings_of
from pellucid.doctor.limits import above, below
from pellucid.doctor.reference import HEALTH
from pellucid.doctor.rule import Subject
from pellucid.doctor.rules import RULES
from pellucid.functions.initializers import Constant, Normal
from pellucid.functions.regularizers import L2
from pellucid.layers import Dense
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


@pytest.mark.filterwarnings("ignore::pellucid.core.checks.DoctorWarning")
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
    limits = [HEALTH, *(rule.limits for rule in (*BEFORE, *RULES))]
    assert all(limit.value > 0 and limit.reason for some in limits for limit in some.values())
    assert all(rule.reason and rule.explanation and rule.remedies for rule in (*BEFORE, *RULES))


def test_moving_a_limit_moves_the_answer():
    """The limits of the table are what the judgement uses: with an absurd one a rule falls silent."""
    subject = Subject(trained(net(), optimizer=pel.SGD(1e-5)), with_trials=False)
    rule = next(rule for rule in RULES if rule.label == "learning_rate_too_low")
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
