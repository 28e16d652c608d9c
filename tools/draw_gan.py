"""Draw the pictures of docs/gan.md: points by a plain GAN and by WGAN-GP; digits of the run folder that is given."""

import sys
from typing import Any

import numpy as np
from benchmarks.gan import CONTENDERS, EPOCHS, mixture_of, train
from matplotlib.figure import Figure

from pellucid.api import load
from pellucid.report.drawing import COLOURS

SHOWN = 2000


def draw_points(samples: dict[tuple[str, str], np.ndarray]) -> Any:
    """One row a mixture, one column a contender."""
    figure = Figure(figsize=(7, 7.4), layout="constrained")
    panels = figure.subplots(len(EPOCHS), len(CONTENDERS))
    for row, name in zip(panels, EPOCHS, strict=True):
        mixture = mixture_of(name)
        for axes, who in zip(row, CONTENDERS, strict=True):
            points = samples[name, who]
            reach = 1.25 * np.abs(mixture.centres).max()
            axes.scatter(*np.array(mixture.centres).T, s=60, c=COLOURS[1], lw=0, alpha=0.35)
            axes.scatter(*points[:SHOWN].T, s=3, c=COLOURS[0], lw=0)
            axes.set(title=f"{who}: {mixture.coverage(points)}", xlim=(-reach, reach), ylim=(-reach, reach))
            axes.title.set_fontsize(9)
            axes.set_aspect("equal")
            axes.set_axis_off()
    return figure


if __name__ == "__main__":
    drawn = {
        (name, who): train(name, loss, 0, EPOCHS[name]).sample(10_000)
        for name in EPOCHS
        for who, loss in CONTENDERS.items()
    }
    draw_points(drawn).savefig("docs/images/gan_points.png", dpi=110)
    for folder in sys.argv[1:]:
        load(folder).draw(100).savefig("docs/images/gan_mnist.png", dpi=100)
