"""Pictures of confusions, spectrograms and strings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

STEP = 4 * 0.016
"""Seconds of a step of the network that reads strings."""


def confusions(matrices: Mapping[str, np.ndarray], path: Path) -> None:
    """How often each digit was heard as each other, in per cent of the digit spoken."""
    from matplotlib.figure import Figure

    figure = Figure((9, 4.4), layout="constrained")
    axes: Any = figure.subplots(1, len(matrices), squeeze=False)
    for each, (title, counts) in zip(axes[0], matrices.items(), strict=True):
        per_cent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        each.imshow(per_cent, cmap="Blues", vmin=0, vmax=100)
        for (row, column), value in np.ndenumerate(per_cent):
            if value >= 0.5:
                colour = "white" if value > 55 else "#333333"
                each.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=colour)
        each.set(title=title, xlabel="heard", ylabel="spoken", xticks=range(10), yticks=range(10))
        each.tick_params(length=0)
        each.spines[:].set_visible(False)
    figure.savefig(path, facecolor="white")


def heard(spectrograms: np.ndarray, digits: Sequence[str], moved: Sequence[np.ndarray], path: Path) -> None:
    """Spectrograms above, and what each of their numbers adds to the digit heard below."""
    from matplotlib.figure import Figure

    figure = Figure((9, 5), layout="constrained")
    axes: Any = figure.subplots(2, len(digits), squeeze=False, sharex=True, sharey=True)
    for column, digit in enumerate(digits):
        above, below = axes[:, column]
        limit = float(np.quantile(abs(moved[column]), 0.99))
        above.imshow(spectrograms[column].T, origin="lower", aspect="auto", cmap="magma")
        below.imshow(moved[column].T, origin="lower", aspect="auto", cmap="PuOr_r", vmin=-limit, vmax=limit)
        above.set_title(digit, fontsize=11)
        below.set(xlabel="time →", xticks=[], yticks=[])
    axes[0, 0].set_ylabel("sound: pitch →")
    axes[1, 0].set_ylabel("what moved the answer")
    figure.savefig(path, facecolor="white", dpi=100)


def read(sound: np.ndarray, probabilities: np.ndarray, spoken: str, heard: str, path: Path) -> None:
    """A string's sound above, and below the probability of each digit at each step; the blank is left out."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    end = int(np.flatnonzero(sound)[-1]) + 1
    loudest = np.array([abs(part).max() for part in np.array_split(sound[:end], end // 80)])
    above.fill_between(np.linspace(0, end / 8000, len(loudest)), -loudest, loudest, color="#666666", linewidth=0)
    above.set(yticks=[], title=f"spoken {' '.join(spoken)}, read {' '.join(heard)}")
    time = np.arange(len(probabilities)) * STEP
    for digit, values in enumerate(probabilities.T[1:]):
        colour, before, behind = f"C{digit}", np.r_[0, values[:-1]], np.r_[values[1:], 0]
        below.fill_between(time, values, color=colour, alpha=0.35, linewidth=0)
        below.plot(time, values, color=colour, linewidth=1.2)
        for step in np.flatnonzero((values > 0.5) & (values >= before) & (values > behind)):
            below.text(time[step], values[step] + 0.03, str(digit), ha="center", fontsize=12, color=colour)
    below.set(xlim=(0, end / 8000), ylim=(0, 1.25), yticks=[0, 0.5, 1], xlabel="seconds", ylabel="probability")
    for each in (above, below):
        each.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, facecolor="white")
