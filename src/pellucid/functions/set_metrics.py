"""Metrics of a whole set of rows, which are no means over its rows: F1, the area under a ROC curve, R² and others.

They are computed once, from the outputs for all rows, in double precision; weights and ties count as in scikit-learn,
whose import would take longer than all of them. Where a set leaves one undefined (the area under a ROC curve of one
class only) it is NaN, with a `DataWarning` that says why.
"""

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, final

import numpy as np

from pellucid.core.constraints import OneOf, WholeNumber, constrained
from pellucid.core.errors import DataWarning, InvalidValue
from pellucid.core.formula import Formula
from pellucid.functions.losses import Anything, Prediction
from pellucid.functions.metrics import Metric, PerExample, metrics

CLASSES = ("binary", "multiclass", "multilabel")
"""Tasks whose targets are classes or labels."""
NUMBERS = ("regression", "reconstruction")
Needs: TypeAlias = Literal["decisions", "scores", "probabilities", "numbers"]
AVERAGES = ("macro", "weighted", "micro")


@dataclass(frozen=True)
class Answers:
    """The outputs for a set of rows beside their targets.

    Args:
        task: "binary", "multiclass", "multilabel", "regression", "reconstruction" or "transcription".
        outputs: (rows, outputs): one column for two classes, one a class, one a label, one a number; of a transcription
            the class numbers that are read, −1 behind them.
        target: multiclass (rows,) of class numbers; of a transcription (rows, longest), −1 behind; else
            (rows, outputs), of 0 and 1 or numbers, NaN where not known.
        weights: (rows,), at least 0; None where all weigh the same.
        names: of the classes, labels or numbers; may be empty.
        threshold: the output above which the answer is yes.
        probabilities: the outputs as probabilities; None where they cannot be read as such.
    """

    task: str
    outputs: np.ndarray
    target: np.ndarray
    weights: np.ndarray | None = None
    names: tuple[str, ...] = ()
    threshold: float = 0.5
    probabilities: np.ndarray | None = None

    @property
    def of_rows(self) -> np.ndarray:
        """The weight of each row, in double precision."""
        return np.ones(len(self.outputs)) if self.weights is None else np.asarray(self.weights, np.float64)

    @property
    def truth(self) -> np.ndarray:
        """The true class of each row."""
        return self.target.reshape(len(self.target)).astype(np.int64)

    @property
    def decisions(self) -> np.ndarray:
        """The predicted class of each row, as the accuracies count: the first of equally likely ones."""
        if self.task == "multiclass":
            return self.outputs.argmax(axis=1)
        return (self.outputs[:, 0] > self.threshold).astype(np.int64)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; their numbers where they have none."""
        count = 2 if self.task == "binary" else self.outputs.shape[1]
        return self.names or tuple(map(str, range(count)))

    def columns(self) -> Iterator[tuple[str, "Answers"]]:
        """Each output by its name, with the rows whose target is known; of an autoencoder all numbers as one."""
        task = "binary" if self.task == "multilabel" else self.task
        if self.task == "reconstruction":
            outputs, target = (values.reshape(-1, 1) for values in (self.outputs, self.target))
            weights = np.repeat(self.of_rows, len(outputs) // max(len(self.outputs), 1))
            yield "", Answers("regression", outputs, target, weights)
            return
        names = self.names if self.task != "binary" else ()
        for i in range(self.outputs.shape[1]):
            known = ~np.isnan(self.target[:, i])
            probabilities = None if self.probabilities is None else self.probabilities[known, i : i + 1]
            yield (
                names[i] if names else f"output {i + 1}",
                Answers(
                    task,
                    self.outputs[known, i : i + 1],
                    self.target[known, i : i + 1],
                    self.of_rows[known],
                    threshold=self.threshold,
                    probabilities=probabilities,
                ),
            )


class SetMetric(Metric):
    """A metric of a whole set of rows.

    Attributes:
        tasks: the tasks that have it.
        needs: what it is computed from: decisions for classes, scores that rank, probabilities, or numbers.
    """

    tasks: ClassVar[tuple[str, ...]]
    needs: ClassVar[Needs]

    @final
    def value(self, prediction: Prediction, target: Anything) -> PerExample:
        """Refuse: one example has no such value.

        Raises:
            InvalidValue: always.
        """
        raise InvalidValue(
            f"the metric {self.label!r} is of a whole set of rows, and a single one has no value: it cannot be "
            f"measured at each step. Give it as metrics=[{self.label!r}], beside a metric such as accuracy or "
            "mean_absolute_error."
        )

    @abstractmethod
    def of(self, answers: Answers) -> dict[str, float]:
        """Compute the metric of a set: under ``""``, and of each class, label or number by its name."""


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    return float(np.average(values, weights=weights)) if weights.sum() > 0 else np.nan


def undefined(metric: Metric, reason: str) -> float:
    """NaN, with a warning that says why."""
    warnings.warn(f"{metric.label} is not defined: {reason}", DataWarning, stacklevel=5)
    return np.nan


# ------------------------------------------------------------------------------------- of decisions


@dataclass(frozen=True)
class Averaged(SetMetric):
    """A metric of each class or label.

    Args:
        average: ``"macro"``, the mean over the classes; ``"weighted"``, weighted by their rows; ``"micro"``, of the
            decisions of all classes together. None: of two classes the value of the second, of more the macro mean.
    """

    average: Literal["macro", "weighted", "micro"] | None = constrained(
        None, OneOf(AVERAGES), "how the values of the classes become one"
    )

    tasks = CLASSES
    higher_is_better = True

    @property
    def label_of_one(self) -> str:
        return self.name


class OfDecisions(Averaged):
    """A metric of the rows that are given a class (``given``), have it (``true``), and both (``hits``)."""

    needs = "decisions"

    @abstractmethod
    def score(self, hits: np.ndarray, given: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Compute the metric of each class; 0 where it is 0/0."""

    def of(self, answers: Answers) -> dict[str, float]:
        names, (hits, given, true), occurs = _counts(answers)
        scores = self.score(hits, given, true)
        if self.average is None and answers.task == "binary":
            whole = scores[1]
        elif self.average == "micro":
            whole = self.score(*(np.atleast_1d(counts.sum()) for counts in (hits, given, true)))[0]
        elif self.average == "weighted":
            whole = _mean(scores, true) if true.sum() > 0 else 0.0
        else:
            whole = scores[occurs].mean() if occurs.any() else np.nan
        each = {name: float(score) for name, score, kept in zip(names, scores, occurs, strict=True) if kept}
        return {"": float(whole)} | each


