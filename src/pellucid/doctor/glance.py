"""A glance at a training before its first step: what is certain, and costs next to nothing.

`check` looks closer. Here nothing is compiled that the training would not compile too, and of many rows some are read.
"""

import warnings
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from pellucid.core.errors import DoctorWarning
from pellucid.doctor.alone import ALONE
from pellucid.doctor.before import BEFORE
from pellucid.doctor.check import CERTAIN
from pellucid.doctor.diagnose import with_offers
from pellucid.doctor.findings import Finding
from pellucid.doctor.rule import Subject
from pellucid.runs.trained import Trained as Run
from pellucid.training import Rows

ROWS = 512
"""Most rows of a part that are read, evenly spaced, so that sorted ones stay sorted: they take milliseconds."""
PASSES = frozenset({"output_loss_mismatch", "label_errors"})
"""Causes whose rules send rows through the network or hold plain methods against them: seconds, left to `check`."""
TOLD = frozenset({"label_leakage"})
"""Causes that keep no network from learning, and of which one has to know before it is believed."""


def glance(run: Run) -> list[Finding]:
    """What is certainly wrong with a training that has made no step yet, and what makes its result worthless.

    Args:
        run: the training at its beginning, as a run.

    Returns:
        Findings, likeliest first: of severity ``"problem"``, and ``"warning"`` of a column that tells the target.
    """
    if run.adversarial or run.facts.task == "translation":  # no rule knows them before they are trained
        return []
    rules = BEFORE if run.network.is_chain else ALONE  # the others read layers in a row
    assert run.training is not None  # it begins
    subject = Subject(_some_rows(run), with_trials=False)
    subject.e.state_start = run.training.state
    found = []
    with np.errstate(all="ignore"):
        for rule in rules:
            evidence = None if rule.label in PASSES else rule.find(subject)
            if evidence is None:
                continue
            if evidence.holds_back and evidence.probability >= CERTAIN:
                found.append(rule.finding(evidence, "problem"))
            elif rule.label in TOLD:
                found.append(rule.finding(evidence, "warning"))
    return with_offers(sorted(found, key=lambda finding: -finding.probability), subject.run)


def warn_of_problems(run: Run) -> list[str]:
    """Warn of each finding of a glance; the training goes on.

    Returns:
        The findings in words.
    """
    said = []
    for finding in glance(run):
        help_ = f" May help: {', '.join(finding.remedies)}." if finding.remedies else ""
        said.append(f"{finding.line}.{help_}")
        warnings.warn(
            f"{said[-1]} pellucid.check(network, data) says more.",
            DoctorWarning,
            stacklevel=3,  # whoever called train
        )
    return said


def _some_rows(run: Run) -> Run:
    training: Any = run.training

    def some(rows: Rows | None) -> Rows | None:
        if rows is None or rows.rows <= ROWS:
            return rows
        places = np.linspace(0, rows.rows - 1, ROWS).astype(int)
        return jax.tree.map(lambda part: np.asarray(part)[places], rows)

    return replace(run, training=replace(training, train=some(training.train), monitor=some(training.monitor)))
