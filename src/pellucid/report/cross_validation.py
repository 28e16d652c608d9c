"""A cross-validation in a document: its charts and its table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.report.chart import LineChart, Series, Strip, StripChart
from pellucid.report.document import Columns, Document, Inline, Link, Table, number
from pellucid.report.drawing import COLOURS
from pellucid.runs.values import in_words

CURVES = len(COLOURS)
"""Most folds with a learning curve each: more cannot be distinguished, and their mean is plotted."""


def cross_validation_charts(validated: Any, metric: str | None = None) -> tuple[StripChart, LineChart]:
    """Plot a metric of each fold with mean and interval; beside it the learning curves."""
    name = metric or validated.metric
    estimate, curves, words = validated.estimate(name), validated.curves(name), name.replace("_", " ")
    folds, epochs = len(curves), np.arange(1, curves.shape[1] + 1)
    strip = Strip(f"{folds} folds", validated.values(name), (estimate.low, estimate.high))
    dots = StripChart(f"{words}: each fold, mean, 95 % interval", [strip], words, None)
    if folds <= CURVES:
        lines = [Series(f"fold {i}", epochs, curve) for i, curve in enumerate(curves, 1)]
        return dots, LineChart(f"{words}: each fold", lines, "epoch", log=False, whole=True)
    kept = np.isfinite(curves).all(axis=0)
    mean, deviation = (statistic(curves[:, kept], axis=0) for statistic in (np.mean, np.std))
    lines = [Series("mean", epochs[kept], mean, mean - deviation, mean + deviation)] if kept.any() else []
    return dots, LineChart(f"{words}: mean ± standard deviation", lines, "epoch", log=False, whole=True)


def cross_validation_table(validated: Any, links: Sequence[str] = ()) -> Table:
    """Show the metrics of each fold, their mean and standard deviation; ``links`` lead to the folds' reports."""
    metrics = validated.metrics
    values = [validated.values(metric) for metric in metrics]
    rows: list[tuple[Inline, ...]] = []
    for i, run in enumerate(validated.runs):
        fold: Inline = Link(f"fold {i + 1}", links[i]) if links else f"fold {i + 1}"
        diverged = "diverged" if run.stopped == "diverged" else None
        numbers = [float(column[i]) if np.isfinite(column[i]) else None for column in values]
        counts = (run.facts.rows, run.facts.held_out_rows, run.history.epochs_made)
        rows.append((fold, *counts, *numbers, diverged))
    estimates = [validated.estimate(metric) for metric in metrics]
    for label, statistic in (("mean", "mean"), ("sd", "std")):
        rows.append((label, None, None, None, *(getattr(estimate, statistic) for estimate in estimates), None))
    head = (
        "",
        "rows",
        "held out",
        "epochs",
        *(metric.removeprefix("held_out_").replace("_", " ") for metric in metrics),
    )
    return Table((*head, ""), rows)


def summary(validated: Any, metric: str | None = None) -> str:
    """The mean of a metric over the folds, with standard deviation and interval, in a sentence."""
    name = metric or validated.metric
    estimate = validated.estimate(name)
    text = f"{in_words(name)} of {len(validated.runs)} folds: mean {number(estimate.mean)}"
    if estimate.count > 1:
        interval = f"{number(estimate.low)} … {number(estimate.high)}"
        text += f", standard deviation {number(estimate.std)}, 95 % interval of the mean {interval}"
    return text


def cross_validation_document(validated: Any, links: Sequence[str] = ()) -> Document:
    """Write the document of a cross-validation."""
    text = summary(validated)
    charts = Columns(*cross_validation_charts(validated))
    return Document(
        "Cross-validation", f"{text[:1].upper()}{text[1:]}.", charts, cross_validation_table(validated, links)
    )
