"""The optimiser's next update of one weight, line by line."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.formula import Formula, Line
from pellucid.core.types import PyTree
from pellucid.explanations.explanation import Update
from pellucid.explanations.trace import leaf
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import Schedule
from pellucid.layers.layer import WEIGHTS
from pellucid.optimizers import SGD, OptimizerState, as_optimizer, clip
from pellucid.runs.checkpoint import latest_checkpoint, load_checkpoint
from pellucid.runs.folder import RunFolder
from pellucid.runs.trained import Trained
from pellucid.training import TrainingState, from_arrays, initial_state


class LastState(NamedTuple):
    """The state of the optimiser after the training.

    Attributes:
        state: the training state, or None.
        progress: epochs made, for the schedule.
        missing: the reason where there is no state.
    """

    state: TrainingState | None
    progress: float
    missing: str


def last_state(run: Trained) -> LastState:
    """The training state that a run ended with: in memory, or in its folder's last checkpoint."""
    state = None
    if run.training is not None:
        state = run.training.state
    elif run.folder is not None:
        path = latest_checkpoint(RunFolder(run.folder).checkpoints)
        if path is not None and run.experiment.optimizer != "optax":
            penalty = run.experiment.regularizer
            template = initial_state(
                run.network,
                as_optimizer(run.experiment.optimizer),
                None if penalty is None else regularizers.build(penalty),
                run.facts.input_shape,
                run.experiment.seed,
            )
            state = from_arrays({"state": template}, load_checkpoint(path)[0])["state"]
    if state is None:
        return LastState(None, 0.0, "no state of the run's optimiser is kept")
    pairs = zip(jax.tree.leaves(state.params), jax.tree.leaves(run.params), strict=True)
    if not all(np.array_equal(last, kept) for last, kept in pairs):
        return LastState(None, 0.0, "the weights are those of the best epoch, the optimiser's state that of the last")
    epochs = run.history.epochs_made
    per_epoch = run.history.steps_made / epochs if epochs else run.history.steps_made + 1
    return LastState(state, float(state.step) / per_epoch, "")


def next_update(run: Trained, params: PyTree, grads: PyTree, layer: int, name: str, index: tuple[int, ...]) -> Update:
    """The next update of the weight at ``index`` of the array ``name`` of a layer.

    Args:
        run: the run, for its optimiser and regulariser.
        params: the network's parameters in double precision.
        grads: ∂L/∂ each of them.
        layer: the number of the layer.
        name: the array's path in the layer's parameters, ``"weights"`` or ``"forward/weights"``.
        index: the index of the weight.
    """
    state, progress, missing = last_state(run)

    def pick(tree: PyTree) -> float:
        return float(leaf(tree[layer], name)[index])

    if state is None:
        rate = _written_rate(run.experiment.optimizer)
        optimizer, regularizer = SGD(rate).init(params), None
        source = f"plain gradient descent with η = {rate:g}: {missing}"
    else:
        optimizer, regularizer = double(state.optimizer), double(state.regularizer)
        source = f"the run's own {_name(state.optimizer.rule)}, from its state after step {int(state.step):,}"
    lines, total = _penalised(run, regularizer, params, grads, pick, layer, name)
    update = optimizer.rule.update(total, optimizer, params, jnp.asarray(progress, jnp.float64))
    rate, after = float(update.learning_rate), update.params
    lines += rule_lines(optimizer, total, pick, lines[-1].value, pick(params), rate)
    if regularizer is not None and _acts_on(regularizer, run, layer, name):
        proximal = Formula(regularizer.proximal_formula.source, step="learning_rate")
        if proximal.source != "w":
            lines.append(Line("w", proximal, numbers_of(regularizer) | {"w": pick(after), "step": rate}, becomes=True))
        after = jax.tree.map(lambda w: regularizer.proximal(w, update.learning_rate), after)
    return Update(_name(optimizer.rule), source, tuple(lines), pick(params), pick(after))


def _penalised(
    run: Trained,
    regularizer: Any,
    params: PyTree,
    grads: PyTree,
    pick: Callable[[PyTree], float],
    layer: int,
    name: str,
) -> tuple[list[Line], PyTree]:
    """The gradient of the loss with that of the regulariser: the line for one weight, and all of them."""
    numbers = {"dL_dw": pick(grads)}
    if regularizer is None:
        return [Line("g", "dL_dw", numbers)], grads
    names = run.network.names
    total = jax.tree_util.tree_map_with_path(
        lambda path, g, w: (
            g + regularizer.gradient(w) if path[-1].key in WEIGHTS and regularizer.covers(names[path[0].idx]) else g
        ),
        grads,
        params,
    )
    added = regularizer.gradient_formula.source
    if added == "0" or not _acts_on(regularizer, run, layer, name):
        return [Line("g", "dL_dw", numbers)], total
    numbers |= numbers_of(regularizer) | {"w": pick(params)}
    return [Line("g", f"dL_dw + {added}", numbers)], total


def _acts_on(regularizer: Any, run: Trained, layer: int, name: str) -> bool:
    return name.split("/")[-1] in WEIGHTS and regularizer.covers(run.network.names[layer])


def rule_lines(
    optimizer: OptimizerState, grads: PyTree, pick: Callable[[PyTree], float], g: float, w: float, rate: float
) -> list[Line]:
    """The lines of the rule for one weight; none for a rule without a formula, such as Optax's.

    Args:
        optimizer: the state of the optimiser before the update.
        grads: all gradients, for clipping.
        pick: takes the number of the weight out of such a tree.
        g: the gradient of the weight.
        w: the weight.
        rate: the learning rate in force.
    """
    rule = optimizer.rule
    if not isinstance(getattr(rule, "formula", None), Formula):
        return []
    lines: list[Line] = []
    if rule.clip_norm is not None or rule.clip_value is not None:
        clipped = pick(clip(grads, rule.clip_norm, rule.clip_value))
        lines.append(Line("g", "c * g", {"c": clipped / g if g else 1.0, "g": g}, becomes=True))
        g = clipped
    numbers = numbers_of(rule) | {letter: pick(optimizer.slots[slot]) for slot, letter in rule.slots.items()}
    numbers |= {"g": g, "w": w, "t": float(optimizer.step + 1), "learning_rate": rate}
    return [*lines, *rule.formula.lines(numbers)]


def numbers_of(function: Any) -> dict[str, float]:
    """The fields of a function that are numbers, for its formula."""
    values = {field.name: getattr(function, field.name) for field in fields(function)} if is_dataclass(function) else {}
    scalar = int | float | np.number | jax.Array
    return {name: float(value) for name, value in values.items() if isinstance(value, scalar) and np.ndim(value) == 0}


def double(tree: PyTree) -> PyTree:
    """The same tree with its floating-point arrays in double precision."""
    return jax.tree.map(
        lambda array: array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array,
        jax.tree.map(jnp.asarray, tree),
    )


def _name(rule: Any) -> str:
    return getattr(rule, "name", "optax")


def _written_rate(optimizer: Any) -> float:
    """The learning rate that an experiment names, at its beginning; 0.01 where Optax holds it."""
    if optimizer == "optax":
        return 0.01
    rate = getattr(as_optimizer(optimizer), "learning_rate", 0.01)
    return float(rate.rate(0.0)) if isinstance(rate, Schedule) else float(rate)
