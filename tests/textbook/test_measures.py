"""What lessons measure with, against oracles and made-up numbers; two cheap lessons run for real."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

import pellucid as pel
from pellucid.functions.regularizers import L1, L2
from pellucid_textbook.lessons import Quantity, networks, optimizers, regularization
from pellucid_textbook.lessons.trainings import diabetes


@pytest.mark.parametrize("name", ["firing-rate", "momentum-minimum"])
def test_a_cheap_lesson_holds_and_fails_where_its_condition_is_turned(name):
    result = pel.textbook.lesson(name)
    assert result.verdict == "holds"
    for condition in result.lesson.rule:
        turned = Quantity(
            condition.quantity, tuple(2 * condition.bound - v for v in result.quantities[condition.quantity].values)
        )
        assert not result.lesson.holds(result.quantities | {condition.quantity: turned})


def test_the_fits_under_l1_and_l2_are_those_of_scikit_learn(rng):
    x, y = (np.asarray(array) for array in regularization._correlated_tables(rng, 0.9))
    lasso, ridge = regularization._fit(L1(0.1), x, y), regularization._fit(L2(0.1), x, y)
    for table in range(3):
        rows = x[table].astype(float), y[table].astype(float)
        # Its losses are halved, and the ridge's is a sum.
        expected = Lasso(alpha=0.05, fit_intercept=False, tol=1e-8).fit(*rows).coef_
        np.testing.assert_allclose(lasso[table], expected, atol=1e-4)
        np.testing.assert_array_equal(np.asarray(lasso[table]) == 0, expected == 0)
        expected = Ridge(alpha=0.1 * len(x[table]), fit_intercept=False).fit(*rows).coef_
        np.testing.assert_allclose(ridge[table], expected, atol=1e-4)


def test_one_neuron_guesses_the_digit_it_stood_for():
    labels = np.arange(10).repeat(3)
    codes = np.eye(12)[labels]
    assert (networks._guess_by_one(codes, labels, codes) == labels).all()
    # A neuron that is always high says nothing: what counts is how far it is above its usual activity.
    loud = codes + np.eye(12)[11] * 100
    assert (networks._guess_by_one(loud, labels, loud) == labels).all()


def test_oscillation_and_speed_of_made_up_descents():
    steady = np.geomspace(1, 1e-3, optimizers.STEPS)
    assert optimizers._fraction_rising(steady) == 0
    assert steady[optimizers._steps_to_goal(steady)] < optimizers.GOAL <= steady[optimizers._steps_to_goal(steady) - 1]
    assert optimizers._fraction_rising(np.tile([1.0, 2.0], 125)) == 0.5
    diverged = optimizers._padded(np.array([1.0, 2.0, 4.0], np.float32))
    assert optimizers._fraction_rising(diverged) == 1
    assert optimizers._steps_to_goal(diverged) == optimizers.STEPS
    # Once below is not enough: it has to stay there.
    assert optimizers._steps_to_goal(np.append(steady[:-1], 1.0)) == optimizers.STEPS


def test_a_dent_holds_plain_descent_where_its_gradient_is_zero():
    here = {name: jnp.asarray([value], jnp.float32) for name, value in (("centre", 0), ("width", 0.3), ("start", -2.5))}
    w = float(optimizers._descend(pel.SGD(0.05), here, 0.5)[-1, 0])
    gradient = 0.3 * (w - 3) + 0.5 * w / 0.09 * np.exp(-(w**2) / 0.18)
    assert gradient == pytest.approx(0, abs=1e-5)
    assert float(optimizers._descend(pel.optimizers.Momentum(0.05, 0.9), here, 0.5)[-1, 0]) == pytest.approx(
        3, abs=1e-3
    )


def test_the_lowest_loss_is_that_of_least_squares():
    data = diabetes(0)
    run = pel.train(
        pel.Network(pel.Dense(1, weights="zeros")),
        data,
        optimizer=pel.optimizers.GradientDescent(0.2),
        epochs=3000,
        record_every=0,
        progress=False,
    )
    lowest = optimizers._least_squares(data)
    assert run.evaluate_part(data.train)["loss"] == pytest.approx(lowest, rel=1e-3)
    assert run.evaluate_part(data.train)["loss"] > lowest - 1e-6
