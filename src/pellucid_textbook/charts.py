"""Charts of the textbook: lines, bands over seeds, and their plain form, from which a stored result is drawn again."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from pellucid.report import chart
from pellucid.report.chart import LineChart, Series, Strip, StripChart


def band(label: str, x: Any, rows: Any) -> Series:
    """The mean over the seeds, and a band from the lowest to the highest; NaN where a seed has none."""
    rows = np.atleast_2d(np.asarray(rows, float))
    low, high = (rows.min(axis=0), rows.max(axis=0)) if len(rows) > 1 else (None, None)
    return Series(label, np.asarray(x, float), rows.mean(axis=0), low, high)


def lines(title: str, x_label: str, y_label: str, x: Any, rows: Mapping[str, Any], log: str = "") -> LineChart:
    """A band for each label over the same x; ``log`` names the logarithmic axes, ``"x"``, ``"y"`` or ``"xy"``."""
    series = [band(label, x, of_label) for label, of_label in rows.items()]
    return LineChart(title, series, x_label, y_label, log="y" in log, log_x="x" in log)


def dots(title: str, label: str, groups: Mapping[str, Any]) -> StripChart:
    """A dot for each seed of each group, and the mean of the group."""
    strips = [Strip(name, np.asarray(values, float), style=i) for i, (name, values) in enumerate(groups.items())]
    return StripChart(title, strips, label, reference=None)


def to_plain(drawn: Any) -> dict[str, Any]:
    """A chart as plain data, its numbers to five digits."""
    plain = msgspec.to_builtins(drawn, enc_hook=lambda array: np.asarray(array).tolist())
    return {
        "chart": type(drawn).__name__,
        **_each_number(plain, lambda x: None if math.isnan(x) else float(f"{x:.5g}")),
    }


def from_plain(plain: Mapping[str, Any]) -> Any:
    """The chart of its plain data."""
    fields = _each_number(plain, lambda value: math.nan if value is None else value)
    return msgspec.convert(fields, getattr(chart, fields.pop("chart")))


def _each_number(plain: Any, change: Callable[[Any], Any]) -> Any:
    """Plain data with every number of its lists changed; None stands for NaN."""
    if isinstance(plain, dict):
        return {name: _each_number(value, change) for name, value in plain.items()}
    if isinstance(plain, (list, tuple)):
        return [change(v) if v is None or isinstance(v, float) else _each_number(v, change) for v in plain]
    return plain
