"""Convolutional networks, for images and for rows of numbers in an order."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from pellucid.architectures.convolutional import convolutional
from pellucid.architectures.tasks import output_layer
from pellucid.core.constraints import FRACTION, WholeNumber, constrained, require
from pellucid.core.errors import ShapeError
from pellucid.data import Dataset
from pellucid.layers import Activation, BatchNorm, Conv1D, Dense, Dropout, Flatten, Layer, MaxPool1D, Reshape
from pellucid.network import Network
from pellucid.sklearn.mlp import activation_of, units_of
from pellucid.sklearn.parameters import described, documented, scaling
from pellucid.sklearn.targets import GradientClassifier


@documented
@dataclass(eq=False, repr=False)
class CNNClassifier(GradientClassifier):
    """Convolutional network for classes of images, or of rows whose columns are in an order.

    Images are arrays of shape (rows, height, width) or (rows, height, width, channels); or rows of all their pixels,
    with ``image_shape``. Other rows are read as a signal, column after column, by convolutions along it.

    Args:
        {parameters}

    Attributes:
        classes_: the classes.
        loss_curve_: the objective of each epoch, the mean over its steps.
        validation_loss_curve_: the loss of the validation part after each epoch; None without one.
        n_iter_: epochs of the last fit.
        run_: the training as a `pellucid.Run`.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> x, y = load_digits(return_X_y=True)
        >>> cnn = CNNClassifier((8,), (), image_shape=(8, 8), max_iter=12, learning_rate_init=0.01, random_state=0)
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):  # twelve epochs, whatever the loss does
        ...     cnn.fit(x[:600], y[:600]).score(x[600:], y[600:]) > 0.8
        True

    Source: LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.
    """

    filters: Any = described((32, 64), "of each convolution, a pooling of 2 behind each")
    hidden_layer_sizes: Any = described((128,), "units of the dense layers behind them")
    _: KW_ONLY
    kernel: int = constrained(3, WholeNumber(1), "side of the convolutions' windows")
    activation: Any = described("relu", "of convolutions and dense layers")
    dropout: float = constrained(0.0, FRACTION, "fraction of neurons dropped after each dense layer")
    batch_norm: bool = described(False, "batch normalisation between each convolution and its activation")
    image_shape: Any = described(None, "height and width, or height, width and channels, of rows of pixels")
    max_iter: int = constrained(50, WholeNumber(1), "most epochs")
    scale_inputs: str = scaling("auto")

    _axes = (2, 3, 4)

    def _examples(self, rows: np.ndarray) -> np.ndarray:
        if self.image_shape is None:
            return rows
        shape = tuple(self.image_shape)
        if rows.ndim == 2 and len(shape) in (2, 3) and math.prod(shape) == rows.shape[1]:
            return rows.reshape(len(rows), *shape)
        if rows.shape[1:] != shape:
            raise ShapeError(
                f"image_shape={shape!r} needs rows of {math.prod(shape)} pixels. Received: X of shape {rows.shape}."
            )
        return rows

    def _network(self, data: Dataset) -> Network:
        filters, hidden = units_of(self.filters), units_of(self.hidden_layer_sizes)
        function: Any = activation_of(self.activation)
        if len(data.input_shape) > 1:
            options: dict[str, Any] = {"normalize": bool(self.batch_norm), "dropout": self.dropout}
            return convolutional(data, filters, hidden, kernel=self.kernel, activation=function, **options)
        layers: list[Layer] = [Reshape((*data.input_shape, 1))]
        for count in filters:
            require(count, WholeNumber(1), "filters of a convolution")
            norm = [BatchNorm()] if self.batch_norm else []
            layers += [Conv1D(count, self.kernel, padding="same"), *norm, Activation(function)]
            layers.append(MaxPool1D(2, padding="same"))
        layers.append(Flatten())
        for units in hidden:
            layers.append(Dense(units, function))
            if self.dropout:
                layers.append(Dropout(self.dropout))
        return Network(*layers, output_layer(data))