def _counts(answers: Answers) -> tuple[Sequence[str], tuple[np.ndarray, ...], np.ndarray]:
    """Names of classes; weights of the rows that hit, are given and have each; whether any row does."""
    if answers.task == "multilabel":
        rows = []
        for _, column in answers.columns():
            true, given, weights = column.truth == 1, column.decisions == 1, column.of_rows
            rows.append([weights[kept].sum() for kept in (true & given, given, true)])
        hits, given, true = np.array(rows).T
        return [name for name, _ in answers.columns()], (hits, given, true), np.ones(len(rows), bool)
    names, weights = answers.classes, answers.of_rows
    true, given = answers.truth, answers.decisions
    counts = [
        np.bincount(kept, weighted, len(names))
        for kept, weighted in ((true, weights * (true == given)), (given, weights), (true, weights))
    ]
    occurs = np.bincount(true, minlength=len(names)) + np.bincount(given, minlength=len(names)) > 0
    return names, tuple(counts), occurs


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.where(whole > 0, whole, 1)


@metrics.register("precision")
class Precision(OfDecisions):
    """Correct fraction of the rows that are given a class: ``TP / (TP + FP)``; 0 where none is.

    Args:
        average: as for `F1`.

    Example:
        >>> answers = Answers("binary", np.array([[0.9], [0.8], [0.2]]), np.array([[1], [0], [1]]))
        >>> Precision().of(answers)[""]
        0.5

    Others: scikit-learn's ``precision_score``, which also leaves classes that no row has or is given out of the mean.
    """

    formula = Formula("TP / (TP + FP)")

    def score(self, hits: np.ndarray, given: np.ndarray, true: np.ndarray) -> np.ndarray:
        return _ratio(hits, given)


