"""Early stopping: when a training ends, and which of its networks is kept."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import NOT_NEGATIVE, WholeNumber, constrained, validate
from pellucid.core.display import Displayed
from pellucid.core.types import Array, PyTree


@dataclass(frozen=True)
class EarlyStopping(Displayed):
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
        losses = np.asarray(losses, np.float32)  # compared as the program compares them
        losses = np.where(np.isnan(losses), np.inf, losses)  # NaN is no improvement
        best, delta = 0, np.float32(self.min_delta)
        for epoch, loss in enumerate(losses):
            if loss < losses[best] - delta:
                best = epoch
        return best

    def epochs_to_wait(self, losses: Any) -> int:
        """Epochs left without improvement; 0 or less ends the training."""
        return self.patience - (len(losses) - 1 - self.best_epoch(losses))


class Learned(NamedTuple):
    """The parameters and layer state to predict with, of one epoch."""

    params: PyTree
    layer_state: PyTree


class Watch(NamedTuple):
    """Early stopping inside a program: the best epoch so far, and the epochs since."""

    best: Learned
    loss: Array
    """Monitored loss of the best epoch; infinity before the first."""
    waited: Array
    """Epochs without improvement."""
    patience: Array
    min_delta: Array

    @staticmethod
    def begin(stopping: EarlyStopping, losses: np.ndarray, best: Learned) -> "Watch":
        """Continue after epochs of these losses, of which ``best`` was kept; before the first, any network."""
        loss, waited = np.inf, 0
        if len(losses):
            loss = losses[stopping.best_epoch(losses)]
            waited = stopping.patience - stopping.epochs_to_wait(losses)
        numbers = np.float32(np.inf if np.isnan(loss) else loss), np.int32(waited), np.int32(stopping.patience)
        return Watch(best, *map(jnp.asarray, (*numbers, np.float32(stopping.min_delta))))

    @property
    def waiting(self) -> Array:
        """True while the training may continue."""
        return self.waited < self.patience

    def observe(self, loss: Array, now: Learned) -> "Watch":
        """Compare the loss of an epoch that ended with the best."""
        better = loss < self.loss - self.min_delta
        best = jax.lax.cond(better, lambda: now, lambda: self.best)
        return self._replace(
            best=best, loss=jnp.where(better, loss, self.loss), waited=jnp.where(better, 0, self.waited + 1)
        )
