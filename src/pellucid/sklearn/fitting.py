"""Train until scikit-learn's criterion of convergence is met.

The criterion is decided between calls of the compiled program, from what it recorded. Where the training should have
ended inside a call, the epochs up to there are made again from the state before that call, so the result does not
depend on where calls were cut.
"""

import math
import time
import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from pellucid.core.errors import DataError
from pellucid.training import TrainingState, advance
from pellucid.training.loop import SECONDS_PER_CALL, Job
from pellucid.training.program import CAPACITY
from pellucid.training.rows import steps_per_epoch
from pellucid.training.state import with_numbers

LEAST_RATE = 1e-6
"""The adaptive learning rate at which a training ends instead of lowering it again, as in scikit-learn."""
CUT = 5.0
"""What the adaptive learning rate is divided by, as in scikit-learn."""
FIRST_EPOCHS = 12
"""Epochs of the first call, which shows how long one takes; with its default patience scikit-learn makes as many."""


@dataclass
class Convergence:
    """No improvement by ``tol`` for more than ``patience`` epochs, as scikit-learn counts them.

    Args:
        tol: least improvement.
        patience: epochs without one.
    """

    tol: float
    patience: float
    best: float = math.inf
    waited: int = 0

    def improves(self, value: float) -> bool:
        """Take the value of an epoch, lower for better, and tell whether it is the best so far."""
        self.waited = self.waited + 1 if value > self.best - self.tol else 0
        better = value < self.best
        self.best = value if better else self.best
        return better

    @property
    def met(self) -> bool:
        """True after too many epochs without improvement."""
        return self.waited > self.patience


@dataclass
class Fitting(Job):
    """A training that ends where objective or score no longer improve.

    Attributes:
        optimizer: with the learning rate that the adaptive one has fallen to.
        count: training rows, beside which there may be more that fill up.
        state: of the last epoch; with ``scored``, of the best one once ``run`` has ended.
        objectives: of each epoch, the mean over its steps.
        measures: (epochs, 2) loss and metric of the monitored rows after each epoch; no rows without any.
        records: (steps, 4) loss, metric, learning rate and objective of each step.
        converged: the rule was met.
    """

    optimizer: Any
    state: TrainingState
    count: int
    scored: bool = False
    """The metric of the monitored rows decides, and the best epoch is kept."""
    adaptive: bool = False
    """Lower the learning rate where a training would end."""
    higher_is_better: bool = True
    verbose: bool = False
    objectives: list[float] = field(default_factory=list)
    measures: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    records: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    converged: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return steps_per_epoch(self.count, self.program.batch_size)

    def run(self, epochs: int, rule: Convergence) -> None:
        """Train for at most so many epochs, or until the rule is met.

        Raises:
            DataError: the loss became NaN or infinite, and no epoch before it is kept.
        """
        size, best, end = FIRST_EPOCHS, None, len(self.objectives) + epochs
        while len(self.objectives) < end and not self.converged:
            before, began = self.state, time.perf_counter()
            asked = min(size, end - len(self.objectives))
            try:
                self.state, records, measures = self._epochs(before, asked)
            except KeyboardInterrupt:
                self._interrupted()
                break
            size = max(1, min(CAPACITY, int(asked / (time.perf_counter() - began) * SECONDS_PER_CALL)))
            made = len(records) // self.steps_per_epoch
            objectives = self._means(records[: made * self.steps_per_epoch, 3])
            kept = made
            for number, value in enumerate((self._scores(measures) if self.scored else objectives).tolist(), 1):
                if rule.improves(value) and self.scored:
                    best = before, number
                if rule.met:
                    kept = number
                    break
            if kept < made:
                self.state, *_ = self._epochs(before, kept)
            self._keep(objectives[:kept].tolist(), measures[:kept], records[: kept * self.steps_per_epoch])
            if rule.met:
                self._finish_or_slow_down(rule)
            elif made < asked:
                self._diverged(best is not None)
        if best is not None:
            self.state, *_ = self._epochs(*best)

    def _epochs(self, state: TrainingState, epochs: int) -> tuple[TrainingState, np.ndarray, np.ndarray]:
        """The state some epochs later and what was recorded, up to the first NaN or infinite loss."""
        step = int(state.step)
        end = step + epochs * self.steps_per_epoch
        # Of as many epochs as a call of all the rows there is room for may end, there is room for the measures.
        most = max(1, CAPACITY // steps_per_epoch(self.train.rows, self.program.batch_size)) * self.steps_per_epoch
        records, measures = [], []
        while step < end:
            stop = min(end, step + min(most, CAPACITY))
            state, recorded = self.call(advance, state, stop)
            steps = recorded.finite_steps(stop - step)
            records.append(np.asarray(recorded.steps)[:steps])
            if self.monitor is not None:
                ended = (step + steps) // self.steps_per_epoch - step // self.steps_per_epoch
                measures.append(np.asarray(recorded.epochs)[:ended, :2])
            if steps < stop - step:
                break
            step = stop
        none = np.zeros((0, 2), np.float32)
        return state, np.concatenate(records), np.concatenate(measures) if measures else none

    def _means(self, of_steps: np.ndarray) -> np.ndarray:
        """The mean of each epoch, over its rows."""
        per_epoch, size = self.steps_per_epoch, self.program.batch_size
        weights = np.full(per_epoch, size, np.float64)
        weights[-1] = self.count - size * (per_epoch - 1)
        return of_steps.astype(np.float64).reshape(-1, per_epoch) @ (weights / self.count)

    def _scores(self, measures: np.ndarray) -> np.ndarray:
        """The metric of each epoch, lower for better."""
        return -measures[:, 1] if self.higher_is_better else measures[:, 1]

    def _keep(self, objectives: list[float], measures: np.ndarray, records: np.ndarray) -> None:
        if self.verbose:
            for number, value in enumerate(objectives):
                print(f"Iteration {len(self.objectives) + number + 1}, loss = {value:.8f}")
                if self.scored:
                    print(f"Validation {self.program.metric_name}: {measures[number, 1]:f}")
        self.objectives += objectives
        self.measures = np.concatenate([self.measures, measures])
        self.records = np.concatenate([self.records, records])

    def _finish_or_slow_down(self, rule: Convergence) -> None:
        """End, or divide the adaptive learning rate and wait anew."""
        rate = self.optimizer.learning_rate if self.adaptive else LEAST_RATE
        if rate <= LEAST_RATE:
            self.converged = True
            return
        self.optimizer = replace(self.optimizer, learning_rate=rate / CUT)
        self.state = with_numbers(self.state, self.optimizer)
        rule.waited = 0

    def _interrupted(self) -> None:
        """Keep the epochs made, as scikit-learn does; without any, let the interrupt through."""
        if not self.objectives:
            raise
        warnings.warn(f"interrupted after epoch {len(self.objectives)}, whose weights are kept.", stacklevel=4)
        self.converged = True

    def _diverged(self, kept: bool) -> None:
        text = (
            f"the loss became NaN or infinite in epoch {len(self.objectives) + 1}. Standardise the inputs, as by "
            "make_pipeline(StandardScaler(), …), or lower learning_rate_init"
        )
        if not kept:
            raise DataError(f"{text}.")
        self.objectives.append(math.nan)
        self.measures = np.concatenate([self.measures, np.full((1, 2), np.nan, np.float32)])
        warnings.warn(f"{text}; the weights of the best epoch are kept.", ConvergenceWarning, stacklevel=4)
        self.converged = True