@metrics.register("recall")
class Recall(OfDecisions):
    """Fraction of the rows of a class that are given it: ``TP / (TP + FN)``; 0 where there are none.

    Args:
        average: as for `F1`.

    Example:
        >>> answers = Answers("binary", np.array([[0.9], [0.8], [0.2]]), np.array([[1], [0], [1]]))
        >>> Recall().of(answers)[""]
        0.5

    Others: scikit-learn's ``recall_score``.
    """

    formula = Formula("TP / (TP + FN)")

    def score(self, hits: np.ndarray, given: np.ndarray, true: np.ndarray) -> np.ndarray:
        return _ratio(hits, true)


@metrics.register("f1")
class F1(OfDecisions):
    """Harmonic mean of precision and recall: ``2 · TP / (2 · TP + FP + FN)``; 0 where it is 0/0.

    TP are the rows rightly given a class, FP those wrongly given it, FN those of the class that are given another.

    Args:
        average: ``"macro"``, the mean over the classes; ``"weighted"``, weighted by their rows; ``"micro"``, of the
            decisions of all classes together. None: of two classes the value of the second, of more the macro mean.

    Example:
        >>> outputs = np.array([[0.9, 0.1, 0], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
        >>> answers = Answers("multiclass", outputs, np.array([0, 1, 2]), names=("a", "b", "c"))
        >>> {name: round(value, 2) for name, value in F1().of(answers).items()}
        {'': 0.56, 'a': 0.67, 'b': 0.0, 'c': 1.0}

    Others: scikit-learn's ``f1_score``.

    Source: van Rijsbergen, "Information retrieval", 1979.
    """

    formula = Formula("2 * TP / (2 * TP + FP + FN)")

    def score(self, hits: np.ndarray, given: np.ndarray, true: np.ndarray) -> np.ndarray:
        return _ratio(2 * hits, given + true)


class OfTwo(SetMetric):
    """A metric of classes that has no value for one of several, but one for each of several labels."""

    tasks = CLASSES

    @abstractmethod
    def one(self, answers: Answers) -> float:
        """Compute the metric of a binary or multiclass set."""

    def of(self, answers: Answers) -> dict[str, float]:
        if answers.task != "multilabel":
            return {"": self.one(answers)}
        return _with_mean({name: self.one(column) for name, column in answers.columns()})


def _with_mean(each: dict[str, float]) -> dict[str, float]:
    """The values of columns below their mean, which leaves out those that are not defined."""
    values = np.array(list(each.values()))
    known = ~np.isnan(values)
    whole = float(values[known].mean()) if known.any() else np.nan
    return {"": whole} | (each if len(each) > 1 else {})


@metrics.register("balanced_accuracy")
class BalancedAccuracy(OfTwo):
    """Mean over the classes of the fraction of their rows that are given them: ``mean(recall)``.

    Classes without rows are left out; of several labels the mean over the labels.

    Example:
        >>> answers = Answers("binary", np.array([[0.9], [0.8], [0.2], [0.6]]), np.array([[1], [0], [1], [1]]))
        >>> round(BalancedAccuracy().of(answers)[""], 2)
        0.33

    Others: scikit-learn's ``balanced_accuracy_score``.
    """

    higher_is_better = True
    needs = "decisions"
    formula = Formula("mean(recall)")

    def one(self, answers: Answers) -> float:
        _, (hits, _, true), _ = _counts(answers)
        if not true.any():
            return undefined(self, "no row weighs anything.")
        return float((hits[true > 0] / true[true > 0]).mean())


