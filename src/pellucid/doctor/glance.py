"""A glance at a training before its first step: what is certain, and costs next to nothing.

`check` looks closer. Here nothing is compiled that the training would not compile too, and of many rows some are read.
"""

import warnings
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from pellucid.core.checks import DoctorWarning
from pellucid.doctor.before import BEFORE
from pellucid.doctor.check import CERTAIN
from pellucid.doctor.examination import Hidden
from pellucid.doctor.findings import Finding
from pellucid.doctor.rule import Subject
from pellucid.layers import Activation
from pellucid.models.run import Run
from pellucid.models.train import summary_of
from pellucid.network import Network
from pellucid.training import Rows

ROWS = 512
"""Most rows of a part that are read, evenly spaced, so that sorted ones stay sorted: they take milliseconds."""
NOTHING = np.zeros(0)
PASSES = frozenset(
    {"target_shape", "gradient_ascent", "output_loss_mismatch", "label_errors", "label_leakage"}
)
"""Causes whose rules send rows through the network or hold plain methods against them: seconds, left to `check`."""


def glance(run: Run) -> list[Finding]:
    """What is certainly wrong with a training that has made no step yet.

    Args:
        run: the training at its beginning, as a run.

    Returns:
        Findings of severity ``"problem"``, likeliest first.
    """
    if not isinstance(run.network, Network):
        return []  # the rules read layers in a row
    subject = Subject(_some_rows(run))
    assert run.training is not None  # it begins
    _fill(subject, run)
    found = []
    with np.errstate(all="ignore"):
        for rule in BEFORE:
            evidence = None if rule.label in PASSES else rule.find(subject)
            if evidence is not None and evidence.probability >= CERTAIN:
                found.append(rule.finding(evidence, "problem"))
    return sorted(found, key=lambda finding: -finding.probability)


def warn_of_problems(run: Run) -> None:
    """Warn of each problem that a glance finds; the training goes on."""
    for finding in glance(run):
        name = finding.label.replace("_", " ")
        warnings.warn(
            f"{name} ({finding.probability:.0%}): {finding.because}. May help: {', '.join(finding.remedies)}. "
            "pellucid.check(network, data) says more.",
            DoctorWarning,
            stacklevel=5,  # whoever called train
        )


def _fill(subject: Subject, run: Run) -> None:
    """Give an examination what it would compile a program for."""
    e, scale = subject.e, run.facts.preprocessing.apply_numpy
    assert e.run.training is not None  # it begins
    e.state_start = e.run.training.state
    e.x = scale(np.asarray(e.run.training.train.x))
    if e.run.training.monitor is not None:
        e.x_new = scale(np.asarray(e.run.training.monitor.x))
    # Of the outputs these rules read the shape alone, of the activations the name.
    shape = summary_of(run.network, run.facts.input_shape).rows[-1].output_shape
    e.prediction, e.outputs = np.zeros((len(e.x), *shape), np.float32), shape[-1]
    e.hidden = tuple(
        Hidden(i, layer.function, NOTHING, NOTHING)  # pyright: ignore[reportArgumentType]
        for i, layer in enumerate(run.network.layers[:-1])
        if isinstance(layer, Activation)
    )


def _some_rows(run: Run) -> Run:
    training: Any = run.training

    def some(rows: Rows | None) -> Rows | None:
        if rows is None or rows.rows <= ROWS:
            return rows
        places = np.linspace(0, rows.rows - 1, ROWS).astype(int)
        return jax.tree.map(lambda part: np.asarray(part)[places], rows)

    return replace(
        run, training=replace(training, train=some(training.train), monitor=some(training.monitor))
    )
