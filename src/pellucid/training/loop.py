"""The training loop: calls of the program, early stopping, watched schedules."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import TrainingDiverged
from pellucid.core.tunable import as_arrays
from pellucid.core.types import PyTree
from pellucid.core.xla import return_freed_memory
from pellucid.functions.schedules import watches_loss
from pellucid.optimizers import dtype_of
from pellucid.training.feed import Feed
from pellucid.training.history import History
from pellucid.training.program import CAPACITY, Program, Records, advance, advance_in_place, is_large, make_room
from pellucid.training.rows import Rows, Scaling, steps_per_epoch
from pellucid.training.snapshots import SnapshotTaker, next_due
from pellucid.training.state import TrainingState, with_numbers
from pellucid.training.stopping import EarlyStopping, Learned, Watch

SECONDS_PER_CALL = 0.25
"""Target length of one call of the program: the user sees progress four times a second."""
FIRST_CALLS = 4
"""Steps of the first two calls: the first compiles, the second measures the speed."""


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
        self,
        compiled: Callable[..., tuple[TrainingState, Records]],
        state: TrainingState,
        stop: int,
        *more: Any,
        rows: Rows | None = None,
    ) -> tuple[TrainingState, Records]:
        """Run a compiled function, such as `advance`, up to step ``stop``, on ``rows`` where they are not ``train``."""
        end, train = jax.device_put(np.int32(stop)), self.train if rows is None else rows
        return compiled(self.program, state, self.scaling, train, self.monitor, end, *more)


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
    in_place: bool = False
    """True where nobody else reads the state, so that a large one may be updated where it lies."""
    cuts: tuple[int, ...] = ()
    """Every call ends at the next multiple of these steps, where callbacks are due."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    """What callbacks changed so far, and where one ended the training."""
    owed: int | None = None
    """Of the callbacks due after this step, the first that is still to be called, since it raised an error."""
    feed: Feed | None = None
    """Where the rows are read while they are trained on, of which ``train`` is then a sample; None where they are in
    ``train``."""

    def __repr__(self) -> str:
        return f"<Training of {self.history.rows} rows, at step {self.history.steps_made}>"

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return super().steps_per_epoch if self.feed is None else self.feed.steps_per_epoch

    @property
    def learned(self) -> Learned:
        """The network to predict with: of the best epoch, or the last; its weights averaged where they are."""
        return self.state.learned if self.best is None else self.best

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
        cuts = (*self.cuts, per_epoch) if watches_loss(self._schedule()) else self.cuts
        size, compiled = FIRST_CALLS, True
        if self.snapshots is not None:
            self.snapshots.follow(self.state)
        while not self.ended(epochs):
            start = self.history.steps_made
            stop = min(start + size, epochs * per_epoch)
            for period in cuts:
                stop = min(stop, (start // period + 1) * period)
            if self.snapshots is not None:
                stop = min(stop, next_due(start, self.snapshots.most))
            began = time.perf_counter()
            self._call(start, stop)
            seconds = time.perf_counter() - began
            loss, metric = self.history.step_rows[-1, :2].tolist()
            made = self.history.steps_made - start
            examples = made * self.program.batch_size
            yield Progress(start + made, self.history.epochs_made, loss, metric, examples, seconds, compiled)
            if not compiled:
                size = steps_in(SECONDS_PER_CALL, made, seconds)
            elif is_large(self.state):
                return_freed_memory()
            compiled = False

    def _call(self, start: int, stop: int) -> None:
        rows = self.train
        if self.feed is not None:
            rows, end = self.feed.at(start)
            stop = min(stop, end)
        losses, in_place = self.history.held_out[:, 0], self._in_place
        watch = ()
        if self.stopping is not None:
            learned = self.learned if self.best is not None or not in_place else jax.tree.map(jnp.copy, self.learned)
            watch = (Watch.begin(self.stopping, losses, learned),)
        state, records = self.call(advance_in_place if in_place else advance, self.state, stop, *watch, rows=rows)
        made = int(state.step) - start
        steps = records.finite_steps(min(made + 1, CAPACITY))
        diverged = steps < min(made + 1, CAPACITY)
        steps = min(steps, made)
        if steps < made:
            state, records = self.call(advance, self.state, start + steps, *watch, rows=rows)
        self.state = state
        self.history.append(records, steps, self.monitor is not None)
        if diverged:
            raise TrainingDiverged(self.program.explain_divergence(self.state, self.scaling, rows))
        if records.watch is not None and len(self.history.held_out):
            self.best = records.watch.best
        if (start + steps) % self.steps_per_epoch == 0:
            self.follow_losses()  # from the history alone, so that a resumed training decides alike
        if self.snapshots is not None:
            self.snapshots.follow(self.state)

    @property
    def _in_place(self) -> bool:
        if not (self.in_place and self.program.keeps_large and is_large(self.state)):
            return False
        leaves = jax.tree.leaves(self.state)
        return len(set(map(id, leaves))) == len(leaves)  # none is in it twice, as the first average is

    def follow_losses(self) -> None:
        """Set the learning rate of a schedule that watches losses."""
        schedule = self._schedule()
        if not watches_loss(schedule):
            return
        losses = self.history.held_out[:, 0]
        watched = losses if len(losses) else self.history.epochs["loss"]
        observed = schedule.observe([float(loss) for loss in watched])
        self.state = with_numbers(self.state, replace(self.optimizer, learning_rate=observed))

    def change_optimizer(self, optimizer: Any, players: Sequence[str] | None = None) -> None:
        """Train on with other hyperparameters of the optimiser; of a GAN with those of some players."""
        if players is None or "generator" in players:
            self.optimizer = optimizer
        if players is None:
            self.state = with_numbers(self.state, optimizer)
            self.follow_losses()  # the new numbers are those before any cut of the rate
            return
        rule = as_arrays(optimizer, dtype_of(self.state.params))
        states = {player: self.state.optimizer[player]._replace(rule=rule) for player in players}
        self.state = self.state._replace(optimizer={**self.state.optimizer, **states})

    def change_regularizer(self, regularizer: Any) -> None:
        """Train on with other strengths of the penalty on the weights."""
        self.state = self.state._replace(regularizer=as_arrays(regularizer, dtype_of(self.state.params)))

    def _schedule(self) -> Any:
        return getattr(self.optimizer, "learning_rate", None)
