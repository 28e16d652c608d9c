"""Scaling of inputs and targets."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import InvalidValue
from pellucid.data import SCALINGS, Dataset, Preprocessing
from pellucid.data.arrays import fit_preprocessing
from pellucid.functions.losses import Loss
from pellucid.network import Network, check_tokens, padding_of_input, token_layer
from pellucid.runs.experiment import CHOICES, TARGET_CHOICES
from pellucid.training import Scaling, TargetScaling


def scaled_inputs(data: Dataset, choice: str) -> Dataset:
    """Scale the inputs of a dataset; ``"auto"`` leaves it as it was made.

    Raises:
        InvalidValue: an unknown choice.

    Example:
        >>> from pellucid.data import load_dataset
        >>> scaled_inputs(load_dataset("mnist-5k"), "none").preprocessing.is_identity
        True
    """
    require(choice, OneOf(CHOICES), "scale_inputs")
    if choice == "auto":
        return data
    return replace(data, preprocessing=fit_preprocessing(data.train.x, choice, data.encoder), scaling=choice)


def network_inputs(data: Dataset, choice: str, network: Network) -> Dataset:
    """Scale the inputs of a dataset as the network can read them.

    Tokens are never scaled: an `Embedding` looks them up by their number. Of padded sequences the real steps alone are
    scaled, each feature by its mean and standard deviation (or range), estimated from them alone.

    Raises:
        DataError: tokens that the embedding has no vector for.
        InvalidValue: an unknown choice, or one for tokens.
    """
    plain = scaled_inputs(data, choice)
    layer = token_layer(network)
    if layer is not None:
        if choice not in ("auto", "none"):
            raise InvalidValue(
                f"scale_inputs={choice!r} would change the tokens that Embedding({layer.vocabulary}, {layer.units}) "
                'looks up. Leave it at "auto".'
            )
        for part, name in ((data.train, "the training part"), (data.held_out, "the held-out part")):
            if part is not None:
                check_tokens(network, part.x, name)
        return replace(data, preprocessing=Preprocessing())
    padding = padding_of_input(network, data.input_shape)
    if padding is None or plain.preprocessing.is_identity:
        return plain
    return replace(plain, preprocessing=_beside_padding(plain, padding))


def _beside_padding(data: Dataset, padding: np.ndarray) -> Preprocessing:
    """Estimate the preprocessing of a dataset from its real steps alone."""
    current = data.preprocessing
    steps = data.train.x.reshape(-1, len(padding))
    real = steps[(steps != padding).any(axis=1)]
    if data.scaling is not None and current.extent is None and len(real):
        current = SCALINGS["standardise" if data.scaling == "auto" else data.scaling](real[None])
    return replace(current, padding=padding)


def describe_inputs(data: Dataset, network: Network) -> str | None:
    """Report why inputs are not scaled as the dataset says; None where they are."""
    layer = token_layer(network)
    if layer is None or data.preprocessing.is_identity:
        return None
    return f"inputs not scaled: Embedding({layer.vocabulary}, {layer.units}) reads them as tokens"


def scaled_targets(data: Dataset, choice: str, network: Network, loss: Loss) -> Dataset:
    """Scale the targets of a regression.

    ``"auto"`` standardises, ``y' = (y − mean) / standard deviation`` of each output over the training rows, where
    network and loss allow it: the output has no bounds, and the loss depends on prediction − target alone. A network
    begins with outputs near 0; without this, targets in the hundreds of thousands take it many thousands of steps to
    reach.

    Raises:
        InvalidValue: an unknown choice, or one for targets that are no numbers.
    """
    require(choice, OneOf(TARGET_CHOICES), "scale_targets")
    if choice == "auto":
        fits = data.task == "regression" and loss.of_difference and _unbounded(network)
        choice = "standardise" if fits else "none"
    elif choice != "none" and data.task != "regression":
        raise InvalidValue(
            f"scale_targets={choice!r} needs a target of numbers; that of {data.name!r} is {data.task}. "
            'Leave it at "auto".'
        )
    if choice == "none":
        return data
    return replace(data, target_preprocessing=_fitted(SCALINGS[choice], data.train.y))


def _fitted(fit: Callable[[np.ndarray], Preprocessing], y: np.ndarray) -> Preprocessing:
    """A scaling of targets, each column of several with blanks fitted to its known values."""
    if not np.isnan(y).any():
        return fit(y)
    columns = [fit(column[~np.isnan(column)][:, None]) for column in y.T]
    shift, scale = (
        np.concatenate([np.atleast_1d(getattr(part, name)) for part in columns]) for name in ("shift", "scale")
    )
    return replace(columns[0], shift=shift, scale=scale)


def _unbounded(network: Network) -> bool:
    """True where the output may be any number, as far as the last layer says."""
    output_range = network.layers[network.ends[0]].output_range
    return output_range is not None and bool(np.isinf(output_range).all())


def scaling_of(
    preprocessing: Preprocessing, targets: Preprocessing | None = None, *, dtype: Any = np.float32
) -> Scaling:
    """Convert a preprocessing to what the program takes.

    Args:
        preprocessing: of the inputs.
        targets: of the targets, if they are scaled.
        dtype: what the inputs are scaled in.
    """

    def put(array: Any) -> jax.Array:  # not jnp.asarray, which compiles a program for each shape
        return jax.device_put(np.asarray(array, dtype))

    padding = None if preprocessing.padding is None else put(preprocessing.padding)
    scaling = Scaling(put(preprocessing.shift), put(preprocessing.scale), padding=padding)
    if targets is None or targets.is_identity:
        return scaling
    log = put(1) if targets.log else None
    return scaling._replace(targets=TargetScaling(put(targets.shift), put(targets.scale), log))


def describe_targets(targets: Preprocessing) -> str | None:
    """Report how the targets are scaled, in a line; None where they are not.

    Example:
        >>> describe_targets(Preprocessing(shift=350_000, scale=1 / 90_000))
        "targets scaled for training: y' = (y − 350,000) / 90,000; the loss is of y', predictions and metrics of y"
    """
    if targets.is_identity:
        return None
    shift, unit = (np.atleast_1d(number) for number in (targets.shift, 1 / targets.scale))
    if len(unit) == 1:
        y = "log y" if targets.log else "y"
        rule = f"y' = ({y} {'+' if shift[0] < 0 else '−'} {_number(abs(shift[0]))}) / {_number(unit[0])}"
    else:
        rule = f"y' = (y − shift) / unit for each of {len(unit)} outputs"
    return f"targets scaled for training: {rule}; the loss is of y', predictions and metrics of y"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
