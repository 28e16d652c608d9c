"""Remedies of how the weights are moved: rate, optimiser, penalty, epochs, batches, order."""

from dataclasses import replace
from typing import Any

import jax

from pellucid.doctor.remedies.table import Changed, remedy, with_settings
from pellucid.doctor.trials import SETTLED, USUAL_BATCH
from pellucid.functions.regularizers import regularizers
from pellucid.optimizers import Adam, FromOptax, Momentum
from pellucid.runs.plan import Plan
from pellucid.training import steps_per_epoch


def steps_of_epoch(plan: Plan) -> int:
    """Updates of an epoch."""
    rows = plan.experiment.training_rows(len(plan.data.train))
    return steps_per_epoch(rows, plan.experiment.rows_of_step(rows)) * (plan.experiment.critic_steps or 1)


def with_rate(optimizer: Any, factor: float) -> Any:
    """An optimiser with a multiple of its rate; None where that is a schedule."""
    rate = optimizer.learning_rate
    return replace(optimizer, learning_rate=abs(rate) * factor) if isinstance(rate, (int, float)) else None


def _rate(plan: Plan, *factors: float) -> Changed:
    optimizers = [optimizer for factor in factors if (optimizer := with_rate(plan.optimizer, factor)) is not None]
    return [
        (f"learning rate {plan.optimizer.learning_rate:g} → {new.learning_rate:g}", plan._replace(optimizer=new))
        for new in optimizers
    ]


remedy("smaller learning rate")(lambda plan: _rate(plan, 0.1, 0.01, 0.001))
remedy("larger learning rate")(lambda plan: _rate(plan, 10, 100, 1000, 10_000))


@remedy("learning rate above 0")
def _positive_rate(plan: Plan) -> Changed:
    rate = plan.optimizer.learning_rate
    return _rate(plan, 1, 0.1) if isinstance(rate, (int, float)) and rate < 0 else []


@remedy("adam")
def _adam(plan: Plan) -> Changed:
    name = plan.optimizer.name
    if name == "adam":
        return []
    text = f"optimizer {name} → adam, learning rate"
    return [(f"{text} {rate:g}", plan._replace(optimizer=Adam(rate))) for rate in (1e-3, 1e-2)]


@remedy("momentum")
def _momentum(plan: Plan) -> Changed:
    rate = plan.optimizer.learning_rate
    if not isinstance(rate, (int, float)):
        return []
    rule = Momentum(abs(rate), momentum=0.9, average=False)
    return [(f"optimizer {plan.optimizer.name} → momentum 0.9", plan._replace(optimizer=rule))]


@remedy("gradient clipping")
def _clip(plan: Plan) -> Changed:
    if isinstance(plan.optimizer, FromOptax):  # takes no number from outside
        return []
    return [("gradient clipped to norm 1", plan._replace(optimizer=replace(plan.optimizer, clip_norm=1.0)))]


def epochs(plan: Plan, *numbers: float) -> Changed:
    """Other numbers of epochs."""
    now = plan.experiment.epochs
    wholes = sorted({max(1, round(number)) for number in numbers} - {now})
    return [(f"epochs {now} → {n}", with_settings(plan, epochs=n)) for n in wholes]


@remedy("more epochs")
def _more_epochs(plan: Plan) -> Changed:
    now = plan.experiment.epochs
    settled = SETTLED / steps_of_epoch(plan)  # of a handful of updates, ten times as many are still few
    return epochs(plan, now * 4, now * 10, max(settled, now * 10))


remedy("fewer epochs")(lambda plan: epochs(plan, plan.experiment.epochs / 4, plan.experiment.epochs / 10))


def _batch(plan: Plan, sign: int) -> Changed:
    rows = plan.experiment.training_rows(len(plan.data.train))
    now, size = plan.experiment.rows_of_step(rows), min(USUAL_BATCH, rows)
    changed = [(f"batch size {now} → {size}", with_settings(plan, batch_size=size))]
    return changed if sign * (size - now) > 0 else []


remedy("smaller batch")(lambda plan: _batch(plan, -1))
remedy("larger batch")(lambda plan: _batch(plan, 1))


@remedy("shuffle the rows")
def _shuffle(plan: Plan) -> Changed:
    return [] if plan.experiment.shuffle else [("shuffled each epoch", with_settings(plan, shuffle=True))]


@remedy("weaker penalty")
def _weaker(plan: Plan) -> Changed:
    if plan.experiment.regularizer is None:
        return []
    lighter = jax.tree.map(lambda strength: strength / 100, regularizers.build(plan.experiment.regularizer))
    return [
        ("no penalty", with_settings(plan, regularizer=None)),
        ("a hundredth of the penalty", with_settings(plan, regularizer=regularizers.describe(lighter))),
    ]


def _penalised(plan: Plan, kind: str) -> Changed:
    if kind == "l1" and isinstance(plan.optimizer, FromOptax):  # its step needs the learning rate
        return []
    return [
        (f"{kind} penalty of {s:g}", with_settings(plan, regularizer={"name": kind, "strength": s}))
        for s in (1e-3, 1e-2)
    ]


remedy("L2 penalty")(lambda plan: _penalised(plan, "l2"))
remedy("L1 penalty")(lambda plan: _penalised(plan, "l1"))
