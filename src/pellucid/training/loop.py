"""The training loop: calls of the program, early stopping, watched schedules."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp

from pellucid.core.constraints import NOT_NEGATIVE, WholeNumber, constrained, validate
from pellucid.core.errors import TrainingDiverged
from pellucid.core.types import PyTree
from pellucid.functions.schedules import watches_loss
from pellucid.training.history import History
from pellucid.training.program import CAPACITY, Program, Records, advance, make_room
from pellucid.training.rows import Rows, Scaling, steps_per_epoch
from pellucid.training.snapshots import SnapshotTaker, next_due
from pellucid.training.state import TrainingState, with_numbers

SECONDS_PER_CALL = 0.25
"""Target length of one call of the program: the user sees progress four times a second."""
FIRST_CALLS = 4
"""Steps of the first two calls: the first compiles, the second measures the speed."""


@dataclass(frozen=True)
class EarlyStopping:
    """End when the monitored loss stops falling, and keep the best epoch.

    Kept is all that it predicts with: the parameters, and the layers' state of the same epoch, such as the running mean
    and variance of a batch normalisation.

    Args:
        patience: epochs without a new best loss before the end, at least 1.
        min_delta: how much lower a loss must be to count as better.

    Example:
        >>> EarlyStopping(patience=2).epochs_to_wait([0.5, 0.4, 0.45])
        1

    Source: Prechelt, Early stopping – but when?, 1998.
    """

    patience: int = constrained(5, WholeNumber(1), "epochs without improvement before the end")
    min_delta: float = constrained(0.0, NOT_NEGATIVE, "least improvement that counts")

    def __post_init__(self) -> None:
        validate(self)

    def best_epoch(self, losses: Any) -> int:
        """Index of the last epoch that improved by more than ``min_delta``."""
        best, losses = 0, [loss if loss == loss else float("inf") for loss in losses]  # NaN is no improvement
        for epoch, loss in enumerate(losses):
            if loss < losses[best] - self.min_delta:
                best = epoch
        return best

    def epochs_to_wait(self, losses: Any) -> int:
        """Epochs left without improvement; 0 or less ends the training."""
        return self.patience - (len(losses) - 1 - self.best_epoch(losses))


class Learned(NamedTuple):
    """The parameters and layer state to predict with, of one epoch."""

    params: PyTree
    layer_state: PyTree


@dataclass(frozen=True)
class Progress:
    """Progress of a training after one call of the program."""

    step: int
    epoch: int
    """Epochs ended."""
    loss: float
    metric: float
    examples: int
    """Rows trained on by this call."""
    seconds: float
    """Duration of this call."""
    compiled: bool
    """True if this call also compiled or loaded the program, so that its duration says nothing of the speed."""


@dataclass(repr=False)
class Job:
    """A program with its data: what `Training` and `Population` share."""

    program: Program
    scaling: Scaling
    train: Rows
    monitor: Rows | None
    """Held-out rows, evaluated at the end of each epoch."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return steps_per_epoch(self.train.rows, self.program.batch_size)

    def call(
        self, compiled: Callable[..., tuple[TrainingState, Records]], state: TrainingState, stop: int
    ) -> tuple[TrainingState, Records]:
        """Run a compiled function, such as `advance`, up to step ``stop``."""
        return compiled(self.program, state, self.scaling, self.train, self.monitor, jnp.asarray(stop, jnp.int32))


def steps_in(seconds: float, steps: int, taken: float) -> int:
    """Steps of a call of ``seconds``, where ``steps`` took ``taken`` seconds."""
    return max(1, min(CAPACITY, int(steps / taken * seconds)))


@dataclass
class Training(Job):
    """A training under way: program, data, state and history.

    The state after a given step depends on the seed alone, never on where the calls were cut; so a training that is
    saved after any call and resumed ends with the same bits.
    """

    optimizer: Any
    state: TrainingState
    history: History
    stopping: EarlyStopping | None = None
    best: Learned | None = None
    """The network of the best epoch so far, under early stopping."""
    snapshots: SnapshotTaker | None = None

    def __repr__(self) -> str:
        return f"<Training of {self.train.rows} rows, at step {self.history.steps_made}>"

    @property
    def learned(self) -> Learned:
        """The network to predict with: of the best epoch, or the last."""
        return Learned(self.state.params, self.state.layer_state) if self.best is None else self.best

    @property
    def params(self) -> PyTree:
        """The parameters to predict with."""
        return self.learned.params

    @property
    def layer_state(self) -> PyTree:
        """The layers' state to predict with."""
        return self.learned.layer_state

    def ended(self, epochs: int) -> bool:
        """True once all epochs are made or early stopping ended the training."""
        if self.history.epochs_made >= epochs:
            return True
        losses = self.history.held_out[:, 0]
        return self.stopping is not None and len(losses) > 0 and self.stopping.epochs_to_wait(losses) <= 0

    def run(self, epochs: int) -> Iterator[Progress]:
        """Train to the end of ``epochs``, yielding a consistent state after every call.

        Raises:
            TrainingDiverged: a loss is NaN or infinite; the state is then that before the bad step.
        """
        make_room()
        per_epoch = self.steps_per_epoch
        decides = self.stopping is not None or watches_loss(self._schedule())
        size, compiled = FIRST_CALLS, True
        if self.snapshots is not None:
            self.snapshots.follow(self.state)
        while not self.ended(epochs):
            start = self.history.steps_made
            stop = min(start + size, epochs * per_epoch)
            if decides:
                stop = min(stop, (start // per_epoch + 1) * per_epoch)
            if self.snapshots is not None:
                stop = min(stop, next_due(start, self.snapshots.most))
            began = time.perf_counter()
            self._call(start, stop)
            seconds = time.perf_counter() - began
            loss, metric = self.history.step_rows[-1, :2].tolist()
            examples = (stop - start) * self.program.batch_size
            yield Progress(stop, self.history.epochs_made, loss, metric, examples, seconds, compiled)
            if not compiled:
                size = steps_in(SECONDS_PER_CALL, stop - start, seconds)
            compiled = False

    def _call(self, start: int, stop: int) -> None:
        state, records = self.call(advance, self.state, stop)
        steps = records.finite_steps(stop - start)
        diverged = steps < stop - start
        if diverged:
            state, records = self.call(advance, self.state, start + steps)
        self.state = state
        self.history.append(records, steps, self.monitor is not None)
        if diverged:
            raise TrainingDiverged(self.program.explain_divergence(self.state, self.scaling, self.train))
        if stop % self.steps_per_epoch == 0:
            # From the history alone, so that a resumed training decides alike.
            losses = self.history.held_out[:, 0]
            self.follow_losses()
            if self.stopping is not None and self.stopping.best_epoch(losses) == len(losses) - 1:
                self.best = Learned(self.state.params, self.state.layer_state)
        if self.snapshots is not None:
            self.snapshots.follow(self.state)

    def follow_losses(self) -> None:
        """Set the learning rate of a schedule that watches losses."""
        schedule = self._schedule()
        if not watches_loss(schedule):
            return
        losses = self.history.held_out[:, 0]
        watched = losses if len(losses) else self.history.epochs["loss"]
        observed = schedule.observe([float(loss) for loss in watched])
        self.state = with_numbers(self.state, replace(self.optimizer, learning_rate=observed))

    def _schedule(self) -> Any:
        return getattr(self.optimizer, "learning_rate", None)
