"""Shared by the experiments: paired trainings, networks and data, results of the runs."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pellucid as pel
from pellucid.data import Part
from pellucid.report.chart import LineChart
from pellucid.runs.many import many
from pellucid.runs.plan import settle
from pellucid_textbook.charts import lines

Runs = Mapping[str, Sequence[pel.Run]]
"""Runs by label, in the order of the seeds."""

# ------------------------------------------------------------------------------------------- trainings


def train_variants(
    data: pel.Dataset | Callable[[int], pel.Dataset],
    seeds: Sequence[int],
    variants: Mapping[str, Mapping[str, Any] | pel.Network],
    **shared: Any,
) -> dict[str, list[pel.Run]]:
    """Train variants that differ in stated settings, each with the same seeds: paired experiments.

    Args:
        data: the dataset of all, or the dataset of each seed.
        seeds: of initial weights and order of rows; equal for all variants.
        variants: a variant's own settings by its label, as of `pellucid.train`, its ``data`` too; or its network.
        **shared: settings that all share.
    """
    plans = []
    for settings in variants.values():
        for seed in seeds:
            # Targets stay in the units that the experiment states, so that a loss acts as it is defined.
            own = {"network": settings} if isinstance(settings, pel.Network) else settings
            chosen = {"data": data, "record_every": 0, "scale_targets": "none", **shared, **own}
            source, network = chosen.pop("data"), chosen.pop("network", None)
            dataset = source if isinstance(source, pel.Dataset) else source(seed)
            plans.append(settle(network, dataset, chosen | {"seed": seed}))
    trained = many(
        [plan.experiment for plan in plans],
        [plan.data for plan in plans],
        networks=[plan.network for plan in plans],
        optimizers=[plan.optimizer for plan in plans],
    )
    runs = map(pel.Run.of, trained)
    return {label: [next(runs) for _ in seeds] for label in variants}


def at_best_rate(
    data: pel.Dataset | Callable[[int], pel.Dataset],
    seeds: Sequence[int],
    variants: Mapping[str, Mapping[str, Any]],
    rates: Sequence[float],
    score: Callable[[pel.Run], float],
    **shared: Any,
) -> dict[str, tuple[float, list[pel.Run]]]:
    """Train each variant at several learning rates and keep its best, so that none wins by a rate that suits it.

    The best rate has the lowest mean score over the seeds; NaN, as of a training that diverged, is the worst. The other
    arguments are those of `train_variants`.
    """
    runs = sweep(data, seeds, variants, dict.fromkeys(variants, rates), **shared)
    scores = {key: [score(run) for run in of_key] for key, of_key in runs.items()}
    best = {label: best_rate(scores, label) for label in variants}
    return {label: (rate, runs[label, rate]) for label, rate in best.items()}


def sweep(
    data: pel.Dataset | Callable[[int], pel.Dataset],
    seeds: Sequence[int],
    variants: Mapping[str, Mapping[str, Any]],
    rates: Mapping[str, Sequence[float]],
    **shared: Any,
) -> dict[tuple[str, float], list[pel.Run]]:
    """Train each variant at each of its learning rates, by SGD unless it names an optimiser; runs by label and rate."""
    keys = [(label, rate) for label in variants for rate in rates[label]]
    tried = {}
    for label, rate in keys:
        optimizer = {"name": "sgd", **variants[label].get("optimizer", {}), "learning_rate": rate}
        tried[f"{label} at {rate:g}"] = {**variants[label], "optimizer": optimizer}
    return dict(zip(keys, train_variants(data, seeds, tried, **shared).values(), strict=True))


def best_rate(scores: Mapping[tuple[str, float], Any], label: str) -> float:
    """The rate with the lowest mean score of those by label and rate; NaN is the worst."""
    means = {rate: np.nan_to_num(np.mean(score), nan=np.inf) for (of, rate), score in scores.items() if of == label}
    return min(means, key=means.__getitem__)


def with_rates(best: Mapping[str, tuple[float, list[pel.Run]]]) -> dict[str, list[pel.Run]]:
    """The runs under labels that name their rate."""
    return {f"{label} at rate {rate:g}": runs for label, (rate, runs) in best.items()}


def first_gradients(network: pel.Network, data: pel.Dataset, seeds: Sequence[int]) -> Any:
    """All outputs, deltas and gradients of a classifier with initial weights, over 512 training rows, by seed."""
    x = jnp.asarray(data.preprocessing.apply_numpy(data.train.x[:512]))
    y = jnp.asarray(data.train.y[:512])
    return _first_gradients(network, jnp.stack([jax.random.key(seed) for seed in seeds]), x, y)


@partial(jax.jit, static_argnums=0)
def _first_gradients(network: pel.Network, keys: Any, x: Any, y: Any) -> Any:
    loss = pel.losses.SparseCategoricalCrossEntropy()

    def of_seed(key: Any) -> Any:
        params, state, _ = network.init(key, x.shape[1:])
        return pel.backpropagate(network, loss, params, state, x, y, jnp.ones(len(x)))

    return jax.vmap(of_seed)(keys)


# ------------------------------------------------------------------------------------ networks and data


def digits_network(activation: Any, depth: int = 1, units: int = 32, weights: str = "he_normal") -> pel.Network:
    """Hidden layers of equal width and activation, and the output for the digits."""
    hidden = (pel.Dense(units, activation, weights=weights) for _ in range(depth))
    return pel.Network(pel.Flatten(), *hidden, pel.Dense(10, "softmax", weights=weights))


def activation_indices(network: pel.Network) -> list[int]:
    """The indices of the network's activation layers."""
    return [index for index, layer in enumerate(network.layers) if isinstance(layer, pel.Activation)]


