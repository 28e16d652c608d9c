"""Multilayer perceptrons, for scikit-learn's in a changed import."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pellucid.architectures.tasks import output_layer
from pellucid.core.constraints import FRACTION, WholeNumber, constrained, require
from pellucid.core.types import Specification
from pellucid.data import Dataset
from pellucid.functions.activations import activations
from pellucid.layers import Activation, BatchNorm, Dense, Dropout, Layer
from pellucid.network import Network
from pellucid.sklearn.base import Estimator
from pellucid.sklearn.parameters import ACTIVATIONS, GradientParameters, described, documented
from pellucid.sklearn.targets import GradientClassifier, Regressor

OUTPUT_NAMES = {"linear": "identity", "sigmoid": "logistic", "softmax": "softmax", "exponential": "exp"}
"""scikit-learn's names of output activations."""


def activation_of(given: Any) -> Specification:
    """The activation of a name of scikit-learn's or of pellucid's."""
    return ACTIVATIONS.get(given, given) if isinstance(given, str) else given


def units_of(given: Any) -> list[int]:
    """The units of hidden layers, given as one number or several.

    Raises:
        InvalidValue: a number below 1.
    """
    units = list(given) if isinstance(given, Iterable) else [given]
    for number in units:
        require(number, WholeNumber(1), "hidden_layer_sizes")
    return [int(number) for number in units]


@dataclass(eq=False, repr=False, kw_only=True)
class _Dense(GradientParameters, Estimator):
    """Dense layers, from inputs to outputs."""

    dropout: float = constrained(0.0, FRACTION, "fraction of neurons dropped after each hidden layer")
    batch_norm: bool = described(False, "batch normalisation before each hidden layer's activation")

    def _network(self: Any, data: Dataset) -> Network:
        layers: list[Layer] = []
        for units in units_of(self.hidden_layer_sizes):
            function = activations.build(activation_of(self.activation))
            if self.batch_norm:
                layers += [Dense(units, weights="glorot_uniform"), BatchNorm(), Activation(function)]
            else:
                layers.append(Dense(units, function, weights="glorot_uniform"))
            if self.dropout:
                layers.append(Dropout(self.dropout))
        return Network(*layers, output_layer(data))

    def _drawn(self: Any, random: np.random.RandomState, data: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
        sizes = [int(np.prod(data.input_shape)), *units_of(self.hidden_layer_sizes), data.outputs]
        factor = 2.0 if self.activation == "logistic" else 6.0
        drawn = []
        for inputs, outputs in pairwise(sizes):
            bound = np.sqrt(factor / (inputs + outputs))
            weights = random.uniform(-bound, bound, (inputs, outputs))
            drawn.append((weights, random.uniform(-bound, bound, outputs)))
        return drawn

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, shape (inputs, outputs)."""
        return [own["weights"] for own in self._fitted.weights]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer."""
        return [own["biases"] for own in self._fitted.weights]

    @property
    def n_layers_(self) -> int:
        """Number of layers, that of the inputs included."""
        return len(self.coefs_) + 1

    @property
    def n_outputs_(self) -> int:
        """Number of outputs."""
        return len(self.intercepts_[-1])

    @property
    def out_activation_(self) -> str:
        """Name of the output activation."""
        last = self._fitted.network.layers[-1]
        name = activations.build(last.function).name if isinstance(last, Activation) else "linear"
        return OUTPUT_NAMES.get(name, name)


@documented
@dataclass(eq=False, repr=False)
class MLPClassifier(_Dense, GradientClassifier):
    """Multilayer perceptron for classes or labels, with scikit-learn's parameters.

    Args:
        {parameters}

    Attributes:
        classes_: the classes.
        coefs_: the weights of each layer.
        intercepts_: the biases of each layer.
        loss_curve_: the objective of each epoch, the mean over its steps.
        validation_loss_curve_: the loss of the validation part after each epoch; None without one.
        validation_scores_: its accuracy.
        n_iter_: epochs of the last fit.
        run_: the training as a `pellucid.Run`.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> x, y = load_iris(return_X_y=True)
        >>> mlp = MLPClassifier((20,), learning_rate_init=0.05, tol=0.01, random_state=0).fit(x, y)
        >>> mlp.score(x, y) > 0.95
        True

    Where scikit-learn differs: see the page "Estimators" of the documentation.

    Source: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986.
    """

    hidden_layer_sizes: Any = described((100,), "units of each hidden layer")
    activation: Any = described("relu", "of the hidden layers: scikit-learn's name, or a name, table or object")


@documented
@dataclass(eq=False, repr=False)
class MLPRegressor(_Dense, Regressor):
    """Multilayer perceptron for numbers, with scikit-learn's parameters.

    Args:
        {parameters}

    Attributes:
        coefs_: the weights of each layer.
        intercepts_: the biases of each layer.
        loss_curve_: the objective of each epoch, the mean over its steps.
        validation_loss_curve_: the loss of the validation part after each epoch; None without one.
        validation_scores_: its R².
        n_iter_: epochs of the last fit.
        run_: the training as a `pellucid.Run`.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> x, y = load_diabetes(return_X_y=True)
        >>> scaled = {"scale_inputs": "standardise", "scale_targets": "standardise"}
        >>> mlp = MLPRegressor(**scaled, learning_rate_init=0.01, tol=0.01, random_state=0).fit(x, y)
        >>> mlp.score(x, y) > 0.5
        True

    Source: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986.
    """

    loss: Any = described("squared_error", '"squared_error" or "poisson", or any loss: a name, a table or an object')
    hidden_layer_sizes: Any = described((100,), "units of each hidden layer")
    activation: Any = described("relu", "of the hidden layers: scikit-learn's name, or a name, table or object")
