"""The pictures of the page."""

from collections.abc import Mapping
from typing import TypeAlias

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from examples.time_series import example
from examples.time_series.example import NAIVE, Series

COLOURS = {"seasonal naive": "#8a8a8a", "ridge regression": "#b07d2b", "MLP": "#2a9d6f", "LSTM": "#1f5fbf"}
MOST = 8
"""Forecasts of a series that are drawn."""
Forecasts: TypeAlias = Mapping[str, Mapping[str, np.ndarray]]


def draw_forecasts(series: Mapping[str, Series], forecasts: Forecasts) -> Figure:
    """Each series, one forecast after another by the LSTM with its intervals, and the naive ones."""
    figure, panels = plt.subplots(len(series), figsize=(9, 2.7 * len(series)), squeeze=False, layout="constrained")
    for panel, (name, each), of_series in zip(panels[:, 0], series.items(), forecasts.values(), strict=True):
        apart = np.arange(each.chosen * each.origins, len(each.rows), each.horizon)[:MOST]
        lstm, width = of_series["LSTM"], example.widths(each, of_series["LSTM"])
        low, middle, high, naive = map(each.restored, (lstm - width, lstm, lstm + width, of_series[NAIVE]))
        shown = np.arange(each.steps[apart[0], 0] - each.window, each.steps[apart[-1], -1] + 1)
        panel.plot(each.time(shown), each.values[shown], color="#222222", linewidth=1.1)
        for window in apart:
            times = each.time(each.steps[window])
            panel.fill_between(times, low[window], high[window], color=COLOURS["LSTM"], alpha=0.18, linewidth=0)
            panel.plot(times, naive[window], color=COLOURS[NAIVE], linewidth=1.1, dashes=(3, 1.5))
            panel.plot(times, middle[window], color=COLOURS["LSTM"], linewidth=1.5)
            panel.axvline(each.time(each.steps[window, 0] - 0.5), color="#cccccc", linewidth=0.6, zorder=0)
        _label(panel, name, each.times[2], each.unit)
    lines = {"series": "#222222", f"LSTM, {example.COVERED:.0%} intervals": COLOURS["LSTM"], NAIVE: COLOURS[NAIVE]}
    _legend(figure, lines)
    return figure


def draw_horizons(series: Mapping[str, Series], forecasts: Forecasts) -> Figure:
    """The mean absolute error of each method by the steps ahead."""
    figure, panels = _row(len(series))
    for panel, (name, each), of_series in zip(panels, series.items(), forecasts.values(), strict=True):
        first = each.chosen * each.origins
        for method, values in of_series.items():
            errors = np.abs(each.restored(values) - each.values[each.steps])[first:].mean(axis=0)
            panel.plot(np.arange(1, each.horizon + 1), errors, ".-", color=COLOURS[method], markersize=4, linewidth=1.4)
        panel.set_ylim(bottom=0)
        _label(panel, name.split(",")[0], f"{each.step}s ahead", f"mean absolute error, {each.unit}")
    _legend(figure, COLOURS)
    return figure


def draw_steps(series: Mapping[str, Series], importance: Forecasts) -> Figure:
    """By how much the error grows where a step of the window is shuffled."""
    figure, panels = _row(len(series))
    for panel, (name, each), of_series in zip(panels, series.items(), importance.values(), strict=True):
        for network, grown in of_series.items():
            before = np.arange(each.window, 0, -1)
            panel.plot(before, grown, ".-", color=COLOURS[network], markersize=4, linewidth=1.4)
        panel.invert_xaxis()
        panel.axhline(0, color="#cccccc", linewidth=0.6, zorder=0)
        _label(panel, name.split(",")[0], f"{each.step}s before the forecast", "growth of the error, %")
    _legend(figure, {network: COLOURS[network] for network in ("MLP", "LSTM")})
    return figure


def _row(count: int) -> tuple[Figure, list[Axes]]:
    figure, panels = plt.subplots(1, count, figsize=(3.3 * count, 3.2), squeeze=False, layout="constrained")
    return figure, list(panels[0])


def _label(panel: Axes, title: str, across: str, up: str) -> None:
    panel.set_title(title, loc="left", fontsize=10, fontweight="bold")
    panel.set_xlabel(across, fontsize=9)
    panel.set_ylabel(up, fontsize=9)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, colours: Mapping[str, str]) -> None:
    lines = [Line2D([], [], color=colour, linewidth=2, label=name) for name, colour in colours.items()]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines), frameon=False, fontsize=9)
