"""Pictures of a classifier of images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import confusion_matrix

PLAIN = {"font.size": 9, "axes.titlesize": 9, "figure.facecolor": "white"}


def draw_mistakes(path: Path, classes: Sequence[str], x: np.ndarray, y: np.ndarray, outputs: np.ndarray) -> None:
    """Draw what is mistaken for what, and the images whose own class got the least probability."""
    predicted = outputs.argmax(axis=1)
    counts = confusion_matrix(y, predicted, labels=range(len(classes)))
    with plt.rc_context(PLAIN):
        figure = plt.figure(figsize=(10, 4.8), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=(1.1, 1))
        axes = left.subplots()
        mistakes = counts * (1 - np.eye(len(classes)))
        axes.imshow(mistakes, cmap="Oranges")
        for (row, column), count in np.ndenumerate(counts):
            if count:
                strong = mistakes[row, column] > mistakes.max() / 2
                axes.text(column, row, count, ha="center", va="center", size=8, color="white" if strong else "black")
        axes.set_xticks(range(len(classes)), classes, rotation=45 if len(max(classes, key=len)) > 2 else 0, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set(xlabel="answer", ylabel="class", title="Held-out images: orange are mistakes")
        doubtful = outputs[np.arange(len(y)), y].argsort()[:12]
        right.suptitle("Least probability for their own class", size=9)
        for each, row in zip(right.subplots(3, 4).flat, doubtful, strict=False):
            each.imshow(x[row], cmap="gray_r")
            each.set_title(f"{classes[y[row]]}\n→ {classes[predicted[row]]} {outputs[row].max():.0%}", size=8)
            each.axis("off")
        figure.savefig(path, dpi=100)
        plt.close(figure)


def draw_attributions(path: Path, explained: Sequence[tuple[str, np.ndarray, np.ndarray]], columns: int) -> None:
    """Draw images under the pixels that mattered: purple spoke for the answer, orange against it.

    Args:
        path: of the picture.
        explained: title, image, and the contribution of each pixel.
        columns: images side by side.
    """
    rows = -(-len(explained) // columns)
    with plt.rc_context(PLAIN):
        figure, axes = plt.subplots(rows, columns, figsize=(2 * columns, 2.2 * rows), layout="constrained")
        for each, (title, image, contributions) in zip(axes.flat, explained, strict=True):
            contributions = contributions.reshape(image.shape)
            limit = np.quantile(abs(contributions), 0.99)
            each.imshow(image, cmap="gray_r", alpha=0.45)
            each.imshow(
                contributions, cmap="PuOr", vmin=-limit, vmax=limit, alpha=(abs(contributions) / limit).clip(0, 1)
            )
            each.set_title(title)
            each.axis("off")
        figure.savefig(path, dpi=100)
        plt.close(figure)


def draw_filters(path: Path, filters: Mapping[str, np.ndarray]) -> None:
    """Draw the windows of first convolutions, shape (height, width, 1, filters): dark is positive."""
    with plt.rc_context(PLAIN):
        figure = plt.figure(figsize=(10, 1.6 * len(filters)), layout="constrained")
        parts = figure.subfigures(len(filters), 1, squeeze=False).flat
        for part, (name, weights) in zip(parts, filters.items(), strict=True):
            part.suptitle(name)
            limit = abs(weights).max()
            grid, windows = part.subplots(2, weights.shape[-1] // 2).flat, np.moveaxis(weights[:, :, 0], -1, 0)
            for axes, window in zip(grid, windows, strict=True):
                axes.imshow(window, cmap="PuOr", vmin=-limit, vmax=limit)
                axes.axis("off")
        figure.savefig(path, dpi=100)
        plt.close(figure)
