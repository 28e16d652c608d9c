"""Activations: value, derivative, range, kinks and saturation, measured from the functions (subject 4)."""

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.functions.activations import Activation, Elementwise, activations
from pellucid_textbook.catalogue.kind import Kind, Text
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Formulas, Range, Table, write
from pellucid_textbook.catalogue.plots import draw_family, new_figure

TEXTS = {
    "linear": Text(
        "Costs nothing; any output value; the gradient passes unchanged.",
        "Adds no non-linearity: a deep network of linear layers equals one linear layer.",
        "Output of a regression; the affine map before another activation.",
        "4.1",
        "The identity: least squares, Legendre 1805, Gauss 1809; adaptive linear neuron, Widrow & Hoff 1960.",
    ),
    "sigmoid": Text(
        "A probability; smooth; a gate between shut and open.",
        "Its gradient vanishes on both sides and is at most ¼; values not centred on zero; costs an exponential.",
        "Output of a binary or multi-label classifier; gates of LSTM and GRU.",
        "4.2",
    ),
    "tanh": Text(
        "Centred on zero; a derivative up to 1, four times the sigmoid's.",
        "The gradient still vanishes at large |z|; costs exponentials.",
        "Hidden layers of small networks; states of RNN, LSTM and GRU; outputs between −1 and 1.",
        "4.3",
    ),
    "hard_tanh": Text(
        "Cheaper than tanh: two comparisons; centred on zero; derivative 1 inside.",
        "No gradient at all outside (−1, 1); two kinks.",
        "Low-power and fixed-point devices, quantised networks.",
        "4.4",
    ),
    "softmax": Text(
        "Probabilities that sum to 1, one a class.",
        "An exponential a class; large logits dominate; all outputs depend on all inputs.",
        "Output of a multi-class classifier; weights of attention.",
        "4.5",
    ),
    "relu": Text(
        "Cheapest non-linearity; derivative 1 for every positive z, so gradients do not vanish; many exact zeros.",
        "A neuron that is negative for every example learns no more (dying ReLU); not centred on zero.",
        "The default of hidden layers, dense and convolutional.",
        "4.6",
    ),
    "step": Text(
        "A yes or a no: the threshold of the biological neuron.",
        "Derivative 0 everywhere: no gradient, so no backpropagation.",
        "The perceptron, with its own learning rule.",
        "4.7, 2.3",
    ),
    "leaky_relu": Text(
        "As cheap as ReLU, and cannot die: a derivative α remains on the negative side.",
        "One more number to choose; not centred on zero where α is small.",
        "Hidden layers where ReLUs die; discriminators of GANs.",
        "4.7",
    ),
    "elu": Text(
        "Smooth for α = 1; negative values bring the mean near zero; does not die.",
        "An exponential on the negative side; saturates there.",
        "Hidden layers without batch normalisation.",
        "4.7",
    ),
    "selu": Text(
        "Keeps mean 0 and variance 1 through many dense layers by itself.",
        "Only with lecun_normal weights and standardised inputs; plain dropout breaks it; a kink at 0.",
        "Deep dense networks without normalisation.",
        "4.7",
    ),
    "gelu": Text(
        "Smooth; a small derivative remains for moderately negative z.",
        "Costs an error function; not monotone.",
        "Transformers.",
        "4.7",
    ),
    "silu": Text(
        "Smooth; near to ReLU far from zero; one sigmoid.",
        "Costs an exponential; not monotone.",
        "Deep convolutional networks (EfficientNet), large language models.",
        "4.7",
    ),
    "softplus": Text(
        "Smooth and always positive; its derivative is the sigmoid.",
        "Never exactly 0; the gradient vanishes for very negative z; a logarithm and an exponential.",
        "Outputs that must be positive: a rate, a spread.",
        "4.7",
    ),
    "softsign": Text(
        "Saturates slowly, as 1/z², without exponentials; centred on zero.",
        "Its gradient falls early; the ends are reached slowly.",
        "In place of tanh where saturation hurts.",
        "4.7",
    ),
    "hard_sigmoid": Text(
        "A sigmoid without exponentials.",
        "No gradient outside (−3, 3); two kinks.",
        "Gates on low-power devices (MobileNetV3).",
        "4.7",
    ),
}

POINTS = (-1e4, -88.0, -1.0, 0.0, 1e-40, 1.0, 88.0, 1e4)
"""Where values are shown. e^88 is just below the largest float32; 10⁻⁴⁰ lies below the least normal one."""

NEAR = np.linspace(-6, 6, 769, dtype=np.float32)
"""Steps of 1/64: kinks at whole numbers are among them, and nothing that is open has reached its end."""

FAR = np.concatenate([[-1e4, -1e3], np.linspace(-128, 128, 8193), [1e3, 1e4]]).astype(np.float32)


def value_and_derivative(activation: Activation, z: Any) -> tuple[np.ndarray, np.ndarray]:
    """a and ∂a/∂z for numbers z in float32; of softmax the first of two outputs, for logits (z, 0)."""
    count = len(z)
    z = jnp.asarray(np.resize(np.asarray(z, np.float32), len(FAR)))  # one shape for all: each is compiled once
    if isinstance(activation, Elementwise):
        a = activation.value(z)
        return np.asarray(a)[:count], np.asarray(activation.derivative(z, a))[:count]
    logits = jnp.stack([z, jnp.zeros_like(z)], axis=-1)
    a = activation.value(logits)
    first = jnp.broadcast_to(jnp.array([1.0, 0.0]), logits.shape)
    return np.asarray(a)[:count, 0], np.asarray(activation.backward(logits, a, first))[:count, 0]


