"""The chain rule with numbers: one example forward, its loss, and back to every weight.

∂L/∂W = ∂L/∂a · ∂a/∂z · ∂z/∂W
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import DataError, InvalidValue
from pellucid.core.formula import number as typeset
from pellucid.data import Part, TableEncoder, Vocabulary
from pellucid.explanations.attribution import attribute
from pellucid.explanations.checks import Requests
from pellucid.explanations.explanation import Explanation, Facts, InputNumbers, LayerNumbers, LossNumbers
from pellucid.explanations.trace import Trace, arrays_of, trace
from pellucid.explanations.update import double, next_update
from pellucid.explanations.weight import address_of, coupled_at, follow
from pellucid.functions.losses import Loss
from pellucid.layers import Activation
from pellucid.runs.ready import target_for
from pellucid.runs.scaling import describe_targets
from pellucid.runs.trained import Trained


def explain(
    run: Trained, x: Any, y: Any = None, *, neuron: str | None = None, weight: str | None = None
) -> Explanation:
    """One example through a network, with every number, each derivative checked against central differences.

    Everything is computed in float64, from the weights as they were trained, in prediction mode (dropout and noise off,
    batch normalisation by its running statistics).

    Args:
        run: a trained run.
        x: one example in its own units, of the shape that the run was trained on; or, for a table, a data frame of one
            row.
        y: its target: a class name or number, or numbers. None for an autoencoder, whose target is x.
        neuron: ``"LAYER:UNIT"``, the neuron whose largest gradient is followed; ``"conv2d_1:3"`` is a filter.
        weight: ``"LAYER:i,j"``, the weight that is followed; ``"LAYER:biases:j"`` for another array than the weights.
            By default that with the largest gradient in the last layer that has weights.

    Returns:
        The explanation: print it, or take ``to_dict()``, ``to_markdown()``, ``to_latex()``, ``to_html()``.

    Raises:
        DataError: no target, or one that is none of the classes.
        ShapeError: an example of another shape.
        InvalidValue: a neuron or weight out of range, or both at once.
        UnknownName: a layer that does not exist.

    Example:
        >>> import pellucid as pel
        >>> data = pel.load_dataset("iris")
        >>> run = pel.train((4,), data, epochs=2, progress=False)
        >>> explanation = explain(run, data.held_out.x[0], data.classes[data.held_out.y[0]])
        >>> explanation.worst_error < 1e-6
        True
    """
    table = run.facts.encoder is not None and not isinstance(x, np.ndarray | jax.Array | list)
    x = run.as_inputs(x if table else np.asarray(x)[None] if np.shape(x) == run.facts.input_shape else x)
    if len(x) != 1:
        raise DataError(f"explain takes one example. Received: {len(x)}.")
    if run.facts.task == "reconstruction":
        return _explain(run, x, None, "one example", neuron, weight)
    if y is None:
        raise DataError("explain needs the target y of the example x: the loss compares the prediction with it.")
    target = np.asarray(y)
    target = target.reshape(1, -1) if target.size > 1 else target.reshape(1)
    return _explain(run, x, run.facts.encode_target(target), "one example", neuron, weight)


def explain_row(
    run: Trained, part: Part, row: int, rows: str, *, neuron: str | None = None, weight: str | None = None
) -> Explanation:
    """The explanation of a row of a dataset, whose targets are stored.

    Args:
        run: a trained run.
        part: the rows.
        row: the number of the row.
        rows: the name of the rows, for the title: ``"held-out rows"``.
        neuron: as for `explain`.
        weight: as for `explain`.

    Raises:
        InvalidValue: no such row.
    """
    if not 0 <= row < len(part):
        raise InvalidValue(f"the {rows} are numbered 0 to {len(part) - 1}. Received: {row}.")
    y = None if run.facts.task == "reconstruction" else np.asarray(part.y)[row : row + 1]
    return _explain(run, run.as_inputs(part.x[row : row + 1]), y, f"example {row} of the {rows}", neuron, weight)


def _explain(
    run: Trained, raw: np.ndarray, y: np.ndarray | None, example: str, neuron: str | None, weight: str | None
) -> Explanation:
    loss = run.program.loss
    with jax.enable_x64(True):
        x = jnp.asarray(_scaled(run.facts.preprocessing, raw))
        target = x if y is None else jnp.asarray(_target(run, y))
        if jnp.issubdtype(target.dtype, jnp.floating):
            target = target.astype(jnp.float64)
        passes = trace(run.network, loss, double(run.params), double(run.layer_state), (x,), target)
        address = address_of(passes, neuron, weight)
        chosen = follow(passes, address, next_update(run, passes.params, passes.grads, *address))
        requests, coupled = Requests(passes), coupled_at(passes)
        requests.chosen(chosen)
        chosen_checks = len(requests.by_name)
        if coupled is not None:
            requests.coupled(coupled)
        requests.sample()
        return Explanation(
            _facts(run, example, passes), _inputs(passes, (raw,)), _layers(passes), _loss(passes), chosen,
            tuple(requests.compare()), chosen_checks, coupled, attribute(passes, run.facts.task),
            tuple(passes.recurrent.values()),
        )  # fmt: skip


def _scaled(preprocessing: Any, raw: np.ndarray) -> np.ndarray:
    """The example as the network reads it, in float64; padding stays as it is."""
    x = raw.astype(np.float64)
    scaled = (x - preprocessing.shift.astype(np.float64)) * preprocessing.scale
    if preprocessing.padding is None:
        return scaled
    return np.where((x == preprocessing.padding).all(axis=-1, keepdims=True), x, scaled)


def _target(run: Trained, y: np.ndarray) -> np.ndarray:
    """Stored targets as the loss reads them, scaled where the training scaled them."""
    scaling = run.facts.target_preprocessing
    target = target_for(run.program.loss, y, run.facts.outputs)
    if scaling.is_identity:
        return target
    return (target.astype(np.float64) - scaling.shift) * scaling.scale.astype(np.float64)


def _inputs(passes: Trace, raw: tuple[np.ndarray, ...]) -> tuple[InputNumbers, ...]:
    names = ("x",) if len(passes.x) == 1 else passes.network.inputs
    inputs = []
    for name, read, x, own, dx in zip(names, passes.network.inputs, passes.x, raw, passes.dx, strict=True):
        array, mask = np.asarray(x)[0], passes.masks.get(read)
        gradient = np.zeros(array.shape) if dx is None or dx.dtype.kind != "f" else dx
        steps = None if mask is None else np.asarray(mask)[0]
        inputs.append(InputNumbers(name, array, own[0], gradient, steps, passes.reads_tokens(len(inputs))))
    return tuple(inputs)


def _layers(passes: Trace) -> tuple[LayerNumbers, ...]:
    layers = []
    for i, (name, layer) in enumerate(zip(passes.network.names, passes.network.layers, strict=True)):
        function = layer.function if isinstance(layer, Activation) else None
        kind = layer.name if function is None else function.name  # pyright: ignore[reportAttributeAccessIssue]
        formula = getattr(layer, "formula", None) or kind.replace("_", " ")
        layers.append(
            LayerNumbers(
                name, kind, formula, passes.network.reads[i], passes.outputs[i], passes.gradients[i],
                arrays_of(passes.params[i]), arrays_of(passes.grads[i]), function is not None,
            )
        )  # fmt: skip
    return tuple(layers)


def _loss(passes: Trace) -> LossNumbers:
    formula = (type(passes.loss).__doc__ or "").split("\n")[0].replace("`", "")
    return LossNumbers(
        passes.loss.name, formula, passes.value, passes.outputs[passes.end], np.asarray(passes.target)[0],
        passes.loss_gradient, passes.loss,
    )  # fmt: skip


def _facts(run: Trained, example: str, passes: Trace) -> Facts:
    """The example, its target and the network's answer in words."""
    facts, layers, encoder = run.facts, run.network.layers, run.facts.encoder
    prediction, target = passes.outputs[passes.end], np.asarray(passes.target)[0]
    scaling = facts.preprocessing if facts.task == "reconstruction" else facts.target_preprocessing
    if facts.task in ("regression", "reconstruction"):
        prediction, target = scaling.invert_numpy(prediction), scaling.invert_numpy(target)
    remarks = ["Computed in float64 from the trained float32 weights, in prediction mode, as a batch of one."]
    scaled = describe_targets(facts.target_preprocessing)
    if scaled:
        remarks.append(f"The t{scaled[1:]}; the numbers of the last layer and of the loss are those of y'.")
    remarks += dict.fromkeys(layer.in_prediction for layer in layers if layer.in_prediction)
    features = encoder.words if isinstance(encoder, Vocabulary) else getattr(encoder, "features", ())
    names = facts.classes
    if not names and facts.task == "regression":
        name = encoder.target if isinstance(encoder, TableEncoder) else "y"
        names = (name,) if prediction.size == 1 else tuple(f"{name}[{k}]" for k in range(prediction.size))
    true, says, answer = _answers(facts.task, names, passes.loss, target, prediction)
    return Facts(
        f"{facts.name}: {example}", facts.task, true, says,
        tuple(remarks), tuple(features), names, answer, prediction, target,
    )  # fmt: skip


