"""What an explanation is told in: headings, sentences, calculations, tables, pictures; for every form alike."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from pellucid.explanations.formula import Line, Math, place

SHOWN = 8
"""Numbers of a list that are shown one by one where it is longer."""


@dataclass(frozen=True)
class Heading:
    """A heading."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Lines:
    """A calculation, line by line."""

    lines: tuple[Line, ...]


Cell: TypeAlias = str | float | int | Math


@dataclass(frozen=True)
class Table:
    """A table; numbers are aligned on the right."""

    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Picture(NamedTuple):
    """An array to be looked at."""

    label: str
    array: np.ndarray
    signed: bool
    """Whether it holds numbers on both sides of 0, which is then in the middle of the scale."""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side; only the page shows them."""

    caption: str
    pictures: tuple[Picture, ...]
    wide: bool = False


@dataclass(frozen=True)
class Numbers:
    """All numbers of an array; only the page shows them, folded away."""

    label: str
    array: np.ndarray


Block: TypeAlias = Heading | Text | Lines | Table | Gallery | Numbers


def shape_of(array: np.ndarray) -> str:
    """The shape of an array, as in 8×8."""
    return "×".join(map(str, array.shape)) or "1"


def some_of(array: np.ndarray) -> str:
    """All numbers of a small array, the largest of another."""
    flat = array.reshape(-1)
    if flat.size <= 2 * SHOWN:
        return "  ".join(short(float(one)) for one in flat)
    order = np.sort(np.argsort(-abs(flat), kind="stable")[: SHOWN // 2])
    shown = "  ".join(
        f"{place('', np.unravel_index(at, array.shape))}\N{NO-BREAK SPACE}{short(float(flat[at]))}" for at in order
    )
    return f"{shown}  … largest 4 of {flat.size:,}"


def short(value: float) -> str:
    """A number to four digits."""
    return f"{value + 0.0:.4g}".replace("-", "−")
