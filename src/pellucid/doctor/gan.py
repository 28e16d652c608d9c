"""A GAN's rules: what the samples leave out of the data."""

import numpy as np

from pellucid.doctor.findings import Finding
from pellucid.models.gan_run import GanRun

POINTS = 2000
"""Most real rows, and as many samples, that are compared."""
AROUND = 0.05
"""The share of the real rows that a row's surroundings hold: less than any mode worth the name."""
SCARCE = 0.2
"""Surroundings with less than this share of the samples they should hold count as left out."""
COVERED = 0.7
"""Below this share of covered rows a part of the data is left out: a quarter is two modes of eight."""


def coverage(run: GanRun) -> float:
    """The share of the real rows around which samples are not scarce.

    Formula:
        share of rows x of which at least ``SCARCE · AROUND`` of the samples lie within r(x), the distance within which
        ``AROUND`` of the real rows lie

    Args:
        run: a run with the rows of its training.

    Source: Naeem, Oh, Uh, Choi, Yoo, Reliable fidelity and diversity metrics for generative models, 2020, whose
    coverage asks for one sample.
    """
    from sklearn.neighbors import NearestNeighbors

    assert run.training is not None
    rows = np.asarray(run.training.train.x)
    rows = rows.reshape(len(rows), -1)
    real = rows[np.random.default_rng(0).permutation(len(rows))[:POINTS]]
    samples = run.sample(len(real)).reshape(len(real), -1)
    if not np.isfinite(samples).all():
        return 0.0
    count = max(2, round(AROUND * len(real)))
    around = NearestNeighbors(n_neighbors=count).fit(real).kneighbors(real)[0][:, -1]
    wanted = max(1, round(SCARCE * count))
    nearest = NearestNeighbors(n_neighbors=wanted).fit(samples).kneighbors(real)[0][:, -1]
    return float((nearest <= around).mean())


def diagnose_gan(run: GanRun) -> list[Finding]:
    """The findings of a GAN's run."""
    share = coverage(run)
    if share >= COVERED:
        return []
    return [
        Finding(
            "mode_collapse", "problem", 0.9, {"share of real rows covered": share},
            f"samples come near to {share:.0%} of the real rows",
        )
    ]  # fmt: skip
