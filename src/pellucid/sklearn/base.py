"""What all estimators that are trained by gradients share: fit, partial_fit, fitted attributes, the run."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from pellucid.api import Run
from pellucid.core.constraints import validate
from pellucid.core.errors import InvalidValue
from pellucid.core.precision import double_precision
from pellucid.core.tunable import as_arrays
from pellucid.core.xla import keep_compiled_programs
from pellucid.data import Dataset, Part
from pellucid.functions.losses import Loss
from pellucid.functions.metrics import Metric
from pellucid.network import Network
from pellucid.sklearn.fitting import Convergence, Fitting
from pellucid.sklearn.inputs import encoder_of, has_categories
from pellucid.sklearn.model import Model
from pellucid.sklearn.objective import flat, unflat, value_and_gradient
from pellucid.sklearn.parameters import LBFGS, Parameters
from pellucid.sklearn.preparation import Prepared, prepare
from pellucid.sklearn.run import run_of
from pellucid.training import TrainingState


@dataclass(eq=False, repr=False, kw_only=True)
class Estimator(Parameters, ABC):
    """The base of the estimators; a subclass says what its network is and how it reads targets."""

    alpha = 0.0
    max_fun = 0
    _by_lbfgs = False
    _adaptive = False
    _relative_weights = True
    """Weights of rows are divided by their mean."""
    _axes = (2,)
    """Numbers of axes that rows may have."""

    @abstractmethod
    def _optimizer(self, rows: int) -> Any:
        """The optimiser, where ``rows`` are trained on."""

    @abstractmethod
    def _rows_of_step(self, rows: int, full_batch: bool) -> int:
        """The rows of a step."""

    @abstractmethod
    def _network(self, data: Dataset) -> Network:
        """The network for a dataset, its output layer included."""

    @abstractmethod
    def _loss_of(self, data: Dataset, network: Network) -> tuple[Loss, Network, float]:
        """The loss, the network that it reads, and the factor of the loss in the objective."""

    @abstractmethod
    def _metric_of(self, data: Dataset, loss: Loss) -> Metric:
        """The metric of a validation part."""

    @abstractmethod
    def _read(self, x: Any, y: Any, reset: bool, classes: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows and targets, checked, as a dataset keeps them."""

    def _check_warm_start(self, y: Any) -> None:
        """Refuse targets that a fitted network cannot be trained on."""

    @abstractmethod
    def _dataset(self, train: Part, held_out: Part | None) -> Dataset:
        """The dataset of rows that are read."""

    def _features(self, part: Part) -> tuple[str, ...]:
        """Names of the inputs, where rows are of a data frame."""
        if self._encoder is not None:
            return self._encoder.features
        names = getattr(self, "feature_names_in_", ())
        return tuple(map(str, names)) if part.x.shape[1:] == (len(names),) else ()

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        """The classes by which a validation part is drawn."""
        return None

    def _class_weights(self, y: np.ndarray) -> np.ndarray | None:
        """The weight of each row's class."""
        return None

    def _drawn(self, random: np.random.RandomState, data: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
        """Initial weights and biases of the dense layers, in order; none where the layers draw them themselves."""
        return []

    def _check_epochs(self) -> bool:
        if self._by_lbfgs:
            raise AttributeError(f"partial_fit makes one epoch, and solver={LBFGS!r} has none. Take adam or sgd.")
        return True

    @property
    def run_(self) -> Run:
        """The training as a run, made when first asked for: ``run_.explain``, ``run_.diagnose``, ``run_.prove``.

        Its rows are those of the last call of ``fit`` or ``partial_fit``; a pickled estimator leaves them behind.
        """
        if "_run" not in vars(self):
            self._run = run_of(self._fitted)
        return self._run

    @property
    def _fitted(self) -> Model:
        check_is_fitted(self)
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        plain: Any = super().__getstate__()
        return {name: value for name, value in plain.items() if name != "_run"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    def _fit(
        self, x: Any, y: Any, sample_weight: Any, validation: Any, *, incremental: bool = False, classes: Any = None
    ) -> Self:
        validate(self)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True: it makes one epoch.")
        keep_compiled_programs()
        before = getattr(self, "_model", None) if self.warm_start or incremental else None
        self._encoder: Any = getattr(before, "encoder", None)
        if before is None and has_categories(x):
            self._encoder = encoder_of(x)
        if before is not None and not incremental:
            self._check_warm_start(y)
        rows, targets = self._read(x, y, before is None, classes)
        weights = self._class_weights(targets)
        if sample_weight is not None:
            own = _check_sample_weight(sample_weight, rows, ensure_non_negative=True)
            weights = own if weights is None else weights * own
        whole = Part(rows, targets, None if weights is None else np.asarray(weights, np.float32))
        random = check_random_state(self.random_state)
        drawn = self._drawn(random, self._dataset(whole, None)) if before is None else []
        train, held_out = self._divided(whole, random, validation, incremental)
        data = self._dataset(train, held_out)
        seed = before.seed if incremental and before is not None else int(random.randint(np.iinfo(np.int32).max))
        with double_precision(self._by_lbfgs or (before is not None and before.network.precision == "float64")):
            prepared = prepare(self, data, before, seed)
            state = self._first_state(prepared, before, drawn, incremental)
            if prepared.optimizer is None:
                self._model = self._fit_lbfgs(prepared, state)
            else:
                self._model = self._fit_epochs(prepared, state, before, incremental)
        vars(self).pop("_run", None)
        return self

    def _divided(self, whole: Part, random: Any, validation: Any, incremental: bool) -> tuple[Part, Part | None]:
        """The rows to train on, and those whose loss or score is followed."""
        if validation is not None:
            x, y = self._read(validation[0], validation[1], False)
            return whole, Part(x, y)
        if not self.early_stopping or incremental or self._by_lbfgs:
            return whole, None
        rows = np.arange(len(whole))
        strata = self._strata(whole.y)
        train, held_out = train_test_split(
            rows, random_state=random, test_size=self.validation_fraction, stratify=strata
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return whole.take(train), whole.take(held_out)

    def _first_state(
        self, prepared: Prepared, before: Model | None, drawn: list[tuple[np.ndarray, np.ndarray]], incremental: bool
    ) -> TrainingState:
        """The state from which this call trains: anew, from the weights of before, or going on."""
        if incremental and before is not None and before.optimizer is not None:
            steps = -(-len(prepared.data.train) // prepared.program.batch_size)
            penalty = as_arrays(prepared.penalty, prepared.network.dtype)
            return before.state._replace(step=np.int32(before.epochs * steps), regularizer=penalty)
        names = [name for name, layer in zip(prepared.network.names, prepared.network.layers, strict=True)
                 if "weights" in getattr(layer, "__dataclass_fields__", ())]  # fmt: skip
        given = {
            name: {"weights": weights, "biases": biases} for name, (weights, biases) in zip(names, drawn, strict=False)
        }
        state = prepared.first_state(given)
        if before is None:
            return state
        return state._replace(params=before.state.params, layer_state=before.state.layer_state)

    def _fit_epochs(self, prepared: Prepared, state: TrainingState, before: Model | None, incremental: bool) -> Model:
        scored = self.early_stopping and prepared.monitor is not None
        fitting = Fitting(
            prepared.program,
            prepared.scaling,
            prepared.train,
            prepared.monitor,
            prepared.optimizer,
            state,
            len(prepared.data.train),
            scored,
            higher_is_better=prepared.program.metric.higher_is_better,
            adaptive=self._adaptive,
            verbose=bool(self.verbose),
        )
        rule = Convergence(self.tol, self._patience)
        fitting.run(1 if incremental else self.max_iter, rule)
        epochs = len(fitting.objectives)
        going_on = before is not None
        self.n_iter_ = epochs
        self.t_ = (self.t_ if going_on else 0) + epochs * len(prepared.data.train)
        self.loss_curve_ = (self.loss_curve_ if going_on else []) + fitting.objectives
        self.loss_ = self.loss_curve_[-1]
        self._keep_validation(fitting, going_on)
        if not incremental and not fitting.converged:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )
        made = epochs + (before.epochs if incremental and before is not None else 0)
        return prepared.model(fitting.state, made, fitting.optimizer, fitting.records, fitting.measures)

    def _keep_validation(self, fitting: Fitting, going_on: bool) -> None:
        """Keep loss and score of the validation part after each epoch."""
        self.best_loss_ = None if fitting.scored else min(self.loss_curve_)
        self.validation_loss_curve_ = self.validation_scores_ = self.best_validation_score_ = None
        if fitting.monitor is None:
            return
        losses, scores = fitting.measures.astype(float).T.tolist()
        if not fitting.higher_is_better:  # the squared error in units of the spread
            scores = [1 - score for score in scores]
        before = vars(self).get("_curves", ([], [])) if going_on else ([], [])
        self._curves = before[0] + losses, before[1] + scores
        self.validation_loss_curve_, self.validation_scores_ = self._curves
        self.best_validation_score_ = max((score for score in scores if score == score), default=-np.inf)

    def _fit_lbfgs(self, prepared: Prepared, state: TrainingState) -> Model:
        """Minimise the objective of all rows by L-BFGS, in double precision, as scikit-learn does."""
        program, curve = prepared.program, []

        def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = value_and_gradient(
                program.network,
                program.loss,
                program.scale,
                unflat(vector, state.params),
                state.layer_state,
                state.regularizer,
                prepared.scaling,
                prepared.train,
            )
            return float(value), flat(gradient)

        found = scipy.optimize.minimize(
            objective,
            flat(state.params),
            method="L-BFGS-B",
            jac=True,
            callback=lambda intermediate_result: curve.append(float(intermediate_result.fun)),
            options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
        )
        if not np.isfinite(found.x).all():
            raise InvalidValue("lbfgs produced weights that are not finite. Standardise the inputs.")
        self.n_iter_ = min(int(found.nit), self.max_iter)
        self.loss_ = self.best_loss_ = float(found.fun)
        self.loss_curve_, self.t_ = curve, self.n_iter_ * len(prepared.data.train)
        self.validation_loss_curve_ = self.validation_scores_ = self.best_validation_score_ = None
        if not found.success:
            warnings.warn(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s): {found.message}. Increase max_iter, or "
                "scale the inputs.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return prepared.model(state._replace(params=unflat(found.x, state.params)), self.n_iter_, None, None, None)
