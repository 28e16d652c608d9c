"""Optimisers: the rule, the size of a step for small and large gradients, a walk down a valley."""

import dataclasses
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.tunable import as_arrays
from pellucid.optimizers import Optimizer, optimizers
from pellucid.report.chart import Plane, Series
from pellucid.report.document import Table, number
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.charts import lines
from pellucid_textbook.page import Content

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
    """First and last of many updates of a weight 0 by the same gradient, in units of η."""
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

    def step(carry: Any, _: Any) -> Any:
        w, state = carry
        update = rule.update(curvature * w, state, w)
        return (update.params, update.state), update.params

    _, path = jax.lax.scan(step, (first, rule.init(first)), None, length=steps)
    path = jnp.concatenate([first[None], path])
    return path, (curvature[None] * path**2).sum(axis=1) / 2


@cache
def walk(rule: Optimizer) -> Walk:
    """Down the valley with each of `RATES` that never climbs above the start; the one that is at the bottom first."""
    walks = []
    for rate in RATES:
        candidate: Any = dataclasses.replace(rule, learning_rate=rate)
        path, heights = map(np.asarray, _walk(as_arrays(candidate), STEPS))
        if not (heights <= heights[0] * 1.0001).all():
            break  # larger rates climb higher
        last = int(np.flatnonzero(heights >= NEAR)[-1])
        walks.append(Walk(rate, last + 1 if last < STEPS else None, path, heights))
    return min(walks, key=lambda each: (each.steps or STEPS + 1, each.heights[-1]))


def _walked(best: Walk) -> str:
    return f"{best.steps} steps" if best.steps else f"not within {STEPS} steps"


def _measured(rule: Optimizer) -> Mapping[str, Content]:
    best = walk(rule)
    shown = best.heights[: max(2 * (best.steps or STEPS), 20) + 1]
    steps, heights, across = np.arange(len(shown)), np.log10(np.maximum(shown, 1e-12)), best.path[: len(shown), 1]
    return {
        "graph": [
            lines(f"log₁₀ height of the valley, η = {number(best.rate)}", "step", "", steps, {"height": heights}),
            lines("w₂, across the valley", "step", "", steps, {"w₂": across}),
            _path(rule.name, best),
        ],
        "behaviour": {
            "memory": f"{len(rule.slots)} numbers a weight ({', '.join(rule.slots) or 'none'})",
            "batch": "all the training data" if rule.full_batch else "mini-batches",
            "down the valley": f"{_walked(best)} at the best rate, {number(best.rate)}",
            "the valley": f"½ (w₁² + {number(CURVATURE[1])} w₂²), from {START} to {NEAR} above its bottom",
        },
        "step for a constant gradient, in units of η": Table(
            ("gradient", "1st update", "100th update"), [(g, *step_sizes(rule, g)) for g in GRADIENTS]
        ),
    }


def _row(rule: Optimizer) -> Mapping[str, Any]:
    best = walk(rule)
    return {
        "default rate": rule.learning_rate,
        "memory": len(rule.slots),
        "best rate": best.rate,
        "steps": best.steps if best.steps else f"> {STEPS}",
        "η moved by g = 0.001": step_sizes(rule, 1e-3)[0],
        "by g = 1000": step_sizes(rule, 1e3)[0],
    }


def _path(name: str, best: Walk) -> Plane:
    x, y = (-4.6, 1.6), (-1.25, 1.25)
    across, down = np.meshgrid(np.linspace(*x, 60), np.linspace(y[1], y[0], 60))
    height = np.sqrt((CURVATURE[0] * across**2 + CURVATURE[1] * down**2) / 2)
    count = (best.steps or STEPS) + 1
    path = best.path[: count : -(-count // 100)]
    title = f"{name}, η = {number(best.rate)}: {_walked(best)}"
    return Plane(title, height / height.max(), x, y, [Series("steps", *path.T)], "w₁", "w₂")


def _charts(items: Mapping[str, Optimizer]) -> list[Any]:
    walks = {name: walk(item) for name, item in items.items()}
    heights = {name: np.maximum(best.heights[:151], 1e-8) for name, best in walks.items()}
    paths = [_path(name, best) for name, best in walks.items()]
    return [*paths, lines("height in the valley", "step", "", range(151), heights, log="y")]


KIND = Kind(optimizers, _measured, _row, _charts)