def held_out_rows(data: pel.Dataset) -> jax.Array:
    """The inputs of the held-out rows, as a network reads them."""
    assert data.held_out is not None
    return jnp.asarray(data.preprocessing.apply_numpy(data.held_out.x))


def scaled_digits(factor: float) -> pel.Dataset:
    """The 8×8 digits with every pixel multiplied."""
    data = pel.load_dataset("digits")
    (scaling,) = data.preprocessing.parts
    return replace(data, preprocessing=replace(scaling, scale=scaling.scale * factor))


def few_digits(seed: int, rows: int) -> pel.Dataset:
    """The digits of ``mnist-5k``, of which only some rows, chosen by the seed, train; the 1,000 held-out ones stay."""
    data = pel.load_dataset("mnist-5k")
    chosen = np.random.default_rng(seed).permutation(len(data.train))[:rows]
    return replace(data, train=data.train.take(chosen))


def diabetes(seed: int) -> pel.Dataset:
    """The diabetes table with other held-out rows for each seed, its target in standard deviations.

    Mean and standard deviation are those of the training rows: predicting the mean has a mean squared error of 1.
    """
    data = pel.load_dataset("diabetes", seed=seed)
    mean, deviation = data.train.y.mean(), data.train.y.std()
    return with_targets(data, lambda part: (part.y - mean) / deviation)


def with_targets(data: pel.Dataset, targets: Callable[[Part], np.ndarray], **changes: Any) -> pel.Dataset:
    """The dataset with the targets that a function gives for each part, in float32."""
    assert data.held_out is not None
    train, held_out = (Part(part.x, targets(part).astype(np.float32)) for part in (data.train, data.held_out))
    return replace(data, train=train, held_out=held_out, **changes)


# ------------------------------------------------------------------------------------- reading the runs


def last_loss(run: pel.Run) -> float:
    """The mean training loss of the last epoch; NaN after a divergence."""
    return float("nan") if run.stopped == "diverged" else float(run.history.epochs["loss"][-1])


def results(runs: Runs, name: str) -> dict[str, np.ndarray]:
    """A held-out result of the runs, by label: an array over the seeds."""
    return {label: np.array([run.result[name] for run in of_label]) for label, of_label in runs.items()}


def epochs(runs: Runs, column: str) -> dict[str, np.ndarray]:
    """A column of the histories by epoch, by label: an array (seeds, epochs)."""
    return {label: np.stack([run.history.epochs[column] for run in of_label]) for label, of_label in runs.items()}


def named(quantity: str, by_label: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a quantity under its full names, ``quantity, label``; a unit in brackets stays at the end."""
    quantity, bracket, unit = quantity.partition(" [")
    return {f"{quantity}, {label}{bracket}{unit}": values for label, values in by_label.items()}


def compared(by_label: Mapping[str, Any], *comparisons: str) -> dict[str, Any]:
    """The values by label, with differences ``a − b`` and ratios ``a / b`` of labels, seed by seed."""
    values = {label: np.asarray(of_label) for label, of_label in by_label.items()}
    for comparison in comparisons:
        first, sign, second = re.split(" (−|/) ", comparison)
        compare = np.subtract if sign == "−" else np.divide
        values[comparison] = compare(values[first], values[second])
    return values


def along_epochs(title: str, label: str, runs: Runs, column: str, log: str = "") -> LineChart:
    """A column of the histories drawn over the epochs, a line for each label."""
    rows = epochs(runs, column)
    count = len(next(iter(rows.values()))[0])
    return lines(title, "epoch", label, range(1, count + 1), rows, log)
