"""LSTM networks, for sequences."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from pellucid.architectures.recurrent import recurrent
from pellucid.core.constraints import FRACTION, WholeNumber, constrained, require
from pellucid.core.errors import ShapeError
from pellucid.data import Dataset
from pellucid.network import Network
from pellucid.sklearn.base import Estimator
from pellucid.sklearn.mlp import units_of
from pellucid.sklearn.parameters import GradientParameters, described, documented, scaling
from pellucid.sklearn.targets import GradientClassifier, Regressor


@dataclass(eq=False, repr=False, kw_only=True)
class _Recurrent(GradientParameters, Estimator):
    """LSTM layers, then the output layer after the last step."""

    bidirectional: bool = described(False, "a second layer beside each reads the sequence backwards")
    dropout: float = constrained(0.0, FRACTION, "fraction of neurons dropped after each layer")
    mask_value: float | None = described(None, "steps whose features all have this value are padding")
    steps: int | None = described(None, "steps of a sequence in rows of two axes; by default each column is one")
    max_iter: int = constrained(50, WholeNumber(1), "most epochs")
    scale_inputs: str = scaling("auto")

    _axes = (2, 3)

    def _examples(self, rows: np.ndarray) -> np.ndarray:
        if rows.ndim == 3 or self.steps is None:
            return rows.reshape(*rows.shape, 1) if rows.ndim == 2 else rows
        require(self.steps, WholeNumber(1), "steps")
        if rows.shape[1] % self.steps:
            raise ShapeError(f"steps={self.steps} does not divide the {rows.shape[1]} columns of X.")
        return rows.reshape(len(rows), self.steps, -1)

    def _network(self: Any, data: Dataset) -> Network:
        units: Any = units_of(self.hidden_layer_sizes)
        options = {"mask_value": self.mask_value, "dropout": self.dropout}
        return recurrent(data, units, bidirectional=bool(self.bidirectional), **options)


@documented
@dataclass(eq=False, repr=False)
class LSTMClassifier(_Recurrent, GradientClassifier):
    """LSTM network for classes of sequences.

    Sequences are arrays of shape (rows, steps, features); or rows, whose columns are read one after another.

    Args:
        {parameters}

    Attributes:
        classes_: the classes.
        loss_curve_: the objective of each epoch, the mean over its steps.
        validation_loss_curve_: the loss of the validation part after each epoch; None without one.
        n_iter_: epochs of the last fit.
        run_: the training as a `pellucid.Run`.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(200, 5, 1))
        >>> lstm = LSTMClassifier((8,), learning_rate_init=0.1, max_iter=200, random_state=0).fit(x, x[:, 1, 0] > 0)
        >>> lstm.score(x, x[:, 1, 0] > 0) > 0.9
        True

    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997.
    """

    hidden_layer_sizes: Any = described((64,), "units of each LSTM layer")


@documented
@dataclass(eq=False, repr=False)
class LSTMRegressor(_Recurrent, Regressor):
    """LSTM network for numbers that sequences lead to.

    Sequences are arrays of shape (rows, steps, features); or rows, whose columns are read one after another.

    Args:
        {parameters}

    Attributes:
        loss_curve_: the objective of each epoch, the mean over its steps.
        validation_loss_curve_: the loss of the validation part after each epoch; None without one.
        n_iter_: epochs of the last fit.
        run_: the training as a `pellucid.Run`.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(200, 5, 1))
        >>> lstm = LSTMRegressor((8,), learning_rate_init=0.1, max_iter=200, random_state=0).fit(x, x[:, 1, 0])
        >>> lstm.score(x, x[:, 1, 0]) > 0.9
        True

    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997.
    """

    hidden_layer_sizes: Any = described((64,), "units of each LSTM layer")
    _: KW_ONLY
    loss: Any = described("squared_error", '"squared_error" or "poisson", or any loss: a name, a table or an object')
    scale_targets: str = described("auto", 'how targets are scaled: "auto", standardised, or as elsewhere')
