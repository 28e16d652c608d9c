"""Pictures of probabilities, of decisions, and of what moved one answer."""

from collections.abc import Mapping
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

BLUE, ORANGE, GREEN, GREY = "#1f5fa8", "#d9730d", "#3a8f4d", "#8a8a8a"
plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"})

Predictions = Mapping[str, np.ndarray]


def probabilities(cancer: Predictions, diabetes: Predictions, miss: float) -> Figure:
    """Draw ROC curves, the reliability of probabilities, and the cost of decisions by each threshold."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    roc(left, {"breast cancer": cancer, "diabetes": diabetes})
    methods = {"unregularised network": ORANGE, "unregularised network, calibrated": GREEN, "network, calibrated": BLUE}
    reliability(middle, diabetes, methods)
    costs(right, diabetes, methods, miss)
    return figure


def roc(axes: Any, data: Mapping[str, Predictions]) -> None:
    """Draw the ill that are found against the healthy that are alarmed."""
    for (name, predictions), colour in zip(data.items(), (BLUE, ORANGE), strict=True):
        for method, style in (("network", "-"), ("logistic regression", ":")):
            alarmed, found, _ = roc_curve(predictions["ill"], predictions[method])
            area = roc_auc_score(predictions["ill"], predictions[method])
            axes.plot(alarmed, found, style, color=colour, label=f"{name}, {method} ({area:.3f})")
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    axes.set(title="Who is found", xlabel="healthy that are alarmed", ylabel="ill that are found")
    axes.legend(frameon=False, fontsize=8, loc="lower right", title="area below the curve", title_fontsize=8)


def reliability(axes: Any, predictions: Predictions, methods: Mapping[str, str], bins: int = 8) -> None:
    """Draw how many of the patients of a probability are ill, with 95 % intervals."""
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    for i, (method, colour) in enumerate(methods.items()):
        parts = np.array_split(np.argsort(predictions[method]), bins)
        said = np.array([predictions[method][rows].mean() for rows in parts])
        ill = np.array([predictions["ill"][rows].mean() for rows in parts])
        low, high = np.array([interval(predictions["ill"][rows]) for rows in parts]).T
        bars = {"fmt": "o-", "ms": 4, "lw": 1.2, "elinewidth": 0.8}
        axes.errorbar(said + 0.006 * i, ill, [ill - low, high - ill], color=colour, label=method, **bars)
    axes.set(title="Can the probability be believed?", xlabel="probability that is said", ylabel="fraction that is ill")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def interval(ill: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the fraction that is ill."""
    limits = binomtest(int(ill.sum()), len(ill)).proportion_ci()
    return limits.low, limits.high


def costs(axes: Any, predictions: Predictions, methods: Mapping[str, str], miss: float) -> None:
    """Draw the cost of a hundred people by the threshold above which somebody is sent to the doctor."""
    thresholds, ill = np.linspace(0, 1, 201), predictions["ill"]
    for method, colour in methods.items():
        sent = predictions[method][:, None] > thresholds
        cost = 100 * (miss * (~sent & (ill == 1)[:, None]) + (sent & (ill == 0)[:, None])).mean(axis=0)
        axes.plot(thresholds, cost, color=colour, label=method)
    axes.axvline(1 / (miss + 1), color=GREY, lw=0.8)
    axes.axvline(1 / 2, color=GREY, lw=0.8)
    top = axes.get_ylim()[1]
    axes.annotate(f"1/{miss + 1}", (1 / (miss + 1) + 0.012, 0.97 * top), color=GREY, fontsize=9)
    axes.annotate("1/2", (0.512, 0.97 * top), color=GREY, fontsize=9)
    axes.set(title=f"A miss costs {miss} false alarms", xlabel="threshold", ylabel="cost of 100 people", xlim=(0, 1))
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def glass_box(importance: Any, explanation: Any) -> Figure:
    """Draw what each column is worth to the network, and what moved its answer for one patient."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    table = importance.table
    places = np.arange(len(table["column"]))[::-1]
    left.barh(places, table["importance"], xerr=table["std"], color=BLUE, height=0.6, error_kw={"lw": 0.8})
    left.set_yticks(places, table["column"])
    left.set(title="All unseen patients", xlabel="ROC AUC lost where the column is shuffled")
    moved = explanation.attribution.integrated
    order = np.argsort(abs(moved))
    names = [f"{explanation.facts.features[i]} {explanation.inputs[0].raw[i]:.3g}" for i in order]
    right.barh(range(len(order)), moved[order], color=[BLUE if v > 0 else ORANGE for v in moved[order]], height=0.6)
    right.set_yticks(range(len(order)), names)
    right.axvline(0, color="black", lw=0.8)
    answer = dict(explanation.facts.answer)
    right.set(title=f"One patient: diabetes with {answer['Yes']:.0%}", xlabel="what it adds to the log-odds")
    return figure
