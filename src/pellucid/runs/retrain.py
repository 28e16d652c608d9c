"""Small data: a first training finds the number of steps, a second one makes them on all rows."""

import sys
from dataclasses import replace

import msgspec

from pellucid.core.errors import TrainingDiverged
from pellucid.runs.experiment import Experiment
from pellucid.runs.fit import begin, run
from pellucid.runs.plan import Plan
from pellucid.runs.trained import Trained
from pellucid.training import steps_per_epoch

UNUSED = next(field.default for field in msgspec.structs.fields(Experiment) if field.name == "validation")
"""Validation part of an experiment that decides nothing."""


def on_all_rows(first: Trained, plan: Plan, progress: bool = True) -> Trained:
    """Make the first training, and begin the one on all rows for as many steps.

    Args:
        first: the first training, prepared; it watches a validation part.
        plan: its plan.
        progress: show the progress on stderr.

    Returns:
        The training to keep, prepared. Its experiment knows the number of epochs and no validation part, so that it
        repeats and resumes without the first one.

    Raises:
        KeyboardInterrupt: Ctrl-C during the first training, of which nothing is kept.
    """
    experiment, training = plan.experiment, first.training
    assert training is not None
    if progress:
        print(f"first training, on {1 - experiment.validation:.0%} of the rows, for the number of epochs", file=sys.stderr)
    try:
        if run(training, experiment, None, progress=progress) == "interrupted":
            raise KeyboardInterrupt
        assert first.best_epoch is not None
        steps = first.best_epoch * training.steps_per_epoch
    except TrainingDiverged:  # so will the second one, of which a folder then keeps what is needed to find out why
        steps = experiment.epochs * training.steps_per_epoch
    rows = len(plan.data.train)
    per_epoch = steps_per_epoch(rows, experiment.rows_of_step(rows))
    epochs = max(1, round(steps / per_epoch))
    kept = msgspec.structs.replace(experiment, epochs=epochs, early_stopping=None, validation=UNUSED)
    found = (
        f"epochs: {epochs:,}; {experiment.validation:.0%} of the rows, set aside first, had the lowest loss after "
        f"{steps:,} steps; then trained on all {rows:,} rows for as many"
    )
    begun = begin(plan._replace(experiment=kept))
    choices = tuple(found if text.startswith("epochs: ") else text for text in begun.notes.choices)
    if progress:
        print(found, file=sys.stderr)
    return replace(begun, notes=replace(first.notes, choices=choices))
