"""Studying a lesson: its experiment run, its figures kept, its verdict computed."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from pellucid.api import Run
from pellucid.data import Dataset
from pellucid.functions.losses import losses
from pellucid.network import Backpropagation, Network, backpropagate
from pellucid.runs.many import many
from pellucid.runs.plan import settle
from pellucid_textbook.lessons.claims import VERDICTS, Lesson, check_seeds, find_lesson
from pellucid_textbook.lessons.panels import Panel, draw_panels
from pellucid_textbook.lessons.quantity import Quantity, quantities_by_name


class LessonResult(msgspec.Struct, frozen=True, dict=True):
    """What a lesson measured. The verdict is computed from it by the lesson's rule and stored nowhere.

    Args:
        name: of the lesson.
        seeds: that it was measured with.
        quantities: the figures.
        panels: the pictures, as data.
        seconds: that it took.
        fingerprint: of the lesson as it was then.
    """

    name: str
    seeds: tuple[int, ...]
    quantities: tuple[Quantity, ...]
    panels: tuple[Panel, ...]
    seconds: float
    fingerprint: str

    @property
    def lesson(self) -> Lesson:
        """The lesson."""
        return find_lesson(self.name)

    @cached_property
    def figures(self) -> dict[str, Quantity]:
        """The measured quantities by name."""
        return quantities_by_name(self.quantities)

    @property
    def holds(self) -> bool:
        """Whether the claim holds here, by the rule."""
        return self.lesson.holds(self.figures)

    @property
    def verdict(self) -> str:
        """``"holds"`` or ``"does not hold here"``."""
        return VERDICTS[self.holds]

    def figure(self) -> Any:
        """A ``matplotlib.figure.Figure`` of the experiment.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return draw_panels(self.panels)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, the verdict too."""
        lesson = self.lesson
        return {
            "number": lesson.number,
            "name": lesson.name,
            "claim": lesson.claim,
            "items": list(lesson.items),
            "experiment": lesson.experiment,
            "rule": lesson.rule_text,
            "verdict": self.verdict,
            "seeds": list(self.seeds),
            "seconds": round(self.seconds, 2),
            "figures": {
                quantity.name: {
                    "mean": quantity.mean,
                    "low": quantity.low,
                    "high": quantity.high,
                    "unit": quantity.unit,
                    "values": list(quantity.values),
                }
                for quantity in self.quantities
            },
        }

    def __str__(self) -> str:
        lesson = self.lesson
        width = max(len(quantity.name) for quantity in self.quantities)
        lines = [f"{lesson.number} {lesson.claim}", "", lesson.experiment, ""]
        lines += [f"  {quantity.name.ljust(width)}  {quantity}" for quantity in self.quantities]
        lines += ["", "Holds if all of this is met:"]
        lines += [f"  {'met' if met else 'NOT MET':8}{text}" for text, met in lesson.judged(self.figures)]
        lines += [f"→ {self.verdict}"]
        return "\n".join(lines)


def lesson(name: str | int, *, seeds: int = 5, seed: int = 0) -> LessonResult:
    """Put a claim of the subject to the test: run its experiment, compute the verdict.

    Args:
        name: of the lesson, or the number of its claim; see `list_lessons`.
        seeds: how many seeds, at least 2.
        seed: the first of them.

    Raises:
        UnknownName: no such lesson.
        InvalidValue: fewer than two seeds.

    Example:
        >>> result = lesson("deep-linear", seeds=2)
        >>> result.verdict
        'holds'
    """
    found = find_lesson(name)
    check_seeds(seeds)
    chosen = tuple(range(seed, seed + seeds))
    started = time.perf_counter()
    measured = found.measure(chosen)
    return LessonResult(
        found.name,
        chosen,
        tuple(measured.quantities),
        tuple(map(_rounded, measured.panels)),
        time.perf_counter() - started,
        found.fingerprint,
    )


def _rounded(panel: Panel) -> Panel:
    """The panel with numbers of five digits: a picture shows no more, and a result's file is a third as long."""
    return msgspec.convert(_five_digits(msgspec.to_builtins(panel)), Panel)


