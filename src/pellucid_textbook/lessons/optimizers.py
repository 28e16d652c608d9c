"""Claims on descent: the learning rate, momentum, Adam (subject 6.3, 6.5, 7.1, 7.8)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.api import Run
from pellucid.data import Dataset, Preprocessing, load_dataset
from pellucid.layers import Dense
from pellucid.network import Network
from pellucid.optimizers import SGD, Momentum, Optimizer
from pellucid_textbook.lessons.claims import Condition, Measured, claim
from pellucid_textbook.lessons.materials import diabetes
from pellucid_textbook.lessons.panels import Curve, Curves
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import train_variants

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Fixed learning rates of the lesson on them."""
EPOCHS = 20


@claim(
    17,
    "learning-rate",
    "Too high a learning rate diverges, too low a one crawls; a schedule gets both speed and a low end.",
    items=("7.1",),
    reason="""A step overshoots a valley of curvature λ if η > 2/λ, and the overshoots grow: here the steepest
    curvature is about 8, so the limit is about 0.25. Far below it steps are stable and small. In between,
    mini-batches keep a fixed rate jumping around the minimum, the further the higher the rate; a rate that
    falls starts fast and ends still.""",
    experiment="""A linear neuron predicts the progression of diabetes from ten measures, by SGD on
    mini-batches of 16, 20 epochs, other held-out rows each seed. Because it is linear, the lowest loss is known
    from least squares, and what is left is the loss on the training rows minus that one. Nine fixed rates from
    0.0001 to 1. The quickest is the one with the least left after 2 epochs (lowest mean over the seeds), the
    lowest the one with the least left at the end. A cosine schedule falls from the quickest rate to 0; it must
    be as quick as the quickest and as low as the lowest, to within a half.""",
    rule=(
        Condition("diverged at rate 1", "above", 0.99),
        Condition("left at the end, rate 0.0001, share of the start", "above", 0.5),
        Condition("left after 2 epochs, schedule / quickest fixed rate", "below", 1.5),
        Condition("left at the end, schedule / lowest fixed rate", "below", 1.5),
    ),
)
def learning_rate(seeds: Sequence[int]) -> Measured:
    """A sweep of fixed rates, then a schedule from the quickest of them."""

    def data(seed: int) -> Dataset:
        rows = diabetes(seed)
        return replace(rows, held_out=rows.train)  # judged on what descent makes small

    lowest_losses = np.array([_least_squares(data(seed)) for seed in seeds])
    settings = {"network": Network(Dense(1, weights="zeros")), "epochs": EPOCHS, "batch_size": 16, "record_every": 0}

    def left(rates: Sequence[Any]) -> list[np.ndarray]:
        variants = {str(i): {"optimizer": {"name": "sgd", "learning_rate": rate}} for i, rate in enumerate(rates)}
        runs = train_variants(data, seeds, variants, **settings)
        return [np.stack([_losses(run) for run in of_rate]) - lowest_losses[:, None] for of_rate in runs.values()]

    fixed = dict(zip(RATES, left(RATES), strict=True))
    means = {rate: np.nan_to_num(rows.mean(axis=0), nan=np.inf) for rate, rows in fixed.items()}
    quick, low = min(RATES, key=lambda rate: means[rate][1]), min(RATES, key=lambda rate: means[rate][-1])
    (schedule,) = left([{"name": "cosine_decay", "learning_rate": quick, "epochs": EPOCHS}])
    start = 1 - lowest_losses  # weights of 0 predict the mean
    by_rate = np.stack([fixed[rate] for rate in RATES], axis=-1)
    level = np.broadcast_to(schedule[..., None], by_rate.shape)
    return Measured(
        [
            Quantity.of("diverged at rate 1", np.isnan(fixed[1.0][:, -1])),
            Quantity.of("left at the end, rate 0.0001, share of the start", fixed[1e-4][:, -1] / start),
            Quantity.of("quickest fixed rate, where the schedule begins", [quick] * len(seeds)),
            Quantity.of("left after 2 epochs, schedule / quickest fixed rate", schedule[:, 1] / fixed[quick][:, 1]),
            Quantity.of("left at the end, schedule / quickest fixed rate", schedule[:, -1] / fixed[quick][:, -1]),
            Quantity.of("lowest fixed rate", [low] * len(seeds)),
            Quantity.of("left at the end, schedule / lowest fixed rate", schedule[:, -1] / fixed[low][:, -1]),
            Quantity.of("left after 2 epochs, schedule / lowest fixed rate", schedule[:, 1] / fixed[low][:, 1]),
        ],
        [
            *(
                Curves(
                    title,
                    "learning rate",
                    "loss above the lowest",
                    [
                        Curve.of("fixed rate", RATES, by_rate[:, epoch]),
                        Curve.of("schedule's level", RATES, level[:, epoch]),
                    ],
                    log="xy",
                )
                for title, epoch in (("after 2 epochs (gap: diverged)", 1), ("at the end (gap: diverged)", -1))
            ),
            Curves(
                "along the training",
                "epoch",
                "loss above the lowest",
                [
                    Curve.of(label, np.arange(1, EPOCHS + 1), rows)
                    for label, rows in (("0.0001", fixed[1e-4]), (f"{quick:g}", fixed[quick]), ("schedule", schedule))
                ],
                log="y",
            ),
        ],
    )


