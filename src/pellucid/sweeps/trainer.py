"""Train the settings of a sweep on parts of the training rows, many side by side."""

import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import msgspec

from pellucid.core.errors import InvalidValue, PellucidError
from pellucid.core.precision import double_precision
from pellucid.core.xla import keep_compiled_programs
from pellucid.data import Dataset, SentencePairs, validation_rows
from pellucid.data.folds import Splitter, folds
from pellucid.runs.experiment import Experiment
from pellucid.runs.learning_rates import SET_ASIDE
from pellucid.runs.many import grouped, prepared
from pellucid.runs.plan import Plan, settle
from pellucid.runs.ready import make_ready
from pellucid.runs.together import Member
from pellucid.sweeps.space import Point, Space, settings_at
from pellucid.sweeps.trial import Ended, Trial, end_of, end_of_record, trial_of
from pellucid.training.population import WIDTH, threads

Numbered = tuple[int, Point]
"""A trial that is to be made: its number and its place in the space."""
Advance = Callable[[float], None]
"""Is told how many epochs of one training were made."""
NOT_MEASURED = {"record_every": 0, "histograms_every": 0, "snapshots": 0, "metrics": None}
"""Settings of the trials, of whose trainings only loss and metric are kept."""


@dataclass(frozen=True)
class Trainer:
    """What all trials of a sweep have in common.

    Attributes:
        space: the values or the range of each setting that is varied.
        network: as for `pellucid.train`, where the space does not hold it.
        data: the dataset; its held-out rows have no part in any trial.
        settings: what all trials have in common, by the names that `pellucid.train` takes.
        seeds: of the parts set aside and of the trainings.
        folds: number of folds or a splitter; None to set a fifth of the rows aside.
        by_recipe: True where no number of epochs is given: the default recipe then bounds it, and the best epoch of a
            training counts.
    """

    space: Space
    network: Any
    data: Dataset
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    folds: int | Splitter | None = None
    by_recipe: bool = False

    @cached_property
    def parts(self) -> list[tuple[Dataset, int]]:
        """The training rows, divided, each with the seed of its training; what is set aside is held out."""
        rows = replace(self.data, held_out=None)
        if self.folds is not None:
            return [(part, seed) for seed in self.seeds for part, _ in folds(rows, self.folds, seed)]
        divided = []
        for seed in self.seeds:
            train, aside = validation_rows(rows, SET_ASIDE, seed)
            divided.append((rows.refit(rows.train.take(train), rows.train.take(aside)), seed))
        return divided

    @cached_property
    def _settled(self) -> dict[tuple[float, ...], list[Plan]]:
        return {}

    def __getstate__(self) -> dict[str, Any]:  # what is cached is made again where it goes
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def plans(self, point: Point) -> list[Plan]:
        """Settle the trainings of a trial, one for each part.

        Raises:
            InvalidValue: a setting that does not exist, a value outside what is allowed, a GAN or a translator.
        """
        key = tuple(point.values())
        if key not in self._settled:
            changes = settings_at(self.space, point)
            try:
                self._settled[key] = [self._plan(changes, part, seed) for part, seed in self.parts]
            except PellucidError as error:
                error.add_note(f"It is the trial of {changes}.")
                raise
        return self._settled[key]

    def _plan(self, changes: Mapping[str, Any], part: Dataset, seed: int) -> Plan:
        plan = self.settled(changes, part, seed)
        if plan.experiment.adversarial or isinstance(plan.data.train, SentencePairs):
            raise InvalidValue(
                "a sweep judges trials by rows that are set aside, by which a GAN cannot be tested and into which a "
                "translator's sentences are not cut. Compare some settings instead: pellucid.compare."
            )
        alone = {"early_stopping": None} if self.by_recipe and "early_stopping" not in self.settings else {}
        return plan._replace(experiment=msgspec.structs.replace(plan.experiment, **NOT_MEASURED, **alone))

    def settled(self, changes: Mapping[str, Any], data: Dataset, seed: int, source: Any = None) -> Plan:
        """Settle one training as `pellucid.train` does."""
        options = {**self.settings, **changes, "seed": seed}
        return settle(options.pop("network", self.network), data, options, source=source, by_recipe=self.by_recipe)

    def check_droppable(self, point: Point) -> None:
        """Refuse a trial that cannot be compared with others on the way.

        Raises:
            InvalidValue: it has early stopping, or a schedule on plateaus.
        """
        if self.plans(point)[0].experiment.decides:
            raise InvalidValue(
                "trials that are dropped on the way are compared by the rows set aside, which early stopping and a "
                "schedule on plateaus do not watch. Leave them out, or take method='random'."
            )

    def judged(self, point: Point) -> tuple[str, bool]:
        """The metric of a trial, and whether more of it is better."""
        plan = self.plans(point)[0]
        with double_precision(plan.experiment.precision == "float64"):
            program = make_ready(plan.experiment, plan.data, plan.network, plan.optimizer, plan.initial).program
        assert not plan.experiment.adversarial
        return program.metric_name, program.metric.higher_is_better  # pyright: ignore[reportAttributeAccessIssue]

    def batches(self, trials: Iterable[Numbered], workers: int = 0) -> list[list[Numbered]]:
        """Divide trials so that those of a batch share programs as far as they can.

        Args:
            trials: what is to be made.
            workers: processes that are each to have a part; 0 for this process alone.
        """
        alike: dict[str, list[Numbered]] = {}
        for trial in trials:
            alike.setdefault(_structure(self.plans(trial[1])[0].experiment), []).append(trial)
        most = max(1, WIDTH * threads() // len(self.parts))
        if workers:
            most = min(most, max(1, -(-sum(map(len, alike.values())) // (2 * workers))))
        batches = []
        for group in alike.values():
            count = -(-len(group) // most)
            ends = [len(group) * i // count for i in range(count + 1)]
            batches += [group[start:end] for start, end in itertools.pairwise(ends)]
        return batches

    def train(self, batch: Sequence[Numbered], advance: Advance | None = None) -> list[Trial]:
        """Make the trials of a batch."""
        trainings = Trainings(self, batch)
        trainings.run(None, advance)
        return trainings.trials()


class Trainings:
    """The trainings of some trials under way, all after the same number of epochs.

    Some trials may be dropped on the way. The others go on from where they are: their trainings are the same as without
    a stop.

    Args:
        trainer: what they have in common.
        trials: what is to be made.

    Attributes:
        points: those that are still trained, by number.
        epochs: of a training that is not dropped.
    """

    def __init__(self, trainer: Trainer, trials: Sequence[Numbered]) -> None:
        keep_compiled_programs()
        self.trainer, self.points = trainer, dict(trials)
        of_trials = {number: trainer.plans(point) for number, point in trials}
        slots = [(number, part) for number, plans in of_trials.items() for part in range(len(plans))]
        plans = [plan for plans in of_trials.values() for plan in plans]
        self.epochs = max(plan.experiment.epochs for plan in plans)
        members = prepared(
            [plan.experiment for plan in plans],
            [plan.data for plan in plans],
            [plan.network for plan in plans],
            [plan.optimizer for plan in plans],
            [plan.initial for plan in plans],
        )
        self._groups = []
        for method, indices in grouped(members):
            group = [members[i] for i in indices]
            with _precision(group):
                self._groups.append((method(group), [slots[i] for i in indices]))
        self._seconds = dict.fromkeys(self.points, 0.0)
        self._made = 0

    def run(self, epochs: int | None, advance: Advance | None = None) -> None:
        """Train all on to the end of ``epochs``; None for the end of each."""
        for group, slots in self._groups:
            with _precision(group.members), _Clock(self._seconds, [number for number, _ in slots]):
                group.run(epochs or group.members[0].experiment.epochs, advance or _nobody)
        self._made = epochs or self.epochs

    def keep(self, numbers: Iterable[int]) -> None:
        """Train on with these trials alone."""
        kept = set(numbers)
        self.points = {number: point for number, point in self.points.items() if number in kept}
        groups = []
        for group, slots in self._groups:
            indices = [i for i, (number, _) in enumerate(slots) if number in kept]
            if indices and len(indices) < len(slots):
                with _precision(group.members):
                    group.keep(indices, self.epochs - self._made)
            if indices:
                groups.append((group, [slots[i] for i in indices]))
        self._groups = groups

    def trials(self) -> list[Trial]:
        """What came of the trials so far."""
        ends: dict[tuple[int, int], Ended] = {}
        for group, slots in self._groups:
            with _precision(group.members):
                # Those that decide on other rows meet the rows set aside now.
                decided = group.records() if group.members[0].ready.decides else [None] * len(slots)
            for slot, (history, diverged), record in zip(slots, group.histories, decided, strict=True):
                at_best = self.trainer.by_recipe
                ends[slot] = end_of(history, diverged, at_best) if record is None else end_of_record(record)
        parts = range(len(self.trainer.parts))
        return [
            trial_of(
                number,
                point,
                settings_at(self.trainer.space, point),
                [ends[number, part] for part in parts],
                self._seconds[number],
            )
            for number, point in self.points.items()
        ]


def _nobody(epochs: float) -> None:
    """Nobody is told."""


class _Clock:
    """Shares the seconds of a stretch evenly among its trainings."""

    def __init__(self, seconds: dict[int, float], numbers: Sequence[int]) -> None:
        self._seconds, self._numbers = seconds, numbers

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        each = (time.perf_counter() - self._began) / len(self._numbers)
        for number in self._numbers:
            self._seconds[number] += each


def _precision(members: Sequence[Member]) -> Any:
    return double_precision(members[0].experiment.precision == "float64")


def _structure(experiment: Experiment) -> str:
    """Key of experiments that differ in seeds, names, initialisers and fractional numbers alone."""

    def without_numbers(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {key: without_numbers(value) for key, value in item.items() if key != "initializer"}
        if isinstance(item, (list, tuple)):
            return list(map(without_numbers, item))
        return None if isinstance(item, float) else item

    settings = {**experiment.to_dict(), "seed": 0, "name": "", "data": {}}
    return json.dumps(without_numbers(settings), sort_keys=True)
