"""Experiments on descent: the learning rate, momentum, Adam."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pellucid as pel
from pellucid.data import Preprocessing
from pellucid.optimizers import Optimizer
from pellucid.report.chart import LineChart
from pellucid_textbook.charts import band, lines
from pellucid_textbook.lessons.claim import Measured, experiment
from pellucid_textbook.lessons.trainings import best_rate, diabetes, last_loss, results, sweep, train_variants

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Fixed learning rates of the lesson on them."""
EPOCHS = 20


@experiment("learning-rate")
def learning_rate(seeds: Sequence[int]) -> Measured:
    """A sweep of fixed rates, then a schedule from the quickest of them."""

    def data(seed: int) -> pel.Dataset:
        rows = diabetes(seed)
        return replace(rows, held_out=rows.train)  # scored on what descent minimises

    lowest_losses = np.array([_least_squares(data(seed)) for seed in seeds])
    network = pel.Network(pel.Dense(1, weights="zeros"))

    def left(rates: Sequence[Any]) -> list[np.ndarray]:
        variants = {str(i): {"optimizer": {"name": "sgd", "learning_rate": rate}} for i, rate in enumerate(rates)}
        runs = train_variants(data, seeds, variants, network=network, epochs=EPOCHS, batch_size=16)
        return [np.stack([_losses(run) for run in of_rate]) - lowest_losses[:, None] for of_rate in runs.values()]

    fixed = dict(zip(RATES, left(RATES), strict=True))
    means = {rate: np.nan_to_num(rows.mean(axis=0), nan=np.inf) for rate, rows in fixed.items()}
    quick, low = min(RATES, key=lambda rate: means[rate][1]), min(RATES, key=lambda rate: means[rate][-1])
    (schedule,) = left([{"name": "cosine_decay", "learning_rate": quick, "epochs": EPOCHS}])
    start = 1 - lowest_losses  # weights of 0 predict the mean
    by_rate = np.stack([fixed[rate] for rate in RATES], axis=-1)
    levels = {"fixed rate": by_rate, "schedule's level": np.broadcast_to(schedule[..., None], by_rate.shape)}
    moments = {"after 2 epochs (gap: diverged)": 1, "at the end (gap: diverged)": -1}
    label = "loss above the lowest"
    trainings = {"0.0001": fixed[1e-4], f"{quick:g}": fixed[quick], "schedule": schedule}
    return Measured(
        {
            "diverged at rate 1": np.isnan(fixed[1.0][:, -1]),
            "left at the end, rate 0.0001, fraction of the start": fixed[1e-4][:, -1] / start,
            "quickest fixed rate, initial rate of the schedule": [quick] * len(seeds),
            "left after 2 epochs, schedule / quickest fixed rate": schedule[:, 1] / fixed[quick][:, 1],
            "left at the end, schedule / quickest fixed rate": schedule[:, -1] / fixed[quick][:, -1],
            "lowest fixed rate": [low] * len(seeds),
            "left at the end, schedule / lowest fixed rate": schedule[:, -1] / fixed[low][:, -1],
            "left after 2 epochs, schedule / lowest fixed rate": schedule[:, 1] / fixed[low][:, 1],
        },
        [
            *(
                lines(title, "learning rate", label, RATES, {k: loss[:, epoch] for k, loss in levels.items()}, log="xy")
                for title, epoch in moments.items()
            ),
            lines("along the training", "epoch", label, range(1, EPOCHS + 1), trainings, log="y"),
        ],
    )


def _losses(run: pel.Run) -> np.ndarray:
    losses = np.full(EPOCHS, np.nan)
    if run.stopped != "diverged":
        losses[:] = run.history.epochs["held_out_loss"]
    return losses


def _least_squares(data: pel.Dataset) -> float:
    x = data.preprocessing.apply_numpy(data.train.x).astype(float)
    design = np.column_stack([x, np.ones(len(x))])
    y = data.train.y.astype(float)
    return float(np.mean((y - design @ np.linalg.lstsq(design, y)[0]) ** 2))