def _losses(run: Run) -> np.ndarray:
    """The loss after each epoch; not a number after a divergence."""
    losses = np.full(EPOCHS, np.nan)
    if run.stopped != "diverged":
        losses[:] = run.history.epochs["held_out_loss"]
    return losses


def _least_squares(data: Dataset) -> float:
    """The lowest mean squared error that a linear neuron can have on the training rows."""
    x = data.preprocessing.apply_numpy(data.train.x).astype(float)
    design = np.column_stack([x, np.ones(len(x))])
    y = data.train.y.astype(float)
    return float(np.mean((y - design @ np.linalg.lstsq(design, y)[0]) ** 2))


STEPS = 250
GOAL = 0.1


STEPS = 250
GOAL = 0.1


@claim(
    21,
    "momentum",
    "Momentum damps oscillation and speeds up.",
    items=("6.3", "7.8"),
    reason="""Where a valley is steep across and flat along, steps across it change sign from one to the next
    and cancel in the running average, while steps along it agree and add up. That allows a higher learning
    rate, and the rate is what makes the flat direction quick.""",
    experiment=f"""Handwritten digits (8×8), 64–32–10 with ReLU, gradient descent on all rows at once, so that
    nothing but the descent itself oscillates; {STEPS} steps, rates from 0.25 to 16 in doublings, with and
    without momentum 0.9 (in the form with 1 − β, in which a rate means the same to both). Oscillation is the
    share of the first 100 steps in which the loss rises, compared at the rate at which plain gradient descent
    is quickest. Speed is the number of steps until the loss stays below {GOAL} (at most {STEPS}), compared with
    each at the rate that is quickest for it.""",
    rule=(
        Condition("oscillation at the same rate, momentum − plain", "below", 0.0),
        Condition("steps at the best rates, plain / momentum", "above", 1.0),
    ),
)
def momentum(seeds: Sequence[int]) -> Measured:
    """Gradient descent on all rows, with momentum and without."""
    data = load_dataset("digits")
    rates = [0.25 * 2.0**i for i in range(7)]
    kinds = {"plain": {"name": "gradient_descent"}, "momentum": {"name": "momentum", "momentum": 0.9}}
    runs = _sweep(
        data, seeds, kinds, dict.fromkeys(kinds, rates), network=(32,), epochs=STEPS, batch_size="all", record_every=0
    )
    losses = {key: np.stack([_padded(run.history.steps["loss"]) for run in of_key]) for key, of_key in runs.items()}
    steps = {key: np.array([_steps_to_goal(row) for row in rows]) for key, rows in losses.items()}
    rising = {key: np.array([_share_rising(row) for row in rows]) for key, rows in losses.items()}
    plain, same = ("plain", _best(steps, "plain")), ("momentum", _best(steps, "plain"))
    best = ("momentum", _best(steps, "momentum"))
    shown = {"plain, its best rate": plain, "momentum, the same rate": same, "momentum, its best rate": best}
    return Measured(
        [
            Quantity.of("best rate, plain", [plain[1]] * len(seeds)),
            Quantity.of("oscillation at that rate, plain", rising[plain]),
            Quantity.of("oscillation at that rate, momentum", rising[same]),
            Quantity.of("oscillation at the same rate, momentum − plain", rising[same] - rising[plain]),
            Quantity.of("steps at the same rate, plain / momentum", steps[plain] / steps[same]),
            Quantity.of("best rate, momentum", [best[1]] * len(seeds)),
            Quantity.of("steps at its best rate, plain", steps[plain]),
            Quantity.of("steps at its best rate, momentum", steps[best]),
            Quantity.of("steps at the best rates, plain / momentum", steps[plain] / steps[best]),
        ],
        [
            Curves(
                "descent on all rows at once",
                "step",
                "training loss",
                [Curve.of(label, np.arange(STEPS), losses[key]) for label, key in shown.items()],
                log="y",
            ),
            Curves(
                f"until the loss stays below {GOAL}",
                "learning rate",
                f"steps ({STEPS}: not reached)",
                [Curve.of(kind, rates, np.array([steps[kind, rate] for rate in rates]).T) for kind in kinds],
                log="x",
            ),
        ],
    )


