"""The optimiser's next update of one weight, line by line."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.formula import Formula, Line
from pellucid.core.types import PyTree
from pellucid.explanations.explanation import Update
from pellucid.explanations.trace import Trace, arrays_of, number_at
from pellucid.explanations.weight import Address
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import Schedule
from pellucid.layers.layer import WEIGHTS
from pellucid.optimizers import SGD, OptimizerState, as_optimizer, clip
from pellucid.runs.checkpoint import latest_checkpoint, load_checkpoint
from pellucid.runs.folder import RunFolder
from pellucid.runs.trained import Trained
from pellucid.training import from_arrays, state_template


class LastState(NamedTuple):
    """The state of the optimiser after the training.

    Attributes:
        optimizer: its rule and running averages; None where there are none.
        regularizer: the regulariser, or None.
        step: steps made.
        progress: epochs made, for the schedule.
        missing: the reason where there is no state.
    """

    optimizer: OptimizerState | None = None
    regularizer: Any = None
    step: int = 0
    progress: float = 0.0
    missing: str = ""


def last_state(run: Trained, player: str = "") -> LastState:
    """Load the last state of a run, from memory or its last checkpoint.

    Args:
        run: the run.
        player: the network of a GAN, ``"critic"``.
    """
    state, kept = None, run.params[player] if player else run.params
    if run.training is not None:
        state = run.training.state
    elif run.folder is not None and not player:
        path = latest_checkpoint(RunFolder(run.folder).checkpoints)
        if path is not None and run.experiment.optimizer != "optax":
            penalty = run.experiment.regularizer
            template = state_template(
                run.network,
                as_optimizer(run.experiment.optimizer),
                None if penalty is None else regularizers.build(penalty),
                run.facts.input_shape,
            )
            state = from_arrays({"state": template}, load_checkpoint(path)[0])["state"]
    if state is None:
        return LastState(missing="no state of the run's optimiser is kept")
    params, optimizer, regularizer = state.params, state.optimizer, state.regularizer
    if player:  # the regulariser of a GAN is its critic's Lipschitz constraint, no penalty on weights
        params, optimizer, regularizer = params[player], optimizer[player], None
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(kept), strict=True)
    if not all(np.array_equal(last, best) for last, best in pairs):
        kept = "those of the best epoch" if run.experiment.average_weights is None else "averaged over the steps"
        return LastState(missing=f"the weights are {kept}, the optimiser's state that of the last")
    epochs, step = run.history.epochs_made, int(state.step)
    per_epoch = run.history.steps_made / epochs if epochs else run.history.steps_made + 1
    return LastState(double(optimizer), double(regularizer), step, step / per_epoch)


def next_update(run: Trained, trace: Trace, address: Address, player: str = "") -> Update:
    """The next update of a weight.

    Args:
        run: the run, for its optimiser and regulariser.
        trace: the example forward and backward.
        address: the weight.
        player: the network of a GAN, ``"critic"``.
    """
    last = last_state(run, player)
    optimizer, regularizer = last.optimizer, last.regularizer
    params, names = trace.params, trace.network.names

    def pick(tree: PyTree) -> float:
        return number_at(tree[address.layer], address.parameter, address.at)

    if optimizer is None:
        rate = _written_rate(run.experiment.optimizer)
        optimizer = SGD(rate).init(params)
        source = f"plain gradient descent with η = {rate:g}: {last.missing}"
    else:
        before = f"from its state after step {last.step:,}" if last.step else "at its first step"
        source = f"the run's own {_name(optimizer.rule)}, {before}"
    lines = [Line("g", "dL_dw", {"dL_dw": pick(trace.grads)})]
    penalty = regularizer if address.parameter.split("/")[-1] in WEIGHTS else None
    if penalty is not None and not penalty.covers(names[address.layer]):
        penalty = None
    if penalty is not None and penalty.gradient_formula.source != "0":
        numbers = numbers_of(penalty) | {"dL_dw": pick(trace.grads), "w": pick(params)}
        lines = [Line("g", f"dL_dw + {penalty.gradient_formula.source}", numbers)]
    factors = None if player else run.program.factors_of(params)
    total, update, proximal_params = _updated(
        names, optimizer, regularizer, trace.grads, params, np.float64(last.progress), factors
    )
    factor = 1.0 if factors is None else run.program.rate_factors[address.layer]
    rate, after = float(update.learning_rate) * factor, update.params
    lines += rule_lines(optimizer, total, pick, lines[-1].value, pick(params), rate)
    if penalty is not None:
        proximal = Formula(penalty.proximal_formula.source, step="learning_rate")
        if proximal.source != "w":
            lines.append(Line("w", proximal, numbers_of(penalty) | {"w": pick(after), "step": rate}, becomes=True))
        after = proximal_params
    by_layer = {name: arrays_of(own) for name, own in zip(names, after, strict=True) if own}
    return Update(_name(optimizer.rule), source, tuple(lines), pick(params), pick(after), by_layer)


@partial(jax.jit, static_argnums=0)
def _updated(
    names: tuple[str, ...],
    optimizer: OptimizerState,
    regularizer: Any,
    grads: PyTree,
    params: PyTree,
    progress: Any,
    factors: PyTree | None,
) -> tuple[PyTree, Any, PyTree]:
    """The gradients with those of the regulariser, the update, and its weights after the proximal step."""

    def add(path: Any, g: Any, w: Any) -> Any:
        covered = path[-1].key in WEIGHTS and regularizer.covers(names[path[0].idx])
        return g + regularizer.gradient(w) if covered else g

    if regularizer is not None:
        grads = jax.tree_util.tree_map_with_path(add, grads, params)
    update = optimizer.rule.update(grads, optimizer, params, progress, factors)
    after = update.params
    if regularizer is not None:
        factors = jax.tree.map(lambda _: 1.0, params) if factors is None else factors
        rate = update.learning_rate
        after = jax.tree.map(lambda w, factor: regularizer.proximal(w, rate * factor), after, factors)
    return grads, update, after


def rule_lines(
    optimizer: OptimizerState, grads: PyTree, pick: Callable[[PyTree], float], g: float, w: float, rate: float
) -> list[Line]:
    """Lines of the rule for one weight; none for a rule without formula, such as Optax's.

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
    scalar = int | float | np.number | np.ndarray | jax.Array
    return {name: float(value) for name, value in values.items() if isinstance(value, scalar) and np.ndim(value) == 0}


def double(tree: PyTree) -> PyTree:
    """The same tree as NumPy arrays, those of floating-point numbers in double precision."""
    return jax.tree.map(
        lambda array: array.astype(np.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array,
        jax.tree.map(np.asarray, tree),
    )


def _name(rule: Any) -> str:
    return getattr(rule, "name", "optax")


def _written_rate(optimizer: Any) -> float:
    """Initial learning rate of an experiment; 0.01 where Optax holds it."""
    if optimizer == "optax":
        return 0.01
    rate = getattr(as_optimizer(optimizer), "learning_rate", 0.01)
    return float(rate.rate(0.0)) if isinstance(rate, Schedule) else float(rate)