STEPS = 250
GOAL = 0.1


@experiment("momentum")
def momentum(seeds: Sequence[int]) -> Measured:
    """Gradient descent on all rows, with momentum and without."""
    data = pel.load_dataset("digits")
    rates = [0.25 * 2.0**i for i in range(7)]
    rules = {"plain": {"name": "gradient_descent"}, "momentum": {"name": "momentum", "momentum": 0.9}}
    kinds = {name: {"optimizer": rule} for name, rule in rules.items()}
    settings = {"network": (32,), "epochs": STEPS, "batch_size": "all"}
    runs = sweep(data, seeds, kinds, dict.fromkeys(kinds, rates), **settings)
    losses = {key: np.stack([_padded(run.history.steps["loss"]) for run in of_key]) for key, of_key in runs.items()}
    steps = {key: np.array([_steps_to_goal(row) for row in rows]) for key, rows in losses.items()}
    rising = {key: np.array([_fraction_rising(row) for row in rows]) for key, rows in losses.items()}
    plain, best = (("plain", best_rate(steps, "plain")), ("momentum", best_rate(steps, "momentum")))
    same = ("momentum", plain[1])
    shown = {"plain, its best rate": plain, "momentum, the same rate": same, "momentum, its best rate": best}
    by_kind = {kind: np.stack([steps[kind, rate] for rate in rates], axis=1) for kind in kinds}
    along = {label: losses[key] for label, key in shown.items()}
    until = f"until the loss stays below {GOAL}"
    return Measured(
        {
            "best rate, plain": [plain[1]] * len(seeds),
            "oscillation at that rate, plain": rising[plain],
            "oscillation at that rate, momentum": rising[same],
            "oscillation at the same rate, momentum − plain": rising[same] - rising[plain],
            "steps at the same rate, plain / momentum": steps[plain] / steps[same],
            "best rate, momentum": [best[1]] * len(seeds),
            "steps at its best rate, plain": steps[plain],
            "steps at its best rate, momentum": steps[best],
            "steps at the best rates, plain / momentum": steps[plain] / steps[best],
        },
        [
            lines("descent on all rows at once", "step", "training loss", range(STEPS), along, log="y"),
            lines(until, "learning rate", f"steps ({STEPS}: not reached)", rates, by_kind, log="x"),
        ],
    )


def _padded(losses: np.ndarray) -> np.ndarray:
    return np.append(losses, np.full(STEPS - len(losses), np.nan))


def _steps_to_goal(losses: np.ndarray) -> int:
    above = np.flatnonzero(~(losses < GOAL))
    return int(above[-1]) + 1 if len(above) else 0


def _fraction_rising(losses: np.ndarray) -> float:
    """Of the first 100 steps; those that a divergence left out count as rising."""
    return float((~(np.diff(losses[:101]) <= 0)).mean())


@experiment("adam-sgd")
def adam_sgd(seeds: Sequence[int]) -> Measured:
    """Two optimisers on two problems, over learning rates."""

    def raw(seed: int) -> pel.Dataset:
        return replace(pel.load_dataset("breast-cancer", seed=seed), preprocessing=Preprocessing())

    neuron, digits = pel.Network(pel.Dense(1, "sigmoid", weights="zeros")), pel.load_dataset("digits")
    problems = {
        "unlike scales": (raw, neuron, {"SGD": _half_decades(-7.5), "Adam": _half_decades(-4)}),
        "like scales": (digits, (32, 32), {"SGD": _half_decades(-2.5), "Adam": _half_decades(-3.5)}),
    }
    quantities, charts = {}, []
    for problem, (data, network, rates) in problems.items():
        variants = {name: {"optimizer": {"name": name.lower()}} for name in rates}
        runs = sweep(data, seeds, variants, rates, network=network, epochs=10, batch_size=32)
        losses = {key: np.array([last_loss(run) for run in of_key]) for key, of_key in runs.items()}
        best = {name: best_rate(losses, name) for name in rates}
        sgd, adam = best.items()
        held_out = results({name: runs[name, rate] for name, rate in best.items()}, "loss")
        quantities |= {f"best rate, {name}, {problem}": [rate] * len(seeds) for name, rate in best.items()}
        quantities |= {f"training loss, {name}, {problem}": losses[name, rate] for name, rate in best.items()}
        quantities[f"training loss, SGD / Adam, {problem}"] = losses[sgd] / losses[adam]
        quantities[f"held-out loss, SGD / Adam, {problem}"] = held_out["SGD"] / held_out["Adam"]
        bands = [
            band(name, rates[name], np.stack([losses[name, rate] for rate in rates[name]], axis=1)) for name in rates
        ]
        charts.append(LineChart(problem, bands, "learning rate", "training loss, last epoch", log=True, log_x=True))
    return Measured(quantities, charts)