def _sweep(
    data: Dataset | Callable[[int], Dataset],
    seeds: Sequence[int],
    optimizers: Mapping[str, Mapping[str, Any]],
    rates: Mapping[str, Sequence[float]],
    **shared: Any,
) -> dict[tuple[str, float], list[Run]]:
    """Runs by optimiser and learning rate."""
    keys = {f"{label} at {rate:g}": (label, rate) for label in optimizers for rate in rates[label]}
    variants = {
        name: {"optimizer": {**optimizers[label], "learning_rate": rate}} for name, (label, rate) in keys.items()
    }
    runs = train_variants(data, seeds, variants, **shared)
    return {keys[name]: of_name for name, of_name in runs.items()}


def _best(scores: Mapping[tuple[str, float], np.ndarray], label: str) -> float:
    """The rate with the lowest mean score over the seeds; one that is not a number is the worst."""
    means = {rate: np.nan_to_num(values.mean(), nan=np.inf) for (of, rate), values in scores.items() if of == label}
    return min(means, key=means.__getitem__)


def _padded(losses: np.ndarray) -> np.ndarray:
    """The loss of every step; not a number after a divergence."""
    return np.append(losses, np.full(STEPS - len(losses), np.nan))


def _steps_to_goal(losses: np.ndarray) -> int:
    above = np.flatnonzero(~(losses < GOAL))
    return int(above[-1]) + 1 if len(above) else 0


def _share_rising(losses: np.ndarray) -> float:
    """Of the first 100 steps; those that a divergence left out count as rising."""
    return float((~(np.diff(losses[:101]) <= 0)).mean())


@claim(
    22,
    "adam-sgd",
    "Adam gets further than SGD in the same number of steps, each at its best learning rate.",
    items=("6.2", "6.5"),
    reason="""Adam divides each weight's step by the size of its recent gradients, so every weight moves about
    η a step, whatever the scale of its input. SGD has one rate for all, which the steepest direction limits.
    Where all inputs are of one scale there is less to gain.""",
    experiment="""Two problems, 10 epochs of mini-batches of 32, both optimisers at the best of seven learning
    rates half a decade apart, judged by the training loss of the last epoch (lowest mean over the seeds).
    Unlike scales: breast cancer from 30 measures in their raw units, from thousandths to thousands, one sigmoid
    neuron whose weights begin at 0, other held-out rows each seed. Like scales: 8×8 digits, 64–32–32–10. Adam's
    loss must be the lower one on both.""",
    rule=(
        Condition("training loss, SGD / Adam, unlike scales", "above", 1.0),
        Condition("training loss, SGD / Adam, like scales", "above", 1.0),
    ),
)
def adam_sgd(seeds: Sequence[int]) -> Measured:
    """Two optimisers on two problems, over learning rates."""

    def raw(seed: int) -> Dataset:
        return replace(load_dataset("breast-cancer", seed=seed), preprocessing=Preprocessing())

    neuron, layers = Network(Dense(1, "sigmoid", weights="zeros")), (32, 32)
    problems = {
        "unlike scales": (raw, neuron, {"sgd": _half_decades(-7.5), "adam": _half_decades(-4)}),
        "like scales": (load_dataset("digits"), layers, {"sgd": _half_decades(-2.5), "adam": _half_decades(-3.5)}),
    }
    quantities, panels = [], []
    for problem, (data, network, rates) in problems.items():
        optimizers = {name: {"name": name} for name in rates}
        runs = _sweep(data, seeds, optimizers, rates, network=network, epochs=10, batch_size=32, record_every=0)
        losses = {key: np.array([_last_loss(run) for run in of_key]) for key, of_key in runs.items()}
        sgd, adam = ((name, _best(losses, name)) for name in ("sgd", "adam"))
        quantities += [
            Quantity.of(f"best rate, SGD, {problem}", [sgd[1]] * len(seeds)),
            Quantity.of(f"best rate, Adam, {problem}", [adam[1]] * len(seeds)),
            Quantity.of(f"training loss, SGD, {problem}", losses[sgd]),
            Quantity.of(f"training loss, Adam, {problem}", losses[adam]),
            Quantity.of(f"training loss, SGD / Adam, {problem}", losses[sgd] / losses[adam]),
            Quantity.of(
                f"held-out loss, SGD / Adam, {problem}",
                [a.result["loss"] / b.result["loss"] for a, b in zip(runs[sgd], runs[adam], strict=True)],
            ),
        ]
        curves = [
            Curve.of(label, rates[name], np.array([losses[name, rate] for rate in rates[name]]).T)
            for name, label in (("sgd", "SGD"), ("adam", "Adam"))
        ]
        panels.append(Curves(problem, "learning rate", "training loss, last epoch", curves, log="xy"))
    return Measured(quantities, panels)


