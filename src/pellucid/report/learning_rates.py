"""The search for a learning rate in a document: its chart and its table."""

import numpy as np

from pellucid.report.chart import LineChart, Series
from pellucid.report.document import Document, Table
from pellucid.runs.learning_rates import LearningRates

FAR = 3.0
"""Losses above this multiple of the lowest rate's, just before a training diverges, would flatten the chart."""


def rate_chart(tried: LearningRates) -> LineChart:
    """Plot the loss on the rows set aside by learning rate: the seeds' mean and range, the suggestion marked."""
    losses = np.where(tried.losses <= FAR * max(np.nanmax(tried.losses[0]), 1e-12), tried.losses, np.nan)
    mean = losses.mean(axis=1)
    lines = [Series(f"mean and range of {len(tried.seeds)} seeds", tried.rates, mean, *_range(losses))]
    if not tried.refusal:
        best = tried.best
        lines.append(Series(f"suggested: {tried.suggestion:g}", tried.rates[best : best + 1], mean[best : best + 1]))
    title = f"lowest loss on rows set aside, {tried.steps} steps"
    return LineChart(title, lines, "learning rate", log_x=True)


def _range(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return losses.min(axis=1), losses.max(axis=1)


def rate_table(tried: LearningRates) -> Table:
    """Show mean and standard deviation of the loss at each rate."""
    diverged = ~np.isfinite(tried.losses)
    deviations = np.where(diverged, np.nan, tried.losses).std(axis=1, ddof=1)
    low, high = (None, None) if tried.refusal else tried.good
    rows = []
    for i, rate in enumerate(tried.rates.tolist()):
        mark = "suggested" if not tried.refusal and i == tried.best else None
        if mark is None and low is not None and low <= rate <= high:
            mark = "as good"
        count = int(diverged[i].sum())
        numbers = (None, None) if count else (float(tried.means[i]), float(deviations[i]))
        rows.append((f"{rate:.2g}", *numbers, f"{count} of {len(tried.seeds)}" if count else None, mark))
    return Table(("learning rate", "loss", "sd", "diverged", ""), rows)


def rate_document(tried: LearningRates) -> Document:
    """The suggestion or why there is none, the chart and the table."""
    return Document(headline(tried), rate_chart(tried), rate_table(tried))


def headline(tried: LearningRates) -> str:
    """The result in a sentence."""
    if tried.refusal:
        return tried.refusal[:1].upper() + tried.refusal[1:]
    low, high = tried.good
    alike = "" if low == high else f"; from {low:.2g} to {high:.2g} the loss is as good within its standard error"
    return f"Learning rate {tried.suggestion:g}{alike}"