Bars = tuple[tuple[str, float], ...]


def _answers(
    task: str, names: tuple[str, ...], loss: Loss, target: np.ndarray, prediction: np.ndarray
) -> tuple[str, str, Bars]:
    """The target and the prediction in words, and the outputs by name."""
    numbers = [float(number) for number in prediction.reshape(-1)]
    if task == "multiclass" and prediction.ndim == 1:
        label = int(target.argmax()) if target.ndim else int(target)
        best = int(prediction.argmax())
        return names[label], f"{names[best]}, with {numbers[best]:.6g}", tuple(zip(names, numbers, strict=True))
    if task == "binary" and prediction.size == 1:
        yes, (output,) = numbers[0] > loss.threshold, numbers
        if loss.threshold == 0:  # logits or margins
            words, bars = f"{loss.reads} of {output:.6g}", ((names[1], output),)
        else:
            words, bars = f"{max(output, 1 - output):.6g}", ((names[0], 1 - output), (names[1], output))
        return names[int(target.reshape(-1)[0] > 0.5)], f"{names[int(yes)]}, with {words}", bars
    if task == "multilabel" and prediction.ndim == 1:
        chosen, true = (
            [name for name, yes in zip(names, array, strict=True) if yes]
            for array in (prediction > loss.threshold, target > 0.5)
        )
        return ", ".join(true) or "none", ", ".join(chosen) or "none", tuple(zip(names, numbers, strict=True))
    true, answer = (
        ", ".join(typeset(float(number)).text for number in array.reshape(-1)[:6]) + (" …" if array.size > 6 else "")
        for array in (target, prediction)
    )
    bars = tuple(zip(names, numbers, strict=True)) if task == "regression" and prediction.ndim == 1 else ()
    return true, answer, bars
