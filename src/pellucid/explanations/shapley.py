"""Shapley values of a run's answers, by the package shap."""

from typing import Any

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import MissingExtra
from pellucid.data import Dataset
from pellucid.explanations.columns import columns_of, inputs_of, mixed
from pellucid.explanations.dependence import answers, answers_of, rows_of
from pellucid.runs.experiment import SEEDS
from pellucid.runs.trained import Trained

EXACT = 10
"""Most columns that shap computes exactly."""
MOST = 500
"""Evaluations for each row of more columns, as shap's own default."""


def shap_values(
    run: Trained, x: Any, data: Dataset | None = None, *, background: Any = None, samples: int = 100, seed: int = 0
) -> Any:
    """Compute the Shapley values of a run's answers for some rows, in the user's own columns.

    Formula:
        φⱼ = ∑ over sets S without j of |S|! (d − |S| − 1)! / d! · (v(S ∪ {j}) − v(S)), v(S) the mean answer with the
        columns of S from the row and all others from rows of the background; ∑ⱼ φⱼ = f(x) − v(∅)

    A category is one column, not one of each of its inputs. Up to ten columns are computed exactly, more by random
    orders.

    Args:
        run: a trained run.
        x: rows to explain, as for ``run.outputs``.
        data: its data, where they came as arrays and the run was loaded.
        background: rows that say what a column is when it is not known; by default the held-out rows.
        samples: most rows of the background that are used, taken evenly.
        seed: of the random orders.

    Returns:
        A ``shap.Explanation``, for ``shap.plots.waterfall``, ``beeswarm`` and the others: ``values`` of shape (rows,
        columns), or (rows, columns, answers) of more than one answer.

    Raises:
        MissingExtra: shap is not installed.
        InvalidValue: a run without columns, or answers that are neither probabilities nor numbers of a row.

    Example:
        >>> import pellucid as pel
        >>> data = pel.load_dataset("iris")
        >>> run = pel.train((8,), data, epochs=5, progress=False)
        >>> explanation = shap_values(run, data.held_out.x[:2], samples=20)
        >>> explanation.values.shape, explanation.feature_names[0]
        ((2, 4, 3), 'sepal length (cm)')

    Source: Lundberg, Lee, A unified approach to interpreting model predictions, 2017.
    """
    try:
        from shap import Explainer, Explanation
        from shap.maskers import Independent
    except ImportError as error:
        raise MissingExtra("shap", "shap", "Shapley values") from error
    require(samples, WholeNumber(1), "samples")
    require(seed, SEEDS, "seed")
    columns, (names, _) = columns_of(run), answers_of(run)
    explained, behind = run.as_inputs(x), rows_of(run, data, background)
    known = len(inputs_of(behind)[0])
    taken = np.unique(np.linspace(0, known - 1, min(samples, known)).astype(int))
    pool = [np.concatenate(pair) for pair in zip(inputs_of(behind), inputs_of(explained), strict=True)]
    every: Any = tuple(pool) if isinstance(explained, tuple) else pool[0]

    def answer(rows: np.ndarray) -> np.ndarray:
        found = answers(run, mixed(columns, every, rows))
        return found[:, 0] if len(names) == 1 else found

    def places(rows: np.ndarray) -> np.ndarray:
        return np.tile(rows[:, None], len(columns)).astype(float)

    masker = Independent(places(taken), max_samples=len(taken))
    explainer = Explainer(answer, masker, seed=seed)
    most: dict[str, Any] = {} if len(columns) <= EXACT else {"max_evals": max(MOST, 2 * len(columns) + 1)}
    explanation: Any = explainer(places(known + np.arange(len(inputs_of(explained)[0]))), silent=True, **most)
    shown = np.array([column.values(explained) for column in columns], object).T
    several = len(names) > 1
    return Explanation(
        explanation.values,
        explanation.base_values,
        shown,
        feature_names=[column.name for column in columns],
        output_names=list(names) if several else None,
    )
