"""Samples of a GAN, and the scores that its critic gives."""

from typing import Any

import jax
import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.data import Preprocessing
from pellucid.data.encoding import as_array, as_float32
from pellucid.runs.outputs import outputs_of
from pellucid.runs.scaling import scaling_of
from pellucid.runs.trained import Trained


def sample(trained: Trained, count: int, seed: int = 0) -> np.ndarray:
    """Generate examples, in the units of the data.

    Args:
        trained: a GAN.
        count: how many, at least 1.
        seed: of the noise; the same seed gives the same examples.

    Returns:
        Shape (count, *input_shape), float32.

    Raises:
        InvalidValue: a count below 1, or a run that is of no GAN.
    """
    _check_gan(trained, "sample")
    require(count, WholeNumber(1), "count")
    return generate(trained, jax.random.normal(jax.random.key(seed), (count, trained.program.latent), np.float32))


def generate(trained: Trained, noise: Any) -> np.ndarray:
    """Generate the examples that noise stands for, in the units of the data.

    Args:
        trained: a GAN.
        noise: normal numbers, shape (rows, latent).

    Raises:
        ShapeError: noise of another shape.
    """
    noise, latent = as_float32(as_array(noise, "noise"), "noise"), trained.program.latent
    if noise.shape[1:] != (latent,):
        raise ShapeError(f"the generator reads {latent} numbers. Received: noise of shape {noise.shape}.")
    return trained.facts.preprocessing.invert_numpy(_outputs(trained, "generator", noise, Preprocessing()))


def score(trained: Trained, x: Any) -> np.ndarray:
    """Score examples by the critic, higher for more real.

    Args:
        trained: a GAN.
        x: examples in the units of the data, shape (rows, *input_shape).

    Returns:
        D(x), shape (rows,).
    """
    _check_gan(trained, "score")
    return _outputs(trained, "critic", np.asarray(x), trained.facts.preprocessing)[:, 0]


def _outputs(trained: Trained, player: str, x: np.ndarray, preprocessing: Any) -> np.ndarray:
    network = trained.networks[player]
    scaling = scaling_of(preprocessing, dtype=network.dtype)
    return outputs_of(network, trained.params[player], trained.layer_state[player], x, scaling)


def _check_gan(trained: Trained, verb: str) -> None:
    if not trained.adversarial:
        raise InvalidValue(
            f'{verb} is for a GAN, and this run is of {trained.facts.task}. Train one: train("wgan", data).'
        )
