"""The constant predictor: what every network has to beat."""

import numpy as np

from pellucid.functions.activations import Sigmoid, Softmax
from pellucid.functions.losses import Hinge, Loss


def constant_output(loss: Loss, target: np.ndarray, outputs: int) -> np.ndarray:
    """The output that is best for all rows alike: the mean of the targets under squared error and cross-entropy.

    Of a hinge it is the margin 1 of the more frequent answer, of its square the mean of −1 and 1.

    Args:
        loss: says whether outputs are logits, which are then those of the mean.
        target: the training targets as the loss takes them: class numbers (rows,), or (rows, outputs).
        outputs: number of outputs.

    Returns:
        Shape (outputs,), float32.

    Example:
        >>> from pellucid.functions.losses import SparseCategoricalCrossEntropy
        >>> constant_output(SparseCategoricalCrossEntropy(), np.array([0, 1, 1, 1]), 2).tolist()
        [0.25, 0.75]
    """
    if target.ndim == 1:
        mean = np.bincount(target, minlength=outputs) / len(target)
    else:
        mean = target.mean(axis=0, dtype=float)
    tiny = np.finfo(np.float32).eps
    if loss.activation is Softmax:
        mean = np.log(np.maximum(mean, tiny))
    elif loss.reads == "margins":
        if isinstance(loss, Hinge):
            mean = mean >= 0.5
        mean = 2.0 * mean - 1
    elif loss.activation is Sigmoid:
        share = np.clip(mean, tiny, 1 - tiny)
        mean = np.log(share / (1 - share))
    return mean.astype(np.float32)
