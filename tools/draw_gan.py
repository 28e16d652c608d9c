"""Draw the pictures of docs/guide/gan.md: points by a plain GAN and by WGAN-GP; digits of a run folder."""

import sys
from typing import Any

import numpy as np
from benchmarks.gan import CONTENDERS, EPOCHS, mixture_of, train

from pellucid.api import load
from pellucid.report.chart import ScatterChart, Series
from pellucid.report.print_figure import save_figure, to_matplotlib

SHOWN = 2000


def draw_points(samples: dict[tuple[str, str], np.ndarray]) -> Any:
    """One row a mixture, one column a contender."""
    charts = []
    for name in EPOCHS:
        mixture = mixture_of(name)
        for who in CONTENDERS:
            points = samples[name, who]
            series = [Series("generated", *points[:SHOWN].T), Series("centres", *np.array(mixture.centres).T)]
            charts.append(ScatterChart(f"{who}: {mixture.coverage(points)}", series, "x1", "x2", equal=True))
    return to_matplotlib(*charts, columns=len(CONTENDERS), width=360)


if __name__ == "__main__":
    drawn = {
        (name, who): train(name, loss, 0, EPOCHS[name]).sample(10_000)
        for name in EPOCHS
        for who, loss in CONTENDERS.items()
    }
    save_figure(draw_points(drawn), "docs/images/gan_points.png")
    for folder in sys.argv[1:]:
        save_figure(load(folder).plot_samples(100), "docs/images/gan_mnist.png")
