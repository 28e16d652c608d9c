"""The baselines compared with methods of scikit-learn, and with leaving each row out in turn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

import pellucid as pel
from pellucid.doctor.baselines import Curve
from pellucid.doctor.rules.targets import _follows, _orders
from pellucid.doctor.signal import NEIGHBOURS, RIDGE, distances_between
from pellucid.doctor.skill import skill_of_classes, skill_of_numbers
from pellucid.doctor.subject import Subject

WIDTH = 3.0


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x, new = rng.normal(size=(80, 4)), rng.normal(size=(30, 4))
    return x, new, np.sin(x[:, :2]).astype(np.float32)


def curve_through(x, targets):
    return Curve.through(distances_between(x, x), targets, WIDTH)


def test_a_curve_is_kernel_ridge_regression(rows):
    x, new, targets = rows
    oracle = KernelRidge(alpha=RIDGE, kernel="rbf", gamma=1 / WIDTH).fit(x, targets)
    found = curve_through(x, targets)
    np.testing.assert_allclose(found.fitted, oracle.predict(x), atol=1e-4)
    np.testing.assert_allclose(found.at(distances_between(new, x)), oracle.predict(new), atol=1e-4)


def test_what_a_curve_gives_a_row_left_out_is_what_it_gives_without_it(rows):
    x, _, targets = rows
    left_out = curve_through(x, targets).left_out
    for row in (0, 17, 79):
        others = np.arange(len(x)) != row
        without = curve_through(x[others], targets[others])
        np.testing.assert_allclose(
            left_out[row], without.at(distances_between(x[row : row + 1], x[others]))[0], atol=1e-4
        )


@pytest.mark.parametrize("data", ["wine", "diabetes"])
def test_neighbours_are_those_of_scikit_learn(data):
    run = pel.train((8,), pel.load_dataset(data), epochs=1, progress=False)
    baselines = Subject(run).baselines
    (x, new), (y, y_new) = baselines.rows, baselines.targets
    kind, skill = (
        (KNeighborsClassifier, skill_of_classes) if data == "wine" else (KNeighborsRegressor, skill_of_numbers)
    )
    theirs = kind(NEIGHBOURS).fit(x.astype(np.float32), y).predict(new.astype(np.float32))
    assert baselines.across == pytest.approx(skill(theirs, y_new), abs=1e-6)


def test_columns_that_tell_a_label_are_ranked_as_by_the_area_under_their_curve():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 60)
    x = np.stack([y + rng.normal(size=60), -1.0 * y, rng.integers(0, 2, 60), np.zeros(60)], 1)
    wanted = [roc_auc_score(y == value, column) for column in x.T for value in range(3)]
    np.testing.assert_allclose(_orders(x, y, np.unique(y)), np.maximum(wanted, 1 - np.array(wanted)))


def test_columns_that_follow_a_number_by_their_correlation():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(50, 1))
    x = np.concatenate([-y + 0.1 * rng.normal(size=(50, 1)), np.ones((50, 1)), rng.normal(size=(50, 1))], 1)
    told = _follows(x, y, y)
    assert told[0] == pytest.approx(abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]))
    assert told[1] == 0


def test_a_method_that_reaches_less_than_the_network_leaves_it_healthy():
    run = pel.train((16,), pel.load_dataset("iris"), optimizer=pel.Adam(0.02), epochs=30, progress=False)
    for trials in (True, False):
        baselines = Subject(run, trials).baselines
        assert baselines.healthy
        assert 0 <= baselines.best <= 1


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_network_that_gives_its_inputs_is_held_against_as_many_principal_components(noise):
    """Six columns of rank 4 through two units: what these cannot hold is no sign of a fault."""
    rng = np.random.default_rng(0)
    y = (rng.normal(size=(200, 4)) @ rng.normal(size=(4, 6))).astype(np.float32)
    x = (y + noise * rng.normal(size=y.shape)).astype(np.float32)
    network = pel.Network(pel.Dense(2), pel.Dense(6))
    run = pel.train(network, pel.data.make_dataset(x, y), optimizer=pel.Adam(0.02), epochs=60, progress=False)
    subject = Subject(run)
    assert subject.e.reconstructs
    assert subject.e.narrowest == 2
    train, new = subject.baselines.targets
    oracle = PCA(2).fit(train)
    expected = skill_of_numbers(oracle.inverse_transform(oracle.transform(new)), new)
    assert subject.baselines.best == pytest.approx(expected, abs=1e-3)
    assert expected < 0.95
    assert not [finding for finding in run.diagnose() if finding.severity == "problem"]
