"""The curves of a training, drawn in a notebook while it runs."""

import time
from dataclasses import dataclass, field

from pellucid.core.constraints import NOT_NEGATIVE, constrained, validate
from pellucid.core.display import Displayed
from pellucid.report import html
from pellucid.report.document import Columns, Document
from pellucid.report.training import curve_charts, units_of
from pellucid.runs.callbacks import TrainingView
from pellucid.runs.notebook import Place


@dataclass
class LivePlot(Displayed):
    """Draw loss, metric and learning rate in a notebook, in one place, while the network is trained.

    A callback: ``pel.train(…, callbacks=[pel.callbacks.LivePlot()])``, in Jupyter, VS Code and marimo.

    Args:
        seconds: least time between two drawings; the last one is always drawn.

    Raises:
        MissingExtra: IPython is not installed.
    """

    seconds: float = constrained(1.0, NOT_NEGATIVE, "least time between two drawings")
    _place: Place = field(default_factory=Place, init=False, repr=False)
    _shown_at: float = field(default=float("-inf"), init=False, repr=False)

    def __post_init__(self) -> None:
        validate(self)

    def __call__(self, training: TrainingView) -> None:
        """Draw, where the last drawing is old enough."""
        if time.monotonic() - self._shown_at >= self.seconds:
            self._draw(training)

    def end(self, training: TrainingView) -> None:
        """Draw the whole training; another one is drawn in a new place."""
        self._draw(training)
        self._place = Place()

    def _draw(self, training: TrainingView) -> None:
        self._place.show({"text/html": live_page(training), "text/plain": repr(training)})
        self._shown_at = time.monotonic()


def live_page(training: TrainingView) -> str:
    """The curves of a training so far, as HTML."""
    run = training.run
    title = f"{run.name}: epoch {training.epoch} of {training.epochs}"
    return html.fragment(Document(title, Columns(*curve_charts(run.history, run.experiment.watched, units_of(run)))))
