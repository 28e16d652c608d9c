"""What a classifier's probabilities are worth: ROC, precision-recall and calibration curves of held-out rows.

scikit-learn's functions give the same, and their import takes longer than the page of a run.
"""

from collections.abc import Sequence

import numpy as np

from pellucid.report.chart import LineChart, Series
from pellucid.report.document import Block, Figure, number
from pellucid.report.drawing import COLOURS

BINS = 10
"""Of a calibration curve, each of as many rows …"""
LEAST_ROWS = 10
"""… and of at least so many: of fewer, their fraction says nothing."""


def threshold_curves(true: np.ndarray, p: np.ndarray, names: Sequence[str], calibrated: bool) -> list[Block]:
    """Plot the curves of the second of two classes, or of each of more against all others.

    Args:
        true: the true class of each row.
        p: probabilities, (rows, classes).
        names: of the classes.
        calibrated: True where what is shown are probabilities, not scores.
    """
    chosen = [k for k in range(len(names)) if 0 < np.count_nonzero(true == k) < len(true)]
    if len(names) == 2:
        chosen = chosen[1:]
    if not chosen:
        return []
    curves = {k: roc_curve((true == k).astype(int), p[:, k]) for k in chosen}
    which = ""
    if len(chosen) > len(COLOURS) - 1:
        chosen = sorted(chosen, key=lambda k: curves[k][2])[: len(COLOURS) - 1]
        which = f" The {len(chosen)} classes of the smallest area, of {len(names):,}."
    blocks = [_roc(curves, chosen, names, which), _precision_recall(true, p, chosen, names)]
    return [*blocks, _calibration(true, p, names) if calibrated else None]


def _roc(curves: dict, chosen: Sequence[int], names: Sequence[str], which: str) -> Block:
    lines = [
        Series(f"{'network' if len(names) == 2 else names[k]}, area {number(curves[k][2], 3)}", *curves[k][:2])
        for k in chosen
    ]
    chart = LineChart(
        "ROC curve",
        [*lines, Series("guessing, area 0.5", [0, 1], [0, 1])],
        "false positive rate",
        "true positive rate",
        log=False,
        fractions=True,
    )
    if len(names) > 2:
        return Figure(
            chart,
            "For every threshold of a class's probability, the fraction of all other rows (across) and of its own rows "
            f"(up) that are above it.{which}",
        )
    return Figure(
        chart,
        f"For every threshold of the probability, the fraction of “{names[0]}” rows (across) and of “{names[1]}” rows "
        f"(up) that are predicted as “{names[1]}”.",
    )


def _precision_recall(true: np.ndarray, p: np.ndarray, chosen: Sequence[int], names: Sequence[str]) -> Block:
    lines, average = [], 0.0
    for k in chosen:
        precision, recall, average = precision_recall_curve((true == k).astype(int), p[:, k])
        lines.append(Series(f"{names[k]}, mean {number(average, 3)}", recall, precision))
    title = "Precision and recall" + (f", mean {number(average, 3)}" if len(lines) == 1 else "")
    chart = LineChart(title, lines, "recall", "precision", log=False, fractions=True)
    what = f"“{names[1]}”" if len(names) == 2 else "a class"
    return Figure(
        chart,
        f"For every threshold, the fraction of the rows of {what} that are found (across), and the fraction of the "
        "rows predicted so that are right (up). The mean is the average precision.",
    )


def _calibration(true: np.ndarray, p: np.ndarray, names: Sequence[str]) -> Block:
    bins = min(BINS, len(true) // LEAST_ROWS)
    if bins < 2:
        return None
    if len(names) == 2:
        chance, hit, label = p[:, 1], true == 1, f"probability of “{names[1]}”"
        what = f"the fraction of them that are “{names[1]}”"
    else:
        chance, hit, label = p.max(axis=1), true == p.argmax(axis=1), "probability of the predicted class"
        what = "the fraction of them that are predicted rightly"
    mean, fraction, error = calibration_curve(hit, chance, bins)
    lines = [Series(f"network, error {number(error, 2)}", mean, fraction), Series("calibrated", [0, 1], [0, 1])]
    chart = LineChart("Calibration", lines, label, "fraction", log=False, fractions=True)
    return Figure(
        chart,
        f"Rows in {bins} bins of as many, by their probability (across), and {what} (up). Below the line the network "
        "is too sure. The error is the mean distance from it.",
    )


def roc_curve(true: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Compute false and true positive rates for all thresholds, from the highest, and the area under the curve.

    Example:
        >>> false, found, area = roc_curve(np.array([0, 1, 1]), np.array([0.2, 0.7, 0.9]))
        >>> false.tolist(), found.tolist(), float(area)
        ([0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 1.0, 1.0], 1.0)

    Source: Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 27, 2006.
    """
    found, false = (np.append(0, counts) for counts in _counts(true, scores))
    found, false = found / found[-1], false / false[-1]
    return false, found, np.trapezoid(found, false)


def precision_recall_curve(true: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Compute precision and recall for all thresholds, from the highest, and the average precision.

    Example:
        >>> precision, recall, average = precision_recall_curve(np.array([0, 1, 1]), np.array([0.7, 0.2, 0.9]))
        >>> precision.round(2).tolist(), recall.tolist(), round(float(average), 3)
        ([1.0, 1.0, 0.5, 0.67], [0.0, 0.5, 0.5, 1.0], 0.833)
    """
    found, false = _counts(true, scores)
    precision, recall = found / (found + false), found / found[-1]
    average = (np.diff(np.append(0, recall)) * precision).sum()
    return np.append(1, precision), np.append(0, recall), average


def calibration_curve(true: np.ndarray, chance: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Compute mean probability and fraction of hits in bins of as many rows, and the expected calibration error.

    Source: Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015.

    Example:
        >>> mean, fraction, error = calibration_curve(np.array([0, 1, 1, 1]), np.array([0.1, 0.3, 0.8, 0.8]), 2)
        >>> mean.round(2).tolist(), fraction.tolist(), round(float(error), 2)
        ([0.2, 0.8], [0.5, 1.0], 0.25)
    """
    edges = np.percentile(chance, np.linspace(0, 100, bins + 1))
    bin_of = np.searchsorted(edges[1:-1], chance)
    rows, held = np.bincount(bin_of, minlength=bins), np.bincount(bin_of, chance, bins)
    hits, some = np.bincount(bin_of, true, bins), rows > 0
    mean, fraction = held[some] / rows[some], hits[some] / rows[some]
    return mean, fraction, np.average(np.abs(mean - fraction), weights=rows[some])


def _counts(true: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows found and rows taken wrongly at each threshold, from the highest."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found, false = (np.cumsum(kind[order])[ends] for kind in (true, 1 - true))
    return found, false
