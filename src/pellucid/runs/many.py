"""Many trainings at once: experiments that share their structure run as one program."""

import copy
import dataclasses
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pellucid.core.errors import InvalidValue, TrainingDiverged
from pellucid.core.precision import double_precision
from pellucid.core.xla import keep_compiled_programs
from pellucid.data import Dataset
from pellucid.data.stream import refuse_stream
from pellucid.functions.initializers import Initializer, initializers
from pellucid.functions.losses import losses_of
from pellucid.layers import Layer
from pellucid.network import Network
from pellucid.runs.experiment import Experiment
from pellucid.runs.facts import DataFacts
from pellucid.runs.fit import score_held_out
from pellucid.runs.own_loss import check_own_loss, is_custom
from pellucid.runs.ready import Ready, make_ready, summary_of
from pellucid.runs.starting import StartingWeights
from pellucid.runs.trained import Trained
from pellucid.training import Adversarial, Supervised, Training, TrainingState, initial_state, steps_per_epoch
from pellucid.training.population import AXES, Inputs, Population, members_of, run_in_threads, to_device

PRODUCTS = 1_000_000
"""Most multiply-adds of a step's forward pass that members are trained side by side with.

Time of a training one after another over side by side, both on two threads of two cores (``python -m benchmarks
populations``): 2.5 for 4–8–3 at batch 32 (2,000 multiply-adds), 1.6 for 64–32–10 (75,000), 1.7 for it at batch 128,
1.3 for 64–64–64–10 (0.3 million), 1.2 for 784–32–10 (0.8 million); but 0.9 for 784–128–128–10 (4 million).
"""

PRODUCTS_OF_COPIES = 150_000
"""The same for members on different rows of equal shapes, such as folds, each of which reads a copy of its own.

Time of five folds one after another over side by side, as above: 1.3 for 4–128–3 on iris (30,000 multiply-adds), 1.1
for 64–32–10 on digits (75,000), 1.0 for 20–128–1 on 5,000 rows (85,000; of ten folds 1.2), 1.2 for 30–128–1 on
breast-cancer (130,000); but 0.85 for 20–64–64–1 on 5,000 rows (170,000) and 0.9 for 64–128–10 on digits (300,000).
"""
COPIES_BYTES = 2**28
"""Most bytes of those copies, all members together."""


class Member(NamedTuple):
    """One training to be made."""

    experiment: Experiment
    data: Dataset
    ready: Ready


Method = Callable[[list[Member], Callable[[float], None]], list[Trained]]


def many(
    experiments: Sequence[Experiment],
    data: Dataset | Sequence[Dataset],
    *,
    networks: Sequence[Any] | None = None,
    optimizers: Sequence[Any] | None = None,
    initials: Sequence[StartingWeights | None] | None = None,
    progress: bool = False,
) -> list[Trained]:
    """Train many experiments; those that differ only in seeds, numbers and rows share one program.

    Each record is what `train` would give for its experiment, up to rounding. Small networks are trained side by side
    in one program (`PRODUCTS`; on different rows of equal shapes, such as folds, `PRODUCTS_OF_COPIES`), larger ones,
    and GANs, one after another; either way every processor core has its part. A training whose loss becomes NaN or
    infinite ends there and harms no other: its record says ``stopped == "diverged"``.

    Args:
        experiments: the settings of each.
        data: the dataset of all, or one for each.
        networks: the networks as objects, where their layers are not registered.
        optimizers: the optimisers as objects, where the settings cannot describe them.
        initials: the weights that each starts from, where the settings name any.
        progress: show the progress on stderr.

    Returns:
        The records, in the order of the experiments.

    Raises:
        InvalidValue: not as many datasets as experiments, or a hyperparameter outside what is allowed.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.runs.experiment import vary
        >>> from pellucid.runs.plan import settle
        >>> iris = load_dataset("iris")
        >>> experiment = settle((8,), iris, {"optimizer": "sgd", "epochs": 3}).experiment
        >>> len(many([vary(experiment, {"seed": seed}) for seed in range(3)], iris))
        3
    """
    datasets = [data] * len(experiments) if isinstance(data, Dataset) else list(data)
    if len(datasets) != len(experiments):
        raise InvalidValue(f"{len(experiments)} experiments need as many datasets. Received: {len(datasets)}.")
    for each in datasets:
        refuse_stream(each, "many trainings at once")
    keep_compiled_programs()
    members = _members(experiments, datasets, networks, optimizers, initials)
    trained: dict[int, Trained] = {}
    bar = _bar() if progress else nullcontext()
    with bar:
        advance = _counter(bar, members)
        for method, indices in _grouped(members):
            group = [members[i] for i in indices]
            began = time.perf_counter()
            with double_precision(group[0].experiment.precision == "float64"):
                records = method(group, advance)
            for record in records:
                record.seconds = (time.perf_counter() - began) / len(group)
            trained |= zip(indices, records, strict=True)
    return [trained[i] for i in range(len(members))]


