"""Data that several lessons measure on."""

from dataclasses import replace

import numpy as np

from pellucid.data import Dataset, Part, load_dataset


def diabetes(seed: int) -> Dataset:
    """The diabetes table, other held-out rows for each seed, its target in standard deviations of the training rows.

    A loss (mean squared error) of 1 is then that of predicting the mean.

    Args:
        seed: of the draw of held-out rows.

    Example:
        >>> data = diabetes(0)
        >>> len(data.train), round(float(data.train.y.std()), 3)
        (353, 1.0)
    """
    data = load_dataset("diabetes", seed=seed)
    mean, spread = data.train.y.mean(), data.train.y.std()

    def scaled(part: Part) -> Part:
        return Part(part.x, ((part.y - mean) / spread).astype(np.float32))

    assert data.held_out is not None
    return replace(data, train=scaled(data.train), held_out=scaled(data.held_out))


def few_digits(seed: int, rows: int) -> Dataset:
    """The digits of ``mnist-5k``, of which only some train; the 1,000 held-out ones stay.

    Args:
        seed: of the draw of training rows.
        rows: how many.

    Example:
        >>> len(few_digits(0, 500).train), len(few_digits(0, 500).held_out)
        (500, 1000)
    """
    data = load_dataset("mnist-5k")
    chosen = np.random.default_rng(seed).permutation(len(data.train))[:rows]
    return replace(data, train=data.train.take(chosen))
