"""Callbacks that are ready: save the best or every so many epochs; call a function every so many steps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.constraints import WholeNumber, constrained, validate
from pellucid.core.display import Displayed
from pellucid.core.errors import InvalidValue
from pellucid.runs.callbacks import Callback, TrainingView
from pellucid.runs.values import higher_is_better


@dataclass(frozen=True)
class Every(Displayed):
    """Call a function after every so many steps instead of every epoch.

    Calls of the program then end there, at 1 ms each: after every step, small networks train thirty times slower.

    Args:
        every: steps between two calls, at least 1.
        function: of one `TrainingView`.

    Example:
        >>> import pellucid as pel
        >>> steps = []
        >>> follow = Every(3, lambda training: steps.append(training.step))
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=2, callbacks=[follow], progress=False)
        >>> steps
        [3, 6]
    """

    every: int = constrained(1, WholeNumber(1), "steps between two calls")
    function: Callback = lambda training: None

    def __post_init__(self) -> None:
        validate(self)

    @property
    def __name__(self) -> str:
        """That of the function."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def __call__(self, training: TrainingView) -> Any:
        """Call the function."""
        return self.function(training)


@dataclass(frozen=True)
class Save(Displayed):
    """Save the network as a run folder along the training: every so many epochs, or whenever it is the best so far.

    `pellucid.load` reads such a folder. It has no page.

    Args:
        folder: where to; ``{epoch}`` in its name is replaced by the number of epochs made, else it is overwritten.
        epochs: epochs between two; with ``best`` those whose metric is looked at.
        best: name of a metric of the table ``history.epochs``, such as ``loss``: save only what is better than all
            epochs before. By the held-out rows this is a choice that makes their own metrics a little too good; early
            stopping chooses by a validation part.

    Raises:
        InvalidValue: a metric that is not recorded.

    Example:
        >>> import tempfile
        >>> import pellucid as pel
        >>> folder = tempfile.mkdtemp()
        >>> keep = Save(folder + "/after-{epoch}", epochs=2)
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=4, callbacks=[keep], progress=False)
        >>> pel.load(folder + "/after-2").history.epochs_made
        2
    """

    folder: str | Path
    epochs: int = constrained(1, WholeNumber(1), "epochs between two")
    best: str | None = None

    def __post_init__(self) -> None:
        validate(self)

    def __call__(self, training: TrainingView) -> None:
        """Save, where it is time to."""
        if training.epoch % self.epochs == 0 and (self.best is None or self._is_best(training, self.best)):
            training.save(str(self.folder).replace("{epoch}", str(training.epoch)))

    def _is_best(self, training: TrainingView, name: str) -> bool:
        # By the whole history, so that a resumed training saves the same.
        table = training.history.epochs
        if name not in table or name == "epoch":
            known = ", ".join(column for column in table if column != "epoch")
            raise InvalidValue(f"Save(best={name!r}): no such metric is recorded. Metrics: {known}.")
        *before, last = table[name][self.epochs - 1 :: self.epochs]
        if not before:
            return True
        higher = higher_is_better(training.run, name)
        return bool(last > np.nanmax(before) if higher else last < np.nanmin(before))
