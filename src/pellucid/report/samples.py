"""What a generator makes, beside what is real."""

import numpy as np

from pellucid.report import picture
from pellucid.report.old_chart import Series, line_chart, scatter_chart
from pellucid.report.page import Html, element, figure, figures, image, section

BINS = 30


def show_samples(samples: np.ndarray, real: np.ndarray, scores: tuple[np.ndarray, np.ndarray]) -> Html:
    """The section on generated examples beside real ones, and the critic's scores of both.

    Args:
        samples: generated examples, in the units of the data, shape (count, *input_shape).
        real: as many real ones.
        scores: the critic's of each, in this order, shape (count,).
    """
    shown: list[Html] = []
    if picture.is_picture(samples.shape[1:]):
        low, high = picture.limits(real)
        for examples, title in ((samples, "generated examples"), (real, "real examples")):
            sheet = image(picture.montage(picture.shades(examples, low, high)), title)
            shown.append(figure(element("div", sheet, class_="pixels"), title))
    elif samples.shape[1:] == (2,):
        points = [Series(name, *array.T) for name, array in (("generated", samples), ("real", real))]
        shown.append(figure(scatter_chart("generated and real points", points, x_label="x1", equal=True)))
    edges = np.histogram_bin_edges(np.concatenate(scores), BINS)
    lines = [
        Series(name, (edges[:-1] + edges[1:]) / 2, np.histogram(score, edges)[0].astype(float))
        for name, score in zip(("generated", "real"), scores, strict=True)
    ]
    chart = line_chart("the critic's scores", lines, x_label="score, higher for more real", log=False)
    caption = (
        f"How many of {len(samples):,} examples of each kind. The further apart the two lie, the better the critic "
        "still tells them apart."
    )
    return section("Generated examples", figures(*shown, figure(chart, caption)))
