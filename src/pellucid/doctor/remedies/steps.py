"""Remedies of how the weights are moved: rate, optimiser, penalty, epochs, batches, order."""

from dataclasses import replace

import jax

from pellucid.doctor.remedies.table import remedy
from pellucid.doctor.setup import Setup
from pellucid.doctor.trials import SETTLED
from pellucid.functions.regularizers import regularizers
from pellucid.optimizers import Adam, FromOptax, Momentum


def _rate(setup: Setup, *factors: float) -> list[tuple[str, Setup]]:
    rate = setup.optimizer.learning_rate
    if not isinstance(rate, (int, float)):
        return []
    rates = [abs(rate) * factor for factor in factors]
    return [
        (f"learning rate {rate:g} → {new:g}", replace(setup, optimizer=replace(setup.optimizer, learning_rate=new)))
        for new in rates
    ]


@remedy("smaller learning rate")
def _smaller_rate(setup: Setup) -> list[tuple[str, Setup]]:
    return _rate(setup, 0.1, 0.01, 0.001)


@remedy("larger learning rate")
def _larger_rate(setup: Setup) -> list[tuple[str, Setup]]:
    return _rate(setup, 10, 100, 1000, 10_000)


@remedy("learning rate above 0")
def _positive_rate(setup: Setup) -> list[tuple[str, Setup]]:
    rate = setup.optimizer.learning_rate
    return _rate(setup, 1, 0.1) if isinstance(rate, (int, float)) and rate < 0 else []


@remedy("adam")
def _adam(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.optimizer.name == "adam":
        return []
    return [
        (f"optimizer {setup.optimizer.name} → adam, learning rate {rate:g}", replace(setup, optimizer=Adam(rate)))
        for rate in (1e-3, 1e-2)
    ]


@remedy("momentum")
def _momentum(setup: Setup) -> list[tuple[str, Setup]]:
    rate = setup.optimizer.learning_rate
    if not isinstance(rate, (int, float)):
        return []
    rule = Momentum(abs(rate), momentum=0.9, average=False)
    return [(f"optimizer {setup.optimizer.name} → momentum 0.9", replace(setup, optimizer=rule))]


@remedy("gradient clipping")
def _clip(setup: Setup) -> list[tuple[str, Setup]]:
    if isinstance(setup.optimizer, FromOptax):  # takes no number from outside
        return []
    return [("gradient clipped to norm 1", replace(setup, optimizer=replace(setup.optimizer, clip_norm=1.0)))]


def _epochs(setup: Setup, *numbers: float) -> list[tuple[str, Setup]]:
    wholes = sorted({max(1, round(number)) for number in numbers} - {setup.epochs})
    return [(f"epochs {setup.epochs} → {n}", replace(setup, epochs=n)) for n in wholes]


@remedy("more epochs")
def _more_epochs(setup: Setup) -> list[tuple[str, Setup]]:
    settled = SETTLED / (setup.steps / setup.epochs)  # of a handful of updates, ten times as many are still few
    return _epochs(setup, setup.epochs * 4, setup.epochs * 10, max(settled, setup.epochs * 10))


@remedy("fewer epochs")
def _fewer_epochs(setup: Setup) -> list[tuple[str, Setup]]:
    return _epochs(setup, setup.epochs / 4, setup.epochs / 10)


def _batch(setup: Setup, *sizes: int) -> list[tuple[str, Setup]]:
    rows, now = setup.train.rows, setup.program.batch_size
    return [
        (f"batch size {now} → {size}", replace(setup, program=replace(setup.program, batch_size=size)))
        for size in sorted({min(size, rows) for size in sizes} - {now})
    ]


@remedy("smaller batch")
def _smaller_batch(setup: Setup) -> list[tuple[str, Setup]]:
    return _batch(setup, 32) if setup.program.batch_size > 32 else []


@remedy("larger batch")
def _larger_batch(setup: Setup) -> list[tuple[str, Setup]]:
    return _batch(setup, 32) if setup.program.batch_size < 32 else []


@remedy("shuffle the rows")
def _shuffle(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.program.shuffle:
        return []
    return [("shuffled each epoch", replace(setup, program=replace(setup.program, shuffle=True)))]


@remedy("weaker penalty")
def _weaker(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.regularizer is None:
        return []
    lighter = jax.tree.map(lambda strength: strength / 100, setup.regularizer)
    return [
        ("no penalty", replace(setup, regularizer=None)),
        ("a hundredth of the penalty", replace(setup, regularizer=lighter)),
    ]


def _penalised(setup: Setup, kind: str) -> list[tuple[str, Setup]]:
    if kind == "l1" and isinstance(setup.optimizer, FromOptax):  # its step needs the learning rate
        return []
    strengths = (1e-3, 1e-2)
    return [
        (f"{kind} penalty of {s:g}", replace(setup, regularizer=regularizers.build({"name": kind, "strength": s})))
        for s in strengths
    ]


@remedy("L2 penalty")
def _l2(setup: Setup) -> list[tuple[str, Setup]]:
    return _penalised(setup, "l2")


@remedy("L1 penalty")
def _l1(setup: Setup) -> list[tuple[str, Setup]]:
    return _penalised(setup, "l1")
