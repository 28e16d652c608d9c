"""Optimisers: the rule, the size of a step for small and large gradients, a walk down a valley (subject 6)."""

import dataclasses
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.tunable import as_arrays
from pellucid.optimizers import Optimizer, optimizers
from pellucid.report.figures import COLOURS, STYLES
from pellucid_textbook.catalogue.kind import Kind, Text
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Formulas, Table, write
from pellucid_textbook.catalogue.plots import new_figure, tidy

TEXTS = {
    "gradient_descent": Text(
        "The exact gradient: each step goes down for a small enough rate; no randomness.",
        "All the data for a single step; cannot leave a local minimum; one rate for all weights.",
        "Small data; convex problems.",
        "6.1",
    ),
    "sgd": Text(
        "A step for each mini-batch: many cheap steps; their noise helps generalisation; no memory.",
        "One rate for all weights; oscillates across narrow valleys; the rate must be tuned or scheduled.",
        "Large data; where the last point of accuracy counts, with a schedule.",
        "6.2",
    ),
    "momentum": Text(
        "Smooths the noise, damps oscillation across a valley, speeds up along it, carries past shallow minima.",
        "One more number to choose; overshoots.",
        "Convolutional networks, with a schedule.",
        "6.3, 7.8",
    ),
    "rmsprop": Text(
        "A rate for each weight by its recent gradients, so scales do not matter.",
        "No correction of the first steps, which are large; forgets rare gradients.",
        "Recurrent networks, reinforcement learning, WGAN with clipping.",
        "6.4",
    ),
    "adam": Text(
        "Momentum and a rate for each weight; the first steps are corrected; works with its defaults.",
        "Twice the memory of the weights; may generalise a little worse than tuned SGD.",
        "The default of most networks.",
        "6.5",
    ),
    "nesterov": Text(
        "Looks ahead: brakes before it overshoots.",
        "One more number to choose; moves 1/(1 − β) times as far as plain steps of the same rate.",
        "Convex problems; convolutional networks.",
        "6.6",
    ),
    "adagrad": Text(
        "Rare features keep large steps; little tuning.",
        "Rates only ever shrink: long trainings come to a halt.",
        "Sparse inputs: words, clicks.",
        "6.6",
    ),
    "adamw": Text(
        "Weight decay that the adaptive rates do not distort.",
        "One more number to choose; biases decay too.",
        "Transformers; Adam with regularisation.",
        "6.6",
    ),
    "adadelta": Text(
        "No learning rate of its own: the size of a step comes from the steps before.",
        "Slow at the start, where ε decides the first steps.",
        "Where no rate is to be chosen.",
        "6.6",
    ),
    "nadam": Text(
        "Adam that looks ahead.", "Twice the memory of the weights; rarely far from Adam.", "In place of Adam.", "6.6"
    ),
    "adamax": Text(
        "Adam whose scale is the largest recent gradient: robust against rare large ones.",
        "Twice the memory of the weights; slow to forget one huge gradient.",
        "Sparse gradients, embeddings.",
        "6.6",
    ),
}

GRADIENTS = (1e-30, 1e-8, 1e-3, 1.0, 1e3, 1e20)
"""Constant gradients whose steps are measured; 10²⁰ squared is more than float32 holds."""

START, CURVATURE = (-4.0, 1.0), (1.0, 30.0)
"""Of the valley ½ (w₁² + 30 w₂²)."""
STEPS = 400
NEAR = 1e-3
"""The height of the valley that counts as its bottom; the start is 23 high."""
RATES = [float(f"{rate:.2g}") for rate in np.logspace(-3.5, 0.75, 35)]


class Walk(NamedTuple):
    """The way down the valley with the best of `RATES` that never climbs above the start."""

    rate: float
    steps: int | None
    """Until the bottom for good; None if not within `STEPS`."""
    path: np.ndarray
    heights: np.ndarray


def step_sizes(rule: Optimizer, gradient: float, updates: int = 100) -> tuple[float, float]:
    """How far the first and the last of many updates with the same gradient move a weight 0, in units of η."""
    g, w = jnp.full((1,), gradient, jnp.float32), jnp.zeros(1)
    slots = {slot: jnp.zeros(1) for slot in rule.slots}
    sizes = []
    for t in range(1, updates + 1):
        direction, slots = rule.direction(g, w, slots, jnp.float32(t))
        sizes.append(float(direction[0]))
    return sizes[0], sizes[-1]


@partial(jax.jit, static_argnames="steps")
def _walk(rule: Any, steps: int) -> tuple[jax.Array, jax.Array]:
    curvature = jnp.array(CURVATURE)
    first = jnp.array(START)
    state = rule.init(first)

    def step(carry: Any, _: Any) -> Any:
        w, state = carry
        update = rule.update(curvature * w, state, w)
        return (update.params, update.state), update.params

    _, path = jax.lax.scan(step, (first, state), None, length=steps)
    path = jnp.concatenate([first[None], path])
    return path, (curvature[None] * path**2).sum(axis=1) / 2


