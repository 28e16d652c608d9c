"""Many trainings at once: experiments that share their structure run as one program."""

import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import jax
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pellucid.core.errors import InvalidValue
from pellucid.core.precision import double_precision
from pellucid.core.xla import keep_compiled_programs
from pellucid.data import Dataset
from pellucid.data.stream import refuse_stream
from pellucid.functions.losses import losses_of
from pellucid.runs.experiment import Experiment
from pellucid.runs.own_loss import check_own_loss, is_custom
from pellucid.runs.ready import Ready, make_ready, summary_of
from pellucid.runs.starting import StartingWeights
from pellucid.runs.together import Member, OneAfterAnother, SideBySide, inputs_of, rows_of, without_initializers
from pellucid.runs.trained import Trained
from pellucid.training import Adversarial, Supervised

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
    keep_compiled_programs()
    members = prepared(experiments, datasets, networks, optimizers, initials)
    trained: dict[int, Trained] = {}
    bar = _bar() if progress else nullcontext()
    with bar:
        advance = _counter(bar, members)
        for method, indices in grouped(members):
            group = [members[i] for i in indices]
            began = time.perf_counter()
            with double_precision(group[0].experiment.precision == "float64"):
                trainings = method(group)
                trainings.run(group[0].experiment.epochs, advance)
                records = trainings.records()
            for record in records:
                record.seconds = (time.perf_counter() - began) / len(group)
            trained |= zip(indices, records, strict=True)
    return [trained[i] for i in range(len(members))]


def prepared(
    experiments: Sequence[Experiment],
    datasets: Sequence[Dataset],
    networks: Any = None,
    optimizers: Any = None,
    initials: Any = None,
) -> list[Member]:
    """Check and prepare the trainings, once for all seeds of a setting."""
    for each in datasets:
        refuse_stream(each, "many trainings at once")
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


def grouped(members: list[Member]) -> Iterator[tuple[type[SideBySide] | type[OneAfterAnother], list[int]]]:
    """Yield the indices of the members that are trained together, and how."""
    structures: dict[Hashable, dict[Hashable, list[int]]] = {}
    for i, member in enumerate(members):
        structures.setdefault(_structure(member), {}).setdefault(rows_of(member), []).append(i)
    for by_rows in structures.values():
        together = [i for indices in by_rows.values() for i in indices]
        first = members[together[0]]
        copies = sum(array.nbytes for array in jax.tree.leaves(inputs_of(first))) * len(together)
        if not _stackable(first.ready, PRODUCTS):
            yield OneAfterAnother, together
        elif len(by_rows) == 1 or (_stackable(first.ready, PRODUCTS_OF_COPIES) and copies <= COPIES_BYTES):
            yield SideBySide, together
        else:
            yield from ((SideBySide, indices) for indices in by_rows.values() if len(indices) > 1)
            alone = [indices[0] for indices in by_rows.values() if len(indices) == 1]
            if alone:
                yield OneAfterAnother, alone


def _stackable(ready: Ready, products: int) -> bool:
    """True where members train faster side by side than one after another."""
    if isinstance(ready.program, Adversarial) or ready.decides:
        return False
    if jax.default_backend() != "cpu":
        return True
    summary = summary_of(ready.network, ready.data.input_shape)
    return summary.multiply_adds * ready.program.batch_size <= products


def _structure(member: Member) -> Hashable:
    """Key of the members that one program can train."""
    experiment, _, ready = member
    arrays, tree = jax.tree.flatten(inputs_of(member))
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
