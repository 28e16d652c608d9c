"""Pictures of scenes and boxes."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from examples.object_detection.scenes import Scenes

PLAIN = {"font.size": 9, "axes.titlesize": 9, "figure.facecolor": "white"}
TRUE, FOUND = "tab:blue", "tab:orange"


def draw_box(axes: Axes, box: Sequence[float], colour: str) -> None:
    """Draw a box over an image."""
    left, top, right, bottom = np.asarray(box) - 0.5
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=2))


def draw_scenes(path: Path, scenes: Scenes, digits: np.ndarray, boxes: np.ndarray, common: np.ndarray) -> None:
    """Draw twelve scenes as they come, and the four whose box is worst: the true box blue, the one found orange."""
    rows = [*range(12), *common.argsort()[:4]]
    with plt.rc_context(PLAIN):
        figure, grid = plt.subplots(2, 8, figsize=(12, 3.6), layout="constrained")
        for axes, row in zip(grid.T.flat, rows, strict=True):
            axes.imshow(scenes.x[row], cmap="gray")
            draw_box(axes, scenes.boxes[row], TRUE)
            draw_box(axes, boxes[row], FOUND)
            right = str(digits[row]) == str(scenes.digits[row])
            axes.set_title(f"{digits[row]}{'' if right else f', is {scenes.digits[row]}'}  IoU {common[row]:.2f}")
            axes.axis("off")
        figure.savefig(path, dpi=90)
        plt.close(figure)


def draw_pixels(path: Path, explained: Sequence[tuple[np.ndarray, Sequence[np.ndarray]]]) -> None:
    """Draw scenes, below them the pixels that moved the class, and those that moved the box."""
    with plt.rc_context(PLAIN):
        figure, grid = plt.subplots(
            3, len(explained), figsize=(2.2 * len(explained), 6.4), layout="constrained", squeeze=False
        )
        for column, (scene, contributions) in zip(grid.T, explained, strict=True):
            column[0].imshow(scene, cmap="gray")
            for axes, values in zip(column[1:], contributions, strict=True):
                values = values.reshape(scene.shape)
                limit = np.quantile(abs(values), 0.995)
                axes.imshow(scene, cmap="gray_r", alpha=0.3)
                axes.imshow(values, cmap="PuOr", vmin=-limit, vmax=limit, alpha=(abs(values) / limit).clip(0, 1))
        for axes, name in zip(grid[:, 0], ("scene", "which digit", "where"), strict=True):
            axes.set_ylabel(name)
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[])
        figure.savefig(path, dpi=90)
        plt.close(figure)