def _half_decades(start: float) -> list[float]:
    return [float(f"{10 ** (start + i / 2):.1g}") for i in range(7)]


def _last_loss(run: Run) -> float:
    return float("nan") if run.stopped == "diverged" else float(run.history.epochs["loss"][-1])


LANDSCAPES = 50
"""Drawn for each seed."""
DENTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)
SHALLOW, DEEP = 0.5, 1.6


@claim(
    29,
    "momentum-minimum",
    "Momentum carries the descent past a shallow local minimum.",
    items=("6.3", "7.8"),
    reason="""The running average still points down the long gradient while the gradient in the dent already
    points back; if the dent is narrow and shallow the average carries the weight over its edge. A deep dent
    turns it round.""",
    experiment=f"""One weight descends a bowl with a dent in its side, f(w) = 0.15 (w − 3)² − d exp(−(w −
    c)²/2s²): the bottom is at 3, and from d ≈ 0.4 the dent is a local minimum of its own. {LANDSCAPES}
    landscapes a seed, c between −0.5 and 0.5, s between 0.25 and 0.35, starts between −3 and −2, rate 0.05,
    2,000 steps: SGD, momentum 0.9 and 0.95 (in the form with 1 − β, in which a rate means the same to all).
    Counted are those that end at the bottom. Shallow is d = {SHALLOW}, whose edge is about 1 % as high as the
    way down; as a control, at d = {DEEP}, about 20 %, momentum 0.9 must be held back too.""",
    rule=(
        Condition("past the shallow dent, SGD", "below", 0.1),
        Condition("past the shallow dent, momentum 0.9", "above", 0.9),
        Condition("past the deep dent, momentum 0.9", "below", 0.1),
    ),
)
def momentum_minimum(seeds: Sequence[int]) -> Measured:
    """Many landscapes for each seed, three rules of descent."""
    rules = {"SGD": SGD(0.05), "momentum 0.9": Momentum(0.05, 0.9), "momentum 0.95": Momentum(0.05, 0.95)}
    drawn = [_landscapes(seed) for seed in seeds]
    past = {
        name: np.array([[_share_past(_descend(rule, landscapes, dent)) for dent in DENTS] for landscapes in drawn])
        for name, rule in rules.items()
    }
    shallow, deep = DENTS.index(SHALLOW), DENTS.index(DEEP)
    ws = np.linspace(-3, 5, 200)
    one = {
        name: jnp.asarray([value], jnp.float32) for name, value in {"centre": 0.0, "width": 0.3, "start": -2.5}.items()
    }
    here = Curve.of("loss", ws, _loss(jnp.asarray(ws, jnp.float32), one["centre"], one["width"], SHALLOW))
    paths = [Curve.of(name, range(400), _descend(rule, one, SHALLOW)[:400, 0]) for name, rule in rules.items()]
    return Measured(
        [
            Quantity.of(f"past the {which} dent, {name}", values[:, column])
            for which, column in (("shallow", shallow), ("deep", deep))
            for name, values in past.items()
        ],
        [
            Curves(f"the landscape, d = {SHALLOW}", "weight", "loss", [here]),
            Curves("a descent of it", "step", "weight", paths),
            Curves(
                "how deep a dent holds",
                "depth d of the dent",
                "share that reach the bottom",
                [Curve.of(name, DENTS, values) for name, values in past.items()],
            ),
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


def _share_past(path: jax.Array) -> float:
    return float((abs(np.asarray(path)[-1] - 3) < 0.1).mean())
