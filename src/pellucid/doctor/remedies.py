"""What may help, by name: each remedy turns a training into one or more others. To be proven, not believed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.checks import InvalidValue, ShapeError
from pellucid.doctor.race import Candidate
from pellucid.doctor.setup import Setup
from pellucid.functions.losses import losses
from pellucid.layers import Activation, BatchNorm, Dense, Dropout, Frozen, Layer
from pellucid.models.feedforward import OUTPUTS
from pellucid.network import Network
from pellucid.optimizers import Adam, Momentum
from pellucid.training import Scaling

ENOUGH = 30
"""Fewest rows that say anything of neighbours and of columns."""

Make = Callable[[Setup], list[tuple[str, Setup]]]
"""The trainings of a remedy with the change in words; none where it does not apply."""

REMEDIES: dict[str, Make] = {}
"""Every remedy by name."""


def remedy(*names: str) -> Callable[[Make], Make]:
    """Enter a function under one or several names."""

    def enter(make: Make) -> Make:
        REMEDIES.update(dict.fromkeys(names, make))
        return make

    return enter


def candidates(name: str, setup: Setup) -> list[Candidate]:
    """The trainings that a remedy makes of one; none where it does not apply or does not fit.

    Example:
        >>> candidates("no such remedy", None)
        []
    """
    if name not in REMEDIES:
        return []
    try:
        return [Candidate(name, change, made) for change, made in REMEDIES[name](setup)]
    except (InvalidValue, ShapeError):
        return []


# ------------------------------------------------------------------------------------------ the step


def _rate(setup: Setup, *factors: float) -> list[tuple[str, Setup]]:
    rate = setup.optimizer.learning_rate
    if not isinstance(rate, (int, float)):
        return []
    rates = [abs(rate) * factor for factor in factors]
    return [
        (
            f"learning rate {rate:g} → {new:g}",
            replace(setup, optimizer=replace(setup.optimizer, learning_rate=new)),
        )
        for new in rates
    ]


@remedy("smaller learning rate")
def _smaller_rate(setup: Setup) -> list[tuple[str, Setup]]:
    return _rate(setup, 0.1, 0.01, 0.001)


@remedy("larger learning rate")
def _larger_rate(setup: Setup) -> list[tuple[str, Setup]]:
    return _rate(setup, 10, 100, 1000)


@remedy("learning rate above 0")
def _positive_rate(setup: Setup) -> list[tuple[str, Setup]]:
    rate = setup.optimizer.learning_rate
    return _rate(setup, 1, 0.1) if isinstance(rate, (int, float)) and rate < 0 else []


@remedy("adam")
def _adam(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.optimizer.name == "adam":
        return []
    return [
        (
            f"optimizer {setup.optimizer.name} → adam, learning rate {rate:g}",
            replace(setup, optimizer=Adam(rate)),
        )
        for rate in (1e-3, 1e-2)
    ]


@remedy("momentum")
def _momentum(setup: Setup) -> list[tuple[str, Setup]]:
    rate = setup.optimizer.learning_rate
    if not isinstance(rate, (int, float)):
        return []
    rule = Momentum(abs(rate), momentum=0.9, average=False)
    return [(f"optimizer {setup.optimizer.name} → momentum 0.9", replace(setup, optimizer=rule))]


@remedy("gradient clipping")
def _clip(setup: Setup) -> list[tuple[str, Setup]]:
    return [("gradient clipped to norm 1", replace(setup, optimizer=replace(setup.optimizer, clip_norm=1.0)))]


# --------------------------------------------------------------------------- epochs, batches, the rows


def _epochs(setup: Setup, *numbers: float) -> list[tuple[str, Setup]]:
    wholes = sorted({max(1, round(number)) for number in numbers} - {setup.epochs})
    return [(f"epochs {setup.epochs} → {n}", replace(setup, epochs=n)) for n in wholes]


@remedy("more epochs")
def _more_epochs(setup: Setup) -> list[tuple[str, Setup]]:
    return _epochs(setup, setup.epochs * 4, setup.epochs * 10)


@remedy("fewer epochs")
def _fewer_epochs(setup: Setup) -> list[tuple[str, Setup]]:
    return _epochs(setup, setup.epochs / 4, setup.epochs / 10)


def _batch(setup: Setup, *sizes: int) -> list[tuple[str, Setup]]:
    rows, now = setup.train.rows, setup.program.batch_size
    return [
        (f"batch size {now} → {size}", replace(setup, program=replace(setup.program, batch_size=size)))
        for size in sorted({min(size, rows) for size in sizes} - {now})
    ]


@remedy("smaller batch")
def _smaller_batch(setup: Setup) -> list[tuple[str, Setup]]:
    return _batch(setup, 32) if setup.program.batch_size > 32 else []


@remedy("larger batch")
def _larger_batch(setup: Setup) -> list[tuple[str, Setup]]:
    return _batch(setup, 32) if setup.program.batch_size < 32 else []


@remedy("shuffle the rows")
def _shuffle(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.program.shuffle:
        return []
    return [("shuffled each epoch", replace(setup, program=replace(setup.program, shuffle=True)))]


@remedy("balanced class weights")
def _balanced(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.classes == 0 or setup.task == "multilabel":
        return []
    counts = np.bincount(setup.labels, minlength=setup.classes)
    weights = len(setup.labels) / ((counts > 0).sum() * np.maximum(counts, 1))
    train = setup.train._replace(weights=jnp.asarray(weights[setup.labels], jnp.float32))
    return [("each class weighs alike", replace(setup, train=train, class_weights="balanced"))]


@remedy("oversample rare classes")
def _oversample(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.classes == 0 or setup.task == "multilabel":
        return []
    counts = np.bincount(setup.labels, minlength=setup.classes)
    places = [np.resize(np.flatnonzero(setup.labels == c), counts.max()) for c in np.flatnonzero(counts)]
    return [("rows of rare classes repeated", setup.with_rows(np.concatenate(places)))]


@remedy("correct the labels")
def _relabel(setup: Setup) -> list[tuple[str, Setup]]:
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    if setup.classes == 0 or setup.task == "multilabel" or len(setup.labels) < ENOUGH:
        return []
    x = _standard(setup.x.reshape(len(setup.x), -1))
    told = cross_val_predict(KNeighborsClassifier(7), np.nan_to_num(x), setup.labels, cv=5)
    kept = np.flatnonzero(told == setup.labels)
    return [(f"{len(x) - len(kept)} rows left out that their neighbours contradict", setup.with_rows(kept))]


# ---------------------------------------------------------------------------------------- the inputs


def _statistics(x: np.ndarray) -> tuple[Any, Any]:
    axes = 0 if x.ndim == 2 else None
    x = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
    spread = np.nanstd(x, axes)
    return np.nanmean(x, axes), np.where(spread > 1e-12, spread, 1)


def _standard(x: np.ndarray) -> np.ndarray:
    mean, spread = _statistics(x)
    return ((x - mean) / spread).astype(np.float32)


def _scaled(setup: Setup, shift: Any, scale: Any) -> Setup:
    scaling = Scaling(jnp.asarray(shift, jnp.float32), jnp.asarray(scale, jnp.float32))
    return replace(setup, scaling=scaling, same_data=False)


@remedy("standardise the inputs")
def _standardise(setup: Setup) -> list[tuple[str, Setup]]:
    mean, spread = _statistics(setup.x)
    return [("inputs standardised by the training rows", _scaled(setup, mean, 1 / spread))]


@remedy("min-max the inputs")
def _min_max(setup: Setup) -> list[tuple[str, Setup]]:
    x = np.where(np.isfinite(setup.x), setup.x, np.nan)
    axes = 0 if x.ndim == 2 else None
    low, high = np.nanmin(x, axes), np.nanmax(x, axes)
    return [("inputs scaled to 0 … 1", _scaled(setup, low, 1 / np.where(high > low, high - low, 1)))]


@remedy("prepare both alike")
def _alike(setup: Setup) -> list[tuple[str, Setup]]:
    parts = _standard(setup.x), _standard(setup.held_out)
    plain = Scaling(jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32))
    return [("both parts standardised", setup.with_inputs(*parts, scaling=plain))]


@remedy("impute the values")
def _impute(setup: Setup) -> list[tuple[str, Setup]]:
    mean, _ = _statistics(setup.x)
    parts = [np.where(np.isfinite(x), x, mean).astype(np.float32) for x in (setup.x, setup.held_out)]
    return [("blanks filled with the mean", setup.with_inputs(*parts))]


@remedy("drop the rows")
def _drop(setup: Setup) -> list[tuple[str, Setup]]:
    ((_, imputed),) = _impute(setup)
    sound = np.isfinite(setup.x.reshape(len(setup.x), -1)).all(1)
    return [(f"{(~sound).sum()} rows with blanks dropped", imputed.with_rows(np.flatnonzero(sound)))]


def _relation(x: np.ndarray, y: np.ndarray, setup: Setup) -> np.ndarray:
    from sklearn.feature_selection import f_classif, f_regression

    x = np.nan_to_num(_standard(x))
    varied = x.std(axis=0) > 0
    p = np.ones(x.shape[1])
    with np.errstate(all="ignore"):
        found = f_classif(x[:, varied], y) if setup.classes else f_regression(x[:, varied], y[:, 0])
    p[varied] = np.nan_to_num(found[1], nan=1.0)
    return p


def _columns(setup: Setup, kept: np.ndarray) -> list[tuple[str, Setup]]:
    if setup.x.ndim != 2 or not 0 < len(kept) < setup.x.shape[1]:
        return []
    scaling = Scaling(
        *(
            number if number.ndim == 0 or number.shape[-1] == 1 else number[..., kept]
            for number in setup.scaling
        )
    )
    made = setup.with_inputs(setup.x[:, kept], setup.held_out[:, kept], scaling=scaling)
    return [(f"{len(kept)} of {setup.x.shape[1]} columns kept", made)]


@remedy("keep the informative columns")
def _informative(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.x.ndim != 2 or setup.task == "multilabel" or len(setup.labels) < ENOUGH:
        return []
    return _columns(setup, np.flatnonzero(_relation(setup.x, setup.labels, setup) < 0.01))


@remedy("drop the leaking columns")
def _leaking(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.x.ndim != 2 or setup.task == "multilabel" or len(setup.labels) < ENOUGH:
        return []
    strong = _relation(setup.x, setup.labels, setup) < 1e-6
    gone = _relation(setup.held_out, setup.truth, setup) > 1e-3
    return _columns(setup, np.flatnonzero(~(strong & gone)))


@remedy("standardise the targets", "scale the targets into the range")
def _targets(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.task != "regression":
        return []
    y = setup.labels.astype(np.float64)
    mean, spread = y.mean(0), np.where(y.std(0) > 0, y.std(0), 1)
    low, width = y.min(0), np.where(np.ptp(y, 0) > 0, np.ptp(y, 0), 1)
    shape = np.asarray(setup.train.y).shape
    ways = {"targets standardised": (mean, spread), "targets scaled to 0 … 1": (low, width)}
    return [
        (
            change,
            setup.with_targets(
                ((y - shift) / by).astype(np.float32).reshape(shape), shift=shift, spread=by, same_data=False
            ),
        )
        for change, (shift, by) in ways.items()
    ]


# --------------------------------------------------------------------------- the end of the network


def _end(setup: Setup) -> Setup:
    """The output layer and the loss that the task asks for, the targets as that loss takes them."""
    wanted = OUTPUTS[setup.task]
    units = setup.classes if setup.task == "multiclass" else 1 if setup.classes else setup.labels.shape[1]
    units = setup.labels.shape[1] if setup.task == "multilabel" else units
    body = list(_layers(setup))
    while body and not _has_weights(body[-1]):
        body.pop()
    last = body.pop() if body else Dense(1)
    weights = {
        name: getattr(last, name) for name in ("weights", "biases", "use_biases") if hasattr(last, name)
    }
    body += [
        Dense(units, **weights) if isinstance(last, Dense) else Dense(units),
        Activation(wanted.activation),
    ]
    y = setup.labels
    if setup.task == "binary":
        y = y[:, None]
    y = y.astype(np.int32) if setup.task == "multiclass" else y.astype(np.float32)
    program = replace(setup.program, network=Network(*body), loss=losses.build(wanted.loss))
    return setup.with_targets(y, program=program, shift=0.0, spread=1.0)


@remedy(
    "the output the loss asks for", "a fitting loss", "softmax or sigmoid output", "sigmoid output", "linear output",
    "one unit a class", "cross-entropy", "squared error", "the loss of logits", "targets of the outputs' shape",
)  # fmt: skip
def _fitting_end(setup: Setup) -> list[tuple[str, Setup]]:
    made = _end(setup)
    wanted = OUTPUTS[setup.task]
    return [(f"{wanted.activation} output and {wanted.loss.replace('_', ' ')}", made)]


@remedy("mean instead of sum")
def _mean(setup: Setup) -> list[tuple[str, Setup]]:
    loss = setup.program.loss
    if loss.reduction == "mean":
        return []
    return [
        (
            "loss averaged",
            replace(setup, program=replace(setup.program, loss=replace(loss, reduction="mean"))),
        )
    ]


# ------------------------------------------------------------------------------- inside the network


def _layers(setup: Setup) -> tuple[Layer, ...]:
    return setup.program.network.layers if isinstance(setup.program.network, Network) else ()


def _has_weights(layer: Layer) -> bool:
    return hasattr(layer, "weights") or isinstance(layer, Frozen)


def _with_layers(setup: Setup, layers: list[Layer]) -> Setup:
    return replace(setup, program=replace(setup.program, network=Network(*layers)))


def _changed(setup: Setup, change: str, layers: list[Layer]) -> list[tuple[str, Setup]]:
    if not layers or tuple(layers) == _layers(setup):
        return []
    return [(change, _with_layers(setup, layers))]


def _hidden(setup: Setup) -> list[int]:
    """The numbers of the layers with weights, without the last."""
    return [i for i, layer in enumerate(_layers(setup)) if _has_weights(layer)][:-1]


def _activated(setup: Setup, function: Any) -> list[Layer]:
    """Every hidden dense or convolutional layer followed by this activation alone."""
    made: list[Layer] = []
    hidden = set(_hidden(setup))
    layers = _layers(setup)
    last = max((i for i, layer in enumerate(layers) if _has_weights(layer)), default=0)
    for i, layer in enumerate(layers):
        if isinstance(layer, Activation) and i < last:
            continue
        made.append(layer)
        if i in hidden and not layer.activation_inside and not hasattr(layer, "return_sequences"):
            made.append(Activation(function))
    return made


@remedy("relu in the hidden layers", "relu")
def _relu(setup: Setup) -> list[tuple[str, Setup]]:
    layers = _activated(setup, "relu")
    plain = _changed(setup, "relu in the hidden layers", layers)
    drawn = _drawn(layers, "he_normal")
    return plain + _changed(setup, "relu in the hidden layers, He initialisation", drawn)


@remedy("leaky relu")
def _leaky(setup: Setup) -> list[tuple[str, Setup]]:
    layers = _drawn(_activated(setup, {"name": "leaky_relu", "alpha": 0.1}), "he_normal")
    return _changed(setup, "leaky relu in the hidden layers, He initialisation", layers)


def _drawn(layers: list[Layer], initializer: str) -> list[Layer]:
    def drawn(layer: Layer) -> Layer:
        if not hasattr(layer, "weights"):
            return layer
        fields: dict[str, Any] = {"weights": initializer, "biases": "zeros"}
        if hasattr(layer, "recurrent_weights"):
            fields |= {"weights": "glorot_uniform", "recurrent_weights": "orthogonal"}
        return replace(layer, **fields)  # pyright: ignore[reportArgumentType]

    return [drawn(layer) for layer in layers]


@remedy("He initialisation")
def _he(setup: Setup) -> list[tuple[str, Setup]]:
    return _changed(setup, "weights drawn by He, biases 0", _drawn(list(_layers(setup)), "he_normal"))


@remedy("Glorot initialisation", "smaller initial weights")
def _glorot(setup: Setup) -> list[tuple[str, Setup]]:
    return _changed(
        setup, "weights drawn by Glorot, biases 0", _drawn(list(_layers(setup)), "glorot_uniform")
    )


@remedy("biases")
def _biases(setup: Setup) -> list[tuple[str, Setup]]:
    layers = [
        replace(layer, use_biases=True) if isinstance(layer, Dense) else layer for layer in _layers(setup)
    ]
    return _changed(setup, "with biases", layers)


@remedy("batch normalisation")
def _normalised(setup: Setup) -> list[tuple[str, Setup]]:
    hidden, made = set(_hidden(setup)), []
    for i, layer in enumerate(_layers(setup)):
        made += [layer, BatchNorm()] if i in hidden and not hasattr(layer, "return_sequences") else [layer]
    return _changed(setup, "batch normalisation after each hidden layer", made)


@remedy("update the statistics")
def _statistics_kept(setup: Setup) -> list[tuple[str, Setup]]:
    layers = [BatchNorm() if isinstance(layer, BatchNorm) else layer for layer in _layers(setup)]
    return _changed(setup, "running statistics updated", layers)


@remedy("train all layers")
def _thawed(setup: Setup) -> list[tuple[str, Setup]]:
    layers = [layer.layer if isinstance(layer, Frozen) else layer for layer in _layers(setup)]
    return _changed(setup, "all layers trained", layers)  # pyright: ignore[reportArgumentType]


def _widths(setup: Setup, factor: float) -> list[Layer]:
    hidden = set(_hidden(setup))
    return [
        replace(layer, units=max(2, round(layer.units * factor)))
        if i in hidden and isinstance(layer, Dense)
        else layer
        for i, layer in enumerate(_layers(setup))
    ]


@remedy("more units")
def _wider(setup: Setup) -> list[tuple[str, Setup]]:
    return _changed(setup, "four times the hidden units", _widths(setup, 4)) + _more_layers(setup)


@remedy("fewer units")
def _narrower(setup: Setup) -> list[tuple[str, Setup]]:
    return _changed(setup, "a quarter of the hidden units", _widths(setup, 0.25))


@remedy("more layers", "a hidden layer")
def _more_layers(setup: Setup) -> list[tuple[str, Setup]]:
    layers = list(_layers(setup))
    places = [i for i, layer in enumerate(layers) if _has_weights(layer)]
    if not places:
        return []
    layers[places[-1] : places[-1]] = [Dense(32, weights="he_normal"), Activation("relu")]
    return _changed(setup, "one more hidden layer of 32 units", layers)


@remedy("fewer layers")
def _shallower(setup: Setup) -> list[tuple[str, Setup]]:
    layers, hidden = _layers(setup), _hidden(setup)
    if len(hidden) < 3:
        return []
    return _changed(setup, "two hidden layers left", [*layers[: hidden[2]], *layers[_last(setup) :]])


def _last(setup: Setup) -> int:
    return max(i for i, layer in enumerate(_layers(setup)) if _has_weights(layer))


@remedy("dropout")
def _dropped(setup: Setup) -> list[tuple[str, Setup]]:
    layers, last = list(_layers(setup)), _last(setup)
    if any(isinstance(layer, Dropout) for layer in layers) or not _hidden(setup):
        return []
    places = [i for i, layer in enumerate(layers[:last]) if isinstance(layer, Activation)]
    for i in reversed(places):
        layers.insert(i + 1, Dropout(0.3))
    return _changed(setup, "dropout of 0.3 after each hidden layer", layers)


@remedy("less dropout")
def _undropped(setup: Setup) -> list[tuple[str, Setup]]:
    layers = [layer for layer in _layers(setup) if not isinstance(layer, Dropout)]
    light = [replace(layer, rate=0.1) if isinstance(layer, Dropout) else layer for layer in _layers(setup)]
    return _changed(setup, "no dropout", layers) + _changed(setup, "dropout of 0.1", light)


@remedy("weaker penalty")
def _weaker(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.regularizer is None:
        return []
    lighter = jax.tree.map(lambda strength: strength / 100, setup.regularizer)
    return [
        ("no penalty", replace(setup, regularizer=None)),
        ("a hundredth of the penalty", replace(setup, regularizer=lighter)),
    ]


def _penalised(setup: Setup, kind: str) -> list[tuple[str, Setup]]:
    from pellucid.functions.regularizers import regularizers

    strengths = (1e-3, 1e-2)
    return [
        (
            f"{kind} penalty of {s:g}",
            replace(setup, regularizer=regularizers.build({"name": kind, "strength": s})),
        )
        for s in strengths
    ]


@remedy("L2 penalty")
def _l2(setup: Setup) -> list[tuple[str, Setup]]:
    return _penalised(setup, "l2")


@remedy("L1 penalty")
def _l1(setup: Setup) -> list[tuple[str, Setup]]:
    return _penalised(setup, "l1")
