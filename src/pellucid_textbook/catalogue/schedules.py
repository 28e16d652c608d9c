"""Learning-rate schedules: the rate epoch by epoch (subject 7.1)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.functions.schedules import Schedule, schedules, watches_loss
from pellucid.report.figures import COLOURS, STYLES
from pellucid_textbook.catalogue.kind import Kind, Text
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Formulas, Table
from pellucid_textbook.catalogue.plots import new_figure, tidy

TEXTS = {
    "step_decay": Text(
        "Large steps first, fine ones later; easy to read off.",
        "When to cut must be known; the loss jumps at each cut.",
        "Convolutional networks with momentum.",
        "7.1",
        "Convention; AlexNet, Krizhevsky, Sutskever & Hinton, 2012.",
    ),
    "exponential_decay": Text(
        "Smooth; one number.",
        "Falls fastest at the beginning, where large steps pay.",
        "Long trainings.",
        "7.1",
        "Convention.",
    ),
    "cosine_decay": Text(
        "Stays high long, ends near 0; nothing to choose but the length.",
        "The length of the training must be known before.",
        "The usual choice of today's trainings.",
        "7.1",
    ),
    "warm_up": Text(
        "No large steps while averages and weights are still raw.",
        "The first epochs are slow; one more number.",
        "Large batches, transformers; before another schedule.",
        "7.1",
    ),
    "on_plateau": Text(
        "Cuts when it is needed, whatever the length of the training.",
        "Reacts late and to noise; depends on the watched loss.",
        "Trainings of unknown length.",
        "7.1",
        "Convention; He, Zhang, Ren & Sun, Deep residual learning for image recognition, 2015.",
    ),
}
EXAMPLES = {
    "step_decay": {"learning_rate": 0.1},
    "exponential_decay": {"learning_rate": 0.1},
    "cosine_decay": {"learning_rate": 0.1, "epochs": 30},
    "warm_up": {"learning_rate": {"name": "cosine_decay", "learning_rate": 0.1, "epochs": 25}, "epochs": 5},
    "on_plateau": {"learning_rate": 0.1},
}

EPOCHS = 30
LOSSES = tuple(max(1.0 - 0.1 * epoch, 0.4) for epoch in range(EPOCHS))
"""A loss that falls for seven epochs, then stays: what a schedule that watches it sees."""
POINTS = (0.0, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0, 30.0)


def rates(schedule: Schedule, epochs: Any) -> np.ndarray:
    """The rate after so many epochs, each decided by the losses of the whole epochs before."""
    return np.array([float(schedule.observe(LOSSES[: int(t)]).rate(float(t))) for t in np.asarray(epochs)])


def _formulas(schedule: Schedule) -> Formulas:
    return Formulas({"η(t)": schedule.formula.text})


def _measured(schedule: Schedule) -> Mapping[str, Content]:
    t = np.linspace(0, EPOCHS, 301)
    return {
        "graph": (Curve("learning rate", "epochs", t, rates(schedule, t)),),
        "behaviour": Facts(
            {"watches the loss": "yes; here one that is flat from epoch 7" if watches_loss(schedule) else "no"}
        ),
        "rates": Table(("epochs", "rate"), tuple(zip(POINTS, rates(schedule, POINTS).tolist(), strict=True))),
    }


def _row(schedule: Schedule) -> Mapping[str, Any]:
    at = (0, 1, 10, 20, 30)
    row = {f"epoch {t}": rate for t, rate in zip(at, rates(schedule, at).tolist(), strict=True)}
    return {"formula": _formulas(schedule)["η(t)"], **row}


def _draw(items: Mapping[str, Schedule]) -> Any:
    figure = new_figure((8, 3.4))
    axes = figure.subplots()
    styles = (*STYLES, (0, (8, 2, 1, 2, 1, 2)))
    t = np.linspace(0, EPOCHS, 301)
    for number, (name, item) in enumerate(items.items()):
        axes.plot(t, rates(item, t), color=COLOURS[number], ls=styles[number % len(styles)], lw=2, label=name)
    axes.set(xlabel="epochs", ylabel="learning rate")
    axes.legend(frameon=False)
    tidy(axes)
    return figure


KIND = Kind(
    name="schedules",
    title="Schedules: the learning rate over the training",
    registry=schedules,
    texts=TEXTS,
    formulas=_formulas,
    measured=_measured,
    row=_row,
    draw=_draw,
    examples=EXAMPLES,
)
