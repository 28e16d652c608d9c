"""The table of remedies: functions from a plan (experiment, data, network, optimiser) to changed plans."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import jax
import msgspec
import numpy as np

from pellucid.architectures.gan import GAN
from pellucid.core.errors import DataError, InvalidValue, ShapeError
from pellucid.core.registry import describe
from pellucid.data import Dataset
from pellucid.doctor.facts import readable
from pellucid.doctor.successive_halving import Change
from pellucid.optimizers import FromOptax, as_optimizer
from pellucid.runs.experiment import Experiment
from pellucid.runs.plan import Plan
from pellucid.runs.ready import Ready, make_ready, with_row_weights
from pellucid.runs.trained import Trained

Changed = list[tuple[str, Plan]]
"""The changed plans of a remedy, each with its change in words; none where it does not apply."""
Make = Callable[[Plan], Changed]

REMEDIES: dict[str, dict[str, Make]] = {"supervised": {}, "adversarial": {}}
"""Every remedy by the kind of training and its name."""
SLOW: set[str] = set()
"""Those that fit something to all rows: offered without being made."""
ALIKE = 0.02
"""Inputs whose means and standard deviations differ by a smaller fraction of a deviation are scaled alike."""


def remedy(*names: str, slow: bool = False, program: str = "supervised") -> Callable[[Make], Make]:
    """Enter a function under one or several names; ``slow`` where it fits something to all rows."""

    def enter(make: Make) -> Make:
        REMEDIES[program].update(dict.fromkeys(names, make))
        SLOW.update(names if slow else ())
        return make

    return enter


def plan_of_run(run: Trained) -> Plan | None:
    """The plan of a run, with nothing recorded; None where there are no rows or remedies do not apply."""
    data, training = run.data, run.training
    if data is None or training is None or not (run.adversarial or readable(run)):
        return None
    data = data.sample()
    quiet = {"record_every": 0, "histograms_every": 0, "snapshots": 0}
    experiment = msgspec.structs.replace(run.experiment, **quiet)
    if run.row_weights is not None and experiment.class_weights is None and data.train.weights is None:
        data = with_row_weights(data, experiment, run.row_weights)
    if run.adversarial:
        program = run.program
        networks = GAN(program.generator, program.critic, program.latent)
        return Plan(experiment, data, networks, as_optimizer(experiment.optimizer))
    return Plan(experiment, data, run.network, training.optimizer, initial=run.initial)


def changes(names: Iterable[str], plan: Plan) -> list[Change]:
    """The changed plans of some remedies, each once; none of one that does not apply, fit or change anything."""
    before, distinct = ready_of(plan), {}
    for name in names:
        for change in _changes_of(name, plan, before):
            distinct.setdefault(change.text, change)
    return list(distinct.values())


def offered(names: Iterable[str], plan: Plan) -> tuple[str, ...]:
    """Those of some remedies that would change a training, and those that no program makes."""
    known, before = REMEDIES[plan.experiment.program], ready_of(plan)
    if before is None:  # a program that its settings do not make, so that no change of one alone does
        return tuple(names)
    return tuple(name for name in names if name not in known or name in SLOW or _changes_of(name, plan, before))


def _changes_of(name: str, plan: Plan, before: Ready | None) -> list[Change]:
    make = REMEDIES[plan.experiment.program].get(name)
    try:
        changed = [] if make is None else list(make(plan))
    except (InvalidValue, ShapeError, DataError):
        return []
    longer = (new.experiment.epochs != plan.experiment.epochs for _, new in changed)
    return [
        Change(name, text, new)
        for (text, new), other in zip(changed, longer, strict=True)
        if (ready := ready_of(new)) is not None and (other or before is None or not same(before, ready))
    ]


def ready_of(plan: Plan) -> Ready | None:
    """The parts of a plan's training; None where they do not fit together."""
    try:
        return make_ready(plan.experiment, plan.data, plan.network, plan.optimizer, plan.initial)
    except (InvalidValue, ShapeError, DataError):
        return None


def settled(plan: Plan) -> Experiment:
    """The experiment of a plan, with its network and optimiser described.

    Raises:
        InvalidValue: a layer or an optimiser that no description holds.
    """
    if isinstance(plan.optimizer, FromOptax):
        raise InvalidValue("experiment.toml cannot hold the Optax optimizer of this training.")
    network = plan.network.describe()
    return msgspec.structs.replace(plan.experiment, network=network, optimizer=describe(plan.optimizer))


def with_settings(plan: Plan, **settings: Any) -> Plan:
    """Other settings of the experiment."""
    return plan._replace(experiment=msgspec.structs.replace(plan.experiment, **settings))


def with_rows(plan: Plan, kept: np.ndarray) -> Plan:
    """Only some of the training rows, or some of them several times."""
    size = plan.experiment.batch_size
    fewer = plan._replace(data=replace(plan.data, train=plan.data.train.take(kept)))
    return fewer if size == "all" else with_settings(fewer, batch_size=min(size, len(kept)))


def with_inputs(plan: Plan, x: np.ndarray, x_new: np.ndarray | None, **changes: Any) -> Plan:
    """Other inputs."""
    data = plan.data
    held_out = None if data.held_out is None or x_new is None else replace(data.held_out, x=x_new)
    given = {"features": (), "encoder": None, "scaling": None} | changes
    return plan._replace(data=replace(data, train=replace(data.train, x=x), held_out=held_out, **given))


def same(a: Ready, b: Ready) -> bool:
    """Whether two trainings are made of the same parts."""
    plain = ((ready.program, ready.optimizers, jax.tree.structure(ready.regularizer)) for ready in (a, b))
    numbers = zip(jax.tree.leaves(a.regularizer), jax.tree.leaves(b.regularizer), strict=False)
    first, second = plain
    return (
        first == second
        and all(float(x) == float(y) for x, y in numbers)
        and _equal(a.data.train.x, b.data.train.x)
        and _equal(_held_out(a.data), _held_out(b.data))
        and _equal(a.train.y, b.train.y)
        and _equal(_weights(a), _weights(b))
        and _scaled_alike(a, b)
    )


def _held_out(data: Dataset) -> Any:
    return None if data.held_out is None else data.held_out.x


def _equal(a: Any, b: Any) -> bool:
    if a is b or a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    return np.array_equal(a, b) or (a.dtype.kind == b.dtype.kind == "f" and np.allclose(a, b, 1e-3, 1e-5))


def _weights(ready: Ready) -> np.ndarray | None:
    """The weights of the rows; None where all weigh alike."""
    weights = ready.train.weights
    return None if weights is None or np.ptp(np.asarray(weights)) == 0 else np.asarray(weights)


def _scaled_alike(a: Ready, b: Ready) -> bool:
    """Whether the network sees the same inputs, give or take the rows that the scaling was learnt from."""
    (shift, scale), (other, by) = ([np.asarray(n) for n in ready.scaling[:2]] for ready in (a, b))
    with np.errstate(all="ignore"):
        apart = np.abs((shift - other) * scale)
        times = np.abs(np.log(np.abs(by) / np.abs(scale)))
    return bool((apart < ALIKE).all() and (times < ALIKE).all())
