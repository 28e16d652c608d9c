"""Partial dependence: a run's mean answer as one column takes value after value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError, InvalidValue
from pellucid.data import Dataset
from pellucid.explanations.columns import InputColumn, columns_of, inputs_of, named
from pellucid.report import html, terminal
from pellucid.report.chart import DotChart, LineChart, Series
from pellucid.report.document import Chart, Columns, Details, Document, Paragraph, Table
from pellucid.report.predictions import probabilities_of
from pellucid.report.print_figure import to_matplotlib
from pellucid.runs.trained import Trained
from pellucid.training.history import as_frame

MOST_LINES = 8
"""Answers of one picture."""


@dataclass(frozen=True)
class Dependence:
    """The mean answer by the values of one column.

    Attributes:
        column: its name.
        values: numbers, or categories.
        answers: the mean over the rows, (answers, values).
    """

    column: str
    values: tuple[Any, ...]
    answers: np.ndarray


@dataclass(frozen=True, repr=False)
class PartialDependence:
    """The partial dependence of a run's answers on some columns: print it for its tables, or plot it.

    Attributes:
        of: one for each column.
        answers: names of the answers: classes, whose probability it is, or targets.
        unit: ``"probability"``, or empty for numbers.
        rows: how many rows it is a mean of.
    """

    of: tuple[Dependence, ...]
    answers: tuple[str, ...]
    unit: str
    rows: int

    @property
    def table(self) -> dict[str, np.ndarray]:
        """One row per column, value and answer."""
        cells = [
            (one.column, str(value), answer, float(one.answers[k, i]))
            for one in self.of
            for i, value in enumerate(one.values)
            for k, answer in enumerate(self.answers)
        ]
        names = ("column", "value", "answer", "mean")
        return {name: np.array(column) for name, column in zip(names, zip(*cells, strict=True), strict=True)}

    def to_frame(self, backend: str = "pandas") -> Any:
        """The table as a data frame of pandas, polars or Arrow; see `History.to_frame`."""
        return as_frame(self.table, backend)

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        of = [{"column": one.column, "values": list(one.values), "means": one.answers.tolist()} for one in self.of]
        return {"answers": list(self.answers), "rows": self.rows, "of": of}

    @property
    def charts(self) -> tuple[Chart, ...]:
        """One for each column."""
        return tuple(self._chart(one) for one in self.of)

    @property
    def _answer(self) -> str:
        only = self.answers[0] if len(self.answers) == 1 else ""
        return f"{self.unit} of {only}" if self.unit and only else only or self.unit or "answer"

    def _chart(self, one: Dependence) -> Chart:
        names, title = self.answers[:MOST_LINES], f"{self._answer} by {one.column}"
        if isinstance(one.values[0], str):
            return DotChart(title, one.values, dict(zip(names, one.answers, strict=False)), self.unit)
        lines = [Series(name, one.values, mean) for name, mean in zip(names, one.answers, strict=False)]
        return LineChart(title, lines, one.column, self.unit, log=False)

    def to_document(self) -> Document:
        """Pictures and tables as a document."""
        text = (
            f"The mean answer over {self.rows:,} rows, each given the same value of the column and keeping all others. "
            "Where columns depend on one another, some of these rows cannot occur."
        )
        tables = [
            Table((one.column, *self.answers), [(value, *one.answers[:, i]) for i, value in enumerate(one.values)])
            for one in self.of
        ]
        return Document("Partial dependence", Paragraph(text), Columns(*self.charts), Details("The numbers", *tables))

    def plot(self) -> Any:
        """Plot it as a matplotlib figure.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return to_matplotlib(*self.charts)

    def __repr__(self) -> str:
        return f"<PartialDependence on {', '.join(one.column for one in self.of)}>"

    def __str__(self) -> str:
        return terminal.text(self.to_document(), width=100)

    def _repr_html_(self) -> str:
        return html.fragment(self.to_document())


