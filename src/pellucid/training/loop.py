"""The loop around the program: how far to run before a person is shown where it stands, and when to end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import NOT_NEGATIVE, WholeNumber, constrained, validate
from pellucid.core.errors import TrainingDiverged
from pellucid.core.types import PyTree
from pellucid.functions.schedules import watches_loss
from pellucid.training.epoch import CAPACITY, Program, Rows, Scaling, advance, steps_per_epoch
from pellucid.training.history import History
from pellucid.training.programs import make_room
from pellucid.training.snapshots import SnapshotTaker, next_due
from pellucid.training.state import TrainingState, with_numbers

SECONDS_PER_CALL = 0.25
"""Aim for the length of one call of the program: a person sees progress four times a second."""
FIRST_CALLS = 4
"""Steps of the first two calls: the one compiles, the other tells the speed."""


@dataclass(frozen=True)
class EarlyStopping:
    """End the training when the held-out loss no longer falls; keep the network of the best epoch (subject 7.3).

    Kept is all that it predicts with: the parameters, and with them what its layers carry, such as the running mean and
    variance of a batch normalisation, which would else be those of a later epoch.

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
        """Index of the last epoch that improved on all before it by more than ``min_delta``."""
        best, losses = 0, [loss if loss == loss else float("inf") for loss in losses]  # NaN is no improvement
        for epoch, loss in enumerate(losses):
            if loss < losses[best] - self.min_delta:
                best = epoch
        return best

    def epochs_to_wait(self, losses: Any) -> int:
        """Epochs left without improvement before the end; 0 or less ends the training."""
        return self.patience - (len(losses) - 1 - self.best_epoch(losses))


class Learned(NamedTuple):
    """What a network predicts with: all of a training's state that belongs to one epoch and no other."""

    params: PyTree
    layer_state: PyTree
    """What its layers carry, running statistics among it."""


@dataclass(frozen=True)
class Progress:
    """Where a training stands after one call of the program."""

    step: int
    epoch: int
    """Epochs ended."""
    loss: float
    metric: float
    examples: int
    """Rows trained on by this call."""
    seconds: float
    """What this call took."""
    compiled: bool
    """Whether this call also compiled or loaded the program, so that its time says nothing of its speed."""


@dataclass
class Training:
    """A training under way: the program, its data, its state, and what was measured so far.

    The state after a given step depends on the seed alone, never on where the calls were cut; so a training that is
    saved after any call and taken up again ends with the same bits.
    """

    program: Program
    scaling: Scaling
    train: Rows
    monitor: Rows | None
    """Held-out rows evaluated at the end of each epoch."""
    optimizer: Any
    state: TrainingState
    history: History
    stopping: EarlyStopping | None = None
    best: Learned | None = None
    """The network of the best epoch so far, where early stopping is on."""
    snapshots: SnapshotTaker | None = None
    """Takes the snapshots, where there are to be any."""

    def __repr__(self) -> str:
        return f"<Training of {self.train.rows} rows, at step {self.history.steps_made}>"

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return steps_per_epoch(self.train.rows, self.program.batch_size)

    @property
    def learned(self) -> Learned:
        """What to predict with: that of the best epoch under early stopping, else the last."""
        return Learned(self.state.params, self.state.layer_state) if self.best is None else self.best

    @property
    def params(self) -> PyTree:
        """The parameters to predict with."""
        return self.learned.params

    @property
    def layer_state(self) -> PyTree:
        """What the layers carry in prediction, of the same epoch as the parameters."""
        return self.learned.layer_state

    def ended(self, epochs: int) -> bool:
        """Whether all epochs are made, or early stopping has ended the training."""
        if self.history.epochs_made >= epochs:
            return True
        losses = self.history.held_out[:, 0]
        return self.stopping is not None and len(losses) > 0 and self.stopping.epochs_to_wait(losses) <= 0

    def run(self, epochs: int) -> Iterator[Progress]:
        """Train to the end of ``epochs``, yielding after every call; the state is consistent at each yield.

        Raises:
            TrainingDiverged: a loss is not finite; the state is then that before the bad step.
        """
        make_room()
        per_epoch = self.steps_per_epoch
        decides = self.stopping is not None or watches_loss(self._schedule())
        seconds_per_step = None
        compiled = True
        if self.snapshots is not None:
            self.snapshots.follow(self.state)
        while not self.ended(epochs):
            start = self.history.steps_made
            size = FIRST_CALLS if seconds_per_step is None else int(SECONDS_PER_CALL / seconds_per_step)
            stop = min(start + max(1, min(size, CAPACITY)), epochs * per_epoch)
            if decides:
                stop = min(stop, (start // per_epoch + 1) * per_epoch)
            if self.snapshots is not None:
                stop = min(stop, next_due(start, self.snapshots.most))
            began = time.perf_counter()
            self._call(start, stop)
            seconds = time.perf_counter() - began
            yield Progress(
                stop,
                self.history.epochs_made,
                *(float(number) for number in self.history.step_rows[-1, :2]),
                examples=(stop - start) * self.program.batch_size,
                seconds=seconds,
                compiled=compiled,
            )
            if not compiled:
                seconds_per_step = max(seconds / (stop - start), SECONDS_PER_CALL / CAPACITY)
            compiled = False

    def _call(self, start: int, stop: int) -> None:
        before = self.state
        arguments = (self.scaling, self.train, self.monitor)
        state, records = advance(self.program, before, *arguments, jnp.asarray(stop, jnp.int32))
        losses = np.asarray(records.steps)[: stop - start, 0]
        if not np.isfinite(losses).all():
            bad = start + int(np.argmin(np.isfinite(losses)))
            self.state, records = advance(self.program, before, *arguments, jnp.asarray(bad, jnp.int32))
            self.history.append(records, bad - start, self.monitor is not None)
            raise TrainingDiverged(self.program.explain_divergence(self.state, self.scaling, self.train))
        self.state = state
        self.history.append(records, stop - start, self.monitor is not None)
        if stop % self.steps_per_epoch == 0:
            self._decide()
        if self.snapshots is not None:
            self.snapshots.follow(self.state)

    def _decide(self) -> None:
        """What is decided at the end of an epoch, from the history alone."""
        losses = self.history.held_out[:, 0]
        self.follow_losses()
        if self.stopping is not None and self.stopping.best_epoch(losses) == len(losses) - 1:
            self.best = Learned(self.state.params, self.state.layer_state)

    def follow_losses(self) -> None:
        """Set the learning rate that the losses of the epochs so far ask for, where a schedule watches them."""
        schedule = self._schedule()
        if not watches_loss(schedule):
            return
        losses = self.history.held_out[:, 0]
        watched = losses if len(losses) else self.history.epochs["loss"]
        observed = schedule.observe([float(loss) for loss in watched])
        self.state = with_numbers(self.state, replace(self.optimizer, learning_rate=observed))

    def _schedule(self) -> Any:
        return getattr(self.optimizer, "learning_rate", None)
