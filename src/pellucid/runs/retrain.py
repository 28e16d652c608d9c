"""Small data: a first training finds the number of steps, the one that is kept learns from all rows."""

import sys
from dataclasses import replace

import msgspec

from pellucid.core.errors import TrainingDiverged
from pellucid.core.precision import in_its_precision
from pellucid.functions.schedules import CosineDecay
from pellucid.optimizers import Optimizer, optimizers
from pellucid.runs.fit import begin, run
from pellucid.runs.plan import Plan
from pellucid.runs.trained import Trained
from pellucid.training import steps_per_epoch


def on_all_rows(first: Trained, plan: Plan, progress: bool = True) -> Trained:
    """Make the first training, and begin the one on all rows; see `with_steps`."""
    prepared = begin(with_steps(first, plan, progress))
    return replace(prepared, notes=replace(prepared.notes, problems=first.notes.problems))


@in_its_precision
def with_steps(first: Trained, plan: Plan, progress: bool = True) -> Plan:
    """Make the first training, and plan the one on all rows.

    Args:
        first: the first training, prepared; it watches a validation part.
        plan: its plan.
        progress: show the progress on stderr.

    Returns:
        The plan of the training to keep. Its experiment holds the number of epochs and no early stopping, so that it is
        repeated and resumed without the first one.

    Raises:
        KeyboardInterrupt: Ctrl-C during the first training, of which nothing is kept.
    """
    experiment, training = plan.experiment, first.training
    assert training is not None
    assert plan.retraining is not None
    if progress:
        print(f"a first training, on {1 - experiment.validation:.0%} of the rows, finds the steps", file=sys.stderr)
    try:
        if run(training, experiment, None, progress=progress) == "interrupted":
            raise KeyboardInterrupt
        best = replace(first, history=training.history).best_epoch
        text = f"had the lowest loss after {best} epochs"
    except TrainingDiverged:  # so will the second one, whose folder then shows why
        best, text = experiment.epochs, "had a loss that became NaN or infinite"
    assert best is not None
    steps = best * training.steps_per_epoch
    settled = for_steps(plan, steps, f"{experiment.validation:.0%} of the rows, set aside first, {text}")
    if progress:
        print(*(choice for choice in settled.choices if choice.startswith("epochs: ")), file=sys.stderr)
    return settled


def for_steps(plan: Plan, steps: int, found: str) -> Plan:
    """Plan the training on all rows, for the number of steps that a first one found.

    Args:
        plan: of the first training.
        steps: that it took to its best epoch.
        found: how they were found, in words.
    """
    assert plan.retraining is not None
    rows = len(plan.data.train)
    per_epoch = steps_per_epoch(rows, plan.experiment.rows_of_step(rows))
    epochs = max(1, round(max(plan.retraining.least, plan.retraining.stretch * steps) / per_epoch))
    text = (
        f"epochs: {epochs:,}; {found} ({steps:,} steps); then trained on all {rows:,} rows for {epochs * per_epoch:,} "
        f"steps{', the learning rate falling to 0' if plan.retraining.decay else ''}"
    )
    choices = tuple(text if choice.startswith("epochs: ") else choice for choice in plan.choices)
    return _on_all_rows(plan, epochs)._replace(choices=choices, retraining=None)


def _on_all_rows(plan: Plan, epochs: int) -> Plan:
    optimizer = plan.optimizer
    assert plan.retraining is not None
    experiment = msgspec.structs.replace(plan.experiment, epochs=epochs, **plan.retraining.settings)
    if plan.retraining.decay:
        assert isinstance(optimizer, Optimizer)
        assert isinstance(optimizer.learning_rate, float)
        optimizer = replace(optimizer, learning_rate=CosineDecay(optimizer.learning_rate, epochs=epochs))
        experiment = msgspec.structs.replace(experiment, optimizer=optimizers.describe(optimizer))
    return plan._replace(experiment=experiment, optimizer=optimizer)
