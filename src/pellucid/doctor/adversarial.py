"""What is measured of an adversarial training: the rows that samples cover, and the lead of the critic."""

import math
from functools import cached_property

import numpy as np

from pellucid.core.errors import DataError
from pellucid.runs.samples import sample
from pellucid.runs.trained import Trained

POINTS = 2000
"""Most real rows, and as many samples, that are compared."""
AROUND = 0.05
"""The fraction of the real rows that a row's surroundings hold: less than any mode worth the name."""
SCARCE = 0.2
"""Surroundings with less than this fraction of the samples they should hold count as left out."""
REACH = 2.0
"""How many times as far as the real rows of its surroundings a sample may lie: what is blurred is not left out."""


def coverage_of(run: Trained) -> float:
    """The fraction of the real rows around which samples are not scarce.

    Formula:
        fraction of rows x of which at least ``SCARCE · AROUND`` of the samples lie within ``REACH`` · r(x), r(x) the
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


def dominance(run: Trained) -> float:
    """How far the critic's loss lies below that of guessing: 0 where it guesses, 1 where it is sure and right.

    Formula:
        1 − L_D / (2 ln 2), over the last tenth of the epochs; NaN under the Wasserstein loss, whose score has no scale
    """
    losses = np.asarray(run.history.epochs.get("loss", ()))
    if run.program.loss == "wasserstein" or not len(losses):
        return math.nan
    return float(1 - losses[-max(1, len(losses) // 10) :].mean() / (2 * math.log(2)))


class AdversarialSubject:
    """An adversarial training that rules are asked of.

    Args:
        run: the run, with the rows of its training.
    """

    healthy = False
    """Its rules find nothing where the samples cover the data."""
    compared = "the samples come near to as many of the real rows as they should"

    def __init__(self, run: Trained) -> None:
        self.run = run

    @cached_property
    def coverage(self) -> float:
        """The fraction of the real rows that samples cover."""
        return coverage_of(self.run)

    @cached_property
    def dominance(self) -> float:
        """How far the critic's loss lies below that of guessing."""
        return dominance(self.run)

    def gain_made(self, trials: tuple[str, ...]) -> None:
        """No trials are made of two players."""