def _members(
    experiments: Sequence[Experiment], datasets: list[Dataset], networks: Any, optimizers: Any, initials: Any
) -> list[Member]:
    """Check and prepare the trainings, once for all seeds of a setting."""
    known: dict[Hashable, Ready] = {}
    rows: dict[Hashable, Ready] = {}
    members: list[Member] = []
    for i, (experiment, data) in enumerate(zip(experiments, datasets, strict=True)):
        network = None if networks is None else networks[i]
        optimizer = None if optimizers is None else optimizers[i]
        initial = None if initials is None else initials[i]
        settings = msgspec.structs.replace(experiment, seed=0).to_dict()
        key = (msgspec.json.encode(settings), id(data), id(network), id(optimizer), id(initial))
        ready = known.get(key)
        if ready is None or ready.decides:
            with double_precision(experiment.precision == "float64"):
                ready = make_ready(experiment, data, network, optimizer, initial)
                if isinstance(ready.program, Supervised) and any(map(is_custom, losses_of(ready.program.loss))):
                    check_own_loss(ready.training(ready.initial_state(experiment.seed)))
            if not ready.decides and isinstance(ready.program, Supervised):
                # The rows of one dataset once, not once a setting.
                alike = (
                    id(data),
                    *((part.target_kind, part.reads) for part in losses_of(ready.program.loss)),
                    msgspec.json.encode(experiment.class_weights),
                    ready.scaled_targets,
                )
                first = rows.setdefault(alike, ready)
                ready = ready._replace(train=first.train, monitor=first.monitor)
            known[key] = ready
        members.append(Member(experiment, data, ready))
    return members


def _grouped(members: list[Member]) -> Iterator[tuple[Method, list[int]]]:
    """Yield the indices of the members that are trained together, and how."""
    structures: dict[Hashable, dict[Hashable, list[int]]] = {}
    for i, member in enumerate(members):
        structures.setdefault(_structure(member), {}).setdefault(_rows(member), []).append(i)
    for by_rows in structures.values():
        together = [i for indices in by_rows.values() for i in indices]
        first = members[together[0]]
        copies = sum(array.nbytes for array in jax.tree.leaves(_inputs(first))) * len(together)
        if not _stackable(first.ready, PRODUCTS):
            yield _one_after_another, together
        elif len(by_rows) == 1 or (_stackable(first.ready, PRODUCTS_OF_COPIES) and copies <= COPIES_BYTES):
            yield _side_by_side, together
        else:
            yield from ((_side_by_side, indices) for indices in by_rows.values() if len(indices) > 1)
            alone = [indices[0] for indices in by_rows.values() if len(indices) == 1]
            if alone:
                yield _one_after_another, alone


def _stackable(ready: Ready, products: int) -> bool:
    """True where members train faster side by side than one after another."""
    if isinstance(ready.program, Adversarial) or ready.decides:
        return False
    if jax.default_backend() != "cpu":
        return True
    summary = summary_of(ready.network, ready.data.input_shape)
    return summary.multiply_adds * ready.program.batch_size <= products


def _rows(member: Member) -> Hashable:
    """Key of the members that read the same rows, scaled alike."""
    return id(member.ready.train), member.experiment.scale_inputs, member.ready.scaled_targets


def _structure(member: Member) -> Hashable:
    """Key of the members that one program can train."""
    experiment, _, ready = member
    arrays, tree = jax.tree.flatten(_inputs(member))
    return (
        without_initializers(ready.program),
        experiment.epochs,
        tuple((array.shape, array.dtype) for array in arrays),
        tree,
        jax.tree.structure(tuple(ready.optimizers.values())),
        jax.tree.structure(ready.regularizer),
        ready.decides,
        ready.average_weights is None,
    )


def _inputs(member: Member) -> Inputs:
    ready = member.ready
    return Inputs(ready.scaling, ready.train, ready.monitor)


def without_initializers(item: Any) -> Any:
    """Replace the initialisers of a program by zeros: the compiled program does not depend on them."""
    if isinstance(item, Initializer):
        return initializers.build("zeros")
    if isinstance(item, tuple):
        return tuple(map(without_initializers, item))
    if isinstance(item, (Supervised, Network, Layer)):
        bare = copy.copy(item)
        for field in dataclasses.fields(item):  # pyright: ignore[reportArgumentType]
            object.__setattr__(bare, field.name, without_initializers(getattr(item, field.name)))
        return bare
    return item


