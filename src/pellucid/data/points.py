"""Points of a plane from a mixture of Gaussians whose centres are known: what a generator misses can be sample_mask."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.errors import ShapeError
from pellucid.data.arrays import Dataset, make_dataset

HIGH_QUALITY = 3.0
"""A sample is of high quality within so many standard deviations of a centre; of true points 98.9 % are."""
FAIR_SHARE = 0.25
"""A mode counts as covered with so much of its fair share of the samples."""


@dataclass(frozen=True)
class GaussianMixture:
    """As many points from each of several round Gaussians.

    Args:
        centres: the modes.
        spread: standard deviation of each coordinate around its centre.

    Example:
        >>> mixture = GaussianMixture(((0.0, 0.0), (2.0, 0.0)), 0.1)
        >>> mixture.dataset(rows=100).train.x.shape
        (100, 2)
    """

    centres: tuple[tuple[float, float], ...]
    spread: float

    def dataset(self, rows: int = 50_000, seed: int = 0, name: str = "points") -> Dataset:
        """Points drawn from it, all of them to train on; the target is the number of a point's mode.

        Args:
            rows: how many.
            seed: of the draw.
            name: of the dataset.
        """
        rng = np.random.default_rng(seed)
        modes = np.arange(rows) % len(self.centres)
        x = np.array(self.centres)[modes] + self.spread * rng.normal(size=(rows, 2))
        classes = [str(number) for number in range(len(self.centres))]
        options: dict[str, Any] = {"task": "multiclass", "classes": classes, "held_out": None}
        return make_dataset(x, modes, name=name, source="drawn from a mixture of Gaussians", **options)

    def coverage(self, samples: np.ndarray) -> "Coverage":
        """How much of the mixture ``samples`` cover."""
        return mode_coverage(samples, np.array(self.centres), self.spread)


def gaussian_ring(modes: int = 8, radius: float = 2.0, spread: float = 0.02) -> GaussianMixture:
    """Modes evenly on a circle.

    Example:
        >>> len(gaussian_ring().centres)
        8

    Source: Metz, Poole, Pfau, Sohl-Dickstein, Unrolled generative adversarial networks, 2017.
    """
    angles = [2 * math.pi * i / modes for i in range(modes)]
    return GaussianMixture(tuple((radius * math.cos(a), radius * math.sin(a)) for a in angles), spread)


def gaussian_grid(side: int = 5, spacing: float = 2.0, spread: float = 0.05) -> GaussianMixture:
    """Modes on a square grid around the origin.

    Example:
        >>> gaussian_grid().centres[0], len(gaussian_grid().centres)
        ((-4.0, -4.0), 25)

    Source: Dumoulin et al., Adversarially learned inference, 2017.
    """
    places = [spacing * (i - (side - 1) / 2) for i in range(side)]
    return GaussianMixture(tuple((x, y) for x in places for y in places), spread)


@dataclass(frozen=True)
class Coverage:
    """What samples cover of a mixture."""

    covered: int
    """Modes with at least a quarter of their fair share of the samples, samples of high quality alone."""
    modes: int
    high_quality: float
    """Share of the samples within three standard deviations of a centre."""

    def __str__(self) -> str:
        return f"{self.covered} of {self.modes} modes, {self.high_quality:.1%} of high quality"


def mode_coverage(samples: np.ndarray, centres: np.ndarray, spread: float) -> Coverage:
    """How many modes samples cover, and how many of the samples lie on one.

    Formula:
        high quality: min_k ‖x − c_k‖₂ ≤ 3 σ; mode k is covered by ≥ ¼ · samples / modes of these

    Args:
        samples: (samples, coordinates).
        centres: (modes, coordinates), c.
        spread: σ of each coordinate.

    Raises:
        ShapeError: samples and centres differ in their coordinates.

    Example:
        >>> samples = np.array([[0.0, 0.0], [0.0, 0.1], [1.0, 0.0]])
        >>> print(mode_coverage(samples, np.array([[0.0, 0.0], [2.0, 0.0]]), 0.1))
        1 of 2 modes, 66.7% of high quality

    Stricter than the papers, for which one sample covers a mode.

    Source: Srivastava, Valkov, Russell, Gutmann, Sutton, VEEGAN: reducing mode collapse in GANs, 2017.
    """
    if samples.ndim != 2 or samples.shape[1:] != centres.shape[1:]:
        raise ShapeError(
            f"samples need shape (samples, {centres.shape[1]}), as the centres have. Received: {samples.shape}."
        )
    distances = np.linalg.norm(samples[:, None] - centres[None], axis=2)
    nearest = distances.argmin(axis=1)
    good = distances.min(axis=1) <= HIGH_QUALITY * spread
    counts = np.bincount(nearest[good], minlength=len(centres))
    covered = int((counts >= FAIR_SHARE * len(samples) / len(centres)).sum())
    return Coverage(covered, len(centres), float(good.mean()))


__all__ = ["Coverage", "GaussianMixture", "gaussian_grid", "gaussian_ring", "mode_coverage"]
