"""A training that rules read by its program and its records alone: of several inputs or outputs, or with steps."""

from functools import cached_property
from typing import Any

from pellucid.doctor.findings import counted
from pellucid.doctor.passes import Passes
from pellucid.doctor.subject import Subject

OF_ROWS = (
    *("loss", "reads", "last", "last_name", "output_shape", "outputs", "narrowest", "reconstructs", "linear"),
    *("scaled", "sample", "sample_new", "x", "y", "x_new", "y_new", "finite", "standard", "labels", "labels_new"),
    *("probe", "start", "end", "prediction", "prediction_new", "decides_hard", "skill_train", "skill_new"),
)
"""The facts that need one input and one output of a whole row."""


class NeedsRows(Exception):
    """A rule asked for what there is of one input and one output alone."""


class Training:
    """A training without its rows."""

    def __init__(self, training: Any) -> None:
        self._training = training

    def __getattr__(self, name: str) -> Any:
        if name in ("train", "monitor"):
            raise NeedsRows
        return getattr(self._training, name)


class Records(Passes):
    """The facts of a run without its rows."""

    @property
    def training(self) -> Any:
        """The training, whose rows are not read."""
        return Training(self.run.training)


def _missing(_: Any) -> Any:
    raise NeedsRows


for _name in OF_ROWS:
    setattr(Records, _name, property(_missing))


class RecordedSubject(Subject):
    """A training whose rows are not read; whether it learnt what it could is not known.

    Args:
        run: the run.
    """

    def __init__(self, run: Any) -> None:
        super().__init__(run, with_trials=False)
        self.left_out: set[str] = set()

    @cached_property
    def e(self) -> Passes:
        """What is measured of the run, without its rows."""
        return Records(self.run, compiles=False)

    @property
    def baselines(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """There are none."""
        raise NeedsRows

    @property
    def healthy(self) -> bool:
        """Whether the loss stayed finite: more is not known."""
        return not self.e.diverged

    @property
    def compared(self) -> str:
        """What was read and what was left out, in a sentence."""
        inputs, outputs = len(self.run.network.inputs), len(self.run.network.outputs)
        of = (
            f"{counted(inputs, 'input')} and {counted(outputs, 'output')}"
            if inputs + outputs > 2
            else "outputs at each step"
        )
        return (
            f"by the program and the records alone; {len(self.left_out)} causes were left out, whose rules read one "
            f"output of a row, and this network has {of}"
        )
