"""The perceptron against the rule by hand, Novikoff's bound and scikit-learn."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.linear_model import Perceptron as SklearnPerceptron

from pellucid.core.errors import DataError, InvalidValue, ShapeError
from pellucid_textbook.perceptron import Perceptron, and_gate
from pellucid_textbook.separable import NotSeparable, Separable, separability
from two_classes import TABLE, XOR, whole_numbers


def rule_in_fractions(x, y, rate, weights, bias, epochs):
    """The learning rule, transcribed: no arrays, no rounding."""
    rate, weights, bias = Fraction(rate), [Fraction(w) for w in weights], Fraction(bias)
    mistakes, total, visits = [], [Fraction(0)] * (len(weights) + 1), 0
    while len(mistakes) < epochs and (not mistakes or mistakes[-1]):
        mistakes.append(0)
        for example, target in zip(x, y, strict=True):
            z = sum(w * int(v) for w, v in zip(weights, example, strict=True)) + bias
            error = int(target) - (1 if z >= 0 else 0)
            weights = [w + rate * error * int(v) for w, v in zip(weights, example, strict=True)]
            bias += rate * error
            mistakes[-1] += error != 0
            visits += 1
            total = [t + w for t, w in zip(total, [*weights, bias], strict=True)]
    return mistakes, [float(w) for w in weights], float(bias), [float(t / visits) for t in total]


# ------------------------------------------------------------------------------------------ the learning rule


@settings(max_examples=60, deadline=None)
@given(whole_numbers(), st.sampled_from([0.25, 1.0, 2.5]), st.integers(-4, 4), st.integers(1, 12))
def test_fit_follows_the_rule_exactly(data, rate, eighths, epochs):
    x, y = data
    start = [eighths / 8] * x.shape[1]
    mistakes, weights, bias, mean = rule_in_fractions(x, y, rate, start, -eighths / 8, epochs)
    options = {"learning_rate": rate, "max_epochs": epochs, "weights": start, "bias": -eighths / 8}
    fitted = Perceptron(**options).fit(x, y)
    assert list(fitted.mistakes_per_epoch) == mistakes
    assert (fitted.weights.tolist(), fitted.bias) == (weights, bias)
    averaged = Perceptron(**options, averaged=True).fit(x, y)
    np.testing.assert_allclose([*averaged.weights, averaged.bias], mean, rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(whole_numbers(), st.floats(1e-3, 1e3))
def test_from_zeros_the_learning_rate_changes_nothing_but_the_scale(data, rate):
    x, y = data
    one, other = Perceptron(max_epochs=15).fit(x, y), Perceptron(rate, max_epochs=15).fit(x, y)
    assert other.mistakes_per_epoch == one.mistakes_per_epoch
    np.testing.assert_array_equal(other.predict(x), one.predict(x))
    np.testing.assert_allclose(other.weights, rate * one.weights)


@settings(max_examples=60, deadline=None)
@given(whole_numbers(), st.integers(-8, 8), st.sampled_from([0.5, 1.0]), st.booleans())
def test_novikoff_bounds_the_mistakes_on_separable_data(data, start, rate, shuffle):
    x, y = data
    proof = separability(x, y)
    assume(isinstance(proof, Separable))
    perceptron = Perceptron(rate, 100_000, shuffle, weights=[start] * x.shape[1], bias=-start)
    fitted = perceptron.fit(x, y)
    assert fitted.converged
    assert fitted.mistakes <= proof.mistake_bound(x, perceptron.start(x.shape[1]), rate)
    np.testing.assert_array_equal(fitted.predict(x), y)


def test_agrees_with_scikit_learn_where_they_are_comparable():
    # scikit-learn breaks the tie z = 0 the other way; a start off the lattice of the inputs leaves no ties.
    x, y = load_iris(return_X_y=True)
    x, y = np.round(x * 10).astype(int), (y == 0).astype(int)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    start = np.array([0.13, -0.29, 0.17, 0.31])
    peer = SklearnPerceptron(shuffle=False, tol=None, max_iter=30)
    peer.fit(x, y, coef_init=start[None].copy(), intercept_init=[0.07])
    ours = Perceptron(weights=start, bias=0.07).fit(x, y)
    assert ours.converged
    assert ours.mistakes > 2
    np.testing.assert_allclose(ours.weights, peer.coef_[0])
    np.testing.assert_allclose(ours.bias, peer.intercept_[0])
    np.testing.assert_array_equal(ours.predict(x), peer.predict(x))


def test_shuffled_visits_come_from_the_seed_and_each_pass_sees_every_example():
    x, y = TABLE, [0, 0, 0, 1]
    first, again, other = (Perceptron(shuffle=True, seed=s).fit(x, y, record=True) for s in (1, 1, 2))
    assert first.steps == again.steps
    assert first.steps != other.steps
    for epoch in range(first.epochs):
        assert sorted(s.example for s in first.steps[4 * epoch : 4 * epoch + 4]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("y", "classes"), [([False, True], (False, True)), (["spam", "ham"], ("ham", "spam")), ([1.0, 0.0], (0.0, 1.0))]
)
def test_predictions_are_in_the_words_of_the_target(y, classes):
    for form in (y, np.asarray(y), np.asarray(y, object) if isinstance(y[0], str) else y):
        fitted = Perceptron().fit([[0], [1]], form)
        assert fitted.classes == classes
        assert fitted.predict([[0], [1]]).tolist() == y


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.float32, np.float64])
def test_inputs_of_any_type_give_the_same_perceptron(dtype):
    x = np.array(TABLE, dtype)
    fitted = Perceptron().fit(x, [0, 0, 0, 1])
    assert (fitted.weights.tolist(), fitted.bias) == ([2.0, 1.0], -3.0)
    assert isinstance(separability(x, [0, 0, 0, 1]), Separable)
    assert isinstance(separability(x, XOR), NotSeparable)


# ---------------------------------------------------------------------------------------------- the AND gate


def test_the_stated_start_already_computes_and():
    x, y, perceptron = and_gate()
    fitted = perceptron.fit(x, y, record=True)
    assert (fitted.weights.tolist(), fitted.bias) == ([0.5, 0.5], -0.7)
    assert [step.z for step in fitted.steps] == pytest.approx([-0.7, -0.2, -0.2, 0.3], abs=1e-15)
    assert [step.prediction for step in fitted.steps] == y.tolist() == [0, 0, 0, 1]
    assert fitted.mistakes_per_epoch == (0,)


def test_and_from_zeros_step_by_step_as_worked_by_hand(capsys):
    x, y, _ = and_gate()
    fitted = Perceptron().fit(x, y, record=True)
    by_hand = [  # x1 x2 | z ŷ error | w1 w2 b after
        (0, 0, 0, 1, -1, 0, 0, -1),
        (0, 1, -1, 0, 0, 0, 0, -1),
        (1, 0, -1, 0, 0, 0, 0, -1),
        (1, 1, -1, 0, 1, 1, 1, 0),
        (0, 0, 0, 1, -1, 1, 1, -1),
        (0, 1, 0, 1, -1, 1, 0, -2),
        (1, 0, -1, 0, 0, 1, 0, -2),
        (1, 1, -1, 0, 1, 2, 1, -1),
        (0, 0, -1, 0, 0, 2, 1, -1),
        (0, 1, 0, 1, -1, 2, 0, -2),
        (1, 0, 0, 1, -1, 1, 0, -3),
        (1, 1, -2, 0, 1, 2, 1, -2),
        (0, 0, -2, 0, 0, 2, 1, -2),
        (0, 1, -1, 0, 0, 2, 1, -2),
        (1, 0, 0, 1, -1, 1, 1, -3),
        (1, 1, -1, 0, 1, 2, 2, -2),
        (0, 0, -2, 0, 0, 2, 2, -2),
        (0, 1, 0, 1, -1, 2, 1, -3),
        (1, 0, -1, 0, 0, 2, 1, -3),
        (1, 1, 0, 1, 0, 2, 1, -3),
        (0, 0, -3, 0, 0, 2, 1, -3),
        (0, 1, -2, 0, 0, 2, 1, -3),
        (1, 0, -1, 0, 0, 2, 1, -3),
        (1, 1, 0, 1, 0, 2, 1, -3),
    ]
    assert [(*s.x, s.z, s.prediction, s.error, *s.weights, s.bias) for s in fitted.steps] == by_hand
    for step in fitted.steps:
        assert step.weight_change == tuple(step.error * value for value in step.x)
        assert step.bias_change == step.error == step.y - step.prediction
    fitted.print_steps()
    printed = capsys.readouterr().out.splitlines()
    assert printed[2].split() == ["1", "0", "(0,0)", "0", "0", "1", "−1", "(0,0)", "−1", "(0,0)", "−1"]
    assert len(printed) == 2 + len(by_hand)


def test_a_fit_that_was_not_recorded_says_how_to_record_it():
    with pytest.raises(InvalidValue, match="record=True"):
        Perceptron().fit(TABLE, XOR[::-1]).print_steps()


# ------------------------------------------------------------------------------------------- why it stopped


def test_xor_is_proved_impossible():
    fitted = Perceptron(max_epochs=50).fit(TABLE, XOR)
    assert not fitted.converged
    proof = fitted.separability
    assert isinstance(proof, NotSeparable)
    assert str(proof.certificate) == "½·(0,0) + ½·(1,1) = ½·(0,1) + ½·(1,0) = (½, ½)"
    assert proof.certificate.exact
    assert proof.certificate.verify(TABLE, XOR)
    assert str(proof.certificate) in fitted.verdict
    assert fitted.verdict in str(fitted)


def test_too_few_epochs_on_separable_data_are_told_from_impossible_ones():
    x, y = TABLE, [0, 0, 0, 1]
    short = Perceptron(max_epochs=2).fit(x, y)
    assert isinstance(short.separability, Separable)
    bound = short.separability.mistake_bound(x)
    assert f"at most {bound} mistakes" in short.verdict
    assert "of which 5 are made. Raise max_epochs." in short.verdict
    assert Perceptron(max_epochs=bound + 1).fit(x, y).verdict.startswith("Converged")


# ----------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("x", "y", "error", "text"),
    [
        ([1.0, 2.0], [0, 1], ShapeError, r"shape \(2,\)"),
        (np.zeros((0, 2)), [], ShapeError, r"shape \(0, 2\)"),
        ([[1.0], [np.nan]], [0, 1], DataError, "nan at row 1, column 0"),
        ([["a"], ["b"]], [0, 1], DataError, "Encode names as numbers"),
        ([[1], [2]], [0, 1, 1], ShapeError, r"shape \(3,\)"),
        ([[1], [2]], [[0], [1]], ShapeError, r"shape \(2, 1\)"),
        ([[1], [2]], [1, 1], DataError, "with 1 of them, 1"),
        ([[1], [2], [3]], [0, 1, 2], DataError, "with 3 of them, 0, 1, 2"),
        ([[1], [2]], [0, np.nan], DataError, "not finite"),
        ([[1], [2]], [0, None], DataError, "array of object"),
    ],
)
def test_data_that_cannot_be_learnt_are_refused_by_name(x, y, error, text):
    for use in (Perceptron().fit, separability):
        with pytest.raises(error, match=text):
            use(x, y)


def test_hyperparameters_are_checked():
    values = {"learning_rate": 0, "max_epochs": 0, "bias": np.inf, "weights": [np.nan], "seed": -1}
    for name, value in values.items():
        with pytest.raises(InvalidValue, match=name):
            Perceptron(**{name: value})
    with pytest.raises(ShapeError, match="3 weights and x has 2 inputs"):
        Perceptron(weights=[1, 2, 3]).fit(TABLE, XOR)
    with pytest.raises(ShapeError, match=r"fitted on 2 inputs. Received: x of shape \(1, 3\)"):
        Perceptron(max_epochs=1).fit(TABLE, XOR).predict([[1, 2, 3]])
