"""Activations: value, derivative, range, kinks and saturation, measured from the functions."""

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pellucid.functions.activations import Activation, Elementwise, activations
from pellucid.report.document import Table, number
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.charts import lines
from pellucid_textbook.page import Content, Range

POINTS = (-1e4, -88.0, -1.0, 0.0, 1e-40, 1.0, 88.0, 1e4)
"""Points of the table of values. e^88 is just below the largest float32; 10⁻⁴⁰ lies below the least normal one."""
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
    """Find the jumps of the derivative: z, derivatives left and right, and the one used there."""
    h = np.float32(2.0**-10)
    before, at, after = (value_and_derivative(activation, NEAR + shift)[0] for shift in (-h, 0, h))
    jumps = np.abs((after - at) - (at - before)) / h
    jumping = []
    for z in NEAR[jumps > 5e-3 * (1 + np.abs(at))]:
        left, here, right = value_and_derivative(activation, [z - h / 1024, z, z + h / 1024])[1]
        jumping.append((float(z), float(left), float(right), float(here)))
    return jumping


def _outside(condition: np.ndarray) -> str:
    """The z beyond which a condition holds, on each side of 0; to 1/32."""
    inside = np.flatnonzero(~condition)
    if not len(inside):
        return "everywhere"
    parts = []
    if inside[0] > 0:
        parts.append(f"z ≤ {number(round(float(FAR[inside[0] - 1]), 1))}")
    if inside[-1] < len(FAR) - 1:
        parts.append(f"z ≥ {number(round(float(FAR[inside[-1] + 1]), 1))}")
    return ", ".join(parts) or "nowhere"


def _over_normal(values: np.ndarray, z: np.ndarray) -> float:
    density = np.exp(-(z.astype(float) ** 2) / 2)
    return float(np.sum(values * density) / np.sum(density))


def facts(activation: Activation) -> dict[str, Any]:
    """Properties of the function, each measured in float32."""
    derivative_far = value_and_derivative(activation, FAR)[1]
    between = (NEAR[:-1] + NEAR[1:]) / 2  # so that no kink is met
    a, derivative = value_and_derivative(activation, between)
    steepest = np.flatnonzero(derivative_far == derivative_far.max())
    where = f" at z = {number(float(FAR[steepest[0]]))}" if len(steepest) == 1 else ""
    ties = "; ".join(
        f"at z = {number(z)} the derivative is {number(used)} (left {number(left)}, right {number(right)})"
        for z, left, right, used in kinks(activation)
    )
    return {
        "range": measured_range(activation),
        "kinks": ties or "none: smooth",
        "largest derivative": f"{number(float(derivative_far.max()))}{where}",
        "rises everywhere": bool(np.all(np.diff(a) >= 0)),
        "derivative below 0.001": _outside(np.abs(derivative_far) < 1e-3),
        "derivative exactly 0": _outside(derivative_far == 0),
        "mean of a for normal z": round(_over_normal(a, between), 3) + 0.0,
        "rms derivative for normal z": round(math.sqrt(_over_normal(derivative**2, between)), 3),
    }


def _measured(activation: Activation) -> Mapping[str, Content]:
    z = np.linspace(-5, 5, 401, dtype=np.float32)
    a, derivative = value_and_derivative(activation, z)
    pair = "" if isinstance(activation, Elementwise) else " (first of two outputs, logits z and 0)"
    rows = zip(POINTS, *(part.tolist() for part in value_and_derivative(activation, POINTS)), strict=True)
    return {
        "graph": [
            lines(f"f(z){pair}", "z", "", z, {"value": a}),
            lines("derivative f′(z)", "z", "", z, {"derivative": derivative}),
        ],
        "behaviour": facts(activation),
        "in float32": Table(("z", "f(z)", "f′(z)"), list(rows)),
    }


def _row(activation: Activation) -> Mapping[str, Any]:
    known = facts(activation)
    return {
        "range": known["range"],
        "largest derivative": float(np.max(value_and_derivative(activation, FAR)[1])),
        "derivative below 0.001": known["derivative below 0.001"],
        "mean of a": known["mean of a for normal z"],
        "rms derivative": known["rms derivative for normal z"],
    }


def _charts(items: Mapping[str, Activation]) -> list[Any]:
    z = np.linspace(-4, 4, 161, dtype=np.float32)
    curves = {name: value_and_derivative(item, z) for name, item in items.items()}
    return [lines(name, "z", "", z, {"value": a, "derivative": df}) for name, (a, df) in curves.items()]


KIND = Kind(activations, _measured, _row, _charts)
