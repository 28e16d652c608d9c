"""A GAN's training taken apart, as `Setup` does it with a supervised one."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import msgspec
import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.registry import describe
from pellucid.data import Dataset
from pellucid.doctor.adversarial import coverage_of, with_gan_rows
from pellucid.optimizers import as_optimizer
from pellucid.runs.experiment import Experiment
from pellucid.runs.facts import DataFacts
from pellucid.runs.samples import sample
from pellucid.runs.trained import Trained
from pellucid.training import Adversarial, History, Recorder, Rows, Scaling, Training, lipschitz_constraints

SampleJudge = Callable[[np.ndarray], float]
"""Samples → a score of at least 0, higher is better."""


@dataclass(frozen=True, eq=False)
class GanSetup:
    """Everything that an adversarial training is made of, but for its seed.

    Args:
        program: both networks, the game between them, rows of a step.
        optimizer: the generator's.
        critic_optimizer: the critic's.
        lipschitz_constraint: what holds the critic, or None.
        epochs: passes over the rows.
        scaling: preprocessing of the rows.
        train: the rows.
        facts: of the data.
    """

    program: Adversarial
    optimizer: Any
    critic_optimizer: Any
    lipschitz_constraint: Any
    epochs: int
    scaling: Scaling
    train: Rows
    facts: DataFacts

    @staticmethod
    def of(run: Trained, data: Dataset | None = None) -> "GanSetup":
        """The parts of a run.

        Raises:
            DataError: the run does not hold its rows, and they cannot be opened again.
        """
        run = with_gan_rows(run, data)
        training, experiment = run.training, run.experiment
        if training is None:
            raise DataError("a proof needs the rows of the training, which this run does not hold.")
        optimizer = as_optimizer(experiment.optimizer)
        other = as_optimizer(experiment.critic_optimizer or experiment.optimizer)
        lipschitz_constraint = (
            None
            if experiment.lipschitz_constraint is None
            else lipschitz_constraints.build(experiment.lipschitz_constraint)
        )
        program = replace(run.program, recorder=Recorder(0))
        return GanSetup(
            program,
            optimizer,
            other,
            lipschitz_constraint,
            training.history.epochs_made or experiment.epochs,
            training.scaling,
            training.train,
            run.facts,
        )

    def __repr__(self) -> str:
        return f"<GanSetup of {self.train.rows} rows, {self.epochs} epochs>"

    @property
    def steps(self) -> int:
        """Updates of the critic in the whole training."""
        of_epoch = -(-self.train.rows // self.program.batch_size)
        return self.epochs * of_epoch * self.program.critic_steps

    @property
    def structure(self) -> Hashable:
        """What the compiled program depends on: equal for setups that differ in numbers alone."""
        kinds = (self.optimizer.name, self.critic_optimizer.name, type(self.lipschitz_constraint).__name__)
        return (self.program, *kinds)

    @property
    def stackable(self) -> bool:
        """Never side by side: two networks of a few layers fill a core."""
        return False

    def training(self, seed: int) -> Training:
        """The training of one seed, at its beginning."""
        state = self.program.init(
            self.optimizer, self.critic_optimizer, self.lipschitz_constraint, self.facts.input_shape, jnp.uint32(seed)
        )
        history = History.begin(self.program, self.train.rows)
        return Training(self.program, self.scaling, self.train, None, self.optimizer, state, history)

    def score(self, training: Training, judge: SampleJudge | None) -> float:
        """How good the samples of a trained generator are: by default the share of the real rows that they cover."""
        params = {"generator": training.state.params["average"], "critic": training.state.params["critic"]}
        nothing = Experiment(network={"generator": [], "critic": []}, loss=self.program.loss, optimizer="adam")
        run = Trained(
            nothing, self.facts, self.program, params, training.state.layer_state, training.history, training=training
        )
        return coverage_of(run) if judge is None else judge(sample(run, SAMPLES))

    def experiment(self, original: Experiment) -> Experiment:
        """The settings of this training, where ``original`` holds those that it came from."""
        steps = self.program.critic_steps
        return msgspec.structs.replace(
            original,
            loss=self.program.loss,
            lipschitz_constraint=None if self.lipschitz_constraint is None else describe(self.lipschitz_constraint),
            optimizer=describe(self.optimizer),
            critic_optimizer=describe(self.critic_optimizer),
            critic_steps=steps,
            epochs=self.epochs,
            batch_size=self.program.batch_size // steps,
        )


SAMPLES = 2000
"""Samples that a judge sees."""
