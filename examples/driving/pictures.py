"""Pictures of frames and steering angles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TRUE, NETWORK, OTHER = "#1b1b1b", "#d1495b", "#8d99ae"


def over_time(angle: np.ndarray, predicted: Mapping[str, np.ndarray], path: Path) -> None:
    """The driver's angle and the predicted ones, frame by frame."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.4), layout="constrained")
    axes: Any = figure.subplots()
    for (name, values), colour in zip(predicted.items(), (NETWORK, OTHER), strict=True):
        axes.plot(values, color=colour, linewidth=1.4, label=name, zorder=2 if colour == NETWORK else 1)
    axes.plot(angle, color=TRUE, linewidth=1.8, zorder=3, label="driver")
    axes.axhline(0, color="#cccccc", linewidth=0.8, zorder=0)
    axes.set(xlim=(0, len(angle) - 1), xlabel="held-out frame", ylabel="left    steering angle    right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0.2)
    figure.savefig(path, facecolor="white")


def frames(x: np.ndarray, angle: np.ndarray, predicted: np.ndarray, moved: Sequence[np.ndarray], path: Path) -> None:
    """Frames with both angles above, and what each pixel adds to the angle below."""
    from matplotlib.figure import Figure

    figure = Figure((9, 4.4), layout="constrained")
    axes: Any = figure.subplots(2, len(x), squeeze=False)
    for column, attribution in zip(range(len(x)), moved, strict=True):
        above, below = axes[:, column]
        above.imshow(x[column])
        wheel(above, angle[column], TRUE)
        wheel(above, predicted[column], NETWORK)
        above.set_title(f"driver {angle[column]:+.2f}, network {predicted[column]:+.2f}", fontsize=11)
        pixels = attribution.sum(axis=2)
        limit = np.quantile(abs(pixels), 0.997)
        below.imshow(x[column].mean(axis=2), cmap="gray", alpha=0.35)
        below.imshow(pixels, cmap="PuOr_r", vmin=-limit, vmax=limit, alpha=abs(pixels / limit).clip(0, 1) ** 0.6)
        for each in (above, below):
            each.set_axis_off()
    axes[1, 0].set_title("what moved the angle: orange to the right, purple to the left", fontsize=11, loc="left")
    figure.savefig(path, facecolor="white", dpi=110)


def wheel(axes: Any, angle: float, colour: str) -> None:
    """An arrow from the bottom of a frame into the direction of an angle."""
    x, y = 40 + 26 * np.sin(angle * np.pi / 2), 38 - 26 * np.cos(angle * np.pi / 2)
    arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.4, "shrinkA": 0, "shrinkB": 0}
    halo = {"arrowstyle": "-", "color": "white", "linewidth": 5, "shrinkA": 0, "shrinkB": 4}
    for style in (halo, arrow):
        axes.annotate("", (x, y), (40, 38), arrowprops=style)


def drive(x: np.ndarray, angle: np.ndarray, predicted: np.ndarray, mattered: Sequence[np.ndarray], path: Path) -> None:
    """The drive as an animation: the pixels that mattered are bright, and a gauge shows both angles."""
    from PIL import Image, ImageDraw

    images, brightest = [], np.quantile(mattered, 0.99)
    for frame, true, guess, importance in zip(x, angle, predicted, mattered, strict=True):
        light = 0.25 + 0.75 * (importance / brightest).clip(0, 1)[..., None]
        picture = Image.fromarray((frame * light).astype(np.uint8)).resize((320, 160), Image.Resampling.BICUBIC)
        canvas = Image.new("RGB", (320, 200), "white")
        canvas.paste(picture)
        pen = ImageDraw.Draw(canvas)
        pen.line((20, 188, 300, 188), fill="#bbbbbb")
        pen.line((160, 183, 160, 193), fill="#bbbbbb")
        for value, colour, top, name in ((true, TRUE, 168, "driver"), (guess, NETWORK, 176, "network")):
            end = 160 + 140 * float(np.clip(value, -1, 1))
            pen.rectangle((min(160, end), top, max(160, end), top + 6), fill=colour)
            pen.text((4 if value > 0 else 270, top - 3), name, fill=colour)
        images.append(canvas)
    images[0].save(path, save_all=True, append_images=images[1:], duration=100, loop=0, quality=60)
