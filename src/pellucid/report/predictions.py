"""Predictions compared with the truth on held-out rows, for every task."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pellucid.data import Dataset, Part
from pellucid.data.targets import AS_ROWS
from pellucid.functions.losses import Reads
from pellucid.report.chart import HeatMap, Histogram, ImageGrid, ScatterChart, Series
from pellucid.report.document import Block, Columns, Figure, Inline, Section, Table, number, percent
from pellucid.report.examples import MOST_COLUMNS, example_table, examples, features_of
from pellucid.report.picture import is_picture
from pellucid.report.threshold_curves import threshold_curves

MOST_CLASSES = 20
"""Of a confusion matrix; of more classes the pairs most often confused are listed."""
MOST_LISTED = 100
"""Of the table by class; of more classes those told worst are listed."""
MOST_POINTS, MOST_OUTPUTS = 1000, 4
"""Points of a scatter, taken evenly from the rows; outputs of a regression that are plotted."""
SCORES = "The loss reads scores, not probabilities: what is shown as such is their sigmoid or softmax."
PAIRS = 10
"""Reconstructions shown side by side."""


def prediction_sections(
    data: Dataset, outputs: np.ndarray, reads: Reads | None = None, boundary: Block = None
) -> list[Block]:
    """Write the sections on the outputs for the held-out rows; none for an answer at each step of a sequence."""
    part = data.held_out
    if part is None or (data.task != "reconstruction" and outputs.ndim != 2):
        return []
    valid = np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
    if not valid.all():
        return [Section("Predictions", f"{int((~valid).sum()):,} held-out rows have outputs that are not finite.")]
    match data.task:
        case "binary" | "multiclass":
            return _of_classes(data, part, probabilities_of(outputs, reads), reads, boundary)
        case "multilabel":
            return _of_labels(data, part, outputs, 0.0 if _is_raw(outputs, reads) else 0.5)
        case "reconstruction":
            return _of_reconstructions(data, part, outputs)
        case _:
            return _of_numbers(data, part, outputs)


def steps_as_rows(data: Dataset, real: np.ndarray) -> Dataset:
    """The held-out steps of sequences that count, each as a row.

    Args:
        data: with a target at each step.
        real: mask of the steps that count, (rows, steps).
    """
    part = data.held_out
    assert part is not None
    x = part.x
    if not data.inputs:
        x = part.x.reshape(*real.shape, -1)[real] if part.x.shape[:2] == real.shape else np.zeros((real.sum(), 0))
    else:
        x = tuple(np.zeros((real.sum(), 0)) for _ in data.inputs)
    weights = None if part.weights is None else np.repeat(part.weights, real.sum(axis=1))
    rows = Part(x, part.y[real], weights)
    return replace(data, train=rows, held_out=rows, task=AS_ROWS[data.task], features=(), encoder=None)


def probabilities_of(outputs: np.ndarray, reads: Reads | None = None) -> np.ndarray:
    """Compute a classifier's probabilities, one column a class; logits, margins and scores by sigmoid or softmax.

    Example:
        >>> probabilities_of(np.array([[0.25]])).tolist(), probabilities_of(np.array([[5.0, 5.0]])).tolist()
        ([[0.75, 0.25]], [[0.5, 0.5]])
    """
    x, raw = np.asarray(outputs, float), _is_raw(outputs, reads)
    if x.shape[1] == 1:
        p = 1 / (1 + np.exp(-np.clip(x, -500, 500))) if raw else np.clip(x, 0, 1)
        return np.hstack([1 - p, p])
    if raw or (reads is None and not np.allclose(x.sum(axis=1), 1, atol=1e-3)):
        powers = np.exp(x - x.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    return np.clip(x, 0, 1)  # numbers fitted to 0 and 1 leave that range


def _is_raw(outputs: np.ndarray, reads: Reads | None) -> bool:
    """Whether outputs are no probabilities yet."""
    if reads is None:
        return not bool((outputs >= 0).all() and (outputs <= 1).all())
    return reads not in ("probabilities", "numbers")


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count the rows of each true class (rows) that were given each class (columns).

    scikit-learn's function gives the same, and costs a second to import.

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def precision_recall(hits: np.ndarray, given: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Precision, recall and F1, shape (classes, 3), of each class by its rows hit, given it and true; 0 of no rows.

    Example:
        >>> precision_recall(np.array([1, 1]), np.array([2, 1]), np.array([1, 2])).round(2).tolist()
        [[0.5, 1.0, 0.67], [1.0, 0.5, 0.67]]
    """
    sizes = (given, true, (given + true) / 2)
    return np.stack([hits / np.where(size > 0, size, 1) for size in sizes], axis=1)


