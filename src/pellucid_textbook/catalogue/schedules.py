"""Learning-rate schedules: the rate epoch by epoch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.functions.schedules import Schedule, schedules, watches_loss
from pellucid.report.chart import LineChart, Series
from pellucid.report.document import Table
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.page import Content

EPOCHS = 30
LOSSES = tuple(max(1.0 - 0.1 * epoch, 0.4) for epoch in range(EPOCHS))
"""A loss that falls for seven epochs, then stays: what a schedule that watches it sees."""
POINTS = (0.0, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0, 30.0)


def rates(schedule: Schedule, epochs: Any) -> np.ndarray:
    """The rate after so many epochs, each decided by the losses of the whole epochs before."""
    return np.array([float(schedule.observe(LOSSES[: int(t)]).rate(float(t))) for t in np.asarray(epochs)])


def _measured(schedule: Schedule) -> Mapping[str, Content]:
    watches = "yes; here one that is flat from epoch 7" if watches_loss(schedule) else "no"
    return {
        "graph": _charts({schedule.name: schedule}),
        "behaviour": {"watches the loss": watches},
        "rates": Table(("epochs", "rate"), list(zip(POINTS, rates(schedule, POINTS).tolist(), strict=True))),
    }


def _row(schedule: Schedule) -> Mapping[str, Any]:
    at = (0, 1, 10, 20, 30)
    return {f"epoch {t}": rate for t, rate in zip(at, rates(schedule, at).tolist(), strict=True)}


def _charts(items: Mapping[str, Schedule]) -> list[LineChart]:
    t = np.linspace(0, EPOCHS, 151)
    series = [Series(name, t, rates(item, t)) for name, item in items.items()]
    return [LineChart("learning rate", series, "epochs", log=False)]


KIND = Kind(
    name="schedules",
    title="Schedules: the learning rate over the training",
    registry=schedules,
    labels={"formula": "η(t)"},
    measured=_measured,
    row=_row,
    charts=_charts,
)
