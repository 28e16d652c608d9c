"""Classifiers and regressors: how targets are read, and predictions given back."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import jax
import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted

from pellucid.architectures.tasks import OUTPUTS, loss_and_network
from pellucid.core.constraints import OneOf, constrained
from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset, Part
from pellucid.data.encoding import as_float32
from pellucid.functions.losses import Loss, losses
from pellucid.functions.metrics import Metric, metrics
from pellucid.network import Network
from pellucid.runs.experiment import TARGET_CHOICES
from pellucid.sklearn.base import Estimator
from pellucid.sklearn.inputs import NO_TARGETS, as_rows, dtype_like
from pellucid.sklearn.objective import ExactAnswers
from pellucid.sklearn.parameters import GradientParameters, described


@dataclass(eq=False, repr=False, kw_only=True)
class Predictor(Estimator):
    """An estimator of targets."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Self:
        """Train on rows.

        Args:
            X: the rows: an array, a sparse matrix or a data frame.
            y: their targets.
            sample_weight: a weight for each row, at least 0.
            X_val: rows whose loss is followed, and by whose score ``early_stopping`` decides.
            y_val: their targets.

        Returns:
            The estimator.

        Raises:
            ValueError: parameters, rows or targets that cannot be trained on.
        """
        return self._fit(X, y, sample_weight, None if X_val is None else (X_val, y_val))

    @available_if(lambda self: self._check_epochs())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on for one epoch, on these rows.

        Args:
            X: the rows.
            y: their targets.
            sample_weight: a weight for each row, at least 0.

        Returns:
            The estimator.
        """
        return self._fit(X, y, sample_weight, None, incremental=True)

    def _read(self, x: Any, y: Any, reset: bool, classes: Any = None) -> tuple[np.ndarray, np.ndarray]:
        rows, targets = as_rows(
            self, x, y, self._encoder, reset=reset, axes=self._axes, multi_output=True, y_numeric=self._numeric
        )
        if np.ndim(targets) == 2 and np.shape(targets)[1] == 1:
            targets = column_or_1d(targets, warn=True)
        return self._examples(rows), self._as_targets(targets, reset, classes)

    _numeric = True
    """True where targets are numbers."""

    def _examples(self, rows: np.ndarray) -> np.ndarray:
        """Rows in the shape that the network takes."""
        return rows

    @abstractmethod
    def _as_targets(self, y: Any, reset: bool, classes: Any) -> np.ndarray:
        """Targets, checked, as a dataset keeps them."""

    def _outputs(self, x: Any) -> np.ndarray:
        """The outputs of the network for rows."""
        check_is_fitted(self)
        rows, _ = as_rows(self, x, NO_TARGETS, self._model.encoder, reset=False, axes=self._axes)
        return self._model.outputs(self._examples(rows)).astype(dtype_like(x))


@dataclass(eq=False, repr=False, kw_only=True)
class Classifier(ClassifierMixin, Predictor):
    """The base of the classifiers."""

    class_weight: Any = described(None, '"balanced", or a weight for each class')

    loss = None
    _numeric = False

    @available_if(lambda self: self._check_epochs())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train on for one epoch, on these rows.

        Args:
            X: the rows.
            y: their classes.
            sample_weight: a weight for each row, at least 0.
            classes: all classes that there will be, at the first call.

        Returns:
            The estimator.
        """
        if self.__sklearn_is_fitted__():
            if classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
                )
        elif classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit(X, y, sample_weight, None, incremental=True, classes=classes)

    def _as_targets(self, y: Any, reset: bool, classes: Any) -> np.ndarray:
        labels, found, several = _labels(y)
        if reset:
            self.classes_, self._several = found if classes is None else unique_labels(classes), several
        if several != self._several or not np.isin(found, self.classes_).all():
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {found}."
            )
        if several:
            return labels.astype(np.float32)
        numbers = np.searchsorted(self.classes_, labels)
        return numbers.astype(np.float32)[:, None] if len(self.classes_) <= 2 else numbers.astype(np.int32)

    def _check_warm_start(self, y: Any) -> None:
        _, found, _ = _labels(y)
        if not np.array_equal(found, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {found}"
            )

    def _dataset(self, train: Part, held_out: Part | None) -> Dataset:
        task = "multilabel" if self._several else "binary" if len(self.classes_) <= 2 else "multiclass"
        names = tuple(map(str, self.classes_))
        return Dataset(type(self).__name__, train, held_out, task, names, self._features(train), encoder=self._encoder)

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return None if self._several else self.classes_[y.reshape(len(y)).astype(int)]

    def _class_weights(self, y: np.ndarray) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        if self._several:
            raise InvalidValue("class_weight needs one class for each row; these have several labels.")
        return compute_sample_weight(self.class_weight, self._strata(y))

    def _loss_of(self, data: Dataset, network: Network) -> tuple[Loss, Network, float]:
        loss, network = loss_and_network(self.loss, network, data)
        # scikit-learn adds up the losses of several labels, pellucid takes their mean.
        return loss, network, float(data.outputs) if self.loss is None and self._several else 1.0

    def _metric_of(self, data: Dataset, loss: Loss) -> Metric:
        return ExactAnswers(loss.threshold) if self._several else metrics.build(OUTPUTS[data.task].metric).beside(loss)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the class of each row, or its labels.

        Args:
            X: the rows.
        """
        outputs = self._outputs(X)
        yes = outputs > self._model.loss.threshold
        if self._several:
            return yes.astype(int)
        numbers = outputs.argmax(axis=1) if outputs.shape[1] > 1 else yes[:, 0].astype(int)
        return self.classes_[np.minimum(numbers, len(self.classes_) - 1)]  # of one class there is no other

    @available_if(lambda self: self._check_probabilities())
    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the probability of each class, in the order of ``classes_``.

        Args:
            X: the rows.

        Returns:
            Shape (rows, classes).
        """
        return self._probabilities(self._outputs(X))

    @available_if(lambda self: self._check_probabilities())
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Compute the logarithm of the probability of each class.

        Args:
            X: the rows.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _probabilities(self, outputs: np.ndarray) -> np.ndarray:
        loss = self._model.loss
        if loss.reads == "logits":
            assert loss.activation is not None
            outputs = np.asarray(loss.activation().value(jax.numpy.asarray(outputs, "float32")), outputs.dtype)
        if outputs.shape[1] > 1:
            return outputs if self._several else outputs / outputs.sum(axis=1, keepdims=True)
        return np.hstack([1 - outputs, outputs])[:, : len(self.classes_)] if not self._several else outputs

    def _check_probabilities(self) -> bool:
        reads = losses.build(self.loss).reads if self.loss is not None else "probabilities"
        if reads not in ("probabilities", "logits"):
            raise AttributeError(f"the loss {self.loss!r} knows {reads}, no probabilities. Take another loss.")
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@dataclass(eq=False, repr=False, kw_only=True)
class GradientClassifier(GradientParameters, Classifier):
    """A classifier that is trained by gradients of any loss."""

    loss: Any = described(None, "loss: a name, a table or an object; by default the cross-entropy")


