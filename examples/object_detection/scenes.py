"""Scenes to search: a digit of any size at any place, among pieces of other digits."""

from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE = 48
"""Of a scene, in pixels."""
PIECES, PIECE = 6, 8
"""Pieces of other digits in a scene, and the side of each."""


class Scenes(NamedTuple):
    """Scenes with what is in them.

    Attributes:
        x: pixels, shape (scenes, side, side).
        digits: the class of each digit.
        boxes: its box, (left, top, right, bottom) in pixels.
    """

    x: np.ndarray
    digits: np.ndarray
    boxes: np.ndarray


def make_scenes(images: np.ndarray, classes: np.ndarray, count: int, seed: int) -> Scenes:
    """Draw scenes with the digits of some images: each digit in turn, its longer side 16 to 32 pixels."""
    rng = np.random.default_rng(seed)
    chosen = np.resize(rng.permutation(len(images)), count)
    drawn = [_scene(images, images[row], rng) for row in chosen]
    return Scenes(np.stack([x for x, _ in drawn]), classes[chosen], np.array([box for _, box in drawn], np.float32))


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of each box with the other one of its row: 1 where they are the same, 0 where apart."""
    both = np.clip(np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2]), 0, None)
    areas = [np.clip(one[:, 2:] - one[:, :2], 0, None).prod(axis=1) for one in (boxes, others)]
    common = both.prod(axis=1)
    return common / (sum(areas) - common)


def _scene(images: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, ...]]:
    scene = rng.normal(20, 20, (SIDE, SIDE))
    for _ in range(PIECES):
        top, left = rng.integers(4, 24 - PIECE, 2)
        piece = images[rng.integers(len(images)), top : top + PIECE, left : left + PIECE]
        _paste(scene, piece * rng.uniform(0.5, 1), *rng.integers(0, SIDE - PIECE, 2))
    digit = _strokes(image, side=int(rng.integers(16, 33)))
    height, width = digit.shape
    top, left = rng.integers(0, SIDE - height + 1), rng.integers(0, SIDE - width + 1)
    _paste(scene, digit * rng.uniform(0.7, 1), top, left)
    return scene.clip(0, 255).astype(np.uint8), (left, top, left + width, top + height)


def _paste(scene: np.ndarray, piece: np.ndarray, top: int, left: int) -> None:
    part = scene[top : top + len(piece), left : left + piece.shape[1]]
    np.maximum(part, piece, out=part)


def _strokes(image: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (np.flatnonzero((image > 60).any(axis=axis)) for axis in (1, 0))
    digit = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(2, round(length * side / max(digit.shape))) for length in digit.shape)
    return np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BILINEAR))
