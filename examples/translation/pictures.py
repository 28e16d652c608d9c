"""The picture of the translator's page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt


def draw_attention(path: Path, alignments: Sequence[Any]) -> None:
    """Draw which English words were looked at for each French word.

    Args:
        path: of the picture.
        alignments: what ``run.align`` returns.
    """
    with mpl.rc_context({"font.size": 10, "svg.hashsalt": "translation"}):
        columns = 2
        rows = -(-len(alignments) // columns)
        figure, grid = plt.subplots(rows, columns, figsize=(8.2, 3.9 * rows), layout="constrained", squeeze=False)
        for axes in grid.flat[len(alignments) :]:
            axes.remove()
        for axes, alignment in zip(grid.flat, alignments, strict=False):
            axes.imshow(alignment.weights, cmap="Blues", vmin=0, vmax=1)
            axes.set_xticks(
                range(len(alignment.source)), alignment.source, rotation=40, ha="left", rotation_mode="anchor"
            )
            axes.set_yticks(range(len(alignment.target)), alignment.target)
            axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
            axes.spines[:].set_visible(False)
            for i, row in enumerate(alignment.weights):
                for j, weight in enumerate(row):
                    if weight >= 0.1:
                        color = "white" if weight > 0.55 else "black"
                        axes.text(j, i, f"{weight:.2f}".lstrip("0"), ha="center", va="center", color=color, fontsize=8)
        figure.savefig(path, facecolor="white", metadata={"Date": None})
        plt.close(figure)
