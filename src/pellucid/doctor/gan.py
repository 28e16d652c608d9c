"""A GAN's rules: what the samples leave out of the data, and which player is to blame."""

import math
from dataclasses import replace

import numpy as np

from pellucid.core.errors import DataError
from pellucid.data import Dataset
from pellucid.doctor.findings import Finding, percent
from pellucid.runs.fit import data_of_run, training_again
from pellucid.runs.folder import RunFolder
from pellucid.runs.samples import sample
from pellucid.runs.trained import Trained as Run

POINTS = 2000
"""Most real rows, and as many samples, that are compared."""
AROUND = 0.05
"""The share of the real rows that a row's surroundings hold: less than any mode worth the name."""
SCARCE = 0.2
"""Surroundings with less than this share of the samples they should hold count as left out."""
REACH = 2.0
"""How many times as far as the real rows of its surroundings a sample may lie: what is blurred is not left out."""
COVERED = 0.8
"""Below this share of covered rows a part of the data is left out: a fifth is more than one mode of eight."""
DOMINANT = 0.3
"""A critic dominates where its loss is lower than that of guessing, 2 ln 2, by this share: it then gives more than
four fifths of the certainty to the right side, and the generator's gradient through it is small or points nowhere."""


def with_gan_rows(run: Run, data: Dataset | None = None) -> Run:
    """A run with the rows of its training: itself where it holds them, else a copy for which they are opened again.

    Raises:
        StorageError: no data by that name, or other data than those of the run.
    """
    if run.training is not None or run.folder is None:
        return run
    data = data_of_run(RunFolder(run.folder), run.experiment.data, data)
    return replace(run, training=training_again(run, data), data=data)


def coverage_of(run: Run) -> float:
    """The share of the real rows around which samples are not scarce.

    Formula:
        share of rows x of which at least ``SCARCE · AROUND`` of the samples lie within ``REACH`` · r(x), r(x) the
        distance within which ``AROUND`` of the real rows lie

    Args:
        run: a run with the rows of its training.

    Raises:
        DataError: the run does not hold its rows.

    Source: Naeem, Oh, Uh, Choi, Yoo, Reliable fidelity and diversity metrics for generative models, 2020, whose
    coverage asks for one sample.
    """
    from sklearn.neighbors import NearestNeighbors

    if run.training is None:
        raise DataError("the doctor needs the rows of the training, which this run does not hold.")
    rows = np.asarray(run.training.train.x)
    rows = rows.reshape(len(rows), -1)
    real = rows[np.random.default_rng(0).permutation(len(rows))[:POINTS]]
    samples = sample(run, len(real)).reshape(len(real), -1)
    if not np.isfinite(samples).all():
        return 0.0
    count = max(2, round(AROUND * len(real)))
    around = NearestNeighbors(n_neighbors=count).fit(real).kneighbors(real)[0][:, -1]
    wanted = max(1, round(SCARCE * count))
    nearest = NearestNeighbors(n_neighbors=wanted).fit(samples).kneighbors(real)[0][:, -1]
    return float((nearest <= REACH * around).mean())


def dominance(run: Run) -> float:
    """How far the critic's loss lies below that of guessing: 0 where it guesses, 1 where it is sure and right.

    Formula:
        1 − L_D / (2 ln 2), over the last tenth of the epochs; NaN under the Wasserstein loss, whose score has no scale
    """
    losses = np.asarray(run.history.epochs.get("loss", ()))
    if run.program.loss == "wasserstein" or not len(losses):
        return math.nan
    return float(1 - losses[-max(1, len(losses) // 10) :].mean() / (2 * math.log(2)))


def diagnose_gan(run: Run, data: Dataset | None = None) -> list[Finding]:
    """The findings of a GAN's run, likeliest first.

    Args:
        run: a run; of one that was loaded, the rows are opened again by the name of its data.
        data: its data, where they came as arrays.
    """
    run = with_gan_rows(run, data)
    share, surplus = coverage_of(run), dominance(run)
    if share >= COVERED:
        return []
    numbers = {"share of real rows covered": share, "critic's lead over guessing": surplus}
    said = f"samples come near to {percent(share)} of the real rows"
    findings = [Finding("mode_collapse", "problem", 0.9, numbers, said)]
    if surplus > DOMINANT:
        why = f"the critic's loss is {surplus:.0%} below that of guessing; {said}"
        findings.append(Finding("dominant_critic", "problem", 0.6, numbers, why))
    return findings