@metrics.register("matthews_correlation")
class MatthewsCorrelation(OfTwo):
    """Correlation of the predicted with the true classes, from −1 to 1; 0 where one of both is constant.

    With n rows, of which h are hit, t_k have class k and p_k are given it:
    ``(h · n − Σ_k t_k · p_k) / √((n² − Σ_k p_k²) · (n² − Σ_k t_k²))``. Of several labels the
    mean over the labels.

    Example:
        >>> answers = Answers("binary", np.array([[0.9], [0.1]]), np.array([[1], [0]]))
        >>> MatthewsCorrelation().of(answers)[""]
        1.0

    Others: scikit-learn's ``matthews_corrcoef``.

    Source: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004.
    """

    higher_is_better = True
    needs = "decisions"
    formula = Formula("(h * n - sum(k, t[k] * p[k])) / sqrt((n**2 - sum(k, p[k]**2)) * (n**2 - sum(k, t[k]**2)))")

    def one(self, answers: Answers) -> float:
        _, (hits, given, true), _ = _counts(answers)
        n = true.sum()
        spread = np.sqrt((n**2 - (given**2).sum()) * (n**2 - (true**2).sum()))
        return float((hits.sum() * n - (true * given).sum()) / spread) if spread > 0 else 0.0


# ------------------------------------------------------------------------------------- of rankings


