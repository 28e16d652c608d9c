"""What the optimiser makes of a gradient: the next update of one weight, line by line."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.types import PyTree
from pellucid.explanations.formula import Line
from pellucid.functions.regularizers import L2, ElasticNet, regularizers
from pellucid.functions.schedules import Schedule
from pellucid.layers.layer import WEIGHTS
from pellucid.optimizers import SGD, OptimizerState, as_optimizer, clip
from pellucid.runs.checkpoint import latest_checkpoint, load_checkpoint
from pellucid.runs.folder import RunFolder
from pellucid.runs.run import Run
from pellucid.training import TrainingState, from_arrays, initial_state

MOMENT = ("m", "b1 * m + (1 - b1) * g", "momentum")
SQUARE = ("v", "b2 * v + (1 - b2) * g**2", "square")
HATS = (("mhat", "m / (1 - b1**t)", ""), ("vhat", "v / (1 - b2**t)", ""))
RULES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "sgd": (("w", "w - eta * g", ""),),
    "gradient_descent": (("w", "w - eta * g", ""),),
    "momentum": (("v", "beta * v + (1 - beta) * g", "momentum"), ("w", "w - eta * v", "")),
    "nesterov": (("v", "beta * v + g", "momentum"), ("w", "w - eta * (g + beta * v)", "")),
    "adagrad": (("s", "s + g**2", "square"), ("w", "w - eta * g / (sqrt(s) + eps)", "")),
    "adadelta": (
        ("s", "rho * s + (1 - rho) * g**2", "square"),
        ("step", "g * sqrt(u + eps) / sqrt(s + eps)", ""),
        ("u", "rho * u + (1 - rho) * step**2", "update"),
        ("w", "w - eta * step", ""),
    ),
    "rmsprop": (("s", "rho * s + (1 - rho) * g**2", "square"), ("w", "w - eta * g / (sqrt(s) + eps)", "")),
    "rmsprop with momentum": (
        ("s", "rho * s + (1 - rho) * g**2", "square"),
        ("v", "beta * v + g / (sqrt(s) + eps)", "momentum"),
        ("w", "w - eta * v", ""),
    ),
    "adam": (MOMENT, SQUARE, *HATS, ("w", "w - eta * mhat / (sqrt(vhat) + eps)", "")),
    "adamw": (MOMENT, SQUARE, *HATS, ("w", "w - eta * (mhat / (sqrt(vhat) + eps) + lam * w)", "")),
    "nadam": (
        MOMENT,
        SQUARE,
        ("mhat", "b1 * m / (1 - b1**(t + 1)) + (1 - b1) * g / (1 - b1**t)", ""),
        ("vhat", "v / (1 - b2**t)", ""),
        ("w", "w - eta * mhat / (sqrt(vhat) + eps)", ""),
    ),
    "adamax": (MOMENT, ("u", "max(b2 * u, abs(g) + eps)", "largest"), ("w", "w - eta * m / ((1 - b1**t) * u)", "")),
}
"""The lines of every rule: what is computed, the formula, and the running average that it begins from."""
NUMBERS = {"beta1": "b1", "beta2": "b2", "decay": "rho", "epsilon": "eps", "momentum": "beta", "weight_decay": "lam"}
"""The letters of an optimiser's fields."""


class Standing(NamedTuple):
    """The optimiser as it stands after the training, and where that is from."""

    state: TrainingState | None
    progress: float
    """Epochs made, for the schedule."""
    why_not: str
    """Why there is no state."""


@dataclass(frozen=True)
class Update:
    """The next update of one weight, were this example the whole batch.

    Attributes:
        rule: the optimiser's name.
        source: where rule and state come from, in a sentence.
        lines: the calculation.
        before: the weight.
        after: the weight after the update, as the optimiser itself computes it.
    """

    rule: str
    source: str
    lines: tuple[Line, ...]
    before: float
    after: float


def standing_of(run: Run) -> Standing:
    """The training state that a run ended with: in memory, or in its folder's last checkpoint."""
    state = None
    if run.training is not None:
        state = run.training.state
    elif run.folder is not None:
        path = latest_checkpoint(RunFolder(run.folder).checkpoints)
        if path is not None and run.experiment.optimizer != "optax":
            rule = as_optimizer(run.experiment.optimizer)
            penalty = run.experiment.regularizer
            template = initial_state(
                run.network,
                rule,
                None if penalty is None else regularizers.build(penalty),
                run.facts.input_shape,
                run.experiment.seed,
            )
            state = from_arrays({"state": template}, load_checkpoint(path)[0])["state"]
    if state is None:
        return Standing(None, 0.0, "no state of the run's optimiser is kept")
    pairs = zip(jax.tree.leaves(state.params), jax.tree.leaves(run.params), strict=True)
    if not all(np.array_equal(one, other) for one, other in pairs):
        return Standing(None, 0.0, "the weights are those of the best epoch, the optimiser's state that of the last")
    epochs = run.history.epochs_made
    per_epoch = run.history.steps_made / epochs if epochs else run.history.steps_made + 1
    return Standing(state, float(state.step) / per_epoch, "")


