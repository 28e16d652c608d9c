"""The curves and the confusion on the chatbot's page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, roc_curve

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "chatbot",
}
BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#8a8a8a"


def draw_roc(path: Path, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], threshold: float) -> None:
    """Draw how many sentences of each kind are refused, for every threshold.

    Args:
        path: of the picture.
        curves: by method, how unsure it is of the sentences in scope and out of scope; the first is the bot.
        threshold: of the bot.
    """
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.2, 4.2), layout="constrained")
        for (name, (inside, outside)), colour in zip(curves.items(), (BLUE, "#7aa9dc", ORANGE), strict=True):
            kinds = np.repeat([0, 1], [len(inside), len(outside)])
            refused, found, _ = roc_curve(kinds, np.concatenate([inside, outside]))
            axes.plot(refused, found, color=colour, label=name, linewidth=2 if colour == BLUE else 1.3)
        inside, outside = next(iter(curves.values()))
        at = float((inside > threshold).mean()), float((outside > threshold).mean())
        axes.plot(*at, "o", color=BLUE)
        axes.annotate("the bot's threshold", at, xytext=(12, -14), textcoords="offset points", color=BLUE)
        axes.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1)
        axes.set(xlabel="in-scope sentences refused", ylabel="out-of-scope sentences refused", xlim=(0, 1), ylim=(0, 1))
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.legend(frameon=False, loc="lower right")
        _save(figure, path)


def draw_confusion(path: Path, right: np.ndarray, answered: np.ndarray, shown: int = 12) -> None:
    """Draw the confusion of the intents that are confused most.

    Args:
        path: of the picture.
        right: the intent of each sentence.
        answered: the intent that was answered.
        shown: most intents.
    """
    names = np.unique(right)
    counts = confusion_matrix(right, answered, labels=names)
    wrong = np.triu(counts + counts.T, 1)
    pairs = np.argsort(-wrong, axis=None, kind="stable")
    chosen = list(dict.fromkeys(i for pair in pairs[:shown] for i in np.unravel_index(pair, wrong.shape)))[:shown]
    table = counts[np.ix_(chosen, chosen)]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.6, 5.2), layout="constrained")
        axes.imshow(table, cmap="Blues", vmin=0, vmax=counts.sum(axis=1).max())
        labels = [str(names[i]).replace("_", " ") for i in chosen]
        axes.set_xticks(range(len(chosen)), labels, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(chosen)), labels)
        axes.set(xlabel="answered", ylabel="meant")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        for (row, column), count in np.ndenumerate(table):
            if count:
                axes.text(column, row, str(count), ha="center", va="center", color="white" if count > 15 else "black")
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, facecolor="white", metadata={"Date": None})
    plt.close(figure)
