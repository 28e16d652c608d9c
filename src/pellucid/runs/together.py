"""Trainings under way together: side by side in one program, or one after another."""

import copy
import dataclasses
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from pellucid.core.errors import TrainingDiverged
from pellucid.data import Dataset
from pellucid.functions.initializers import Initializer, initializers
from pellucid.layers import Layer
from pellucid.network import Network
from pellucid.runs.experiment import Experiment
from pellucid.runs.facts import DataFacts
from pellucid.runs.fit import score_held_out
from pellucid.runs.ready import Ready
from pellucid.runs.trained import Trained
from pellucid.training import Adversarial, History, Supervised, Training, TrainingState, initial_state
from pellucid.training.population import Inputs, Population, run_in_threads, to_device


class Member(NamedTuple):
    """One training to be made."""

    experiment: Experiment
    data: Dataset
    ready: Ready


def rows_of(member: Member) -> Hashable:
    """Key of the members that read the same rows, scaled alike."""
    return id(member.ready.train), member.experiment.scale_inputs, member.ready.scaled_targets


def inputs_of(member: Member) -> Inputs:
    """Collect what a member reads beside its state."""
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


class SideBySide:
    """Trainings under way as one program, on a thread for each core."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        first = members[0].ready
        shared = len(set(map(rows_of, members))) == 1
        inputs = [inputs_of(member) for member in (members[:1] if shared else members)]
        self._population = Population(without_initializers(first.program), inputs, _initial_states(members))

    def run(self, epochs: int, advance: Callable[[float], None]) -> None:
        """Train on to the end of ``epochs``."""
        for steps in self._population.run(epochs):
            advance(len(self.members) * steps / self._population.steps_per_epoch)

    def keep(self, indices: Sequence[int], epochs: int) -> None:
        """Continue with these members alone, for so many epochs more."""
        self.members = [self.members[i] for i in indices]
        self._population.keep(indices, epochs * self._population.steps_per_epoch)

    @property
    def histories(self) -> list[tuple[History, bool]]:
        """The history of each member so far, and whether it diverged."""
        return list(zip(self._population.histories, self._population.diverged.tolist(), strict=True))

    def records(self) -> list[Trained]:
        """The record of each member."""
        records = []
        for member, state, (history, diverged) in zip(
            self.members, self._population.states, self.histories, strict=True
        ):
            training = member.ready.training(to_device(state))
            training.history = history
            records.append(_record(member, training, "diverged" if diverged else "epochs"))
        return records


class OneAfterAnother:
    """Trainings under way by the program of `train`, as many at a time as there are cores."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        states = zip(members, _initial_states(members), strict=True)
        self._trainings = [member.ready.training(to_device(state)) for member, state in states]
        self._diverged = [False] * len(members)
        for training in self._trainings:
            training.program = without_initializers(training.program)

    def run(self, epochs: int, advance: Callable[[float], None]) -> None:
        """Train on to the end of ``epochs``, or to where each stops earlier."""

        def train(training: Training) -> bool:
            shown = training.history.steps_made
            try:
                for now in training.run(epochs):
                    advance((now.step - shown) / training.steps_per_epoch)
                    shown = now.step
            except TrainingDiverged:
                return True
            return False

        going = [i for i, diverged in enumerate(self._diverged) if not diverged]
        if going:
            for i, diverged in zip(going, run_in_threads([self._trainings[i] for i in going], train), strict=True):
                self._diverged[i] = diverged

    def keep(self, indices: Sequence[int], epochs: int) -> None:
        """Continue with these members alone, for so many epochs more."""
        self.members = [self.members[i] for i in indices]
        self._trainings = [self._trainings[i] for i in indices]
        self._diverged = [self._diverged[i] for i in indices]

    @property
    def histories(self) -> list[tuple[History, bool]]:
        """The history of each member so far, and whether it diverged."""
        return [(one.history, diverged) for one, diverged in zip(self._trainings, self._diverged, strict=True)]

    def records(self) -> list[Trained]:
        """The record of each member."""
        records = []
        for member, training, diverged in zip(self.members, self._trainings, self._diverged, strict=True):
            training.program = member.ready.program
            whole = training.history.epochs_made >= member.experiment.epochs
            records.append(_record(member, training, "diverged" if diverged else "epochs" if whole else "early"))
        return records


def _initial_states(group: list[Member]) -> list[TrainingState]:
    """The state of each member before its first step: initialised by its seed, with its own hyperparameters."""
    if isinstance(group[0].ready.program, Adversarial):
        return [_on_host(member.ready.initial_state(member.experiment.seed)) for member in group]
    first = group[0].ready
    states: dict[tuple[Network, int, int], TrainingState] = {}
    of_members = []
    for member in group:
        ready, seed = member.ready, member.experiment.seed
        key = (ready.network, id(ready.initial), seed)
        if key not in states:
            # One program for all rates and strengths: those of the first are replaced below.
            states[key] = _on_host(
                initial_state(
                    ready.network,
                    first.optimizer,
                    first.regularizer,
                    first.data.input_shape,
                    seed,
                    recorder=first.program.recorder,
                    average=first.average_weights,
                    given=ready.given,
                )
            )
        of_members.append(_with_numbers(states[key], ready))
    return of_members


def _on_host(state: TrainingState) -> TrainingState:
    return jax.tree.map(np.asarray, state._replace(key=jax.random.key_data(state.key)))


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
