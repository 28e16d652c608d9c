"""Generative adversarial networks: a generator and a critic, and what their training usually takes."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.types import Shape
from pellucid.data import Dataset
from pellucid.layers import Activation, Dense, Reshape
from pellucid.network import Network, Summary, summarize
from pellucid.optimizers import Adam

LEAKY = {"name": "leaky_relu", "alpha": 0.2}


@dataclass(frozen=True)
class GAN:
    """A generator and a critic that are trained against each other.

    Args:
        generator: turns noise, shape (latent,), into an example.
        critic: turns an example into one number, a score or logit, without an activation.
        latent: numbers of noise that the generator starts from, at least 1.

    Raises:
        InvalidValue: a latent size below 1.

    Example:
        >>> from pellucid.layers import Dense
        >>> GAN(Network(Dense(8, "relu"), Dense(2)), Network(Dense(8, "relu"), Dense(1)), latent=2).latent
        2

    Source: Goodfellow et al., Generative adversarial nets, 2014.
    """

    generator: Network
    critic: Network
    latent: int

    def __post_init__(self) -> None:
        require(self.latent, WholeNumber(1), "latent")

    def describe(self) -> dict[str, Any]:
        """Both networks as plain data, as `experiment.toml` holds them."""
        return {"generator": self.generator.describe(), "critic": self.critic.describe(), "latent": self.latent}

    @staticmethod
    def from_description(description: dict[str, Any]) -> "GAN":
        """Rebuild the networks from their description."""
        return GAN(Network(*description["generator"]), Network(*description["critic"]), description["latent"])

    def _repr_html_(self) -> str:
        networks = {"generator": self.generator, "critic": self.critic}
        return "".join(f"<p><b>{name}</b></p>{network._repr_html_()}" for name, network in networks.items())

    def summaries(self, input_shape: Shape) -> dict[str, Summary]:
        """Both networks as tables, for examples of a shape."""
        return {"generator": summarize(self.generator, (self.latent,)), "critic": summarize(self.critic, input_shape)}


class Usual(NamedTuple):
    """The usual settings of a game."""

    critic_steps: int
    constrained: bool
    """True where a gradient penalty keeps the critic Lipschitz."""
    optimizer: Adam


USUAL = {
    "gan": Usual(1, False, Adam(2e-4, beta1=0.5)),
    "minimax": Usual(1, False, Adam(2e-4, beta1=0.5)),
    "wasserstein": Usual(5, True, Adam(5e-4, beta1=0.5, beta2=0.9)),
}
"""By loss; the first two after Radford et al. 2016, the third after Gulrajani et al. 2017."""


def gan(data: Dataset, *, latent: int | None = None) -> GAN:
    """Dense generator and critic for the examples of a dataset.

    Vectors: three hidden layers of 64 and as many numbers of noise as an example has. Images: hidden layers of
    256 and 512 and 64 numbers of noise. The generator ends in a sigmoid where all examples, scaled, lie in [0, 1].

    Args:
        data: the dataset.
        latent: numbers of noise; by default as above.

    Example:
        >>> from pellucid.data import load_dataset
        >>> networks = gan(load_dataset("digits"))
        >>> networks.generator.names[-3:], networks.critic.names[0], networks.latent
        (('dense_3', 'sigmoid_1', 'reshape_1'), 'flatten_1', 64)
    """
    shape = data.input_shape
    x = data.train.x
    limits = data.preprocessing.apply_numpy(np.stack([x.min(axis=0), x.max(axis=0)]))
    end = "sigmoid" if limits.min() >= 0 and limits.max() <= 1 else None
    if len(shape) == 1:
        hidden = [Dense(64, "relu")] * 3
        generator, critic, noise = Network(*hidden, Dense(shape[0], end)), Network(*hidden, Dense(1)), shape[0]
    else:
        generator = Network(
            Dense(256, LEAKY), Dense(512, LEAKY), Dense(math.prod(shape), end, weights="glorot_uniform"), Reshape(shape)
        )
        critic = Network(Dense(512, LEAKY), Dense(256, LEAKY), Dense(1, weights="glorot_uniform")).accepting(shape)
        noise = 64
    return GAN(generator, critic, noise if latent is None else latent)


def check_players(networks: GAN, data: Dataset) -> None:
    """Refuse networks that cannot be trained against each other on ``data``.

    Raises:
        ShapeError: a generator whose output is no example, or a critic that gives more than one number.
        InvalidValue: a critic that ends in an activation, or whose scores depend on the batch.
    """
    shape, critic = data.input_shape, networks.critic
    tables = networks.summaries(shape)
    generated, scored = (tables[player].rows[-1].output_shape for player in ("generator", "critic"))
    if generated != shape:
        raise ShapeError(
            f"the generator's output has shape {generated}, the examples of {data.name!r} have {shape}. End it with "
            f"Dense({math.prod(shape)})" + (f", Reshape({shape})." if len(shape) > 1 else ".")
        )
    if scored != (1,):
        advice = "End it with Flatten(), Dense(1)." if len(scored) > 1 else "End it with Dense(1)."
        raise ShapeError(f"the critic gives one number for an example; its output has shape {scored}. {advice}")
    if isinstance(critic.layers[-1], Activation):
        raise InvalidValue(
            f"the critic must end without an activation, in a score or logit. Received: {critic.names[-1]}. "
            "The losses take the sigmoid themselves, where there is one."
        )
    for name, layer in zip(critic.names, critic.layers, strict=True):
        if layer.depends_on_batch:
            raise InvalidValue(
                f"the output of the critic's layer {name} depends on the batch, so that no example has a score of its "
                "own. Take LayerNorm."
            )
