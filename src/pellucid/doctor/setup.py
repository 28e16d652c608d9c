"""A training taken apart: the parts that a remedy may change, and how a trained network is judged afterwards."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from pellucid.core.checks import DataError, InvalidValue, TrainingDiverged
from pellucid.core.registry import describe
from pellucid.core.tunable import as_arrays
from pellucid.data import Dataset
from pellucid.data.encoding import Task
from pellucid.doctor.examination import class_numbers, classes_named, threshold_of
from pellucid.models.experiment import Experiment
from pellucid.models.keeping import data_of_run
from pellucid.models.population import without_initializers, worth_stacking
from pellucid.models.run import Run, outputs_of
from pellucid.models.train import prepare
from pellucid.storage import RunFolder
from pellucid.training import History, Rows, Scaling, Supervised, Training, initial_state
from pellucid.training.populations import Population, run_in_threads, to_device
from pellucid.training.state import TrainingState, with_numbers

Judge = Callable[[np.ndarray, np.ndarray], float]
"""(decided, truth) of the held-out rows → a score, higher is better."""


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
        same_data: False where a remedy changed rows, columns, inputs or the scale of targets.
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
    same_data: bool = True

    @staticmethod
    def of(run: Run) -> "Setup":
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
        labels, truth = (_plain(part.y, task) for part in (training.train, training.monitor))
        program = replace(run.program, record_every=0)
        return Setup(
            program, training.optimizer, training.state.regularizer, run.experiment.epochs, training.scaling,
            training.train, np.asarray(training.monitor.x), labels, truth, task, classes, run.facts.input_shape,
            class_weights=run.experiment.class_weights,
        )  # fmt: skip

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
        history = History.begin(self.program, self.train.rows)
        return Training(self.program, self.scaling, self.train, None, self.optimizer, state, history)

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """What outputs say: class numbers, yes or no of each label, or numbers in the units of the data."""
        if self.task == "regression":
            return outputs.reshape(len(outputs), -1) * self.spread + self.shift
        if self.task == "multilabel":
            return (outputs > threshold_of(self.program.loss)).astype(int)
        return classes_named(outputs, self.program.loss)

    def score(self, training: Training, judge: Judge) -> float:
        """How good a trained network is on the held-out rows."""
        outputs = outputs_of(
            self.program.network, training.params, training.state.layer_state, self.held_out, self.scaling
        )
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
            optimizer=describe(self.optimizer),
            regularizer=None if self.regularizer is None else describe(self.regularizer),
            epochs=self.epochs,
            batch_size=program.batch_size,
            class_weights=self.class_weights,
        )

    def with_targets(self, y: np.ndarray, **changes: Any) -> "Setup":
        """Other targets for the loss."""
        return replace(self, train=self.train._replace(y=jnp.asarray(y)), **changes)

    @property
    def structure(self) -> Hashable:
        """What trainings must have in common to be made by one program on the same rows."""
        numbers = jax.tree.structure((self.optimizer, self.regularizer))
        return without_initializers(self.program), numbers, self.epochs, id(self.train), id(self.scaling)

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


def with_rows(run: Run, data: Dataset | None = None) -> Run:
    """A run with the rows of its training: itself where it holds them, else a copy for which they are opened again.

    Args:
        run: the run.
        data: its data, where they came as arrays.

    Raises:
        StorageError: no data by that name, or other data than those of the run.
    """
    if run.training is not None or run.folder is None:
        return run
    data = data_of_run(RunFolder(run.folder), run.experiment.data, data)
    return replace(run, training=prepare(run.experiment, data, None, None, None)[1])


def _plain(y: Any, task: Task) -> np.ndarray:
    y = np.asarray(y)
    return class_numbers(y) if task in ("binary", "multiclass") else y.reshape(len(y), -1)


def train_all(members: Sequence[tuple[Setup, int]]) -> list[Training]:
    """Train setups by their seeds; those of one structure share a compiled program, and both cores have their part.

    A training whose loss is no longer finite ends there: its history is shorter than its epochs.
    """
    groups: dict[Hashable, list[int]] = {}
    for i, (setup, _) in enumerate(members):
        groups.setdefault(setup.structure, []).append(i)
    trainings = [setup.training(seed) for setup, seed in members]
    for places in groups.values():
        setup, group = members[places[0]][0], [trainings[i] for i in places]
        if len(group) > 1 and worth_stacking(setup.program, setup.input_shape):
            _side_by_side(group, setup.epochs)
        else:
            _one_after_another(group, setup.epochs)
    return trainings


def _side_by_side(group: list[Training], epochs: int) -> None:
    first = group[0]
    states = [_on_host(training.state) for training in group]
    population = Population(without_initializers(first.program), first.scaling, first.train, None, states)
    for _ in population.run(epochs):
        pass
    for training, state, history in zip(group, population.states, population.histories, strict=True):
        training.state, training.history = to_device(state), history


def _on_host(state: TrainingState) -> TrainingState:
    host = jax.tree.map(np.asarray, state._replace(key=jax.random.key_data(state.key)))
    return host._replace(step=np.asarray(host.step))


def _one_after_another(group: list[Training], epochs: int) -> None:
    for training in group:
        training.program = without_initializers(training.program)

    def train(training: Training) -> None:
        with suppress(TrainingDiverged):
            for _ in training.run(epochs):
                pass

    run_in_threads(group, train)
