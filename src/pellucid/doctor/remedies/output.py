"""Remedies of the end of the network: output layer and loss."""

from dataclasses import replace

from pellucid.architectures.tasks import OUTPUTS
from pellucid.doctor.remedies.network import has_weights, layers_of, with_layers
from pellucid.doctor.remedies.table import Changed, remedy, with_settings
from pellucid.functions.losses import losses
from pellucid.layers import Activation, Dense
from pellucid.runs.plan import Plan


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
def _fitting_end(plan: Plan) -> Changed:
    """The output layer and the loss that the task asks for."""
    wanted, units = OUTPUTS[plan.data.task], plan.data.outputs
    body = list(layers_of(plan))
    while body and not has_weights(body[-1]):
        body.pop()
    last = body.pop() if body else Dense(1)
    weights = {name: getattr(last, name) for name in ("weights", "biases", "use_biases") if hasattr(last, name)}
    body += [Dense(units, **weights) if isinstance(last, Dense) else Dense(units), Activation(wanted.activation)]
    ended = with_settings(with_layers(plan, body), loss=wanted.loss, metric=wanted.metric)
    return [(f"{wanted.activation} output and {str(wanted.loss).replace('_', ' ')}", ended)]


@remedy("mean instead of sum")
def _mean(plan: Plan) -> Changed:
    loss = losses.build(plan.experiment.loss)
    if loss.reduction == "mean":
        return []
    return [("loss averaged", with_settings(plan, loss=replace(loss, reduction="mean")))]
