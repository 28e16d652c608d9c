"""Generated examples beside real ones."""

import numpy as np

from pellucid.core.errors import ShapeError
from pellucid.report.chart import ImageGrid, LineChart, ScatterChart, Series
from pellucid.report.document import Chart, Columns, Figure, Section
from pellucid.report.picture import is_picture

BINS = 30


def sample_chart(samples: np.ndarray, real: np.ndarray | None = None) -> Chart:
    """Plot generated examples, images in a grid or points of a plane, the latter with real ones where given.

    Raises:
        ShapeError: samples that are neither images nor points of a plane.
    """
    if samples.shape[1:] == (2,):
        points = [Series("generated", *samples.T), *([] if real is None else [Series("real", *real.T)])]
        title = "generated points" if real is None else "generated and real points"
        return ScatterChart(title, points, "x1", "x2", equal=True)
    if samples.ndim not in (3, 4):
        raise ShapeError(f"samples are plotted as images or as points of a plane. Received: shape {samples.shape}.")
    return ImageGrid("generated examples", samples)


def samples_section(samples: np.ndarray, real: np.ndarray, scores: tuple[np.ndarray, np.ndarray]) -> Section:
    """Show generated examples beside as many real ones, and the critic's scores of each, in this order."""
    shown: list[Chart] = []
    if is_picture(samples.shape[1:]):
        shown = [sample_chart(samples), ImageGrid("real examples", real)]
    elif samples.shape[1:] == (2,):
        shown = [sample_chart(samples, real)]
    edges = np.histogram_bin_edges(np.concatenate(scores), BINS)
    lines = [
        Series(name, (edges[:-1] + edges[1:]) / 2, np.histogram(score, edges)[0].astype(float))
        for name, score in zip(("generated", "real"), scores, strict=True)
    ]
    chart = LineChart("the critic's scores", lines, "score, higher for more real", "examples", log=False)
    caption = (
        f"Number of {len(samples):,} examples of each kind. The further apart the two lie, the better the critic "
        "still distinguishes them."
    )
    return Section("Generated examples", Columns(*shown, Figure(chart, caption)))
