"""Two classes of points in the plane that no line divides: moons, circles, spirals, XOR."""

from collections.abc import Callable

import numpy as np

RADIUS = 6.5
"""Distance of a spiral's outer end from the origin."""
INNER = 1 / 13
"""Distance of its inner end, as a fraction of that; between them are three turns."""


def moons(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles that reach into each other, as in scikit-learn.

    Example:
        >>> x, y = moons(4)
        >>> x.round(1).tolist(), y.tolist()
        ([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]], [0, 0, 1, 1])
    """
    y, number = _halves(rows)
    half = _circle(np.pi * number / (rows // 2 - 1))
    return np.where(y[:, None] == 0, half, [1.0, 0.5] - half), y


def circles(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A circle of radius 1 around one of radius 0.5, as in scikit-learn.

    Example:
        >>> x, y = circles(4)
        >>> x.round(1).tolist(), y.tolist()
        ([[1.0, 0.0], [-1.0, 0.0], [0.5, 0.0], [-0.5, 0.0]], [0, 0, 1, 1])
    """
    y, number = _halves(rows)
    radius = np.where(y == 0, 1.0, 0.5)
    return radius[:, None] * _circle(2 * np.pi * number / (rows // 2)), y


def spirals(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Two spirals around each other.

    Formula:
        x = r (sin a, cos a) with r = R t, a = 6π (1 − t) / (1 − 1/13), of the other class −x; t from 1/13 to 1

    The curves are those of the source, whose points lie at even angles; here they lie evenly over the area.

    Example:
        >>> x, y = spirals(100)
        >>> float(np.linalg.norm(x, axis=1).max().round(1)), y.mean().item()
        (6.5, 0.5)

    Source: Lang, Witbrock, Learning to tell two spirals apart, 1988.
    """
    y, number = _halves(rows)
    t = np.sqrt(INNER**2 + (1 - INNER**2) * number / (rows // 2 - 1))
    radius = RADIUS * t * (1 - 2 * y)
    return radius[:, None] * _circle(6 * np.pi * (1 - t) / (1 - INNER))[:, ::-1], y


def xor(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The four rows of exclusive or, over and over.

    Example:
        >>> x, y = xor(4)
        >>> x.tolist(), y.tolist()
        ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])

    Source: Minsky, Papert, Perceptrons, 1969.
    """
    x = np.stack([np.arange(rows) // 2 % 2, np.arange(rows) % 2], axis=1)
    return x.astype(float), x[:, 0] ^ x[:, 1]


def _halves(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The class of each row, the first half being of class 0, and its number within its class."""
    return np.repeat([0, 1], rows // 2), np.tile(np.arange(rows // 2), 2)


def _circle(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


PLANE: dict[str, tuple[Callable[[int], tuple[np.ndarray, np.ndarray]], float]] = {
    "moons": (moons, 0.2),
    "circles": (circles, 0.1),
    "spirals": (spirals, 0.1),
    "xor": (xor, 0.0),
}
"""The points of a dataset, and the standard deviation of the noise that is added to them."""