def _side_by_side(group: list[Member], advance: Callable[[float], None]) -> list[Trained]:
    """All members as one program, on a thread for each core."""
    first = group[0].ready
    program = without_initializers(first.program)
    shared = len(set(map(_rows, group))) == 1
    inputs = [_inputs(member) for member in (group[:1] if shared else group)]
    population = Population(program, inputs, _initial_states(group))
    per_epoch = steps_per_epoch(first.train.rows, program.batch_size)
    for steps in population.run(group[0].experiment.epochs):
        advance(len(group) * steps / per_epoch)
    records = []
    states = zip(population.states, population.histories, population.diverged, strict=True)
    for member, (state, history, diverged) in zip(group, states, strict=True):
        training = member.ready.training(to_device(state))
        training.history = history
        records.append(_record(member, training, "diverged" if diverged else "epochs"))
    return records


def _one_after_another(group: list[Member], advance: Callable[[float], None]) -> list[Trained]:
    """Each member by the program of `train`, as many at a time as there are cores."""
    states = zip(group, _initial_states(group), strict=True)
    trainings = [member.ready.training(to_device(state)) for member, state in states]
    for training in trainings:
        training.program = without_initializers(training.program)
    epochs = group[0].experiment.epochs

    def train(training: Training) -> str:
        epochs_shown = 0.0
        try:
            for now in training.run(epochs):
                advance(now.step / training.steps_per_epoch - epochs_shown)
                epochs_shown = now.step / training.steps_per_epoch
        except TrainingDiverged:
            return "diverged"
        return "epochs" if training.history.epochs_made >= epochs else "early"

    stopped = run_in_threads(trainings, train)
    for member, training in zip(group, trainings, strict=True):
        training.program = member.ready.program
    return [_record(*ended) for ended in zip(group, trainings, stopped, strict=True)]


def _initial_states(group: list[Member]) -> list[TrainingState]:
    """The state of each member before its first step: initialised by its seed, with its own hyperparameters."""
    if isinstance(group[0].ready.program, Adversarial):
        begun = (member.ready.initial_state(member.experiment.seed) for member in group)
        return [state._replace(key=jax.random.key_data(state.key)) for state in begun]
    alike: dict[tuple[Network, int], list[int]] = {}
    for i, member in enumerate(group):
        alike.setdefault((member.ready.network, id(member.ready.initial)), []).append(i)
    states: dict[int, TrainingState] = {}
    first = group[0].ready
    for (network, _), indices in alike.items():
        seeds = np.array([group[i].experiment.seed for i in indices], np.uint32)
        # One program for all rates and strengths: those of the first are replaced below.
        initial = members_of(
            _initialise(
                network,
                first.optimizer,
                first.regularizer,
                first.data.input_shape,
                first.program.recorder,
                first.average_weights,
                seeds,
                group[indices[0]].ready.given,
            )
        )
        states |= dict(zip(indices, initial, strict=True))
    return [_with_numbers(states[i], member.ready) for i, member in enumerate(group)]


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5))
def _initialise(
    network: Network,
    optimizer: Any,
    regularizer: Any,
    input_shape: Any,
    recorder: Any,
    average: Any,
    seeds: Any,
    given: Any,
) -> TrainingState:
    def initialise(seed: Any) -> TrainingState:
        return initial_state(
            network, optimizer, regularizer, input_shape, seed, recorder=recorder, average=average, given=given
        )

    return jax.vmap(initialise, out_axes=AXES)(seeds)


def _with_numbers(state: TrainingState, ready: Ready) -> TrainingState:
    dtype = ready.network.dtype
    as_numbers = partial(jax.tree.map, lambda number: np.asarray(number, dtype))
    optimizer = state.optimizer._replace(rule=as_numbers(ready.optimizer))
    average = state.average and state.average._replace(
        decay=np.asarray(ready.average_weights, state.average.decay.dtype)
    )
    return state._replace(optimizer=optimizer, regularizer=as_numbers(ready.regularizer), average=average)


def _record(member: Member, training: Training, stopped: str) -> Trained:
    data, ready = member.data, member.ready
    trained = Trained.of_training(training, member.experiment, data, DataFacts.of(ready.data), stopped)
    trained.initial = ready.initial
    history = trained.history
    evaluated = not trained.adversarial and stopped == "epochs" and not ready.decides and not trained.metrics
    if evaluated and data.held_out is not None and data.task != "translation" and history.steps_made:
        names = ("loss", ready.program.metric_name, *ready.program.extra_names)
        trained.result = dict(zip(names, history.held_out[-1].tolist(), strict=True))  # by the program itself
    else:
        score_held_out(trained)
    return trained


def _bar() -> Progress:
    console = Console(file=sys.stderr, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _counter(bar: Any, members: list[Member]) -> Callable[[float], None]:
    """Moves the bar by epochs of one member."""
    if not isinstance(bar, Progress):
        return lambda epochs: None
    task = bar.add_task(f"{len(members)} trainings", total=sum(member.experiment.epochs for member in members))
    return lambda epochs: bar.advance(task, epochs)