def partial_dependence(
    run: Trained, columns: str | Sequence[str], data: Dataset | None = None, *, x: Any = None, points: int = 40
) -> PartialDependence:
    """Compute a run's mean answer as one column takes value after value.

    Formula:
        PDⱼ(v) = (1/n) ∑ᵢ f(xᵢ with column j set to v)

    f are the probabilities of a classifier, of two classes that of the second, or the numbers of a regression in the
    target's own units. A number takes values between the 5th and the 95th percentile, a category all that occur.

    Args:
        run: a trained run.
        columns: names of the user's columns: numbers and categories.
        data: its data, where they came as arrays and the run was loaded.
        x: other rows than the held-out ones, as for ``run.outputs``.
        points: values of a number, at least 2.

    Raises:
        UnknownName: no such column.
        InvalidValue: a run without columns, a column of dates or words, or answers that are neither probabilities nor
            numbers of a row.
        DataError: no held-out rows, or a column that is the same in nearly all of them.

    Example:
        >>> import pellucid as pel
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=30, learning_rate=0.02, progress=False)
        >>> dependence = run.partial_dependence("petal length (cm)", points=10)
        >>> dependence.of[0].answers.shape
        (3, 10)

    Where other libraries differ: as scikit-learn's ``partial_dependence``, which computes it, with the user's columns
    in front of their encoding.

    Source: Friedman, Greedy function approximation: a gradient boosting machine, 2001.
    """
    from sklearn.inspection import partial_dependence as depend

    require(points, WholeNumber(2), "points")
    known = columns_of(run)
    chosen = [named(known, name) for name in ([columns] if isinstance(columns, str) else columns)]
    rows = rows_of(run, data, x)
    names, unit = answers_of(run)
    found = []
    for column in chosen:
        held = values_in(column, rows)
        first = np.stack([np.arange(len(held)), held], axis=1).astype(float)
        estimator, categories = _set_to(run, column, rows), column.categories
        categorical = [False, bool(categories)]
        if len(np.unique(held)) < 2:
            raise DataError(f"column {column.name!r} has the same value in all {len(held):,} rows.")
        try:
            result = depend(
                estimator, first, [1], categorical_features=categorical, grid_resolution=points, method="brute"
            )
        except ValueError as error:  # percentiles too close to each other
            raise DataError(f"column {column.name!r} has the same value in nearly all rows: {error}") from error
        grid = result["grid_values"][0]
        values = [categories[int(code)] for code in grid] if categories else grid.tolist()
        found.append(Dependence(column.name, tuple(values), result["average"].reshape(len(names), -1)))
    return PartialDependence(tuple(found), names, unit, len(inputs_of(rows)[0]))


def rows_of(run: Trained, data: Dataset | None, x: Any) -> Any:
    """The inputs of the rows: those given, or the held-out ones.

    Raises:
        DataError: there are none.
    """
    if x is not None:
        return run.as_inputs(x)
    data = data or run.data
    if data is None or data.held_out is None:
        raise DataError("this run holds no held-out rows. Give the examples x.")
    return run.as_inputs(data.held_out.x)


def answers_of(run: Trained) -> tuple[tuple[str, ...], str]:
    """The names of a run's answers for a row, and their unit.

    Raises:
        InvalidValue: it has several outputs, or answers at each step.
    """
    facts = run.facts
    if facts.heads:
        raise InvalidValue(f"the run has several outputs: take one, run.output({next(iter(facts.heads))!r}).")
    if facts.task in ("binary", "multiclass", "multilabel"):
        return facts.classes[1:] if facts.task == "binary" else facts.classes, "probability"
    if facts.task == "regression":
        return facts.targets or tuple(f"output {i + 1}" for i in range(facts.outputs)), ""
    raise InvalidValue(f"an answer for a row is a class or a number; this run is of {facts.task}.")


def answers(run: Trained, x: Any) -> np.ndarray:
    """The answers of a run for stored rows, (rows, answers)."""
    outputs, loss, task = run.outputs_of_rows(x), run.program.loss, run.facts.task
    if task == "multilabel":
        return expit(outputs) if loss.activation is not None else outputs
    if task == "regression":
        return outputs
    return probabilities_of(outputs, loss.reads)[:, 1 if task == "binary" else 0 :]


def values_in(column: InputColumn, x: Any) -> np.ndarray:
    """The numbers of a column in some rows; of a category its place in the list.

    Raises:
        InvalidValue: neither a number nor a category.
    """
    inputs = inputs_of(x)[column.of]
    if inputs.ndim != 2 or (column.column is not None and column.column.kind not in ("number", "category")):
        kind = "a whole input or of sequences" if column.column is None else f"of kind {column.column.kind}"
        raise InvalidValue(f"column {column.name!r} is {kind}: values to set are of numbers and categories.")
    inputs = inputs[:, column.places]
    return inputs.argmax(axis=1) if column.categories else inputs[:, 0]


def _set_to(run: Trained, column: InputColumn, x: Any) -> Any:
    """An estimator of scikit-learn that reads a row's number and the value that its column is set to."""
    from sklearn.base import BaseEstimator, RegressorMixin

    class SetTo(RegressorMixin, BaseEstimator):
        def fit(self, rows: Any, y: Any = None) -> Any:
            return self

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict(self, rows: np.ndarray) -> np.ndarray:
            made = [array[rows[:, 0].astype(int)] for array in inputs_of(x)]
            values = rows[:, 1]
            codes = values.astype(int)
            into = np.eye(len(column.categories))[codes] if column.categories else values[:, None]
            made[column.of][:, column.places] = into
            return answers(run, tuple(made) if isinstance(x, tuple) else made[0])

    return SetTo()
