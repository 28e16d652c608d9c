"""A column that predicts the target alone, in the training rows and in the held-out ones: is it known in use?

Each column is asked to predict the target of every row from the rows with the nearest values: a column of numbers from
the next ones in order, a category from the other rows that have it. What makes hardly a mistake is either the answer
under another name or a question that needs no network. Both are worth knowing before a training, and neither keeps it
from learning.
"""

from typing import Any, NamedTuple

import numpy as np

from pellucid.data import TableEncoder
from pellucid.doctor.findings import counted, percent
from pellucid.doctor.rule import LIKELY, Evidence, Limit, rule
from pellucid.doctor.skill import as_rows, class_numbers
from pellucid.doctor.subject import Subject

ROWS = 512
"""Most rows that are read."""
COLUMNS = 500
"""Most inputs: of more, as of pixels and words, none is a quantity of its own."""
LABELS = 20
"""Most labels or numbers to predict that are each looked at."""


class Column(NamedTuple):
    """One column of the data, as people know it."""

    name: str
    values: np.ndarray
    """(rows,) numbers, or the numbers of categories."""
    kind: str
    """``"number"`` or ``"category"``."""


@rule(
    "label_leakage",
    "rows",
    reason="a question that one column answers alone needs no network; often the column is the answer under another "
    "name",
    rows=Limit(30, "different rows: with fewer a column tells the target by chance"),
    rare=Limit(10, "rows beside the commonest class: with fewer there is next to nothing to predict"),
    slips=Limit(
        0.005, "of the mistakes of always naming the commonest class, beside one at each border of two classes"
    ),
    strays=Limit(0.02, "of the variance: nothing measured follows its target so closely"),
    others=Limit(0.5, "of the columns: where half of them tell the target the data are easy"),
    fewer=Limit(0.2, "of the mistakes of the next best column: where that is as good the data are easy"),
)
def a_column_alone(
    s: Subject, rows: float, rare: float, slips: float, strays: float, others: float, fewer: float
) -> Evidence | None:
    """A column that predicts the target alone, in the training rows and on held-out rows."""
    e = s.e
    if e.task not in ("binary", "multiclass", "multilabel", "regression") or len(e.output_shape) > 1:
        return None
    if e.x.ndim != 2 or e.x.shape[1] > COLUMNS or e.reconstructs:
        return None
    x, y = _rows(e)
    columns = columns_of(e.run, x)
    if len(columns) < 3 or len({row.tobytes() for row in x}) < rows or _every_combination(x):
        return None
    for target in _targets(e, y):
        classes = target.dtype.kind in "iu"
        if classes and len(target) - np.bincount(target).max() < rare:
            continue
        skills = np.array([skill_alone(column, target) for column in columns])
        allowed = 1 - (_allowance(target, slips) if classes else strays)
        alone = np.flatnonzero(skills >= allowed)
        copies = [int(i) for i in alone if classes and skills[i] == 1 and _as_many(columns[i], target)]
        rest = np.delete(skills, alone).max(initial=0)
        stands_out = len(alone) < others * len(columns) and (1 - skills[alone] <= fewer * (1 - rest)).any()
        if len(alone) and (stands_out or copies):
            return _evidence(columns, skills, copies or [int(i) for i in alone], target)
    return None


def _evidence(columns: list[Column], skills: np.ndarray, alone: list[int], target: np.ndarray) -> Evidence:
    first = max(alone, key=lambda i: skills[i])
    if target.dtype.kind in "iu":
        mistakes = (1 - skills[first]) * (1 - np.bincount(target).max() / len(target))
        how = f"{percent(float(1 - mistakes))} of the rows right"
    else:
        how = f"{percent(float(skills[first]))} of its variance"
    because = f"{columns[first].name} alone predicts the target ({how})"
    if len(alone) > 1:
        because += f", and so {'does' if len(alone) == 2 else 'do'} {counted(len(alone) - 1, 'other column')}"
    because += ": if it is not known when predictions are made, leave it out; if it is, no network is needed"
    numbers: dict[str, Any] = {"column": columns[first].name, "predicts": float(skills[first]), "columns": len(alone)}
    rest = np.delete(skills, alone)
    return Evidence(LIKELY, numbers | {"best other": float(rest.max(initial=0))}, because, holds_back=False)


