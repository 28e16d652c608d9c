"""A formula is written once: its three notations say what it computes."""

from xml.etree import ElementTree

import numpy as np
import pytest

from pellucid.core.formula import Formula, Line, below, symbol

SHOWN = {
    "1 / (1 + exp(-z))": ("1 / (1 + e^(−z))", r"\frac{1}{1 + e^{-z}}"),
    "z if z > 0 else alpha * z": ("z if z > 0, else α · z", r"z\text{ if }z > 0\text{, else }\alpha \, z"),
    "-1 if z < -1 else z if z <= 1 else 1": ("−1 if z < −1, z if z ≤ 1, else 1", None),
    "exp(z[i]) / sum(j, exp(z[j]))": ("e^(z_i) / Σ_j e^(z_j)", r"\frac{e^{z_{i}}}{\sum_{j} e^{z_{j}}}"),
    "a[i] * ((i == j) - a[j])": ("a_i · ([i = j] − a_j)", None),
    "dL_da * da_dz": ("∂L/∂a · ∂a/∂z", r"\frac{\partial L}{\partial a} \cdot \frac{\partial a}{\partial z}"),
    "learning_rate * factor**floor(t / every)": ("η · factor^⌊t / every⌋", None),
    "m = beta1 * m + (1 - beta1) * g; mhat = m / (1 - beta1**(t + 1))": (
        "m ← β₁ · m + (1 − β₁) · g; m̂ = m / (1 − β₁ᵗ⁺¹)",
        None,
    ),
    "1/2 * e**2 if abs(e) <= delta else delta * (abs(e) - delta / 2)": (
        "½ · e² if |e| ≤ δ, else δ · (|e| − δ / 2)",
        None,
    ),
    "w in U(-r, r)": ("w ~ U(−r, r)", r"w \sim U\left(-r, r\right)"),
    "W.T @ W == gain**2 * I": ("Wᵀ·W = gain² · I", None),
    "x - (y - z) - -2": ("x − (y − z) − (−2)", None),
    "sum(abs(w))**2 / (a * b)": ("(Σ |w|)² / (a · b)", None),
}


@pytest.mark.parametrize("source", SHOWN)
def test_text_and_latex(source):
    formula = Formula(source)
    text, latex = SHOWN[source]
    assert formula.text == text
    assert latex in (None, formula.latex)
    assert formula.latex.count("{") == formula.latex.count("}")
    for element in formula.mathml.split("</math> "):
        ElementTree.fromstring(element.removesuffix("</math>") + "</math>")


def test_indices_run_over_the_axes_of_the_arrays(rng):
    z = rng.normal(size=4)
    a = np.exp(z) / np.exp(z).sum()
    np.testing.assert_allclose(Formula("exp(z[i]) / sum(j, exp(z[j]))").evaluate(z=z), a)
    jacobian = Formula("a[i] * ((i == j) - a[j])").evaluate(a=a)
    np.testing.assert_allclose(jacobian, np.diag(a) - np.outer(a, a))
    np.testing.assert_allclose(Formula("-log(yhat[y])").evaluate(yhat=a, y=2), -np.log(a[2]))
    np.testing.assert_allclose(Formula("softmax(z)[j] - y[j]").evaluate(z=z, y=np.eye(4)[1]), a - np.eye(4)[1])
    table = rng.uniform(size=(5, 3))
    means = Formula("mean[j] = sum(i, a[i, j]) / N; rho / mean[j]")
    np.testing.assert_allclose(means.evaluate(a=table, N=5, rho=0.5), 0.5 / table.mean(axis=0))


def test_distributions_and_functions_that_are_given():
    assert Formula("r = sqrt(6 / fan_in); w in U(-r, r)").evaluate(fan_in=6).std() == pytest.approx(1 / np.sqrt(3))
    assert Formula("w in N(0, std**2)").evaluate(std=0.5).std() == 0.5
    assert Formula("2 * rate(t)").evaluate(rate=lambda t: t + 1, t=3) == 8


def test_a_formula_shows_another_expression_for_a_name():
    assert str(Formula("learning_rate * rate(t)", learning_rate="eta0", rate="eta")) == "η₀ · η(t)"


def test_lines_carry_what_is_computed_to_the_next():
    numbers = {"v": 1.0, "beta": 0.9, "g": -0.5, "w": 1.0, "learning_rate": 0.1}
    first, last = Formula("v = beta * v + g; w = w - learning_rate * v").lines(numbers)
    assert first.text == "v ← β · v + g = 0.9 · 1 + (−0.5) = 0.4"
    assert last.text == "w ← w − η · v = 1 − 0.1 · 0.4 = 0.96"
    assert Line("dL_dz", "0.25", {}).text == "∂L/∂z = 0.25"
    assert below(symbol("w"), "k").text == "w_k"


def test_what_has_no_notation_is_refused():
    with pytest.raises(ValueError, match="no notation for"):
        _ = Formula("[1, 2]").text
