"""Classes and labels predicted for held-out rows: counts, precision and recall, the worst mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.data import Dataset, Part
from pellucid.report.examples import show_examples
from pellucid.report.page import Content, Html, element, paragraph, scrolling, section, table

MOST_CLASSES = 20
"""Of a confusion matrix; of more classes the pairs most often confused are listed."""


def probabilities_of(outputs: np.ndarray) -> np.ndarray:
    """A classifier's outputs as probabilities, one column a class; logits by sigmoid or softmax.

    Example:
        >>> probabilities_of(np.array([[0.25]])).tolist(), probabilities_of(np.array([[5.0, 5.0]])).tolist()
        ([[0.75, 0.25]], [[0.5, 0.5]])
    """
    x = np.asarray(outputs, float)
    within = bool((x >= 0).all() and (x <= 1).all())
    if x.shape[1] == 1:
        p = x if within else 1 / (1 + np.exp(-np.clip(x, -500, 500)))
        return np.hstack([1 - p, p])
    if within and np.allclose(x.sum(axis=1), 1, atol=1e-3):
        return x
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many rows of each true class (rows) were given each class (columns).

    scikit-learn's function gives the same, and costs a second to import.

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def precision_recall(hits: np.ndarray, given: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 of classes, shape (classes, 3); 0 where a class was never given or never true.

    Args:
        hits: rows of the class that were given it.
        given: rows that were given the class.
        true: rows of the class.

    Example:
        >>> precision_recall(np.array([1, 1]), np.array([2, 1]), np.array([1, 2])).round(2).tolist()
        [[0.5, 1.0, 0.67], [1.0, 0.5, 0.67]]
    """
    sizes = (given, true, (given + true) / 2)
    return np.stack([hits / np.where(size > 0, size, 1) for size in sizes], axis=1)


def judge_classes(data: Dataset, part: Part, outputs: np.ndarray) -> Html:
    """Confusion matrix, precision and recall of each class, and the most confident mistakes."""
    p = probabilities_of(outputs)
    true = part.y.reshape(len(part)).astype(int)
    predicted = p.argmax(axis=1)
    names = data.classes or tuple(map(str, range(p.shape[1])))
    counts = confusion_matrix(true, predicted, len(names))
    wrong = np.flatnonzero(predicted != true)
    worst = wrong[np.argsort(p[wrong, true[wrong]], kind="stable")]

    def said(row: int) -> list[Content]:
        return [names[true[row]], names[predicted[row]], _percent(p[row].max()), _percent(p[row, true[row]])]

    def caption(row: int) -> str:
        return f"{names[true[row]]}, predicted {names[predicted[row]]} with {_percent(p[row].max())}"

    what = f"{len(wrong):,} of {len(part):,} held-out rows are predicted wrongly"
    return Html(
        section("Predictions", _confusion(counts, names), _per_class(counts, names))
        + section(
            "Worst mistakes",
            paragraph(
                f"{what}; first those whose true class was given the least probability."
                if len(wrong)
                else "No held-out row is predicted wrongly."
            ),
            show_examples(data, part, worst, ("true", "predicted", "probability", "of the true class"), said, caption),
        )
    )


def _confusion(counts: np.ndarray, names: Sequence[str]) -> Html:
    if len(names) > MOST_CLASSES:
        wrong = counts - np.diag(np.diag(counts))
        pairs = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CLASSES]
        rows = [[names[i // len(names)], names[i % len(names)], int(wrong.flat[i])] for i in pairs if wrong.flat[i]]
        return table(("true class", "predicted as", "rows"), rows, "The classes most often confused")
    head = element(
        "tr",
        element("th", "true class"),
        *(element("th", name, scope="col", class_="n") for name in names),
        element("th", "rows", scope="col", class_="n"),
    )
    body = []
    for i, name in enumerate(names):
        total = int(counts[i].sum())
        cells = [_shaded(int(count), count / max(total, 1), bold=i == j) for j, count in enumerate(counts[i])]
        body.append(element("tr", element("th", name, scope="row"), *cells, element("td", total, class_="n")))
    whole = element("table", element("thead", head), element("tbody", *body), class_="confusion")
    caption = "How many rows of each true class (rows) were predicted as each class (columns)"
    return scrolling(whole, caption)


def _shaded(count: int, share: float, bold: bool) -> Html:
    """A cell, darker for a larger share of its row: light to dark blue, of falling lightness in grey too."""
    # The square root brings out small shares, which are the mistakes.
    depth = float(np.sqrt(share))
    colour = [round(255 + (dark - 255) * depth) for dark in (8, 48, 107)]
    style = f"background:rgb({colour[0]},{colour[1]},{colour[2]})" + (";color:#fff" if depth > 0.55 else "")
    return element("td", element("b", count) if bold else count, style=style)


def _per_class(counts: np.ndarray, names: Sequence[str]) -> Html:
    scores = precision_recall(np.diag(counts), counts.sum(axis=0), counts.sum(axis=1))
    rows = [
        [name, *map(float, scores[i]), int(counts[i].sum()), int(counts[:, i].sum())] for i, name in enumerate(names)
    ]
    rows.append(["mean of classes", *map(float, scores.mean(axis=0)), int(counts.sum()), int(counts.sum())])
    head = ("class", "precision", "recall", "F1", "rows", "predicted")
    caption = "Precision: share of the rows predicted as the class that are of it. Recall: share of its rows found"
    return table(head, rows, caption)


def judge_labels(data: Dataset, part: Part, outputs: np.ndarray) -> Html:
    """Precision and recall of each label, and the rows with most labels wrong."""
    within = bool((outputs >= 0).all() and (outputs <= 1).all())
    given = outputs >= (0.5 if within else 0.0)
    true = part.y > 0.5
    names = data.classes
    hits = (given & true).sum(axis=0)
    scores = precision_recall(hits, given.sum(axis=0), true.sum(axis=0))
    rows = [
        [name, *map(float, scores[i]), int(true[:, i].sum()), int(given[:, i].sum())] for i, name in enumerate(names)
    ]
    mistakes = (given != true).sum(axis=1)
    worst = np.argsort(-mistakes, kind="stable")[: np.count_nonzero(mistakes)]

    def said(row: int) -> list[Content]:
        of = [", ".join(names[i] for i in np.flatnonzero(flags[row])) or "none" for flags in (true, given)]
        return [*of, int(mistakes[row])]

    exact = float((mistakes == 0).mean())
    head = ("true", "predicted", "wrong labels")
    return Html(
        section(
            "Predictions",
            paragraph(f"All labels are right for {_percent(exact)} of the {len(part):,} held-out rows."),
            table(("label", "precision", "recall", "F1", "rows", "predicted"), rows),
        )
        + section("Worst mistakes", show_examples(data, part, worst, head, said))
    )


def _percent(share: Any) -> str:
    """A share in per cent; never 100 % for less, nor 0 % for more."""
    value = 100 * float(share)
    text = f"{value:.1f}"
    if text == "100.0" and value < 100:
        return "> 99.9 %"
    return "< 0.1 %" if text == "0.0" and value > 0 else f"{text} %"
