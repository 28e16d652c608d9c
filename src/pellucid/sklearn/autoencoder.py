"""Autoencoders: rows to codes and back."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from pellucid.architectures.autoencoder import autoencoder
from pellucid.core.constraints import FRACTION, WholeNumber, constrained
from pellucid.core.errors import ShapeError
from pellucid.data import Dataset, Part, Preprocessing
from pellucid.data.encoding import as_float32
from pellucid.functions.losses import Loss, MeanSquaredError
from pellucid.functions.metrics import Metric, metrics
from pellucid.layers import Code
from pellucid.network import Network
from pellucid.sklearn.base import Estimator
from pellucid.sklearn.inputs import NO_TARGETS, as_rows, dtype_like
from pellucid.sklearn.mlp import activation_of, units_of
from pellucid.sklearn.parameters import GradientParameters, described, documented, scaling


@documented
@dataclass(eq=False, repr=False)
class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, GradientParameters, Estimator):
    """Autoencoder: a network that gives its inputs back through a narrow code, which is what it transforms to.

    Args:
        {parameters}

    Attributes:
        loss_curve_: the objective of each epoch, the mean over its steps.
        validation_loss_curve_: the loss of the validation part after each epoch; None without one.
        n_iter_: epochs of the last fit.
        run_: the training as a `pellucid.Run`.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> x, _ = load_iris(return_X_y=True)
        >>> coder = Autoencoder(n_components=2, hidden_layer_sizes=(16,), learning_rate_init=0.01, random_state=0)
        >>> coder.fit_transform(x).shape, coder.score(x) > 0.9
        ((150, 2), True)

    Source: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006.
    """

    n_components: int = constrained(2, WholeNumber(1), "numbers of a code")
    _: KW_ONLY
    hidden_layer_sizes: Any = described((128,), "units of the encoder's hidden layers; the decoder reverses them")
    activation: Any = described("relu", "of the hidden layers")
    noise: float = constrained(0.0, FRACTION, "fraction of the inputs set to 0 in training")
    sparsity: Any = described(None, 'a penalty on the code: "l1_activity" or "kl_activity", or a table')
    scale_inputs: str = scaling("auto")

    def _read(self, x: Any, y: Any, reset: bool, classes: Any = None) -> tuple[np.ndarray, np.ndarray]:
        rows, _ = as_rows(self, x, NO_TARGETS, self._encoder, reset=reset, axes=self._axes)
        return rows, rows

    def _dataset(self, train: Part, held_out: Part | None) -> Dataset:
        return Dataset(
            type(self).__name__, train, held_out, "reconstruction", (), self._features(train), encoder=self._encoder
        )

    def _network(self, data: Dataset) -> Network:
        hidden, function = units_of(self.hidden_layer_sizes), activation_of(self.activation)
        options: dict[str, Any] = {"activation": function, "noise": self.noise, "sparsity": self.sparsity}
        return autoencoder(data, hidden, self.n_components, **options)

    def _loss_of(self, data: Dataset, network: Network) -> tuple[Loss, Network, float]:
        return MeanSquaredError(), network, 1.0

    def _metric_of(self, data: Dataset, loss: Loss) -> Metric:
        return metrics.build("mean_squared_error")

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, X_val: Any = None) -> Self:
        """Train on rows.

        Args:
            X: the rows.
            y: ignored.
            sample_weight: a weight for each row, at least 0.
            X_val: rows whose loss is followed, and by which ``early_stopping`` decides.

        Returns:
            The estimator.
        """
        return self._fit(X, None, sample_weight, None if X_val is None else (X_val, None))

    @available_if(lambda self: self._check_epochs())
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on for one epoch, on these rows.

        Args:
            X: the rows.
            y: ignored.
            sample_weight: a weight for each row, at least 0.

        Returns:
            The estimator.
        """
        return self._fit(X, None, sample_weight, None, incremental=True)

    def transform(self, X: Any) -> np.ndarray:
        """Compute the codes of rows.

        Args:
            X: the rows.

        Returns:
            Shape (rows, n_components).
        """
        return self._half(slice(None, self._split), self._rows(X), self._fitted.preprocessing).astype(dtype_like(X))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Compute the rows that codes stand for, in the units of the data.

        Args:
            X: the codes, shape (rows, n_components).
        """
        check_is_fitted(self)
        codes = as_float32(check_array(X), "X")
        if codes.shape[1] != self._n_features_out:
            raise ShapeError(f"a code has {self._n_features_out} numbers. Received: X of shape {codes.shape}.")
        decoded = self._half(slice(self._split, None), codes, Preprocessing())
        return self._fitted.preprocessing.invert_numpy(decoded).astype(dtype_like(X))

    def reconstruction_errors(self, X: Any) -> np.ndarray:
        """Compute the mean squared error of each row, scaled as the network sees it: high for unusual ones.

        Args:
            X: the rows.
        """
        rows, model = self._rows(X), self._fitted
        difference = model.outputs(rows) - model.preprocessing.apply_numpy(rows)
        return np.square(difference.astype(np.float64)).mean(axis=1)

    def score(self, X: Any, y: Any = None) -> float:
        """Compute the fraction of the rows' variance that their reconstructions keep: 1 − Σ (x − x̂)² / Σ (x − x̄)².

        Args:
            X: the rows.
            y: ignored.
        """
        scaled = self._fitted.preprocessing.apply_numpy(self._rows(X)).astype(np.float64)
        return 1 - float(self.reconstruction_errors(X).sum() / scaled.var(axis=0).mean() / len(scaled))

    def _rows(self, x: Any) -> np.ndarray:
        return as_rows(self, x, NO_TARGETS, self._fitted.encoder, reset=False, axes=self._axes)[0]

    @property
    def _split(self) -> int:
        return next(i for i, layer in enumerate(self._fitted.network.layers) if isinstance(layer, Code)) + 1

    def _half(self, part: slice, x: np.ndarray, preprocessing: Any) -> np.ndarray:
        model = self._fitted
        network = Network(*model.network.layers[part]).in_precision(model.network.precision)
        return model.through(network, model.state.params[part], model.state.layer_state[part], x, preprocessing)

    @property
    def _n_features_out(self) -> int:
        return self._fitted.state.params[self._split - 2]["weights"].shape[1]
