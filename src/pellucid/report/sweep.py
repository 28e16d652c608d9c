"""A sweep in a document: its charts and its table."""

from typing import Any

import numpy as np

from pellucid.report.chart import BarChart
from pellucid.report.document import Document, Figure, Link, Paragraph, Table, number
from pellucid.report.parallel import ParallelChart, Upright
from pellucid.runs.compare import shown

SHOWN = 20
"""Most trials of the table; a frame has them all."""
MARKED = 5
"""Best trials that stand out in the chart."""


def sweep_charts(sweep: Any) -> tuple[Any, ...]:
    """Plot the trials along parallel axes, and how much each setting matters."""
    trials = [trial for trial in sweep.ranked if np.isfinite(trial.value)]
    metric = sweep.metric.replace("_", " ")
    importance = sweep.importances
    names = list(sweep.space) if importance is None else list(importance)
    axes = [_axis(name, sweep.space[name], [trial.point[name] for trial in trials]) for name in names]
    axes.append(Upright(metric, [trial.value for trial in trials]))
    best = min(MARKED, len(trials))
    lines = ParallelChart(
        f"{len(trials)} trials: settings and {metric} on the rows set aside",
        axes,
        range(best),
        f"in colour: the best {best}, the best of them bold",
    )
    if importance is None:
        return (lines,)
    explained = sum(importance.values())
    title = f"fraction of the trials' differences that each setting explains, {explained:.0%} in all"
    return lines, BarChart(title, names, [importance[name] for name in names], "permutation importance × R²")


def _axis(name: str, values: Any, points: list[float]) -> Upright:
    if isinstance(values, tuple):
        return Upright(name, points, [shown(value) for value in values])
    return Upright(name, points, log=values.log)


def sweep_table(sweep: Any, most: int = SHOWN) -> Table:
    """Show the best trials with their settings, mean and deviation of the metric."""
    names, metric = list(sweep.space), sweep.metric.replace("_", " ")
    rows = []
    for trial in sweep.ranked[:most]:
        finite = np.isfinite(trial.value)
        became = "diverged" if trial.diverged else "dropped" if trial.dropped else None
        numbers = (trial.value, trial.deviation if len(trial.values) > 1 else None, trial.loss)
        cells = numbers if finite else (None, None, None)
        settings = [trial.settings[name] for name in names]
        rows.append(
            (trial.number, *settings, *cells, round(float(np.mean(trial.epochs))), round(trial.seconds, 1), became)
        )
    caption = f"The best {len(rows)} of {len(sweep.trials)} trials." if len(rows) < len(sweep.trials) else ""
    return Table(("trial", *names, metric, "sd", "loss", "epochs", "s", ""), rows, caption)


def sweep_summary(sweep: Any) -> str:
    """The best trial and what became of it, in a sentence."""
    best, metric = sweep.best, sweep.metric.replace("_", " ")
    text = f"Best of {len(sweep.trials)} trials: {best.label}; {metric} {number(best.value)} on rows set aside"
    held_out = sweep.run.result.get(sweep.metric)
    if held_out is not None:
        text += f"; trained on all training rows, {number(held_out)} on the held-out rows"
    return text


def sweep_document(sweep: Any, best: str = "") -> Document:
    """Write the document of a sweep; ``best`` leads to the report of the best run."""
    lines, *others = sweep_charts(sweep)
    return Document(
        f"Sweep of {len(sweep.trials)} trials",
        Paragraph(f"{sweep_summary(sweep)}.", kind="lead"),
        Paragraph("The best run: ", Link("its report", best), ".") if best else None,
        Paragraph(f"{'; '.join(sweep.notes)}.", kind="quiet") if sweep.notes else None,
        Figure(lines),
        *map(Figure, others),
        sweep_table(sweep),
    )
