"""Callbacks: the user's own code between the calls of a training's program.

A callback is a function, or any object that can be called, of one `TrainingView`. It is called at the end of each
epoch; where it has an attribute ``every``, after each so many steps. Of the methods ``begin``, ``end``, ``finished``
and ``failed`` it may have any: ``begin(training)`` is called before the first step, of a resumed training too,
``end(training)`` after the last one, ``finished(run)`` when the run is measured and saved, ``failed(error)`` where an
error ended it. What it changes is written into the run, and is a function of the step alone, so a resumed training has
the same numbers as one that was never stopped.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from pellucid.core.display import html_table
from pellucid.core.errors import InvalidValue
from pellucid.runs.changes import changed
from pellucid.runs.folder import RunFolder
from pellucid.runs.trained import Trained
from pellucid.training import History, Training

Callback = Callable[["TrainingView"], Any]


class Keep(NamedTuple):
    """What a record of a training needs to be kept."""

    score: Callable[[Trained], Any]
    """Puts the metrics of the held-out rows into it."""
    save: Callable[[Trained, RunFolder], None]


class TrainingView:
    """A training at the end of an epoch, or of a step, as a callback sees it.

    Attributes:
        step: steps made.
        epoch: epochs made.
        epochs: epochs that are planned.
        folder: the run folder; None for none.
        saved: steps that the newest checkpoint holds, or would if there were a folder: resumed after a crash, the
            training begins there.

    Example:
        >>> import pellucid as pel
        >>> def halve(training):
        ...     if training.epoch == 5:
        ...         training.set("learning_rate", training.get("learning_rate") / 2)
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=8, callbacks=[halve], progress=False)
        >>> run.changes[0]["setting"], run.changes[0]["epoch"], run.changes[0]["after"]
        ('optimizer.learning_rate', 5, 0.0005)
    """

    def __init__(self, called: "Callbacks", name: str) -> None:
        training, record = called.training, called.record
        self._training, self._record, self._keep, self._name = training, record, called.keep, name
        self.folder = called.folder
        self.step = training.history.steps_made
        self.epoch = training.history.epochs_made
        self.epochs = record().experiment.epochs
        self.saved = self.step if self.folder is None else called.saved

    def __repr__(self) -> str:
        return f"<TrainingView at epoch {self.epoch} of {self.epochs}, step {self.step}>"

    def _repr_html_(self) -> str:
        rows = [(name.replace("_", " "), f"{value:.4g}") for name, value in self.metrics.items()]
        return html_table((f"epoch {self.epoch} of {self.epochs}", f"step {self.step}"), rows)

    @property
    def run(self) -> Trained:
        """The run as if it ended here: it predicts, evaluates, and has its history so far."""
        record = self._record()
        record.history = copy.copy(record.history)
        return record

    @property
    def history(self) -> History:
        """The measurements of all steps so far, as tables."""
        return self.run.history

    @property
    def params(self) -> Any:
        """The parameters to predict with."""
        return self._training.params

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the last epoch that ended, by the names of the table ``history.epochs``."""
        table = self._training.history.epochs
        return {name: float(column[-1]) for name, column in table.items() if name != "epoch" and len(column)}

    def predict(self, x: Any) -> np.ndarray:
        """Predict with the network as it is now."""
        return self.run.predict(x)

    def outputs(self, x: Any) -> np.ndarray:
        """Compute the outputs of the network as it is now."""
        return self.run.outputs(x)

    def evaluate(self, x: Any = None, y: Any = None) -> dict[str, float]:
        """Measure loss and metric of the network as it is now, on the held-out rows or others; see ``run.evaluate``."""
        run = self.run
        if x is None:
            self._keep.score(run)
        return run.evaluate(x, y)

    def save(self, folder: str | Path) -> None:
        """Write a run folder of the network as it is now, without a page, for `pellucid.load`; replace one there."""
        files = RunFolder(folder)
        files.begin(overwrite=True)
        run = self.run
        self._keep.score(run)
        self._keep.save(run, files)

    def stop(self, reason: str) -> None:
        """End the training here, as at its planned end; the run says why."""
        self._note({"stop": reason})

    def get(self, setting: str) -> Any:
        """Look up a number of the optimiser or regulariser as it is now.

        Args:
            setting: as for ``set``.
        """
        return changed(self.run, setting)[0]

    def set(self, setting: str, value: float) -> None:
        """Change a number of the optimiser or regulariser from the next step on.

        Args:
            setting: ``learning_rate``, or a dotted name such as ``optimizer.beta1``, ``regularizer.strength`` or, of a
                schedule, ``optimizer.learning_rate.factor``.
            value: the new number.

        Raises:
            InvalidValue: no such number, one that the compiled program depends on, or a value outside what is allowed.
        """
        before, path, item = changed(self.run, setting, value)
        if before == value:
            return
        self._note({"setting": path, "before": before, "after": value})
        part = path.partition(".")[0]
        if part == "regularizer":
            self._training.change_regularizer(item)
        else:
            experiment = self._record().experiment
            players = {"optimizer": "generator", "critic_optimizer": "critic"}
            own = experiment.critic_optimizer is not None
            names = list(players.values()) if part == "optimizer" and not own else [players[part]]
            self._training.change_optimizer(item, names if experiment.adversarial else None)

    def _note(self, change: dict[str, Any]) -> None:
        self._training.changes.append({"epoch": self.epoch, "step": self.step, "callback": self._name, **change})


