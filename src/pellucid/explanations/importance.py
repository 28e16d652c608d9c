"""Permutation importance: how much worse a run gets when a column's values are shuffled over the rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset, Part
from pellucid.explanations.columns import InputColumn, columns_of, mixed, part_of
from pellucid.report import html, terminal
from pellucid.report.chart import Strip, StripChart
from pellucid.report.document import Document, Figure, Note, Table, number
from pellucid.report.print_figure import to_matplotlib
from pellucid.runs.experiment import SEEDS
from pellucid.runs.measures import built
from pellucid.runs.trained import Trained
from pellucid.runs.values import higher_is_better
from pellucid.training.history import as_frame

MOST_STRIPS = 30
"""Columns of the picture."""


@dataclass(frozen=True, repr=False)
class Importance:
    """The importance of each column: print it for its table, or plot it.

    Attributes:
        columns: their names.
        metric: by which it is measured.
        value: the metric of the rows as they are.
        drops: how much worse it got in each repetition, (columns, repeats): a difference of the metric, positive where
            the column is needed.
        rows: how many rows it was measured on.
        higher_is_better: True of a metric that is to be large.
    """

    columns: tuple[str, ...]
    metric: str
    value: float
    drops: np.ndarray
    rows: int
    higher_is_better: bool = True

    @property
    def order(self) -> np.ndarray:
        """The numbers of the columns, the most important first."""
        return np.argsort(-self.drops.mean(axis=1), kind="stable")

    @property
    def table(self) -> dict[str, np.ndarray]:
        """One row per column, the most important first: its mean drop and the standard deviation over repetitions."""
        drops, names = self.drops[self.order], np.array(self.columns)[self.order]
        return {"column": names, "importance": drops.mean(axis=1), "std": drops.std(axis=1)}

    def to_frame(self, backend: str = "pandas") -> Any:
        """The table as a data frame of pandas, polars or Arrow; see `History.to_frame`."""
        return as_frame(self.table, backend)

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        table = {name: column.tolist() for name, column in self.table.items()}
        rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        return {"metric": self.metric, "value": self.value, "rows": self.rows, "columns": rows}

    @property
    def chart(self) -> StripChart:
        """Every repetition of the most important columns, and their mean."""
        strips = [Strip(self.columns[i], self.drops[i]) for i in self.order[:MOST_STRIPS]]
        of = f"{MOST_STRIPS} of {len(self.columns)} columns" if len(self.columns) > MOST_STRIPS else "each column"
        return StripChart(f"importance of {of}", strips, f"{self._change} when it is shuffled")

    @property
    def _change(self) -> str:
        return f"{self.metric.replace('_', ' ')} {'lost' if self.higher_is_better else 'added'}"

    def to_document(self) -> Document:
        """Picture and table as a document."""
        words, repeats = self.metric.replace("_", " "), self.drops.shape[1]
        table = Table(("column", self._change, "standard deviation"), list(zip(*self.table.values(), strict=True)))
        text = (
            f"The {words} of {self.rows:,} rows is {number(self.value)}. Each column was shuffled over them {repeats} "
            "times: by so much it gets worse without what the network takes from that column alone. Of two columns "
            "that say the same, neither looks needed."
        )
        return Document("Permutation importance", Note("note", text), Figure(self.chart), table)

    def plot(self) -> Any:
        """Plot it as a matplotlib figure.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return to_matplotlib(self.chart)

    def __repr__(self) -> str:
        table = self.table
        pairs = zip(table["column"][:3], table["importance"][:3], strict=True)
        most = ", ".join(f"{name} {drop:.3g}" for name, drop in pairs)
        return f"<Importance of {len(self.columns)} columns by {self.metric}: {most}>"

    def __str__(self) -> str:
        return terminal.text(self.to_document(), width=100)

    def _repr_html_(self) -> str:
        return html.fragment(self.to_document())


def permutation_importance(
    run: Trained,
    data: Dataset | None = None,
    *,
    x: Any = None,
    y: Any = None,
    metric: str | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> Importance:
    """Measure what a run loses when a column's values are shuffled over the rows.

    Formula:
        importance of j: (1/K) ∑ₖ (s − sₖⱼ), s the metric of the rows, sₖⱼ that with column j in the k-th random order;
        the other way round for what is to be small

    Columns are the user's own: all inputs of a category are shuffled together. Of sequences a column is one number of
    all steps, of several inputs an image or a text is one column.

    Args:
        run: a trained run.
        data: its data, where they came as arrays and the run was loaded.
        x: other rows than the held-out ones, as for ``run.evaluate``.
        y: their targets.
        metric: name of one of the run's metrics or of any other that fits the task, such as ``"roc_auc"``; by default
            that of the training, ``"loss"`` of several outputs.
        repeats: how often each column is shuffled, at least 1.
        seed: of the random orders.

    Raises:
        InvalidValue: a run without columns (images, a GAN), fewer repeats, or a metric that does not fit.
        DataError: no held-out rows.

    Example:
        >>> import pellucid as pel
        >>> data = pel.load_dataset("iris")
        >>> run = pel.train((8,), data, epochs=30, learning_rate=0.02, progress=False)
        >>> run.permutation_importance().columns[2]
        'petal length (cm)'

    Where other libraries differ: scikit-learn's ``permutation_importance``, which computes it, shuffles the columns
    that the estimator is given; behind a one-hot encoding these are one of each category.

    Source: Breiman, Random forests, 2001; Fisher, Rudin, Dominici, All models are wrong, but many are useful, 2019.
    """
    from sklearn.inspection import permutation_importance as permute

    require(repeats, WholeNumber(1), "repeats")
    require(seed, SEEDS, "seed")
    columns, part = columns_of(run), part_of(run, data or run.data, x, y)
    name, measure, sign = _measure(run, part, metric)
    score = _Score(columns, part, measure, sign)
    rows = np.tile(np.arange(len(part))[:, None], len(columns))
    found: Any = permute(score, rows, None, scoring=score, n_repeats=repeats, random_state=seed)
    value = measure(part)
    return Importance(tuple(column.name for column in columns), name, value, found["importances"], len(part), sign > 0)


class _Score:
    """The score of rows that are put together column by column, where scikit-learn asks for an estimator."""

    def __init__(
        self, columns: tuple[InputColumn, ...], part: Part, measure: Callable[[Part], float], sign: float
    ) -> None:
        self.columns, self.part, self.measure, self.sign = columns, part, measure, sign

    def fit(self, x: Any, y: Any) -> None:
        """Do nothing: the run is trained."""

    def __call__(self, estimator: Any, rows: np.ndarray, y: Any) -> float:
        mixture = Part(mixed(self.columns, self.part.x, rows), self.part.y, self.part.weights)
        return self.sign * self.measure(mixture)


def _measure(run: Trained, part: Part, metric: str | None) -> tuple[str, Callable[[Part], float], float]:
    """The name of the metric, how it is measured, and 1 where more of it is better, else −1."""
    name = metric or ("loss" if run.facts.heads else run.program.metric.name)
    known = run.evaluate_part(part, ())
    if name in known:
        return name, lambda rows: run.evaluate_part(rows, ())[name], 1.0 if higher_is_better(run, name) else -1.0
    if run.facts.heads:
        raise InvalidValue(f"the run has no metric {name!r}. Metrics: {', '.join(known)}.")
    (asked,) = built([name])
    sign = 1.0 if asked.higher_is_better else -1.0
    return asked.label, lambda rows: run.evaluate_part(rows, [name])[asked.label], sign