def measured_range(activation: Activation) -> Range:
    """The stated range, each end closed where the function reaches it within |z| ≤ 6 rather than tends to it."""
    a, _ = value_and_derivative(activation, NEAR)
    low, high = activation.range
    # An end that is only tended to is nearest at the last point alone.
    reaches_low = bool(np.isfinite(low)) and np.flatnonzero(a == a.min())[-1] not in (0, len(a) - 1)
    reaches_high = bool(np.isfinite(high)) and np.flatnonzero(a == a.max())[0] not in (0, len(a) - 1)
    if reaches_low and abs(low - a.min()) > 1e-6:  # stated to two digits: a minimum inside
        low = float(a.min())
    return Range(low, high, reaches_low, reaches_high)


def kinks(activation: Activation) -> list[tuple[float, float, float, float]]:
    """Where the derivative jumps: z, the derivative on the left, on the right, and the one used there."""
    h = np.float32(2.0**-10)
    before, at, after = (value_and_derivative(activation, NEAR + shift)[0] for shift in (-h, 0, h))
    jumps = np.abs((after - at) - (at - before)) / h
    found = []
    for z in NEAR[jumps > 5e-3]:
        left, here, right = value_and_derivative(activation, [z - h / 1024, z, z + h / 1024])[1]
        found.append((float(z), float(left), float(right), float(here)))
    return found


def _outside(condition: np.ndarray) -> str:
    """For which z a condition holds from there on, on each side of 0; to 1/32."""
    inside = np.flatnonzero(~condition)
    if not len(inside):
        return "everywhere"
    parts = []
    if inside[0] > 0:
        parts.append(f"z ≤ {write(round(float(FAR[inside[0] - 1]), 1))}")
    if inside[-1] < len(FAR) - 1:
        parts.append(f"z ≥ {write(round(float(FAR[inside[-1] + 1]), 1))}")
    return ", ".join(parts) or "nowhere"


def _over_normal(values: np.ndarray, z: np.ndarray) -> float:
    """The mean of values over z ~ N(0, 1)."""
    density = np.exp(-(z.astype(float) ** 2) / 2)
    return float(np.sum(values * density) / np.sum(density))


def facts(activation: Activation) -> Facts:
    """What the function does, each fact measured in float32."""
    derivative_far = value_and_derivative(activation, FAR)[1]
    between = (NEAR[:-1] + NEAR[1:]) / 2  # so that no kink is met
    a, derivative = value_and_derivative(activation, between)
    steepest = np.flatnonzero(derivative_far == derivative_far.max())
    where = f" at z = {write(float(FAR[steepest[0]]))}" if len(steepest) == 1 else ""
    ties = "; ".join(
        f"at z = {write(z)} the derivative is {write(used)} (left {write(left)}, right {write(right)})"
        for z, left, right, used in kinks(activation)
    )
    return Facts(
        {
            "range": measured_range(activation),
            "kinks": ties or "none: smooth",
            "largest derivative": f"{write(float(derivative_far.max()))}{where}",
            "rises everywhere": bool(np.all(np.diff(a) >= 0)),
            "derivative below 0.001": _outside(np.abs(derivative_far) < 1e-3),
            "derivative exactly 0": _outside(derivative_far == 0),
            "mean of a for normal z": round(_over_normal(a, between), 3) + 0.0,
            "rms derivative for normal z": round(math.sqrt(_over_normal(derivative**2, between)), 3),
        }
    )


def _measured(activation: Activation) -> Mapping[str, Content]:
    z = np.linspace(-5, 5, 401, dtype=np.float32)
    a, derivative = value_and_derivative(activation, z)
    pair = "" if isinstance(activation, Elementwise) else " (first of two outputs, logits z and 0)"
    values, derivatives = value_and_derivative(activation, POINTS)
    return {
        "graph": (Curve(f"f(z){pair}", "z", z, a), Curve("derivative f′(z)", "z", z, derivative)),
        "behaviour": facts(activation),
        "in float32": Table(
            ("z", "f(z)", "f′(z)"), tuple(zip(POINTS, map(float, values), map(float, derivatives), strict=True))
        ),
    }


def _formulas(activation: Activation) -> Formulas:
    labels = ("f(z)", "f′(z)") if isinstance(activation, Elementwise) else ("a_i", "∂a_i/∂z_j")
    formulas = (activation.formula.text, activation.derivative_formula.text)
    return Formulas(dict(zip(labels, formulas, strict=True)))


def _row(activation: Activation) -> Mapping[str, Any]:
    known = facts(activation)
    formulas = list(_formulas(activation).values())
    return {
        "formula": formulas[0],
        "derivative": formulas[1],
        "range": known["range"],
        "largest derivative": float(np.max(value_and_derivative(activation, FAR)[1])),
        "derivative below 0.001": known["derivative below 0.001"],
        "mean of a": known["mean of a for normal z"],
        "rms derivative": known["rms derivative for normal z"],
    }


def _draw(items: Mapping[str, Activation]) -> Any:
    z = np.linspace(-4, 4, 401, dtype=np.float32)
    rows = -(-len(items) // 5)
    curves = {name: value_and_derivative(item, z) for name, item in items.items()}
    return draw_family(new_figure((11.5, 2.1 * rows + 0.3)), "z", z, curves)


KIND = Kind(
    name="activations",
    title="Activations: a neuron's output from its net input",
    registry=activations,
    texts=TEXTS,
    formulas=_formulas,
    measured=_measured,
    row=_row,
    draw=_draw,
)
