"""Learning-rate schedules: the rate epoch by epoch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.functions.schedules import Schedule, schedules, watches_loss
from pellucid.report.document import Table
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.charts import lines
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
    return {f"epoch {t}": float(rates(schedule, [t])[0]) for t in (0, 1, 10, 20, 30)}


def _charts(items: Mapping[str, Schedule]) -> list[Any]:
    t = np.linspace(0, EPOCHS, 151)
    return [lines("learning rate", "epochs", "", t, {name: rates(item, t) for name, item in items.items()})]


KIND = Kind(schedules, _measured, _row, _charts)