class Callbacks:
    """The callbacks of one training.

    Args:
        callbacks: as the user gave them.
        training: the training under way; its calls are cut where a callback is due.
        record: the record of the training as it is.
        keep: how a record is scored and saved.
        folder: the run folder; None for none.

    Attributes:
        saved: steps that the newest checkpoint holds.

    Raises:
        InvalidValue: something that cannot be called.
    """

    def __init__(
        self,
        callbacks: Sequence[Callback],
        training: Training,
        record: Callable[[], Trained],
        keep: "Keep",
        folder: Path | None = None,
    ) -> None:
        self.callbacks = checked(callbacks)
        self.training, self.record, self.keep, self.folder = training, record, keep, folder
        self.saved = training.history.steps_made
        self.periods = [getattr(each, "every", None) or training.steps_per_epoch for each in self.callbacks]
        training.cuts = tuple(set(self.periods))
        self.noted = len(training.changes)

    @property
    def stopped(self) -> bool:
        """True once a callback has ended the training."""
        return any("stop" in change for change in self.training.changes[self.noted :])

    def begin(self) -> None:
        """Tell those that want to know that the first step is about to be made."""
        self._tell("begin")

    def call(self, first: int = 0) -> None:
        """Call those that are due after this step, from a given one on."""
        step = self.training.history.steps_made
        for i, (callback, period) in enumerate(zip(self.callbacks, self.periods, strict=True)):
            if i >= first and step % period == 0:
                self.training.owed = i
                self._call(callback, callback)
        self.training.owed = None

    def catch_up(self) -> None:
        """Call those that were due when an error of one of them ended the training, which is now resumed."""
        if self.training.owed is not None:
            self.call(self.training.owed)

    def end(self) -> None:
        """Tell those that want to know that the last step is made."""
        self._tell("end")

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            if callable(method := getattr(callback, event, None)):
                self._call(callback, method)

    def _call(self, callback: Callback, function: Callback) -> None:
        training, name = self.training, getattr(callback, "__name__", type(callback).__name__)
        before, changes = (training.state, training.optimizer), len(training.changes)
        try:
            function(TrainingView(self, name))
        except BaseException as error:
            # It is called again when the training is resumed, so what it changed until then is taken back.
            (training.state, training.optimizer), training.changes[changes:] = before, []
            at = f"epoch {training.history.epochs_made}, step {training.history.steps_made}"
            error.add_note(f"Raised by the callback {name} at {at} of the training.")
            raise


def tell(callbacks: Sequence[Callback], event: Literal["finished", "failed"], about: Any) -> None:
    """Tell those that want to know of the run that came of the training, or of the error that ended it."""
    for callback in checked(callbacks):
        if callable(method := getattr(callback, event, None)):
            method(about)


def checked(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks as a tuple.

    Raises:
        InvalidValue: something that cannot be called.
    """
    listed = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
    for each in listed:
        every = getattr(each, "every", None)
        if isinstance(each, type) or not callable(each):
            raise InvalidValue(
                "callbacks must be a list of functions of one argument, the training, or of objects that can be called "
                f"like one. Received: {each!r}."
            )
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise InvalidValue(f"every, the steps between two calls of a callback, must be 1 or more: {every!r}.")
    return tuple(listed)
