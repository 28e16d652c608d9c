"""Numbers predicted for held-out rows, a target or the inputs themselves: errors, and the largest of them."""

import numpy as np

from pellucid.data import Dataset, Part
from pellucid.report import picture
from pellucid.report.old_chart import Series, bar_chart, scatter_chart
from pellucid.report.examples import MOST_COLUMNS, features_of, show_examples
from pellucid.report.page import Content, Html, element, figure, figures, image, number, paragraph, section, table

MOST_POINTS, MOST_OUTPUTS = 1000, 4
"""Points of a scatter, taken evenly from the rows; outputs of a regression that are drawn."""
PAIRS, LINE = 20, 10
"""Reconstructions shown, and how many of them side by side."""


def judge_numbers(data: Dataset, part: Part, outputs: np.ndarray) -> Html:
    """Predicted against true, the residuals, and the largest of them."""
    true, predicted = part.y.astype(float), outputs.reshape(part.y.shape).astype(float)
    residuals = predicted - true
    names = [f"output {i + 1}" for i in range(true.shape[1])] if true.shape[1] > 1 else ["target"]
    spread = np.square(true - true.mean(axis=0)).sum(axis=0)
    rows = [
        [
            name,
            float(1 - np.square(residuals[:, i]).sum() / spread[i]) if spread[i] else float("nan"),
            float(np.sqrt(np.square(residuals[:, i]).mean())),
            float(np.abs(residuals[:, i]).mean()),
            float(residuals[:, i].mean()),
        ]
        for i, name in enumerate(names)
    ]
    head = ("", "R²", "root mean squared error", "mean absolute error", "mean error")
    even = np.unique(np.linspace(0, len(part) - 1, min(len(part), MOST_POINTS)).astype(int))
    charts = []
    for i, name in enumerate(names[:MOST_OUTPUTS]):
        counts, edges = np.histogram(residuals[:, i], min(41, max(8, int(np.sqrt(len(part))))))
        points = Series(name, true[even, i], predicted[even, i])
        residual = Series(name, predicted[even, i], residuals[even, i])
        charts += [
            figure(
                scatter_chart(f"{name}: predicted against true", [points], x_label="true", diagonal=True),
                "On the dashed line the prediction is right.",
            ),
            figure(bar_chart(f"{name}: residuals", edges, counts, x_label="predicted − true")),
            figure(scatter_chart(f"{name}: residual against predicted", [residual], x_label="predicted")),
        ]
    size = np.abs(residuals / (true.std(axis=0) + 1e-12)).max(axis=1)
    worst = np.argsort(-size, kind="stable")

    def said(row: int) -> list[Content]:
        return [", ".join(map(number, values)) for values in (true[row], predicted[row], residuals[row])]

    return Html(
        section("Predictions", table(head, rows), figures(*charts))
        + section(
            "Worst mistakes",
            paragraph("The rows with the largest errors, first the largest."),
            show_examples(data, part, worst, ("true", "predicted", "error"), said),
        )
    )


def judge_reconstruction(data: Dataset, part: Part, outputs: np.ndarray) -> Html:
    """What an autoencoder makes of its inputs, how large the errors are, and the rows with the largest."""
    back = data.preprocessing.invert_numpy(outputs.reshape(part.x.shape))
    wanted = data.preprocessing.apply_numpy(part.x)
    squares = np.square(outputs.reshape(part.x.shape).astype(float) - wanted)
    errors = squares.reshape(len(part), -1).mean(axis=1)
    counts, edges = np.histogram(errors, min(41, max(8, int(np.sqrt(len(part))))))
    chart = figure(bar_chart("squared error of each row", edges, counts, x_label="mean over its numbers"))
    order = np.argsort(-errors, kind="stable")
    if picture.is_picture(data.input_shape):
        half = len(order) // 2
        middle = _pairs(part.x, back, order[max(0, half - PAIRS // 2) : half + PAIRS // 2])
        return Html(
            section("Reconstructions", paragraph("Held-out rows of middling error."), middle, figures(chart))
            + section("Worst mistakes", paragraph("Those of the largest error."), _pairs(part.x, back, order[:PAIRS]))
        )
    mean = squares.mean(axis=0).ravel()
    spread = wanted.var(axis=0, dtype=float).ravel()
    names = features_of(data)[:MOST_COLUMNS]
    rows = [
        [name, float(mean[i]), float(1 - mean[i] / spread[i]) if spread[i] else float("nan")]
        for i, name in enumerate(names)
    ]

    def said(row: int) -> list[Content]:
        return [float(errors[row])]

    worst = show_examples(data, part, order, ("squared error",), said)
    by_input = table(("input", "squared error, scaled", "R²"), rows)
    return Html(section("Reconstructions", by_input, figures(chart)) + section("Worst mistakes", worst))


def _pairs(given: np.ndarray, back: np.ndarray, rows: np.ndarray) -> Html:
    """Examples, and below each what the network gave back, in lines of equal length."""
    low, high = picture.limits(given)
    lines = []
    for start in range(0, len(rows), LINE):
        of_line = rows[start : start + LINE]
        tiles = picture.shades(np.concatenate([given[of_line], back[of_line]]), low, high)
        sheet = image(picture.montage(tiles, columns=len(of_line)), "inputs, and below them their reconstructions")
        lines.append(figure(element("div", sheet, class_="pixels")))
    return Html(
        figures(*lines, kind="large") + paragraph("Above each input, below what the network made of it.", kind="quiet")
    )
