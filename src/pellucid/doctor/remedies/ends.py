"""Remedies of the end of the network: output, loss, and the targets as the loss takes them."""

from dataclasses import replace

import numpy as np

from pellucid.architectures.tasks import OUTPUTS
from pellucid.doctor.remedies.network import has_weights, layers_of
from pellucid.doctor.remedies.table import remedy
from pellucid.doctor.setup import Setup
from pellucid.functions.losses import losses
from pellucid.functions.metrics import metrics
from pellucid.layers import Activation, Dense
from pellucid.network import Network


@remedy("standardise the targets")
def _targets(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.task != "regression":
        return []
    return [("targets standardised", setup.with_targets_scaled("standardise"))]


@remedy("standardise inputs and targets")
def _both(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.task != "regression" or setup.scale_inputs == "standardise":
        return []
    both = setup.with_inputs_scaled("standardise").with_targets_scaled("standardise")
    return [("inputs and targets standardised", both)]


@remedy("scale the targets into the range")
def _into_range(setup: Setup) -> list[tuple[str, Setup]]:
    if setup.task != "regression":
        return []
    return [("targets scaled to 0 … 1", setup.with_targets_scaled("min_max"))]


def _end(setup: Setup) -> Setup:
    """The output layer and the loss that the task asks for, the targets as that loss takes them."""
    wanted = OUTPUTS[setup.task]
    units = setup.classes if setup.task == "multiclass" else 1 if setup.classes else setup.labels.shape[1]
    units = setup.labels.shape[1] if setup.task == "multilabel" else units
    body = list(layers_of(setup))
    while body and not has_weights(body[-1]):
        body.pop()
    last = body.pop() if body else Dense(1)
    weights = {name: getattr(last, name) for name in ("weights", "biases", "use_biases") if hasattr(last, name)}
    body += [Dense(units, **weights) if isinstance(last, Dense) else Dense(units), Activation(wanted.activation)]
    y = setup.labels
    if setup.task == "binary":
        y = y[:, None]
    y = y.astype(np.int32) if setup.task == "multiclass" else y.astype(np.float32)
    loss, metric = losses.build(wanted.loss), metrics.build(wanted.metric)
    program = replace(setup.program, network=Network(*body), loss=loss, metric=metric)
    ended = setup.with_targets(y, program=program, shift=0.0, spread=1.0)
    if setup.task != "regression" or setup.scale_targets == "none":
        return ended
    # What "auto" does with this end.
    return ended.with_targets_scaled("standardise" if setup.scale_targets == "auto" else setup.scale_targets)


@remedy(
    "the output the loss asks for",
    "a fitting loss",
    "softmax or sigmoid output",
    "sigmoid output",
    "linear output",
    "one unit a class",
    "cross-entropy",
    "squared error",
    "the loss of logits",
    "targets of the outputs' shape",
)
def _fitting_end(setup: Setup) -> list[tuple[str, Setup]]:
    if not layers_of(setup):
        return []
    made = _end(setup)
    wanted = OUTPUTS[setup.task]
    return [(f"{wanted.activation} output and {wanted.loss.replace('_', ' ')}", made)]


@remedy("mean instead of sum")
def _mean(setup: Setup) -> list[tuple[str, Setup]]:
    loss = setup.program.loss
    if loss.reduction == "mean":
        return []
    return [("loss averaged", replace(setup, program=replace(setup.program, loss=replace(loss, reduction="mean"))))]
