"""A comparison of settings in a document: its charts and its table."""

from typing import Any

import numpy as np

from pellucid.core.statistics import interval
from pellucid.report.chart import LineChart, Series, Strip, StripChart
from pellucid.report.document import Table, number
from pellucid.report.drawing import COLOURS

CURVES = len(COLOURS)
"""Most learning curves of a chart: more cannot be distinguished."""


def comparison_charts(comparison: Any, metric: str | None = None) -> tuple[StripChart, LineChart]:
    """Plot each setting with its seeds, mean and interval; beside them the learning curves of the best."""
    name = metric or comparison.metric
    values, curves, labels = comparison.values(name), comparison.curves(name), comparison.labels
    means = np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in values])
    order = np.argsort(-means if comparison.higher_is_better(name) else means)  # NaN comes last
    plotted = sorted(order[:CURVES].tolist())
    style = {setting: i for i, setting in enumerate(plotted)}
    intervals = [(row.estimate.low, row.estimate.high) for row in comparison.rows(name)]
    strips = [Strip(label, values[i], intervals[i], style.get(i, len(COLOURS) - 1)) for i, label in enumerate(labels)]
    reference = means[comparison.reference(name)]
    words = name.replace("_", " ")
    dots = StripChart(
        f"{words}: each seed, mean, 95 % interval", strips, words, float(reference) if np.isfinite(reference) else None
    )
    lines = []
    for i in plotted:
        kept = np.isfinite(curves[i]).all(axis=0)
        if kept.any():
            mean, deviation = (statistic(curves[i][:, kept], axis=0) for statistic in (np.mean, np.std))
            epochs = np.flatnonzero(kept) + 1
            lines.append(Series(labels[i], epochs, mean, mean - deviation, mean + deviation))
    best = f", the {CURVES} best settings" if len(labels) > CURVES else ""
    return dots, LineChart(f"{words}: mean ± standard deviation{best}", lines, "epoch", log=False, whole=True)


def comparison_table(comparison: Any, metric: str | None = None) -> Table:
    """Show the mean of each setting, its difference from the reference, and the means of other metrics asked for."""
    seeds, reference = len(comparison.seeds), comparison.reference(metric)
    rows = []
    asked = {name: comparison.values(name) for name in comparison.asked if metric is None}
    for i, (label, row) in enumerate(zip(comparison.labels, comparison.rows(metric), strict=True)):
        estimate, difference = row.estimate, row.against
        cells: tuple[Any, ...] = ("reference" if i == reference else None, None, None, None)
        if difference is not None:
            cells = (difference.difference, _ends(*difference.interval), number(row.p, 2), difference.d)
        diverged = f"{row.diverged} of {seeds}" if row.diverged else None
        ends = _ends(estimate.low, estimate.high)
        means = [interval(values[i]).mean for values in asked.values()]
        rows.append((label, estimate.mean, estimate.std, ends, *cells, *means, round(row.seconds, 1), diverged))
    head = ("setting", "mean", "sd", "95 % interval", "difference", "95 % interval", "p (Holm)", "d")
    return Table((*head, *(name.removeprefix("held_out_").replace("_", " ") for name in asked), "s", "diverged"), rows)


def _ends(low: float, high: float) -> str:
    return f"{number(low)} … {number(high)}"