def _of_classes(data: Dataset, part: Part, p: np.ndarray, reads: Reads | None, boundary: Block) -> list[Block]:
    true = part.labels
    predicted = p.argmax(axis=1)
    names = data.classes or tuple(map(str, range(p.shape[1])))
    wrong = np.flatnonzero(predicted != true)
    worst = wrong[np.argsort(p[wrong, true[wrong]], kind="stable")]

    def cells(row: int) -> list[Inline]:
        return [names[true[row]], names[predicted[row]], percent(p[row].max()), percent(p[row, true[row]])]

    def caption(row: int) -> str:
        return f"{names[true[row]]}, predicted {names[predicted[row]]} with {percent(p[row].max())}"

    summary = f"{len(wrong):,} of {len(part):,} held-out rows are predicted wrongly"
    summary += "; first those whose true class was given the least probability." if len(wrong) else "."
    raw = reads in ("margins", "scores")
    head = ("true", "predicted", "probability", "of the true class")
    return [
        Section(
            "Predictions",
            SCORES if raw else None,
            Columns(boundary, _confusion(true, predicted, names), *threshold_curves(true, p, names, not raw)),
            _per_class(true, predicted, names),
        ),
        Section("Worst mistakes", summary, examples(data, part, worst, head, cells, caption)),
    ]


