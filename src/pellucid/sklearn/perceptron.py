"""Rosenblatt's perceptron, one for each class."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from pellucid.core.constraints import NOT_NEGATIVE, POSITIVE, WholeNumber, constrained
from pellucid.data import Dataset
from pellucid.functions.losses import Loss, PerceptronCriterion
from pellucid.layers import Dense
from pellucid.network import Network
from pellucid.optimizers import SGD
from pellucid.sklearn.parameters import described, documented
from pellucid.sklearn.targets import Classifier


@documented
@dataclass(eq=False, repr=False)
class Perceptron(Classifier):
    """Perceptron: neurons that are corrected by the examples they get wrong, one for each class.

    Formula:
        where y · (w · x + b) ≤ 0, with y = ±1: w ← w + η y x; b ← b + η y

    Of more than two classes each has a neuron that separates it from all others.

    Args:
        {parameters}

    Attributes:
        classes_: the classes.
        coef_: weights, shape (1 or classes, features).
        intercept_: biases, shape (1 or classes,).
        loss_curve_: the criterion of each epoch, the mean over its examples.
        n_iter_: epochs of the last fit.
        run_: the training as a `pellucid.Run`.

    Example:
        >>> perceptron = Perceptron(random_state=0).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1])
        >>> perceptron.predict([[1, 1], [0, 1]]).tolist()
        [1, 0]

    Source: Rosenblatt, The perceptron, 1958.
    """

    _: KW_ONLY
    alpha: float = constrained(0.0, NOT_NEGATIVE, "strength of the L2 penalty, alpha / 2 · Σ w² at each example")
    fit_intercept: bool = described(True, "learn biases")
    eta0: float = constrained(1.0, POSITIVE, "learning rate η")
    max_iter: int = constrained(1000, WholeNumber(1), "most epochs")
    tol: float = constrained(1e-3, NOT_NEGATIVE, "improvement that counts as such")
    n_iter_no_change: float = described(5, "epochs without improvement that are waited for; may be infinite")

    loss = PerceptronCriterion()
    _relative_weights = False  # each weighs its own correction, as in scikit-learn

    def _network(self, data: Dataset) -> Network:
        return Network(Dense(data.outputs, weights="zeros", use_biases=bool(self.fit_intercept)))

    def _loss_of(self, data: Dataset, network: Network) -> tuple[Loss, Network, float]:
        return self.loss, network, float(data.outputs)

    def _optimizer(self, rows: int) -> Any:
        return SGD(self.eta0)

    def _rows_of_step(self, rows: int, full_batch: bool) -> int:
        return 1

    def decision_function(self, X: Any) -> np.ndarray:
        """Compute w · x + b, above 0 for the class.

        Args:
            X: the rows.

        Returns:
            Shape (rows, classes); of two classes (rows,).
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    @property
    def coef_(self) -> np.ndarray:
        """The weights, shape (1 or classes, features)."""
        return self._fitted.weights[0]["weights"].T

    @property
    def intercept_(self) -> np.ndarray:
        """The biases, shape (1 or classes,)."""
        return self._fitted.weights[0].get("biases", np.zeros(len(self.coef_), np.float32))
