"""The convolutional network, for images."""

from collections.abc import Sequence

from pellucid.architectures.tasks import output_layer
from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import ShapeError
from pellucid.core.types import Specification
from pellucid.data import Dataset
from pellucid.layers import Activation, BatchNorm, Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, Reshape
from pellucid.layers import layers as layer_registry
from pellucid.network import Network


def convolutional(
    data: Dataset,
    filters: Sequence[int] = (32, 64),
    hidden: Sequence[int] = (128,),
    *,
    kernel: int = 3,
    activation: str = "relu",
    normalize: bool = False,
    dropout: float = 0.0,
    augmentation: Sequence[Layer | Specification] = (),
) -> Network:
    """Build a convolutional network: convolutions with max pooling, dense layers, output layer.

    Args:
        data: images, examples of shape (height, width) or (height, width, channels).
        filters: of each convolution.
        hidden: units of the dense layers after them.
        kernel: side of the convolutions' windows. They stay inside the image ("valid") where it is large enough for all
            layers; smaller images are padded ("same").
        activation: of convolutions and dense layers.
        normalize: batch normalisation between each convolution and its activation.
        dropout: fraction of neurons dropped after each dense layer, 0 ≤ p < 1; 0 for no dropout.
        augmentation: layers that change the images in training (``"random_shift"``, ``RandomRotation(15)``), in front.

    Raises:
        ShapeError: examples that are no images, or too small for so many layers.
        InvalidValue: a layer without units, or a dropout of 1 or more.

    Example:
        >>> from pellucid.data import load_dataset
        >>> convolutional(load_dataset("mnist-5k"), (8,), ()).names
        ('reshape_1', 'conv2d_1', 'relu_1', 'max_pool2d_1', 'flatten_1', 'dense_1', 'softmax_1')

    Source: LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.
    """
    shape = data.input_shape
    if len(shape) not in (2, 3):
        raise ShapeError(
            f"a convolutional network takes images, examples of shape (height, width) or (height, width, channels). "
            f"Those of {data.name!r} have shape {shape}."
        )
    sides = min(shape[:2])
    for _ in filters:
        sides = (sides - kernel + 1) // 2
    padding = "valid" if sides >= 1 else "same"
    layers: list[Layer] = [Reshape((*shape, 1))] if len(shape) == 2 else []
    layers += map(layer_registry.build, augmentation)
    for count in filters:
        require(count, WholeNumber(1), "filters of a convolution")
        if normalize:
            layers += [Conv2D(count, kernel, padding=padding, use_biases=False), BatchNorm(), Activation(activation)]
        else:
            layers.append(Conv2D(count, kernel, activation, padding=padding))
        layers.append(MaxPool2D(2))
    layers.append(Flatten())
    for units in hidden:
        require(units, WholeNumber(1), "units of a hidden layer")
        layers.append(Dense(units, activation))
        if dropout:
            layers.append(Dropout(dropout))
    return Network(*layers, output_layer(data))
