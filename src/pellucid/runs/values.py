"""The metrics of finished trainings, by the names of `pellucid.training.History.epochs`."""

import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.runs.trained import Trained


def require_metric(run: Trained, name: str) -> None:
    """Refuse a metric that a run has not recorded.

    Raises:
        InvalidValue: naming those that were.
    """
    metric = run.program.metric_name
    asked = tuple(f"held_out_{name}" for name in run.result if name not in ("loss", metric))
    known = ("loss", metric, "held_out_loss", f"held_out_{metric}", "learning_rate", *asked)
    if name not in known:
        raise InvalidValue(f"no metric {name!r} was recorded. Metrics: {', '.join(known)}.")


def final_value(run: Trained, name: str) -> float:
    """The value of a metric at the end of a run, ``held_out_…`` of the network that it keeps; NaN where it diverged."""
    require_metric(run, name)
    if run.stopped == "diverged":
        return np.nan
    if name.startswith("held_out_"):
        return run.result[name.removeprefix("held_out_")]
    return float(run.history.epochs[name][-1])


def learning_curve(run: Trained, name: str, epochs: int) -> np.ndarray:
    """The values of a metric after each epoch, shape (epochs,); NaN after the end of the run."""
    require_metric(run, name)
    column = run.history.epochs.get(name, ())  # nothing where it diverged in its first epoch
    return np.concatenate([column, np.full(epochs - len(column), np.nan)])


def higher_is_better(run: Trained, name: str) -> bool:
    """True where more of a metric is better."""
    whole = name.removeprefix("held_out_").partition(" of ")[0]
    for output in run.facts.heads:
        if whole.startswith(f"{output} "):
            return higher_is_better(run.output(output), whole.removeprefix(f"{output} "))
    asked = {label: metric for metric in run.metrics for label in (metric.label_of_one, metric.label)}
    if whole in asked:
        return asked[whole].higher_is_better
    return not name.endswith("loss") and run.program.metric.higher_is_better


def in_words(metric: str) -> str:
    """A metric and the rows that it is of.

    Example:
        >>> in_words("held_out_accuracy")
        'accuracy on the held-out rows'
    """
    if metric.startswith("held_out_"):
        return f"{metric.removeprefix('held_out_').replace('_', ' ')} on the held-out rows"
    return f"{metric.replace('_', ' ')} on the training rows"