def _confusion(true: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Block:
    if len(names) > MOST_CLASSES:  # not by the matrix: of 10,000 classes it would take 800 MB
        wrong = true != predicted
        pairs, numbers = np.unique(np.stack([true[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True)
        most = np.argsort(-numbers, kind="stable")[:MOST_CLASSES]
        rows = [(*(names[int(k)] for k in pairs[i]), int(numbers[i])) for i in most]
        return Table(("true class", "predicted as", "rows"), rows, "The classes most often confused")
    counts = confusion_matrix(true, predicted, len(names))
    # The square root brings out small fractions, which are the mistakes.
    shades = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    return Figure(
        HeatMap("confusion matrix", counts, names, names, "predicted", "true class", shades=shades),
        "Rows of each true class by the class predicted; the darker, the larger the fraction of its true class.",
    )


def _per_class(true: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Table:
    found, of_class, given = (
        np.bincount(rows, minlength=len(names)) for rows in (true[predicted == true], true, predicted)
    )
    scores = precision_recall(found, given, of_class)
    listed, which = range(len(names)), ""
    if len(names) > MOST_LISTED:
        known = np.flatnonzero(of_class)
        listed = known[np.argsort(scores[known, 2], kind="stable")[:MOST_CLASSES]].tolist()
        which = f" The {len(listed)} classes of the lowest F1, of {len(names):,}."
    rows = [(names[i], *scores[i], of_class[i], given[i]) for i in listed]
    rows.append(("mean of classes", *scores.mean(axis=0), len(true), len(true)))
    caption = "Precision: correct fraction of the rows predicted as the class. Recall: fraction of its rows found."
    return Table(("class", "precision", "recall", "F1", "rows", "predicted"), rows, caption + which)


def _of_labels(data: Dataset, part: Part, outputs: np.ndarray, threshold: float) -> list[Block]:
    known = ~np.isnan(part.y)  # what is not known is neither hit nor missed
    given, true, names = (outputs > threshold) & known, part.y > 0.5, data.classes
    scores = precision_recall((given & true).sum(axis=0), given.sum(axis=0), true.sum(axis=0))
    rows = [(name, *scores[i], true[:, i].sum(), given[:, i].sum()) for i, name in enumerate(names)]
    mistakes = (given != true).sum(axis=1)
    worst = np.argsort(-mistakes, kind="stable")[: np.count_nonzero(mistakes)]

    def cells(row: int) -> list[Inline]:
        labels = [", ".join(names[i] for i in np.flatnonzero(flags[row])) or "none" for flags in (true, given)]
        return [*labels, int(mistakes[row])]

    exact, unknown = percent((mistakes == 0).mean()), int((~known).sum())
    summary = f"All labels are right for {exact} of the {len(part):,} held-out rows."
    if unknown:
        summary = f"All known labels{summary.removeprefix('All labels')} {unknown:,} labels are not known."
    return [
        Section("Predictions", summary, Table(("label", "precision", "recall", "F1", "rows", "predicted"), rows)),
        Section("Worst mistakes", examples(data, part, worst, ("true", "predicted", "wrong labels"), cells)),
    ]


def _of_numbers(data: Dataset, part: Part, outputs: np.ndarray) -> list[Block]:
    true, predicted = part.y.astype(float), outputs.reshape(part.y.shape).astype(float)
    residuals = predicted - true
    several = true.shape[1] > 1
    names = list(data.targets) or ([f"output {i + 1}" for i in range(true.shape[1])] if several else ["target"])
    r2 = _r2(np.square(residuals), true)
    rmse, mae, mean = np.sqrt(_mean(np.square(residuals))), _mean(np.abs(residuals)), _mean(residuals)
    rows = list(zip(names, r2, rmse, mae, mean, strict=True))
    even = np.unique(np.linspace(0, len(part) - 1, min(len(part), MOST_POINTS)).astype(int))
    charts: list[Block] = []
    for i, name in enumerate(names[:MOST_OUTPUTS]):
        of = f"{name}: " if several else ""
        points = Series(name, true[even, i], predicted[even, i])
        residual = Series(name, predicted[even, i], residuals[even, i])
        charts += [
            Figure(
                ScatterChart(f"{of}predicted against true", [points], "true", "predicted", diagonal=True, equal=True),
                "On the dashed line the prediction is right.",
            ),
            Columns(
                _histogram(f"{of}residuals", residuals[:, i], "predicted − true", marker=0.0),
                ScatterChart(f"{of}residual against predicted", [residual], "predicted", "predicted − true"),
            ),
        ]
    size = np.nan_to_num(np.abs(residuals / (np.nanstd(true, axis=0) + 1e-12))).max(axis=1)
    worst = np.argsort(-size, kind="stable")

    def cells(row: int) -> list[Inline]:
        columns = (true[row], predicted[row], residuals[row])
        return [", ".join(map(number, values)) if several else float(values[0]) for values in columns]

    mistakes = examples(data, part, worst, ("true", "predicted", "error"), cells)
    head = ("", "R²", "root mean squared error", "mean absolute error", "mean error")
    return [
        Section("Predictions", Columns(*charts), Table(head, rows)),
        Section("Worst mistakes", "The rows with the largest errors, first the largest.", mistakes),
    ]


def _r2(squares: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The explained fraction of each column's variance; NaN for one that is constant."""
    variance = np.nansum(np.square(true - _mean(true)), axis=0)
    return np.where(variance > 0, 1 - np.nansum(squares, axis=0) / np.where(variance > 0, variance, 1), np.nan)


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of each column over the rows where it is known."""
    return np.nansum(values, axis=0) / np.maximum((~np.isnan(values)).sum(axis=0), 1)


def _histogram(title: str, values: np.ndarray, label: str, marker: float | None = None) -> Histogram:
    values = values[~np.isnan(values)]
    counts, edges = np.histogram(values, min(41, max(8, int(np.sqrt(len(values))))))
    return Histogram(title, edges, counts, label, "rows", marker)


def _of_reconstructions(data: Dataset, part: Part, outputs: np.ndarray) -> list[Block]:
    back = data.preprocessing.invert_numpy(outputs.reshape(part.x.shape))
    wanted = data.preprocessing.apply_numpy(part.x)
    squares = np.square(outputs.reshape(part.x.shape).astype(float) - wanted).reshape(len(part), -1)
    errors = squares.mean(axis=1)
    histogram = _histogram("squared error of each row", errors, "mean over its numbers")
    order = np.argsort(-errors, kind="stable")
    if is_picture(data.input_shape):
        middle = max(0, len(order) // 2 - PAIRS)
        middling, worst = (_pairs(part.x, back, order[first : first + 2 * PAIRS]) for first in (middle, 0))
        return [
            Section("Reconstructions", "Held-out rows of middling error.", Columns(*middling, histogram)),
            Section("Worst mistakes", "Those with the largest error.", Columns(*worst)),
        ]
    flat = wanted.reshape(len(part), -1).astype(float)
    rows = list(zip(features_of(data), squares.mean(axis=0), _r2(squares, flat), strict=True))[:MOST_COLUMNS]
    worst = example_table(data, part, order, ("squared error",), lambda row: [float(errors[row])])
    by_input = Table(("input", "squared error, scaled", "R²"), rows)
    return [Section("Reconstructions", by_input, Columns(histogram)), Section("Worst mistakes", worst)]


def _pairs(inputs: np.ndarray, back: np.ndarray, rows: np.ndarray) -> list[Block]:
    """Examples in lines of equal length, and below each line their reconstructions."""
    title, lines = "inputs, and below them their reconstructions", np.split(rows, range(PAIRS, len(rows), PAIRS))
    return [ImageGrid(title, np.concatenate([inputs[of], back[of]]), columns=len(of)) for of in lines]
