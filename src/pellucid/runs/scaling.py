"""Scaling of inputs and targets."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import InvalidValue
from pellucid.core.interface import option
from pellucid.data import SCALINGS, Dataset, Part, Preprocessing
from pellucid.data.preprocessing import Preprocessings
from pellucid.functions.losses import JointLoss, Loss
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
    return replace(data, preprocessing=data.fitted(choice), scaling=choice)


def network_inputs(data: Dataset, choice: str, network: Network) -> Dataset:
    """Scale the inputs of a dataset as the network can read them.

    Tokens are never scaled: an `Embedding` looks them up by their number. Of padded sequences the real steps alone are
    scaled, each feature by its mean and standard deviation (or range), estimated from them alone.

    Raises:
        DataError: tokens that the embedding has no vector for.
        InvalidValue: an unknown choice, or one for tokens.
    """
    plain = scaled_inputs(data, choice)
    if data.inputs:
        return _each_input(plain, choice, network)
    return _one_input(plain, choice, network, network.inputs[0])


def _one_input(data: Dataset, choice: str, network: Network, name: str) -> Dataset:
    _check_rate(network, data)
    layer = token_layer(network, name)
    if layer is not None:
        if choice not in ("auto", "none"):
            raise InvalidValue(
                f"scale_inputs={choice!r} would change the tokens that Embedding({layer.vocabulary}, {layer.units}) "
                'looks up. Leave it at "auto".'
            )
        for part, words in ((data.train, "the training part"), (data.held_out, "the held-out part")):
            if part is not None:
                check_tokens(network, part.x, words, name)
        return replace(data, preprocessing=Preprocessing())
    padding = padding_of_input(network, data.input_shape, name)
    if padding is None or data.preprocessing.is_identity:
        return data
    return replace(data, preprocessing=_beside_padding(data, padding))


def _check_rate(network: Network, data: Dataset) -> None:
    """Refuse a layer that takes recordings of other samples a second than those of the dataset."""
    rate = None if data.encoder is None else data.encoder.sample_rate
    for layer, name in zip(network.layers, network.names, strict=True):
        if None not in (rate, layer.sample_rate) and layer.sample_rate != rate:
            raise InvalidValue(
                f"{name!r} reads recordings of {layer.sample_rate} samples a second, and those of {data.name!r} have "
                f"{rate}. Write rate = {rate} there, or bring the recordings to that rate: "
                f"{option('rate', layer.sample_rate)}."
            )


def _each_input(data: Dataset, choice: str, network: Network) -> Dataset:
    """Scale each of several inputs as the layers that read it can."""
    scalings = []
    for i, name in enumerate(data.inputs):
        parts = [None if part is None else replace(part, x=part.x[i]) for part in (data.train, data.held_out)]
        alone = replace(
            data, train=parts[0], held_out=parts[1], preprocessing=data.preprocessing.parts[i], inputs=(), naive={}
        )
        scalings.append(_one_input(alone, choice, network, name).preprocessing)
    return replace(data, preprocessing=Preprocessings(tuple(scalings)))


def _beside_padding(data: Dataset, padding: np.ndarray) -> Preprocessing:
    """Estimate the preprocessing of a dataset from its real steps alone."""
    current = data.preprocessing.parts[0]
    steps = data.train.x.reshape(-1, len(padding))
    real = steps[(steps != padding).any(axis=1)]
    if data.scaling is not None and current.extent is None and len(real):
        current = SCALINGS["standardise" if data.scaling == "auto" else data.scaling](real[None])
    return replace(current, padding=padding)


def describe_inputs(data: Dataset, network: Network) -> str | None:
    """Report why inputs are not scaled as the dataset says; None where they are."""
    names = data.inputs or network.inputs[:1]
    layers = [token_layer(network, name) for name in names]
    if all(layer is None for layer in layers) or data.preprocessing.is_identity:
        return None
    if data.inputs:
        read = [name for name, layer in zip(names, layers, strict=True) if layer is not None]
        return f"not scaled, for an Embedding reads tokens: {', '.join(read)}"
    (layer,) = layers
    return f"inputs not scaled: Embedding({layer.vocabulary}, {layer.units}) reads them as tokens"


def scaled_targets(data: Dataset, choice: str, network: Network, loss: Loss | JointLoss) -> Dataset:
    """Scale the targets of a regression.

    ``"auto"`` standardises, ``y' = (y − mean) / standard deviation`` of each output over the training rows, where
    network and loss allow it: the output has no bounds, and the loss depends on prediction − target alone. A network
    begins with outputs near 0; without this, targets in the hundreds of thousands take it many thousands of steps to
    reach.

    Raises:
        InvalidValue: an unknown choice, or one for targets that are no numbers.
    """
    require(choice, OneOf(TARGET_CHOICES), "scale_targets")
    if isinstance(loss, JointLoss):
        if choice not in ("auto", "none") and all(
            head.task not in ("regression", "forecasting") for head in data.heads.values()
        ):
            raise InvalidValue(f"scale_targets={choice!r} needs a target of numbers, and {data.name!r} has none.")
        parts: list[Any] = [
            scaled_targets(
                data.of_output(name),
                choice if choice == "auto" or head.task in ("regression", "forecasting") else "none",
                network.ending_in(name),
                part,
            ).target_preprocessing
            for part, (name, head) in zip(loss.losses, data.heads.items(), strict=True)
        ]
        return replace(data, target_preprocessing=Preprocessings(tuple(parts)))
    numbers = data.task in ("regression", "forecasting")
    if choice == "auto":
        fits = numbers and loss.of_difference and _unbounded(network)
        choice = "standardise" if fits else "none"
    elif choice != "none" and not numbers:
        raise InvalidValue(
            f"scale_targets={choice!r} needs a target of numbers; that of {data.name!r} is {data.task}. "
            'Leave it at "auto".'
        )
    if choice == "none":
        return data
    if data.stream is not None and data.stream.numbers is not None and choice != "log":
        return replace(data, target_preprocessing=data.stream.numbers.fit(choice))
    y = data.train.y
    if data.task == "forecasting":
        y = y[real_steps(data.train, network, y.shape[1])]
    return replace(data, target_preprocessing=_fitted(SCALINGS[choice], y))


def _fitted(fit: Callable[[np.ndarray], Preprocessing], y: np.ndarray) -> Preprocessing:
    """A scaling of targets, each column of several with blanks fitted to its known values."""
    if not np.isnan(y).any():
        return fit(y)
    columns = [fit(column[~np.isnan(column)][:, None]) for column in y.T]
    shift, scale = (
        np.concatenate([np.atleast_1d(getattr(part, name)) for part in columns]) for name in ("shift", "scale")
    )
    return replace(columns[0], shift=shift, scale=scale)


def real_steps(part: Part, network: Network, steps: int) -> np.ndarray:
    """Mask of the steps of a part that are no padding, (rows, steps)."""
    real = np.ones((len(part), steps), bool)
    inputs = zip(network.inputs, part.inputs, strict=True)
    for name, x in inputs:
        padding = padding_of_input(network, x.shape[1:], name)
        if padding is not None and x.shape[:2] == real.shape:
            real &= (x.reshape(*real.shape, -1) != padding).any(axis=-1)
    return real


def _unbounded(network: Network) -> bool:
    """True where the output may be any number, as far as the last layer says."""
    output_range = network.layers[network.ends[0]].output_range
    return output_range is not None and bool(np.isinf(output_range).all())


def scaling_of(
    preprocessing: Preprocessing | Preprocessings,
    targets: Preprocessing | Preprocessings | None = None,
    *,
    dtype: Any = np.float32,
) -> Scaling:
    """Convert a preprocessing to what the program takes.

    Args:
        preprocessing: of the inputs.
        targets: of the targets, if they are scaled.
        dtype: what the inputs are scaled in.
    """
    if isinstance(targets, Preprocessings):
        scaled = tuple(scaling_of(Preprocessing(), part, dtype=dtype).targets for part in targets.parts)
        return scaling_of(preprocessing, dtype=dtype)._replace(targets=scaled)
    if isinstance(preprocessing, Preprocessings):
        parts = [scaling_of(part, dtype=dtype) for part in preprocessing.parts]
        shift, scale, padding = (tuple(getattr(part, name) for part in parts) for name in ("shift", "scale", "padding"))
        return Scaling(shift, scale, scaling_of(Preprocessing(), targets, dtype=dtype).targets, padding)

    def put(array: Any) -> jax.Array:  # not jnp.asarray, which compiles a program for each shape
        return jax.device_put(np.asarray(array, dtype))

    padding = None if preprocessing.padding is None else put(preprocessing.padding)
    scaling = Scaling(put(preprocessing.shift), put(preprocessing.scale), padding=padding)
    if targets is None or targets.is_identity:
        return scaling
    log = put(1) if targets.log else None
    return scaling._replace(targets=TargetScaling(put(targets.shift), put(targets.scale), log))


def describe_targets(targets: Preprocessing | Preprocessings, names: Sequence[str] = ()) -> str | None:
    """Report how the targets are scaled, in a line; None where they are not.

    Args:
        targets: their scaling.
        names: of the outputs, where there are several.

    Example:
        >>> describe_targets(Preprocessing(shift=350_000, scale=1 / 90_000))
        "targets scaled for training: y' = (y − 350,000) / 90,000; the loss is of y', predictions and metrics of y"
    """
    if isinstance(targets, Preprocessings):
        texts = zip(names, map(describe_targets, targets.parts), strict=True)
        return "; ".join(f"{name}: {text}" for name, text in texts if text) or None
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