def columns_of(run: Any, x: np.ndarray) -> list[Column]:
    """The columns of the data: by name where it has names, the inputs of one category taken together."""
    encoder = run.facts.encoder
    if isinstance(encoder, TableEncoder) and len(encoder.features) == x.shape[1]:
        found = []
        for column, span in encoder.spans():
            part = x[:, span]
            if column.kind == "category":
                found.append(Column(f"column {column.name!r}", part.argmax(1), "category"))
            else:
                numbers = zip(column.features, part.T, strict=True)
                found += [Column(f"column {name!r}", values, "number") for name, values in numbers]
        return found
    names = run.facts.features
    named = len(names) == x.shape[1]
    return [
        Column(f"column {names[i]!r}" if named else f"column {i} (counted from 0)", x[:, i], "number")
        for i in range(x.shape[1])
    ]


def skill_alone(column: Column, target: np.ndarray) -> float:
    """How well a column alone predicts a target, each row from other rows: 0 as always the same, 1 without a mistake.

    Rows of one value predict each other, by their commonest class or their mean. A number that no other row has is
    predicted from the nearest value.
    """
    values, group = np.unique(column.values, return_inverse=True)
    if len(values) < 2:
        return 0.0
    counts = np.bincount(group)
    if target.dtype.kind in "iu":
        return _tells_classes(column, target, values, group, counts)
    mean = np.bincount(group, target) / counts
    others = (counts * mean)[group] - target
    own = np.where(counts[group] > 1, others / np.maximum(counts[group] - 1, 1), 0.0)
    predicted = np.where(counts[group] > 1, own, _between(column, values, mean, target)[group])
    line = 0.0 if column.kind == "category" else float(np.corrcoef(column.values, target)[0, 1]) ** 2
    explained = 1 - ((predicted - target) ** 2).sum() / max(((target - target.mean()) ** 2).sum(), 1e-12)
    return float(max(0.0, np.nan_to_num(line), explained))


def _between(column: Column, values: np.ndarray, mean: np.ndarray, target: np.ndarray) -> np.ndarray:
    """What the neighbouring values say of each value: a line between them."""
    if column.kind == "category" or len(values) < 3:
        return np.full(len(values), target.mean())
    found = np.empty(len(values))
    fraction = (values[1:-1] - values[:-2]) / (values[2:] - values[:-2])
    found[1:-1] = mean[:-2] + fraction * (mean[2:] - mean[:-2])
    found[0], found[-1] = mean[1], mean[-2]
    return found


def _tells_classes(
    column: Column, target: np.ndarray, values: np.ndarray, group: np.ndarray, counts: np.ndarray
) -> float:
    classes = int(target.max()) + 1
    table = np.zeros((len(values), classes))
    np.add.at(table, (group, target), 1)
    others = table[group]
    others[np.arange(len(target)), target] -= 1
    common = int(np.bincount(target).argmax())
    if column.kind == "number":
        gaps = np.diff(values)
        before, after = np.concatenate([[np.inf], gaps]), np.concatenate([gaps, [np.inf]])
        near = np.where(before <= after, np.arange(len(values)) - 1, np.arange(len(values)) + 1)
        alone = table[near].argmax(1)
    else:
        alone = np.full(len(values), common)
    predicted = np.where(counts[group] > 1, others.argmax(1), alone[group])
    mistakes = (predicted != target).sum()
    return float(max(0.0, 1 - mistakes / max((target != common).sum(), 1)))


def _allowance(target: np.ndarray, slips: float) -> float:
    """The mistakes that a column may make, of those of always naming the commonest class."""
    counts = np.bincount(target)
    borders = (counts > 0).sum() - 1
    return float(slips + borders / (len(target) - counts.max()))


def _as_many(column: Column, target: np.ndarray) -> bool:
    """Whether a column has just as many values as there are classes: it is the target under another name."""
    return len(np.unique(column.values)) == len(np.unique(target))


def _every_combination(x: np.ndarray) -> bool:
    """Whether the rows are a truth table: every combination of a few values of each column."""
    levels = [len(np.unique(column)) for column in x.T]
    combinations = float(np.prod(np.array(levels, float)))
    return combinations <= len(x) and combinations == len({row.tobytes() for row in x})


def _rows(e: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both parts, without those that hold no numbers."""
    parts = [(e.x, e.y)] + ([] if e.x_new is None else [(e.x_new, e.y_new)])
    x = np.concatenate([part[0] for part in parts]).astype(np.float64)
    y = np.concatenate([part[1] for part in parts])
    kept = np.flatnonzero(np.isfinite(x).all(1))
    kept = kept[np.linspace(0, len(kept) - 1, min(len(kept), ROWS)).astype(int)]
    return x[kept], y[kept]


def _targets(e: Any, y: np.ndarray) -> list[np.ndarray]:
    """Each of the targets: class numbers, or numbers."""
    if e.classifies:
        return [class_numbers(y)]
    columns = as_rows(y).astype(np.float64).T[:LABELS]
    return [(column > 0).astype(int) if e.task == "multilabel" else column for column in columns if np.ptp(column) > 0]