def _curve(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights of true and of false positives above each distinct score, from the highest."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    true, false = (np.cumsum(weights[order] * (truth[order] == kind))[ends] for kind in (1, 0))
    return true, false


class Ranking(Averaged):
    """A metric of a ranking: two classes by one score; more, and labels, each class against all others."""

    needs = "scores"

    @abstractmethod
    def area(self, true: np.ndarray, false: np.ndarray) -> float:
        """Compute the metric from the weights above each score."""

    def of(self, answers: Answers) -> dict[str, float]:
        if answers.task == "multilabel":
            each = [(name, column.truth, column.outputs[:, 0], column.of_rows) for name, column in answers.columns()]
        elif answers.task == "binary":
            each = [("", answers.truth, answers.outputs[:, 0], answers.of_rows)]
        else:
            scores = answers.outputs if answers.probabilities is None else answers.probabilities
            each = [
                (name, (answers.truth == i).astype(np.int64), scores[:, i], answers.of_rows)
                for i, name in enumerate(answers.classes)
            ]
        values = np.array([self._of_column(*column) for column in each])
        known = ~np.isnan(values)
        if len(each) == 1 or not known.any():
            return {"": float(values[0]) if len(each) == 1 else np.nan}
        if self.average == "micro":
            whole = self._of_column("all together", *map(np.concatenate, list(zip(*each, strict=True))[1:]))
        elif self.average == "weighted":
            support = np.array([(weights * truth).sum() for _, truth, _, weights in each])
            whole = _mean(values[known], support[known])
        else:
            whole = float(values[known].mean())
        return {"": whole} | {name: float(value) for (name, *_), value in zip(each, values, strict=True)}

    def _of_column(self, name: str, truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> float:
        counted = weights > 0
        truth, scores, weights = truth[counted], scores[counted].astype(np.float64), weights[counted]
        missing = "positive" if not truth.any() else "negative" if truth.all() else ""
        if missing:
            of = f" of {name}" if name else ""
            return undefined(self, f"the set has no {missing} row{of}, and it ranks those of both kinds.")
        return self.area(*_curve(truth, scores, weights))


@metrics.register("roc_auc")
class ROCAUC(Ranking):
    """Area under the ROC curve: ``P(s(positive) > s(negative)) + 1/2 · P(s(positive) = s(negative))``.

    The probability that a positive row is scored above a negative one. Of several classes each is compared with all
    others (one against the rest), by its probability, or its score where a loss gives none.

    Args:
        average: ``"macro"``, the mean over the classes or labels, which is also None; ``"weighted"`` by their rows;
            ``"micro"`` of all as one ranking. Classes without a row of each kind are left out, with a warning.

    Example:
        >>> answers = Answers("binary", np.array([[0.1], [0.4], [0.4], [0.8]]), np.array([[0], [0], [1], [1]]))
        >>> ROCAUC().of(answers)
        {'': 0.875}

    Others: scikit-learn's ``roc_auc_score`` with ``multi_class="ovr"``, which is NaN where one class is undefined.

    Source: Fawcett, "An introduction to ROC analysis", 2006.
    """

    def area(self, true: np.ndarray, false: np.ndarray) -> float:
        true, false = (np.append(0, kind) / kind[-1] for kind in (true, false))
        return float(np.trapezoid(true, false))


@metrics.register("average_precision")
class AveragePrecision(Ranking):
    """Mean precision over the thresholds, weighted by the rise in recall: ``Σ_n (R_n − R_(n − 1)) · P_n``.

    Args:
        average: as for `ROCAUC`.

    Example:
        >>> answers = Answers("binary", np.array([[0.1], [0.4], [0.35], [0.8]]), np.array([[0], [0], [1], [1]]))
        >>> round(AveragePrecision().of(answers)[""], 4)
        0.8333

    Others: scikit-learn's ``average_precision_score``; it is 0 where a set has no positive rows, NaN here.
    """

    formula = Formula("sum(n, (R[n] - R[n - 1]) * P[n])")

    def area(self, true: np.ndarray, false: np.ndarray) -> float:
        recall = true / true[-1]
        return float((np.diff(np.append(0, recall)) * true / (true + false)).sum())


# -------------------------------------------------------------------------------- of probabilities


class OfProbabilities(OfTwo):
    """A metric of the probabilities of classes."""

    needs = "probabilities"
    higher_is_better = False

    @abstractmethod
    def each(self, chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Compute the metric of each row: (rows, classes) and (rows,) class numbers."""

    def one(self, answers: Answers) -> float:
        return _mean(self.each(_chances(answers), answers.truth), answers.of_rows)


def _chances(answers: Answers) -> np.ndarray:
    """The probability of each class, of two as of more."""
    p = answers.probabilities
    assert p is not None
    return np.hstack([1 - p, p]) if p.shape[1] == 1 else p


@metrics.register("log_loss")
class LogLoss(OfProbabilities):
    """Mean logarithm of the probability of the true class, negative: ``−log(p_y)``.

    Probabilities are cut to [ε, 1 − ε], ε being the spacing of their dtype at 1. Of several labels the mean over the
    labels.

    Example:
        >>> half = np.array([[0.5], [0.5]])
        >>> round(LogLoss().of(Answers("binary", half, np.array([[0], [1]]), probabilities=half))[""], 4)
        0.6931

    Others: scikit-learn's ``log_loss``.
    """

    formula = Formula("-log(p[y])")

    def each(self, chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
        tiny = np.finfo(chances.dtype).eps
        return -np.log(np.clip(chances[np.arange(len(truth)), truth], tiny, 1 - tiny).astype(np.float64))


@metrics.register("brier_score")
class BrierScore(OfProbabilities):
    """Mean squared error of the probabilities: ``Σ_k (p_k − [k = y])²``; of two classes half of it, (p − y)².

    Of several labels the mean over the labels.

    Example:
        >>> p = np.array([[0.9], [0.4]])
        >>> round(BrierScore().of(Answers("binary", p, np.array([[1], [0]]), probabilities=p))[""], 3)
        0.085

    Others: scikit-learn's ``brier_score_loss``.

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """

    formula = Formula("sum(k, (p[k] - (k == y))**2)")

    def each(self, chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
        squares = np.square(chances.astype(np.float64) - np.eye(chances.shape[1])[truth]).sum(axis=1)
        return squares / 2 if chances.shape[1] == 2 else squares


@metrics.register("expected_calibration_error")
class ExpectedCalibrationError(OfTwo):
    """Mean distance of confidence and accuracy over bins of the confidence: ``Σ_m n_m · |A_m − C_m| / n``.

    The confidence of a row is the probability of the class that it is given, the largest. The bins divide [0, 1] into
    equal parts, each with its upper end. A_m is the fraction of right rows in bin m, C_m the mean of their confidence,
    n_m their weight. Of several labels the mean over the labels.

    Args:
        bins: how many.

    Example:
        >>> p = np.array([[0.8], [0.8], [0.8], [0.8]])
        >>> answers = Answers("binary", p, np.array([[1], [1], [1], [0]]), probabilities=p)
        >>> round(ExpectedCalibrationError().of(answers)[""], 4)  # 3 of 4 are right where 80 % are expected
        0.05

    Source: Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", 2017.
    """

    bins: int = constrained(15, WholeNumber(1), "equal parts of [0, 1]")

    higher_is_better = False
    needs = "probabilities"
    formula = Formula("sum(m, n[m] * abs(A[m] - C[m])) / n")

    def one(self, answers: Answers) -> float:
        chances, weights = _chances(answers).astype(np.float64), answers.of_rows
        if not weights.any():
            return undefined(self, "no row weighs anything.")
        confidence, right = chances.max(axis=1), chances.argmax(axis=1) == answers.truth
        bins = np.clip(np.ceil(confidence * self.bins).astype(np.int64) - 1, 0, self.bins - 1)
        gap = np.bincount(bins, weights * (right - confidence), self.bins)
        return float(abs(gap).sum() / weights.sum())


# --------------------------------------------------------------------------------------- of numbers


class OfNumbers(SetMetric):
    """A metric of numbers: of several the mean over them."""

    tasks = NUMBERS
    needs = "numbers"

    @abstractmethod
    def column(self, prediction: np.ndarray, target: np.ndarray, weights: np.ndarray, name: str) -> float:
        """Compute the metric of one number of all rows."""

    def of(self, answers: Answers) -> dict[str, float]:
        each = {}
        for name, column in answers.columns():
            prediction, target = (values[:, 0].astype(np.float64) for values in (column.outputs, column.target))
            each[name] = self.column(prediction, target, column.of_rows, name)
        return _with_mean(each)


@metrics.register("r2")
class R2(OfNumbers):
    """Explained fraction of the variance: ``1 − Σ (ŷ − y)² / Σ (y − mean(y))²``; 1 is perfect.

    0 is as good as always predicting the mean; below 0 is worse. Of several numbers the mean of theirs.

    Example:
        >>> R2().of(Answers("regression", np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]])))
        {'': 0.5}

    Others: scikit-learn's ``r2_score``; for a constant target it is 0 or 1, NaN here.
    """

    higher_is_better = True
    tasks = ("regression",)
    formula = Formula("1 - sum((yhat - y)**2) / sum((y - mean(y))**2)")

    def column(self, prediction: np.ndarray, target: np.ndarray, weights: np.ndarray, name: str) -> float:
        variance = (weights * np.square(target - _mean(target, weights))).sum()
        if not variance > 0:
            return undefined(self, f"the target ({name}) does not vary in the {len(target)} rows of the set.")
        return float(1 - (weights * np.square(prediction - target)).sum() / variance)


@metrics.register("root_mean_squared_error")
class RootMeanSquaredError(OfNumbers):
    """Root of the mean squared error: ``√mean((ŷ − y)²)``, in the units of the target.

    Of several numbers the mean of theirs.

    Example:
        >>> RootMeanSquaredError().of(Answers("regression", np.array([[3.0], [4.0]]), np.zeros((2, 1))))
        {'': 3.5355339059327378}

    Others: scikit-learn's ``root_mean_squared_error``.
    """

    higher_is_better = False
    formula = Formula("sqrt(mean((yhat - y)**2))")

    def column(self, prediction: np.ndarray, target: np.ndarray, weights: np.ndarray, name: str) -> float:
        return float(np.sqrt(_mean(np.square(prediction - target), weights)))


@metrics.register("mean_absolute_percentage_error")
class MeanAbsolutePercentageError(OfNumbers):
    """Mean size of the error as a fraction of the target: ``mean(|ŷ − y| / |y|)``; 0.1 is 10 %.

    A target of 0 counts as 2.2·10⁻¹⁶, so that its rows decide: take another metric where there are any.

    Example:
        >>> MeanAbsolutePercentageError().of(Answers("regression", np.array([[9.0], [22.0]]), np.array([[10], [20]])))
        {'': 0.1}

    Others: scikit-learn's ``mean_absolute_percentage_error``; Keras gives percents.
    """

    higher_is_better = False
    formula = Formula("mean(abs(yhat - y) / abs(y))")

    def column(self, prediction: np.ndarray, target: np.ndarray, weights: np.ndarray, name: str) -> float:
        return _mean(abs(prediction - target) / np.maximum(abs(target), np.finfo(np.float64).eps), weights)