def next_update(run: Run, params: PyTree, grads: PyTree, layer: int, name: str, index: tuple[int, ...]) -> Update:
    """The next update of the weight at ``index`` of the array ``name`` of a layer.

    Args:
        run: the run, for its optimiser and regulariser.
        params: the network's parameters in double precision.
        grads: ∂L/∂ each of them.
        layer: the number of the layer.
        name: the array's path in the layer's parameters, ``"weights"`` or ``"forward/weights"``.
        index: the weight's place there.
    """
    standing = standing_of(run)
    state, regularizer = standing.state, None

    def pick(tree: PyTree) -> float:
        tree = tree[layer]
        for key in name.split("/"):
            tree = tree[key]
        return float(tree[index])

    if state is None:
        rate = _rate_written(run.experiment.optimizer)
        optimizer = SGD(rate).init(params)
        source = f"plain gradient descent with η = {rate:g}: {standing.why_not}"
    else:
        optimizer, regularizer = double(state.optimizer), double(state.regularizer)
        name_of_rule = getattr(state.optimizer.rule, "name", "optax")
        source = f"the run's own {name_of_rule}, from its state after step {int(state.step):,}"
    names = run.network.names
    penalised = regularizer is not None and name.split("/")[-1] in WEIGHTS and regularizer.covers(names[layer])
    gradient = pick(grads)
    lines: list[Line] = []
    total = grads
    if regularizer is not None:
        total = jax.tree_util.tree_map_with_path(
            lambda path, g, w: (
                g + regularizer.gradient(w) if path[-1].key in WEIGHTS and regularizer.covers(names[path[0].idx]) else g
            ),
            grads,
            params,
        )
    if penalised and isinstance(regularizer, L2 | ElasticNet):
        strength = float(regularizer.strength if isinstance(regularizer, L2) else regularizer.l2)
        numbers = {"dL_dw": gradient, "lam": strength, "w": pick(params)}
        lines.append(Line("g", "dL_dw + 2 * lam * w", numbers))
    else:
        lines.append(Line("g", "dL_dw", {"dL_dw": gradient}))
    update = optimizer.rule.update(total, optimizer, params, jnp.asarray(standing.progress, jnp.float64))
    rate = float(update.learning_rate)
    lines += rule_lines(optimizer, total, pick, lines[-1].value, pick(params), rate)
    after = update.params
    if penalised and regularizer is not None:
        after = jax.tree.map(lambda w: regularizer.proximal(w, update.learning_rate), after)
        l1 = float(getattr(regularizer, "l1", getattr(regularizer, "strength", 0.0)))
        if not isinstance(regularizer, L2):
            numbers = {"w": pick(update.params), "eta": float(update.learning_rate), "l1": l1}
            lines.append(Line("w", "sign(w) * max(abs(w) - eta * l1, 0)", numbers, becomes=True))
    return Update(getattr(optimizer.rule, "name", "optax"), source, tuple(lines), pick(params), pick(after))


def rule_lines(
    optimizer: OptimizerState, grads: PyTree, pick: Any, gradient: float, weight: float, rate: float
) -> list[Line]:
    """The lines of the rule for one weight; none for Optax, whose rule is not known here."""
    rule = optimizer.rule
    if getattr(rule, "name", None) not in RULES:
        return []
    lines: list[Line] = []
    if rule.clip_norm is not None or rule.clip_value is not None:
        clipped = pick(clip(grads, rule.clip_norm, rule.clip_value))
        lines.append(Line("g", "c * g", {"c": clipped / gradient if gradient else 1.0, "g": gradient}, becomes=True))
        gradient = clipped
    numbers = {
        letter: float(getattr(rule, field))
        for field, letter in NUMBERS.items()
        if getattr(rule, field, None) is not None
    }
    numbers |= {"g": gradient, "w": weight, "eta": rate, "t": float(optimizer.step + 1)}
    steps = RULES["rmsprop with momentum" if rule.name == "rmsprop" and "momentum" in optimizer.slots else rule.name]
    numbers |= {name: pick(optimizer.slots[slot]) for name, _, slot in steps if slot}
    for name, source, slot in steps:
        if rule.name == "momentum" and name == "v" and not rule.average:
            source = "beta * v + g"
        line = Line(name, source, dict(numbers), becomes=bool(slot) or name == "w")
        numbers[name] = line.value
        lines.append(line)
    return lines


def double(tree: PyTree) -> PyTree:
    """The same tree with its floating-point arrays in double precision."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
        jax.tree.map(jnp.asarray, tree),
    )


def _rate_written(optimizer: Any) -> float:
    """The learning rate that an experiment names, at its beginning; 0.01 where Optax holds it."""
    if optimizer == "optax":
        return 0.01
    rate = getattr(as_optimizer(optimizer), "learning_rate", 0.01)
    return float(rate.rate(0.0)) if isinstance(rate, Schedule) else float(rate)
