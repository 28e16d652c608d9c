"""Proofs of separability worked out again: by hand, in fractions, and against a support vector machine."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid_textbook.perceptron import Perceptron
from pellucid_textbook.separable import Certificate, NotSeparable, Separable, separability
from two_classes import TABLE, XOR, whole_numbers


def test_the_bound_is_novikoffs_from_a_start_at_zero():
    x, y = [[0.0], [3.0]], [0, 1]
    proof = separability(x, y)
    assert isinstance(proof, Separable)
    # The plane is x − 1.5: R² = 3² + 1, γ = 1.5 / ‖(1, −1.5)‖, so (R/γ)² = 10 · 3.25 / 2.25 = 14.4.
    assert proof.margin == 1.5
    assert proof.mistake_bound(x) == proof.mistake_bound(x, learning_rate=0.1) == 14
    # A start counts in units of η; one far enough along the plane itself makes no mistake at all.
    start = np.array([0.3, -0.7])
    assert proof.mistake_bound(x, 5 * start, 5.0) == proof.mistake_bound(x, start) != 14
    assert proof.mistake_bound(x, [1e6, -1.5e6]) == 0
    with pytest.raises(ShapeError, match="hyperplane has 1 inputs"):
        proof.mistake_bound(x, [0.0])
    with pytest.raises(InvalidValue, match="learning_rate must be"):
        proof.mistake_bound(x, start, 0.0)


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
            sum(Fraction(w) * int(v) for w, v in zip(proof.weights.tolist(), row, strict=True)) + Fraction(proof.bias)
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
    left, right = (np.array(certificate.shares[side], float) @ x[list(certificate.rows[side])] for side in (0, 1))
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


def test_what_is_known_of_fishers_irises():
    x, species = load_iris(return_X_y=True)
    setosa, versicolor, virginica = (separability(x, species == kind) for kind in range(3))
    assert isinstance(setosa, Separable)
    assert setosa.verify(x, species == 0)
    for kind, proof in ((1, versicolor), (2, virginica)):
        assert isinstance(proof, NotSeparable)
        assert proof.certificate.exact
        assert proof.certificate.verify(x, species == kind)


def test_a_certificate_does_not_verify_on_fewer_examples():
    found = separability(TABLE, XOR)
    assert isinstance(found, NotSeparable)
    x, y = (np.asarray(array)[:3] for array in (TABLE, XOR))
    assert not found.certificate.verify(x, y)