@cache
def walk(rule: Optimizer) -> Walk:
    """Down the valley with each of `RATES` that never climbs above the start; the one that is at the bottom first."""
    walks = []
    for rate in RATES:
        tried: Any = dataclasses.replace(rule, learning_rate=rate)  # pyright: ignore[reportArgumentType]
        path, heights = map(np.asarray, _walk(as_arrays(tried), STEPS))
        if not (heights <= heights[0] * 1.0001).all():
            break  # larger rates climb higher
        last = int(np.flatnonzero(heights >= NEAR)[-1])
        walks.append(Walk(rate, last + 1 if last < STEPS else None, path, heights))
    return min(walks, key=lambda each: (each.steps or STEPS + 1, each.heights[-1]))


def _walked(found: Walk) -> str:
    return f"{found.steps} steps" if found.steps else f"not within {STEPS} steps"


def _formulas(rule: Optimizer) -> Formulas:
    return Formulas({"update": rule.formula.text})


def _measured(rule: Optimizer) -> Mapping[str, Content]:
    found = walk(rule)
    shown = found.heights[: max(2 * (found.steps or STEPS), 20) + 1]
    steps = np.arange(len(shown), dtype=float)
    log_height = np.log10(np.maximum(shown, 1e-12))
    return {
        "graph": (
            Curve(f"log₁₀ height of the valley, η = {write(found.rate)}", "step", steps, log_height),
            Curve("w₂, across the valley", "step", steps, found.path[: len(shown), 1]),
        ),
        "behaviour": Facts(
            {
                "memory": f"{len(rule.slots)} numbers a weight ({', '.join(rule.slots) or 'none'})",
                "batch": "all the training data" if rule.full_batch else "mini-batches",
                "down the valley": f"{_walked(found)} at the best rate, {write(found.rate)}",
                "the valley": f"½ (w₁² + {write(CURVATURE[1])} w₂²), from {START} to {NEAR} above its bottom",
            }
        ),
        "step for a constant gradient, in units of η": Table(
            ("gradient", "1st update", "100th update"),
            tuple((gradient, *step_sizes(rule, gradient)) for gradient in GRADIENTS),
        ),
    }


def _row(rule: Optimizer) -> Mapping[str, Any]:
    found = walk(rule)
    return {
        "update": _formulas(rule)["update"],
        "default rate": rule.learning_rate,
        "memory": len(rule.slots),
        "best rate": found.rate,
        "steps": found.steps if found.steps else f"> {STEPS}",
        "η moved by g = 0.001": step_sizes(rule, 1e-3)[0],
        "by g = 1000": step_sizes(rule, 1e3)[0],
    }


def draw_walks(items: Mapping[str, Optimizer]) -> Any:
    """The paths down the valley over its contours, and the heights by step."""
    walks = {name: walk(item) for name, item in items.items()}
    columns = min(4, len(walks))
    rows = -(-len(walks) // columns)
    figure = new_figure((3.1 * columns, 2.1 * rows + 2.6))
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[2.1] * rows + [2.6])
    across, down = np.meshgrid(np.linspace(-4.6, 1.6, 120), np.linspace(-1.25, 1.25, 80))
    height = (CURVATURE[0] * across**2 + CURVATURE[1] * down**2) / 2
    for number, (name, found) in enumerate(walks.items()):
        axes = figure.add_subplot(grid[number // columns, number % columns])
        axes.contour(across, down, height, levels=[0.1, 0.5, 2, 5, 10, 20], colors="0.75", linewidths=0.7)
        path = found.path[: (found.steps or STEPS) + 1]
        axes.plot(*path.T, color=COLOURS[0], lw=1, marker="o", ms=2)
        axes.plot(*START, "s", color=COLOURS[1], ms=5)
        axes.plot(0, 0, "*", color="k", ms=8)
        axes.set(xlim=(-4.6, 1.6), ylim=(-1.25, 1.25))
        axes.set_title(f"{name}, η = {write(found.rate)}: {_walked(found)}", fontsize=9)
        axes.tick_params(labelsize=7)
    axes = figure.add_subplot(grid[rows, :])
    for number, (name, found) in enumerate(walks.items()):
        style = STYLES[number % len(STYLES)]
        heights = np.maximum(found.heights[:151], 1e-12)
        axes.plot(heights, color=COLOURS[number % len(COLOURS)], ls=style, lw=1.5, label=name)
    axes.axhline(NEAR, color="0.6", lw=0.8)
    axes.set(yscale="log", xlabel="step", ylabel="height", ylim=(1e-8, 100))
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    tidy(axes)
    return figure


KIND = Kind(
    name="optimizers",
    title="Optimisers: what moves the weights",
    registry=optimizers,
    texts=TEXTS,
    formulas=_formulas,
    measured=_measured,
    row=_row,
    draw=draw_walks,
    draw_item=lambda rule: draw_walks({rule.name: rule}),
)