def _labels(y: Any) -> tuple[np.ndarray, np.ndarray, bool]:
    """The labels of rows, the classes among them, and True where each row has several."""
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multiclass-multioutput":
        raise ValueError("Multioutput target data is not supported: several columns are labels, of 0 and 1.")
    labels = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    several = kind == "multilabel-indicator"
    return labels, np.arange(labels.shape[1]) if several else unique_labels(labels), several


@dataclass(eq=False, repr=False, kw_only=True)
class Regressor(RegressorMixin, Predictor):
    """The base of the regressors."""

    scale_targets: str = constrained(
        "none", OneOf(TARGET_CHOICES), 'how targets are scaled: "none", "standardise", "log", or "auto"'
    )

    def _as_targets(self, y: Any, reset: bool, classes: Any) -> np.ndarray:
        numbers = as_float32(np.asarray(y), "y").reshape(len(y), -1)
        self._columns = np.ndim(y) == 2
        return numbers

    def _dataset(self, train: Part, held_out: Part | None) -> Dataset:
        return Dataset(
            type(self).__name__, train, held_out, "regression", (), self._features(train), encoder=self._encoder
        )

    def _loss_of(self, data: Dataset, network: Network) -> tuple[Loss, Network, float]:
        given = getattr(self, "loss", "squared_error")
        squared = isinstance(given, str) and given == "squared_error"
        loss, network = loss_and_network("mean_squared_error" if squared else given, network, data)
        # scikit-learn takes half the squared error and adds up the outputs, pellucid takes the mean of them.
        summed = isinstance(given, str) and given in ("squared_error", "poisson")
        return loss, network, data.outputs * (0.5 if squared else 1.0) if summed else 1.0

    def _metric_of(self, data: Dataset, loss: Loss) -> Metric:
        return metrics.build("mean_squared_error")

    def predict(self, X: Any) -> np.ndarray:
        """Predict the target of each row.

        Args:
            X: the rows.

        Returns:
            Shape (rows,), of several targets (rows, targets).
        """
        outputs = self._outputs(X)
        return outputs if self._columns else outputs[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
