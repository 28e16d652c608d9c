"""The figure of a comparison. Needs the extra ``plot`` (matplotlib)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.report.figures import COLOURS, STYLES, figure_class

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CURVES = len(COLOURS)
"""Most learning curves of a figure: more cannot be told apart."""


def draw_comparison(
    labels: Sequence[str],
    values: np.ndarray,
    intervals: np.ndarray,
    curves: np.ndarray,
    *,
    name: str,
    reference: int,
    higher_is_better: bool,
) -> Any:
    """Each setting with its seeds, mean and interval; beside them the learning curves.

    Args:
        labels: each setting in words.
        values: the figure compared, shape (settings, seeds); NaN is left out.
        intervals: low and high of each mean, shape (settings, 2).
        curves: the same figure by epoch, shape (settings, seeds, epochs); NaN after a training's end.
        name: what the figure is called.
        reference: the setting that the others are held against; a line marks its mean.
        higher_is_better: decides which settings have their curves drawn, where there are too many.

    Returns:
        A ``matplotlib.figure.Figure``; a notebook shows it, ``figure.savefig(path)`` writes it.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    count = len(labels)
    height = max(3.6, 0.32 * count + 1.4)
    figure = figure_class("drawing a comparison")(figsize=(12, height), layout="constrained")
    dots, lines = figure.subplots(1, 2, width_ratios=(1.15, 1))
    means = np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in values])
    order = np.argsort(-means if higher_is_better else means)  # NaN comes last
    drawn = sorted(order[:CURVES].tolist())
    place_of = {setting: place for place, setting in enumerate(drawn)}

    if np.isfinite(means[reference]):
        dots.axvline(means[reference], color="0.7", lw=1, ls=":", zorder=0)
    for i in range(count):
        place = place_of.get(i)
        colour = "0.35" if place is None else COLOURS[place]
        dots.plot(values[i], np.full(values.shape[1], i + 0.22), "|", color=colour, ms=6, mew=1, alpha=0.6)
        dots.plot(intervals[i], (i, i), "-", color=colour, lw=2.2, solid_capstyle="butt")
        dots.plot(means[i], i, "o" if place is None else MARKERS[place], color=colour, ms=6)
        if not np.isfinite(means[i]):
            dots.text(0.5, i, "diverged", transform=dots.get_yaxis_transform(), ha="center", va="center")
    dots.set_yticks(range(count), labels)
    dots.set_ylim(count - 0.4, -0.6)
    dots.set_xlabel(f"{name}: mean, 95 % interval, each seed")

    epochs = np.arange(1, curves.shape[2] + 1)
    for i in drawn:
        with_all = np.isfinite(curves[i]).all(axis=0)
        if not with_all.any():
            continue
        x, place = epochs[with_all], place_of[i]
        mean, spread = (statistic(curves[i][:, with_all], axis=0) for statistic in (np.mean, np.std))
        style = STYLES[place % len(STYLES)]
        every = max(1, len(x) // 6)
        marks = {"marker": MARKERS[place], "markevery": every, "ms": 4.5}
        lines.plot(x, mean, style, color=COLOURS[place], lw=1.6, label=labels[i], **marks)
        lines.fill_between(x, mean - spread, mean + spread, color=COLOURS[place], alpha=0.13, lw=0)
    best = f", the {CURVES} best settings" if count > CURVES else ""
    lines.set_xlabel(f"epoch (mean ± standard deviation{best})")
    lines.set_ylabel(name)
    if lines.lines:
        lines.legend(frameon=False, fontsize="small")
    for axes in (dots, lines):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
