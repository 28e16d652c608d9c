"""Points from Gaussian mixtures, to count the modes that generators miss."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.errors import ShapeError
from pellucid.data.arrays import Dataset
from pellucid.data.build import make_dataset

HIGH_QUALITY = 3.0
"""Largest distance of a high-quality sample from a centre, in standard deviations; 98.9 % of true points."""
COVERED = 0.25
"""Least fraction of the expected samples with which a mode counts as covered."""


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of round Gaussians of equal weight.

    Args:
        centres: the modes.
        std: standard deviation of each coordinate around its centre.

    Example:
        >>> mixture = GaussianMixture(((0.0, 0.0), (2.0, 0.0)), 0.1)
        >>> mixture.dataset(rows=100).train.x.shape
        (100, 2)
    """

    centres: tuple[tuple[float, float], ...]
    std: float

    def dataset(self, rows: int = 50_000, seed: int = 0, name: str = "points") -> Dataset:
        """Draw points to train on, with their mode's number as target.

        Args:
            rows: number of points.
            seed: of the draw.
            name: of the dataset.
        """
        rng = np.random.default_rng(seed)
        modes = np.arange(rows) % len(self.centres)
        x = np.array(self.centres)[modes] + self.std * rng.normal(size=(rows, 2))
        classes = [str(number) for number in range(len(self.centres))]
        options: dict[str, Any] = {"task": "multiclass", "classes": classes, "held_out": None}
        return make_dataset(x, modes, name=name, source="drawn from a mixture of Gaussians", **options)

    def coverage(self, samples: np.ndarray) -> "Coverage":
        """Measure how much of the mixture ``samples`` cover."""
        return mode_coverage(samples, np.array(self.centres), self.std)


def gaussian_ring(modes: int = 8, radius: float = 2.0, std: float = 0.02) -> GaussianMixture:
    """Modes evenly on a circle.

    Example:
        >>> len(gaussian_ring().centres)
        8

    Source: Metz, Poole, Pfau, Sohl-Dickstein, Unrolled generative adversarial networks, 2017.
    """
    angles = [2 * math.pi * i / modes for i in range(modes)]
    return GaussianMixture(tuple((radius * math.cos(a), radius * math.sin(a)) for a in angles), std)


def gaussian_grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> GaussianMixture:
    """Modes on a square grid around the origin.

    Example:
        >>> gaussian_grid().centres[0], len(gaussian_grid().centres)
        ((-4.0, -4.0), 25)

    Source: Dumoulin et al., Adversarially learned inference, 2017.
    """
    coordinates = [spacing * (i - (side - 1) / 2) for i in range(side)]
    return GaussianMixture(tuple((x, y) for x in coordinates for y in coordinates), std)


@dataclass(frozen=True)
class Coverage:
    """Coverage of a mixture by samples."""

    covered: int
    """Modes with at least a quarter of their expected high-quality samples."""
    modes: int
    high_quality: float
    """Fraction of the samples within three standard deviations of a centre."""

    def __str__(self) -> str:
        return f"{self.covered} of {self.modes} modes, {self.high_quality:.1%} of high quality"


def mode_coverage(samples: np.ndarray, centres: np.ndarray, std: float) -> Coverage:
    """Count the modes that samples cover, and the samples close to one.

    Formula:
        high quality: min_k ‖x − c_k‖₂ ≤ 3 σ; mode k is covered by ≥ ¼ · samples / modes of these

    Args:
        samples: (samples, coordinates).
        centres: (modes, coordinates), c.
        std: σ of each coordinate.

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
    good = distances.min(axis=1) <= HIGH_QUALITY * std
    counts = np.bincount(nearest[good], minlength=len(centres))
    covered = int((counts >= COVERED * len(samples) / len(centres)).sum())
    return Coverage(covered, len(centres), float(good.mean()))
