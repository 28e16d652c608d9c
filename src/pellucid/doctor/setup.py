"""A training taken apart: the parts that a remedy may change, and how a trained network is judged afterwards."""

import time
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from pellucid.core.errors import DataError, InvalidValue, ShapeError, TrainingDiverged
from pellucid.core.registry import describe
from pellucid.core.tunable import as_arrays
from pellucid.data import SCALINGS, Dataset
from pellucid.data.encoding import Task
from pellucid.doctor.losses import threshold_of
from pellucid.doctor.skill import class_numbers, classes_named
from pellucid.doctor.successive_halving import Attempt, Judge, Trainable
from pellucid.runs.experiment import Experiment
from pellucid.runs.facts import DataFacts
from pellucid.runs.fit import training_again
from pellucid.runs.many import without_initializers, worth_stacking
from pellucid.runs.outputs import outputs_of
from pellucid.runs.scaling import ScalingChoice, scaling_of
from pellucid.runs.trained import Trained
from pellucid.training import History, Recorder, Rows, Scaling, Supervised, Training, initial_state, steps_per_epoch
from pellucid.training.population import Population, compile_ahead, threads, to_device
from pellucid.training.state import TrainingState, with_numbers


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that a training is made of, but for its seed.

    Args:
        program: network, loss, metric, batch size, shuffling.
        optimizer: the optimiser.
        regularizer: penalty on the weights, or None.
        epochs: passes over the training rows.
        scaling: preprocessing of the inputs.
        train: training rows, targets as the loss takes them.
        held_out: inputs of the held-out rows.
        labels: training targets as they are: class numbers (rows,), or numbers (rows, outputs).
        truth: the same of the held-out rows. No remedy touches it.
        task: what is predicted.
        classes: how many there are; 0 for numbers.
        input_shape: of one example.
        shift: what was taken off the targets.
        spread: what they were then divided by.
        class_weights: those of the experiment.
        scale_inputs: how the inputs are scaled, as the experiment says it.
        scale_targets: how the targets are scaled, as the experiment says it.
        same_data: False where a remedy changed rows, columns or inputs.
    """

    program: Supervised
    optimizer: Any
    regularizer: Any
    epochs: int
    scaling: Scaling
    train: Rows
    held_out: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    task: Task
    classes: int
    input_shape: Any
    shift: Any = 0.0
    spread: Any = 1.0
    class_weights: Any = None
    scale_inputs: ScalingChoice = "auto"
    scale_targets: ScalingChoice = "auto"
    same_data: bool = True

    @staticmethod
    def of(run: Trained) -> "Setup":
        """The parts of a run.

        Raises:
            DataError: the run does not hold its rows, has no held-out ones, or is not about classes or numbers.
        """
        training = run.training
        if training is None:
            raise DataError(
                "a proof needs the rows of the training, which this run does not hold. Give its data: prove(run, data)."
            )
        if training.monitor is None or training.monitor.y is None:
            raise DataError("a proof is judged on held-out targets; this training has none.")
        task, classes = run.facts.task, len(run.facts.classes)
        labels, truth = (_plain(part.y, run.facts) for part in (training.train, training.monitor))
        program = replace(run.program, recorder=Recorder(0))
        targets, experiment = run.facts.target_preprocessing, run.experiment
        return Setup(
            program,
            training.optimizer,
            training.state.regularizer,
            experiment.epochs,
            training.scaling,
            training.train,
            np.asarray(training.monitor.x),
            labels,
            truth,
            task,
            classes,
            run.facts.input_shape,
            targets.shift,
            1 / targets.scale,
            experiment.class_weights,
            experiment.scale_inputs,
            experiment.scale_targets,
        )

    def __repr__(self) -> str:
        return f"<Setup of {self.train.rows} rows, {self.epochs} epochs>"

    @property
    def x(self) -> np.ndarray:
        """Training inputs as they are stored."""
        return np.asarray(self.train.x)

    def training(self, seed: int) -> Training:
        """The training of one seed, at its beginning."""
        # Numbers are put in afterwards: what an initial state is compiled for does not depend on them.
        optimizer = self.optimizer
        if isinstance(optimizer.learning_rate, (int, float)):
            optimizer = replace(optimizer, learning_rate=0.01)
        drawn = initial_state(self.program.network, optimizer, None, self.input_shape, jnp.uint32(seed))
        state = with_numbers(drawn, self.optimizer)._replace(regularizer=as_arrays(self.regularizer))
        program = without_initializers(self.program)
        history = History.begin(program, self.train.rows)
        return Training(program, self.scaling, self.train, None, self.optimizer, state, history)

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """What outputs say: class numbers, yes or no of each label, or numbers in the units of the data."""
        if self.task == "regression":
            return outputs.reshape(len(outputs), -1) * self.spread + self.shift
        if self.task == "multilabel":
            return (outputs > threshold_of(self.program.loss)).astype(int)
        return classes_named(outputs, self.program.loss)

    def score(self, training: Training, judge: Judge) -> float:
        """How good a trained network is on the held-out rows."""
        outputs = outputs_of(self.program.network, training.params, training.layer_state, self.held_out, self.scaling)
        return judge(self.decide(outputs), self.truth)

    def experiment(self, original: Experiment) -> Experiment:
        """The settings of this training, where ``original`` holds those that it came from.

        Raises:
            InvalidValue: the change is one of the data, which settings do not hold.
        """
        if not self.same_data:
            raise InvalidValue(
                "the change that helps is one of the data, which experiment.toml does not hold: make it where the data "
                "are made, and train again."
            )
        program = self.program
        return msgspec.structs.replace(
            original,
            network=program.network.describe(),
            loss=describe(program.loss),
            metric=describe(program.metric),
            optimizer=describe(self.optimizer),
            regularizer=None if self.regularizer is None else describe(self.regularizer),
            epochs=self.epochs,
            batch_size=original.batch_size
            if original.rows_of_step(self.train.rows) == program.batch_size
            else program.batch_size,
            class_weights=self.class_weights,
            scale_inputs=self.scale_inputs,
            scale_targets=self.scale_targets,
        )

    def with_targets(self, y: np.ndarray, **changes: Any) -> "Setup":
        """Other targets for the loss."""
        return replace(self, train=self.train._replace(y=jnp.asarray(y)), **changes)

    def with_inputs_scaled(self, choice: ScalingChoice) -> "Setup":
        """Inputs scaled as ``choice`` says, by the training rows; values that are not finite are left out of that."""
        x = self.x
        if not (finite := np.isfinite(x)).all():
            x = np.where(finite, x, np.nanmean(np.where(finite, x, np.nan), 0, keepdims=True))
        scaled = scaling_of(SCALINGS[choice](np.nan_to_num(x)))
        scaling = self.scaling._replace(shift=scaled.shift, scale=scaled.scale)
        return replace(self, scaling=scaling, scale_inputs=choice)

    def with_targets_scaled(self, choice: ScalingChoice) -> "Setup":
        """Targets of a regression scaled as ``choice`` says, by the training rows."""
        targets = SCALINGS[choice](self.labels)
        y = targets.apply_numpy(self.labels).reshape(np.asarray(self.train.y).shape)
        return self.with_targets(y, shift=targets.shift, spread=1 / targets.scale, scale_targets=choice)

    @property
    def structure(self) -> Hashable:
        """What trainings must have in common to be made by one program on the same rows."""
        numbers = jax.tree.structure((self.optimizer, self.regularizer))
        return without_initializers(self.program), numbers, self.epochs, id(self.train), id(self.scaling)

    @property
    def stackable(self) -> bool:
        """Whether seeds train faster side by side in one program than one after another."""
        return worth_stacking(self.program, self.input_shape)

    @property
    def steps(self) -> int:
        """Updates of the whole training."""
        return self.epochs * steps_per_epoch(self.train.rows, self.program.batch_size)

    def with_rows(self, kept: np.ndarray) -> "Setup":
        """Only some of the training rows, or some of them several times."""
        train = jax.tree.map(lambda array: jnp.asarray(np.asarray(array)[kept]), self.train)
        size = min(self.program.batch_size, len(kept))
        program = replace(self.program, batch_size=size)
        return replace(self, train=train, labels=self.labels[kept], program=program, same_data=False)

    def with_inputs(self, x: np.ndarray, held_out: np.ndarray, **changes: Any) -> "Setup":
        """Other inputs."""
        train = self.train._replace(x=jnp.asarray(x))
        changes = {"input_shape": x.shape[1:], "same_data": False} | changes
        return replace(self, train=train, held_out=held_out, **changes)


def with_rows(run: Trained, data: Dataset | None = None) -> Trained:
    """A run with the rows of its training: itself where it holds them, else a copy for which they are opened again.

    Args:
        run: the run.
        data: its data, where they came as arrays.

    Raises:
        StorageError: no data by that name, or other data than those of the run.
        InvalidValue: an optimiser from Optax, which its folder cannot describe.
    """
    if run.training is not None or run.folder is None:
        return run
    return replace(run, training=training_again(run, data))


def _plain(y: Any, facts: DataFacts) -> np.ndarray:
    """Targets as they are: class numbers, or numbers in their own units."""
    y = np.asarray(y)
    if facts.task in ("binary", "multiclass"):
        return class_numbers(y)
    if facts.task == "multilabel":
        return np.maximum(y, 0)  # −1 for no, where the loss reads margins
    return facts.target_preprocessing.invert_numpy(y.reshape(len(y), -1))


STACKED = 20_000
"""Fewest steps of all members that another program, which makes them side by side, is compiled for."""


def train_all(members: Sequence[tuple[Trainable, int]]) -> list[Attempt]:
    """Train setups by their seeds; those of one structure share a compiled program, and all cores have their part.

    A training whose loss is no longer finite ends there: its history is shorter than its epochs. There is none where
    the parts of a setup do not fit together.
    """
    groups: dict[Hashable, list[int]] = {}
    for i, (setup, _) in enumerate(members):
        groups.setdefault(setup.structure, []).append(i)
    found: dict[int, Attempt] = {}
    alone: list[list[int]] = []
    for places in groups.values():
        setup = members[places[0]][0]
        if len(places) > 1 and setup.stackable and len(places) * setup.steps >= STACKED:
            found |= zip(places, _side_by_side([members[i] for i in places]), strict=True)
        else:
            alone.append(places)
    locks = {i: lock for places in alone for lock in [Lock()] for i in places}

    def train(i: int) -> Attempt:
        setup, seed = members[i]
        with locks[i]:  # compiled by the first of a structure alone
            try:
                training = setup.training(seed)
                compile_ahead(training)
            except (InvalidValue, ShapeError):
                return Attempt(None, 0.0)
        began = time.perf_counter()
        with suppress(TrainingDiverged):
            for _ in training.run(setup.epochs):
                pass
        return Attempt(training, time.perf_counter() - began)

    # One of each structure first, so that programs are compiled at the same time.
    order = [i for turn in zip_longest(*alone) for i in turn if i is not None]
    with ThreadPoolExecutor(threads()) as pool:
        found |= zip(order, pool.map(train, order), strict=True)
    return [found[i] for i in range(len(members))]


def _side_by_side(members: Sequence[tuple[Trainable, int]]) -> list[Attempt]:
    group = [setup.training(seed) for setup, seed in members]
    first = group[0]
    states = [_on_host(training.state) for training in group]
    population = Population(first.program, first.scaling, first.train, None, states)
    began = time.perf_counter()
    for _ in population.run(members[0][0].epochs):
        pass
    seconds = (time.perf_counter() - began) / len(group)
    for training, state, history in zip(group, population.states, population.histories, strict=True):
        training.state, training.history = to_device(state), history
    return [Attempt(training, seconds) for training in group]


def _on_host(state: TrainingState) -> TrainingState:
    host = jax.tree.map(np.asarray, state._replace(key=jax.random.key_data(state.key)))
    return host._replace(step=np.asarray(host.step))