def _half_decades(start: float) -> list[float]:
    return [float(f"{10 ** (start + i / 2):.1g}") for i in range(7)]


LANDSCAPES = 50
"""Random landscapes for each seed."""
DENTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)
SHALLOW, DEEP = 0.5, 1.6


@experiment("momentum-minimum")
def momentum_minimum(seeds: Sequence[int]) -> Measured:
    """Many landscapes for each seed, three rules of descent."""
    rules: dict[str, Any] = {"SGD": pel.SGD(0.05)}
    rules |= {f"momentum {beta}": pel.optimizers.Momentum(0.05, beta) for beta in (0.9, 0.95)}
    random = [_landscapes(seed) for seed in seeds]
    past = {
        name: np.array(
            [[(abs(_descend(rule, landscapes, dent)[-1] - 3) < 0.1).mean() for dent in DENTS] for landscapes in random]
        )
        for name, rule in rules.items()
    }
    ws = np.linspace(-3, 5, 200)
    one = {"centre": jnp.zeros(1), "width": jnp.full(1, 0.3), "start": jnp.full(1, -2.5)}
    landscape = _loss(jnp.asarray(ws, jnp.float32), one["centre"], one["width"], SHALLOW)
    paths = {name: _descend(rule, one, SHALLOW)[:400, 0] for name, rule in rules.items()}
    return Measured(
        {
            f"past the {which} dent, {name}": values[:, DENTS.index(dent)]
            for which, dent in (("shallow", SHALLOW), ("deep", DEEP))
            for name, values in past.items()
        },
        [
            lines(f"the landscape, d = {SHALLOW}", "weight", "loss", ws, {"loss": landscape}),
            lines("one descent", "step", "weight", range(400), paths),
            lines("depth that holds", "depth d of the dent", "fraction that reach the bottom", DENTS, past),
        ],
    )


def _landscapes(seed: int) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    ranges = {"centre": (-0.5, 0.5), "width": (0.25, 0.35), "start": (-3.0, -2.0)}
    return {name: jnp.asarray(rng.uniform(*ends, LANDSCAPES), jnp.float32) for name, ends in ranges.items()}


def _loss(w: jax.Array, centre: jax.Array, width: jax.Array, dent: float | jax.Array) -> jax.Array:
    return 0.15 * (w - 3) ** 2 - dent * jnp.exp(-((w - centre) ** 2) / (2 * width**2))


@jax.jit
def _descend(rule: Optimizer, landscapes: dict[str, jax.Array], dent: float) -> jax.Array:
    """The weights of all landscapes, before each of 2,000 steps and after the last."""
    centre, width = landscapes["centre"], landscapes["width"]
    params = {"weights": landscapes["start"]}
    gradient = jax.grad(lambda w: _loss(w, centre, width, dent).sum())

    def step(carry: Any, _: None) -> tuple[Any, jax.Array]:
        params, state = carry
        update = rule.update({"weights": gradient(params["weights"])}, state, params)
        return (update.params, update.state), params["weights"]

    (params, _), path = jax.lax.scan(step, (params, rule.init(params)), None, 2000)
    return jnp.concatenate([path, params["weights"][None]])
