"""The perceptron against the rule by hand, Novikoff's bound and scikit-learn; proofs worked out again."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_iris
from sklearn.linear_model import Perceptron as SklearnPerceptron
from sklearn.svm import SVC

from pellucid.core.checks import DataError, InvalidValue, ShapeError
from pellucid.models.perceptron import (
    Certificate,
    NotSeparable,
    Perceptron,
    Separable,
    and_gate,
    separability,
    spam_detection,
)

TABLE = [[0, 0], [0, 1], [1, 0], [1, 1]]
XOR = [0, 1, 1, 0]


@st.composite
def whole_numbers(draw, rows=(2, 8), inputs=(1, 3)):
    """A small table of whole numbers with two classes; few shapes, since each is compiled."""
    shape = draw(st.sampled_from([(rows[0], inputs[0]), (5, 2), (rows[1], inputs[1])]))
    x = draw(arrays(np.int64, shape, elements=st.integers(-3, 3)))
    y = draw(arrays(np.int64, shape[0], elements=st.integers(0, 1)))
    assume(0 < y.sum() < len(y))
    return x, y


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
    assert fitted.mistakes <= proof.mistake_bound(x, perceptron)
    np.testing.assert_array_equal(fitted.predict(x), y)


def test_the_bound_is_novikoffs_from_a_start_at_zero():
    x, y = [[0.0], [3.0]], [0, 1]
    proof = separability(x, y)
    assert isinstance(proof, Separable)
    # The plane is x − 1.5: R² = 3² + 1, γ = 1.5 / ‖(1, −1.5)‖, so (R/γ)² = 10 · 3.25 / 2.25 = 14.4.
    assert proof.margin == 1.5
    assert proof.mistake_bound(x, Perceptron()) == proof.mistake_bound(x, Perceptron(0.1)) == 14


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
    ("y", "classes"),
    [([False, True], (False, True)), (["spam", "ham"], ("ham", "spam")), ([1.0, 0.0], (0.0, 1.0))],
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
    assert printed[2].split() == ["1", "0", "(0,0)", "0", "0", "1", "-1", "(0,0)", "-1", "(0,0)", "-1"]
    assert len(printed) == 2 + len(by_hand)


def test_a_fit_that_was_not_recorded_says_how_to_record_it():
    with pytest.raises(InvalidValue, match="record=True"):
        Perceptron().fit(TABLE, XOR[::-1]).print_steps()


# ---------------------------------------------------------------------------------------------- the proofs


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


def test_a_false_certificate_is_refused():
    proof = separability(TABLE, XOR)
    assert isinstance(proof, NotSeparable)
    rows, points, half = proof.certificate.rows, proof.certificate.points, Fraction(1, 2)
    negative = Certificate(rows, ((Fraction(3, 2), -half), (Fraction(3, 2), -half)), points)
    unequal = Certificate(rows, ((half, half), (Fraction(1, 3), Fraction(2, 3))), points)
    heavy = Certificate(rows, ((half, half), (half, half + Fraction(1, 10**30))), points)
    for false in (negative, unequal, heavy):
        assert not false.verify(TABLE, XOR)
    assert not proof.certificate.verify(TABLE, [0, 0, 0, 1])
    assert not proof.certificate.verify(np.array(TABLE) * 2, XOR)


def test_equal_examples_of_both_classes_are_the_whole_proof():
    x, y = [[0.0, 2.0], [1.0, 5.0], [4.0, 4.0], [-0.0, 2.0]], ["a", "b", "a", "b"]
    proof = separability(x, y)
    assert isinstance(proof, NotSeparable)
    assert proof.certificate.rows == ((0,), (3,))
    assert str(proof.certificate) == "(0,2) = (-0,2) = (0, 2)"
    assert proof.certificate.verify(x, y)


@settings(max_examples=80, deadline=None)
@given(whole_numbers())
def test_small_data_are_decided_with_an_exact_proof(data):
    x, y = data
    proof = separability(x, y)
    if isinstance(proof, NotSeparable):
        assert proof.certificate.exact
        assert proof.certificate.verify(x, y)
        assert sum(map(len, proof.certificate.rows)) <= x.shape[1] + 2  # Kirchberger 1903
        assert not Perceptron(max_epochs=60).fit(x, y).converged
    else:
        sides = [
            sum(Fraction(w) * int(v) for w, v in zip(proof.weights.tolist(), row, strict=True))
            + Fraction(proof.bias)
            for row in x
        ]
        assert all((side > 0) == bool(target) and side != 0 for side, target in zip(sides, y, strict=True))


@pytest.mark.parametrize(("inputs", "exact"), [(2, True), (12, True), (90, False)])
@pytest.mark.parametrize("seed", [0, 1])
def test_overlapping_clouds_are_certified(inputs, exact, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(600, inputs)) * 10.0 ** rng.integers(-3, 4, inputs), rng.integers(0, 2, 600)
    proof = separability(x, y)
    assert isinstance(proof, NotSeparable)
    certificate = proof.certificate
    assert certificate.exact is exact
    assert certificate.verify(x, y)
    # The same by hand in floating point, with nothing of the certificate's own arithmetic.
    left, right = (
        np.array(certificate.shares[side], float) @ x[list(certificate.rows[side])] for side in (0, 1)
    )
    np.testing.assert_allclose(left, right, atol=1e-9 * np.abs(x).max())


@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_separable_wherever_a_hard_margin_support_vector_machine_separates(shift):
    verdicts = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(14, 3)), np.arange(14) % 2
        x += 1.2 * y[:, None]
        x = 2 * (x - x.min(axis=0)) / np.ptp(x, axis=0) - 1
        machine = SVC(kernel="linear", C=1e5).fit(x, y)
        widest = 1 / np.linalg.norm(machine.coef_)
        separated = bool((machine.predict(x) == y).all())
        proof = separability(x + shift, y)
        assert isinstance(proof, Separable) is separated
        if isinstance(proof, Separable):
            assert proof.verify(x + shift, y)
            assert not proof.verify(x + shift, 1 - y)
            # Inputs that fill [−1, 1] are not scaled; then ‖w‖₂ ≤ √inputs max |w| keeps the margins close.
            assert widest / np.sqrt(3) * (1 - 1e-3) <= proof.margin <= widest * (1 + 1e-3)
        verdicts.add(separated)
    assert verdicts == {True, False}


def test_boundary_cases():
    # Hulls that touch in a corner only: weakly separable, yet no perceptron can do it.
    touching = separability([[0, 0], [2, 0], [1, 0], [1, 1]], [0, 0, 1, 1])
    assert isinstance(touching, NotSeparable)
    assert str(touching.certificate) == "½·(0,0) + ½·(2,0) = (1,0) = (1, 0)"
    # A perceptron counts z = 0 as class 1; on finite data that separates no more than strict separation.
    fitted = Perceptron(weights=[1.0]).fit([[0.0], [-1e-9]], [1, 0])
    assert fitted.mistakes_per_epoch == (0,)
    assert isinstance(separability([[0.0], [-1e-9]], [1, 0]), Separable)
    assert isinstance(separability([[1.0, 7.0], [2.0, 7.0]], [0, 1]), Separable)  # a constant input


def test_too_few_epochs_on_separable_data_are_told_from_impossible_ones():
    x, y = TABLE, [0, 0, 0, 1]
    short = Perceptron(max_epochs=2).fit(x, y)
    assert isinstance(short.separability, Separable)
    bound = short.separability.mistake_bound(x, short.perceptron)
    assert f"at most {bound} mistakes" in short.verdict
    assert "of which 5 are made. Raise max_epochs." in short.verdict
    assert Perceptron(max_epochs=bound + 1).fit(x, y).verdict.startswith("Converged")


def test_what_is_known_of_fishers_irises():
    x, species = load_iris(return_X_y=True)
    setosa, versicolor, virginica = (separability(x, species == kind) for kind in range(3))
    assert isinstance(setosa, Separable)
    assert setosa.verify(x, species == 0)
    for kind, proof in ((1, versicolor), (2, virginica)):
        assert isinstance(proof, NotSeparable)
        assert proof.certificate.exact
        assert proof.certificate.verify(x, species == kind)


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


# ------------------------------------------------------------------------------------------ spam, for real


@pytest.fixture(scope="module")
def messages():
    path = Path(os.environ.get("PELLUCID_DATA", "")) / "sms-spam" / "SMSSpamCollection"
    if not path.is_file():
        pytest.skip("PELLUCID_DATA does not name a folder with sms-spam/SMSSpamCollection")
    from pellucid.data.text import load_messages

    return load_messages(path)


def test_spam_is_told_by_its_words(messages):
    texts, labels = messages
    assert len(texts) == 5574
    result = spam_detection(texts, labels, seed=0)
    assert result.accuracy > 0.975
    assert result.precision > 0.95
    assert result.recall > 0.85
    assert {"txt", "call"} & set(result.spam_words)
    assert result.fitted.converged
    proof = result.fitted.separability
    assert isinstance(proof, Separable)
    assert proof.verify(result.fitted.x, result.fitted.y)
    assert result.fitted.mistakes <= proof.mistake_bound(result.fitted.x, result.fitted.perceptron)


def test_averaging_steadies_a_short_training(messages):
    texts, labels = messages
    last, mean = (
        [
            spam_detection(
                texts, labels, Perceptron(max_epochs=1, shuffle=True, seed=s, averaged=averaged), seed=s
            )
            for s in range(4)
        ]
        for averaged in (False, True)
    )
    assert np.mean([r.accuracy for r in mean]) > np.mean([r.accuracy for r in last])
    assert np.std([r.precision for r in mean]) < np.std([r.precision for r in last])