def _five_digits(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {name: _five_digits(value) for name, value in plain.items()}
    if isinstance(plain, (list, tuple)):
        return [_five_digits(value) for value in plain]
    return float(f"{plain:.5g}") if isinstance(plain, float) else plain


def train_variants(
    data: Dataset | Callable[[int], Dataset],
    seeds: Sequence[int],
    variants: Mapping[str, Mapping[str, Any]],
    **shared: Any,
) -> dict[str, list[Run]]:
    """Train variants that differ in stated settings, each with the same seeds: paired experiments.

    Args:
        data: the dataset of all, or the dataset of each seed.
        seeds: of initial weights and order of rows; equal for all variants.
        variants: settings of `pellucid.train` that are a variant's own, by its label; its ``data`` too.
        **shared: settings that all share.

    Returns:
        The runs by label, in the order of the seeds.
    """
    plans = []
    for settings in variants.values():
        for seed in seeds:
            chosen = {"data": data, **shared, **settings}
            dataset = chosen["data"] if isinstance(chosen["data"], Dataset) else chosen["data"](seed)
            network = chosen.pop("network", None)
            chosen = {name: value for name, value in chosen.items() if name != "data"} | {"seed": seed}
            plans.append(settle(network, dataset, chosen))
    trained = many(
        [planned.experiment for planned in plans],
        [planned.data for planned in plans],
        networks=[planned.network for planned in plans],
        optimizers=[planned.optimizer for planned in plans],
    )
    runs = map(Run.of, trained)
    return {label: [next(runs) for _ in seeds] for label in variants}


def at_best_rate(
    data: Dataset | Callable[[int], Dataset],
    seeds: Sequence[int],
    variants: Mapping[str, Mapping[str, Any]],
    rates: Sequence[float],
    score: Callable[[Run], float],
    optimizer: str = "sgd",
    **shared: Any,
) -> dict[str, tuple[float, list[Run]]]:
    """Train each variant at several learning rates and keep its best, so that none wins by a rate that suits it.

    Args:
        data: the dataset of all, or the dataset of each seed.
        seeds: equal for all variants and rates.
        variants: settings that are a variant's own, by its label.
        rates: learning rates to try.
        score: of a run; the rate with the lowest mean over the seeds is the best. NaN, as of a training that diverged,
            is the worst.
        optimizer: name of the optimiser.
        **shared: settings that all share.

    Returns:
        The best rate and its runs, by label.
    """
    tried = {
        (label, rate): {**settings, "optimizer": {"name": optimizer, "learning_rate": rate}}
        for label, settings in variants.items()
        for rate in rates
    }
    names = {f"{label} at {rate}": (label, rate) for label, rate in tried}
    runs = train_variants(data, seeds, {name: tried[key] for name, key in names.items()}, **shared)
    best: dict[str, tuple[float, list[Run]]] = {}
    for label in variants:
        scores = {
            rate: np.nan_to_num(np.mean([score(run) for run in runs[name]]), nan=np.inf)
            for name, (of, rate) in names.items()
            if of == label
        }
        rate = min(scores, key=scores.__getitem__)
        best[label] = (rate, runs[f"{label} at {rate}"])
    return best


def first_gradients(network: Network, data: Dataset, seeds: Sequence[int], rows: int = 512) -> Backpropagation:
    """Forward and backward pass of the network as it is drawn, before any training, over the first training rows.

    Args:
        network: a classifier's network.
        data: a dataset of several classes.
        seeds: of the weights.
        rows: how many examples.

    Returns:
        All outputs, deltas and gradients; their first axis counts the seeds.
    """
    x = jnp.asarray(data.preprocessing.apply_numpy(data.train.x[:rows]))
    y = jnp.asarray(data.train.y[:rows])
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    return _first_gradients(network, keys, x, y)


@partial(jax.jit, static_argnums=0)
def _first_gradients(network: Network, keys: Any, x: Any, y: Any) -> Backpropagation:
    loss = losses.build("sparse_categorical_cross_entropy")

    def of_seed(key: Any) -> Backpropagation:
        params, state, _ = network.init(key, x.shape[1:])
        return backpropagate(network, loss, params, state, x, y, jnp.ones(len(x)))

    return jax.vmap(of_seed)(keys)
