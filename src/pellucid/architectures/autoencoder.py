"""Autoencoders: networks that reconstruct their inputs from a short or sparse code."""

import math
from collections.abc import Sequence

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import ShapeError
from pellucid.core.types import Specification
from pellucid.data import Dataset
from pellucid.functions.regularizers import Sparsity, sparsities
from pellucid.layers import Activation, Code, Conv2D, ConvTranspose2D, Dense, Flatten, Layer, MaskingNoise, Reshape
from pellucid.network import Network

CODE_ACTIVATIONS = {"l1_activity": "relu", "kl_activity": "sigmoid"}
"""Activations of a sparse code: they can be 0, and for the divergence lie in (0, 1)."""


def autoencoder(
    data: Dataset,
    hidden: Sequence[int] = (128,),
    code: int = 32,
    *,
    activation: str = "relu",
    noise: float = 0.0,
    sparsity: Sparsity | Specification | None = None,
) -> Network:
    """Dense layers that narrow to a code, and the same in reverse.

    Inputs that lie between 0 and 1 (pixels) are given back by sigmoid neurons, all others by linear ones.

    Args:
        data: the dataset; its targets are not used.
        hidden: units of the encoder's hidden layers; the decoder has them in reverse.
        code: units of the code.
        activation: of the hidden layers. A code without penalty is linear.
        noise: fraction of the inputs set to 0 in training, 0 ≤ noise < 1, for a denoising autoencoder.
        sparsity: a penalty that keeps most of the code near 0: ``"l1_activity"`` (with ReLU) or ``"kl_activity"`` (with
            sigmoid), or a table with its fields.

    Raises:
        InvalidValue: a layer without units, or a noise of 1 or more.

    Example:
        >>> from pellucid.data import load_dataset
        >>> autoencoder(load_dataset("iris"), (8,), 2).names
        ('flatten_1', 'dense_1', 'relu_1', 'dense_2', 'code_1', 'dense_3', 'relu_2', 'dense_4', 'reshape_1')

    Source: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006; Vincent et al.,
    Extracting and composing robust features with denoising autoencoders, 2008; Ng, Sparse autoencoder, 2011.
    """
    for units in (*hidden, code):
        require(units, WholeNumber(1), "units of a layer")
    inputs = math.prod(data.input_shape)
    return Network(
        *_noise(noise),
        Flatten(),
        *(Dense(units, activation) for units in hidden),
        *_code(code, sparsity),
        *(Dense(units, activation) for units in reversed(hidden)),
        Dense(inputs, weights="glorot_uniform"),
        Reshape(data.input_shape),
        *_ending(data),
    )


def convolutional_autoencoder(
    data: Dataset,
    filters: Sequence[int] = (16, 32),
    code: int = 32,
    *,
    noise: float = 0.0,
    sparsity: Sparsity | Specification | None = None,
) -> Network:
    """Build a convolutional autoencoder: each layer halves the image, then doubles it again.

    Args:
        data: images, examples of shape (height, width) or (height, width, channels).
        filters: of the encoder's convolutions, 3×3 with stride 2; the decoder has them in reverse.
        code: units of the code.
        noise: as for `autoencoder`.
        sparsity: as for `autoencoder`.

    Raises:
        ShapeError: no images, or sides that cannot be halved so often.

    Example:
        >>> from pellucid.data import load_dataset
        >>> network = convolutional_autoencoder(load_dataset("mnist-5k"), (8,), 16)
        >>> network.names[1:4], network.names[-3:]
        (('conv2d_1', 'relu_1', 'flatten_1'), ('conv2d_transpose_1', 'reshape_3', 'sigmoid_1'))

    Source: Masci et al., Stacked convolutional auto-encoders for hierarchical feature extraction, 2011.
    """
    shape, halved = data.input_shape, 2 ** len(filters)
    if len(shape) not in (2, 3) or shape[0] % halved or shape[1] % halved:
        raise ShapeError(
            f"a convolutional autoencoder of {len(filters)} layers takes images whose sides {halved} divides. "
            f"Received: examples of shape {shape}. Take fewer layers, or a dense autoencoder."
        )
    height, width, channels = (*shape, 1)[:3]
    small = (height // halved, width // halved, filters[-1])
    return Network(
        *_noise(noise),
        Reshape((height, width, channels)),
        *(Conv2D(count, 3, "relu", stride=2, padding="same") for count in filters),
        Flatten(),
        *_code(code, sparsity),
        Dense(math.prod(small), "relu"),
        Reshape(small),
        *(ConvTranspose2D(count, 3, "relu", stride=2, padding="same") for count in reversed(filters[:-1])),
        ConvTranspose2D(channels, 3, stride=2, padding="same", weights="glorot_uniform"),
        Reshape(shape),
        *_ending(data),
    )


def _noise(fraction: float) -> list[Layer]:
    return [MaskingNoise(fraction)] if fraction else []


def _code(units: int, sparsity: Sparsity | Specification | None) -> list[Layer]:
    if sparsity is None:
        return [Dense(units, weights="glorot_uniform"), Code()]
    penalty = sparsities.build(sparsity)
    return [Dense(units, CODE_ACTIVATIONS.get(penalty.name), weights="glorot_uniform"), Code(penalty)]


def _ending(data: Dataset) -> list[Layer]:
    x = data.train.x
    low, high = data.preprocessing.apply_numpy(np.stack([x.min(axis=0), x.max(axis=0)]))
    return [Activation("sigmoid")] if low.min() >= 0 and high.max() <= 1 else []
