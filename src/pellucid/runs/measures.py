"""The metrics of a whole part that a run is asked for, beside the one of each step: settled, checked, measured."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit, softmax

from pellucid.architectures.tasks import OUTPUTS
from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset, Part
from pellucid.data.targets import AS_ROWS, NO_LABEL
from pellucid.functions.activations import Sigmoid, Softmax
from pellucid.functions.ctc import CTC
from pellucid.functions.losses import Loss
from pellucid.functions.masking import masked_value
from pellucid.functions.metrics import Accuracy, Metric, metrics
from pellucid.functions.set_metrics import AVERAGES, CLASSES, Answers, SetMetric
from pellucid.layers import Activation
from pellucid.network import Network
from pellucid.runs.facts import DataFacts

MOST_NAMES = 100
"""Most classes or outputs that have values of their own: of more only the whole is kept."""


def built(given: Sequence[Any] | None) -> tuple[Metric, ...]:
    """Build the metrics of a list: names, tables or objects; ``"f1_macro"`` is f1 with that average.

    Raises:
        InvalidValue: a text instead of a list.
        UnknownName: no such metric.

    Example:
        >>> [metric.label for metric in built(["f1_macro", {"name": "top_k_accuracy", "k": 2}])]
        ['f1_macro', 'top_k_accuracy (k=2)']
    """
    if isinstance(given, str):
        raise InvalidValue(f"metrics is a list. Received: {given!r}. Write metrics=[{given!r}].")
    return tuple(metrics.build(_with_average(one)) for one in given or ())


def _with_average(given: Any) -> Any:
    name, _, average = given.rpartition("_") if isinstance(given, str) else ("", "", "")
    return {"name": name, "average": average} if average in AVERAGES and name in metrics else given


def described(given: Sequence[Any] | None) -> list[Any] | None:
    """The metrics as an experiment holds them; None for none."""
    return [metrics.describe(metric) for metric in built(given)] or None


def check_step_metric(metric: Metric) -> None:
    """Refuse a metric that is measured at each step and has no value for an example.

    Raises:
        InvalidValue: saying where it belongs.
    """
    if isinstance(metric, SetMetric):
        metric.value(jnp.zeros((1, 1)), jnp.zeros((1, 1)))


def check_metrics(chosen: Sequence[Metric], network: Network, loss: Loss, data: Dataset | DataFacts) -> None:
    """Refuse metrics that a task or a loss cannot have.

    Raises:
        InvalidValue: naming those that it can.
        ShapeError: a metric of more classes than there are.
    """
    for metric in chosen:
        task = AS_ROWS.get(data.task, data.task)
        if task not in metric.tasks:
            fitting = [name for name in metrics if task in metrics.find(name).tasks]
            raise InvalidValue(
                f"the metric {metric.label!r} is of a target that is {' or '.join(metric.tasks)}; that of "
                f"{data.name!r} is {data.task}. Metrics for it: {', '.join(fitting) or 'none'}."
            )
        if isinstance(metric, SetMetric):
            if metric.needs == "probabilities" and not gives_probabilities(network, loss):
                raise InvalidValue(
                    f"the metric {metric.label!r} needs probabilities, and the loss {loss.name!r} takes {loss.reads}, "
                    f"which are none. Take the loss {OUTPUTS[data.task].loss!r}, or a metric that needs none, such as "
                    "roc_auc or f1."
                )
        elif task == "multiclass":
            outputs, labels = jax.ShapeDtypeStruct((1, data.outputs), "float32"), jax.ShapeDtypeStruct((1,), "int32")
            jax.eval_shape(metric.value, outputs, labels if loss.target_kind == "classes" else outputs)


def gives_probabilities(network: Network, loss: Loss) -> bool:
    """True where the outputs of a classifier are probabilities, or the loss says how they become some."""
    last = network.layers[network.ends[0]]
    ends = isinstance(last, Activation) and isinstance(last.function, (Sigmoid, Softmax))
    return loss.reads == "probabilities" or loss.activation is not None or (loss.reads == "numbers" and ends)


def _probabilities(network: Network, loss: Loss, outputs: np.ndarray) -> np.ndarray | None:
    if loss.activation is not None:
        activate = softmax if loss.activation is Softmax else expit
        raw = outputs.astype(np.float64)
        return activate(raw, axis=-1) if activate is softmax else activate(raw)
    return outputs.clip(0, 1) if gives_probabilities(network, loss) else None


def measure(
    chosen: Sequence[Metric],
    facts: DataFacts,
    network: Network,
    loss: Loss,
    outputs: np.ndarray,
    target: np.ndarray,
    part: Part,
    mask: np.ndarray | None = None,
) -> dict[str, float]:
    """Measure metrics of outputs, exact over the whole part, by class and by output.

    Args:
        chosen: the metrics.
        facts: of the data.
        network: whose outputs they are.
        loss: that it was trained by.
        outputs: for the rows of the part, in the target's own units.
        target: their targets as the loss takes them, in the same units.
        part: the rows.
        mask: the real steps of the outputs, where the network answers at each step of padded sequences.
    """
    values: dict[str, float] = {}
    answers = None
    for metric in chosen:
        if isinstance(metric, SetMetric):
            answers = answers or _answers(facts, network, loss, outputs, target, part, mask)
            finite = bool(np.isfinite(answers.outputs).all())
            each = metric.of(answers) if finite and len(answers.outputs) else {"": np.nan}
        else:
            adapted = _adapted(metric, facts, loss)
            real = None if mask is None else jnp.asarray(mask)
            rows = masked_value(adapted, jnp.asarray(outputs), jnp.asarray(target), real)
            each = {"": float(np.average(np.asarray(rows, np.float64), weights=part.weights))}
            each |= by_output(adapted, facts, outputs, target, part.weights)
        for name, value in each.items():
            if not name or len(each) <= MOST_NAMES + 1:
                values[f"{metric.label_of_one} of {name}" if name else metric.label] = value
    return values


def for_steps(measure: Any, task: str) -> Any:
    """The loss or metric, which leaves out the steps without a label where the task is tagging."""
    return replace(measure, ignore=NO_LABEL) if task == "tagging" and getattr(measure, "ignore", 0) is None else measure


def _adapted(metric: Metric, facts: DataFacts, loss: Loss) -> Metric:
    """The metric for what the loss reads; the accuracy of yes or no is the binary one."""
    usual = OUTPUTS[facts.task].metric
    metric = for_steps(metric, facts.task)
    return (metrics.build(usual) if metric == Accuracy() and usual == "binary_accuracy" else metric).beside(loss)


def _answers(
    facts: DataFacts,
    network: Network,
    loss: Loss,
    outputs: np.ndarray,
    target: np.ndarray,
    part: Part,
    mask: np.ndarray | None,
) -> Answers:
    y, weights, task = target if facts.task == "reconstruction" else part.y, part.weights, facts.task
    if isinstance(loss, CTC):
        finite = np.isfinite(outputs if mask is None else outputs[mask]).all()
        decoded = loss.decode(outputs, mask) if finite else np.full(y.shape, np.nan)
        return Answers(task, decoded, y, weights, facts.classes)
    if task in AS_ROWS:
        real = scored_steps(y, mask)
        weights = np.repeat(np.ones(len(y)) if weights is None else weights, real.sum(axis=1))
        outputs, y, task = outputs[real], y[real], AS_ROWS[task]
    elif task == "multiclass":
        y = part.labels
    names = facts.targets if task == "regression" else facts.classes
    probabilities = _probabilities(network, loss, outputs) if task in CLASSES else None
    return Answers(task, outputs, y, weights, tuple(names), loss.threshold, probabilities)


def scored_steps(y: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Mask of the steps, (rows, steps), that count: real ones with a label."""
    labelled = y != NO_LABEL if y.ndim == 2 else np.ones(y.shape[:2], bool)
    return labelled if mask is None else labelled & mask


def by_output(
    metric: Metric, facts: DataFacts, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> dict[str, float]:
    """The mean of a metric for each of several outputs, by its name; nothing where there is one."""
    if facts.task not in ("regression", "multilabel") or facts.outputs == 1 or outputs.ndim != 2:
        return {}
    names = facts.targets or facts.classes or tuple(f"output {i + 1}" for i in range(outputs.shape[1]))
    each = metric.value(jnp.asarray(outputs).reshape(-1, 1), jnp.asarray(target).reshape(-1, 1))
    counted = ~np.isnan(target) * (np.ones(len(target)) if weights is None else weights)[:, None]
    sums = (np.where(counted > 0, np.asarray(each, np.float64).reshape(outputs.shape), 0) * counted).sum(axis=0)
    with np.errstate(invalid="ignore"):  # an output without a known target has no metric
        return dict(zip(names, (sums / counted.sum(axis=0)).tolist(), strict=True))
