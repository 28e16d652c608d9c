"""The chain rule with numbers: one example forward, its loss, and back to every weight (subject 1.2, 3.4, 3.5).

∂L/∂W = ∂L/∂a · ∂a/∂z · ∂z/∂W
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import DataError, InvalidValue
from pellucid.data import Part
from pellucid.explanations.gates import RECURRENT, open_in_time
from pellucid.explanations.numbers import Explanation, Facts, LossNumbers
from pellucid.explanations.update import double
from pellucid.explanations.walk import Walk
from pellucid.layers import BatchNorm, Dropout, GaussianNoise, MaskingNoise
from pellucid.runs.run import Run, target_for
from pellucid.runs.scaling import describe_targets


def explain(run: Run, x: Any, y: Any = None, *, neuron: str | None = None, weight: str | None = None) -> Explanation:
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
        InvalidValue: a neuron or weight that is not there, or both at once.
        UnknownName: a layer that is not there.

    Example:
        >>> import pellucid as pel
        >>> data = pel.load_dataset("iris")
        >>> run = pel.train((4,), data, epochs=2, progress=False)
        >>> told = explain(run, data.held_out.x[0], data.classes[data.held_out.y[0]])
        >>> told.worst_error < 1e-6
        True
    """
    table = run.facts.encoder is not None and not isinstance(x, np.ndarray | jax.Array | list)
    x = run.encode(x if table else np.asarray(x)[None] if np.shape(x) == run.facts.input_shape else x)
    if len(x) != 1:
        raise DataError(f"explain takes one example. Received: {len(x)}.")
    if run.facts.task == "reconstruction":
        return _explain(run, x, None, "one example", neuron, weight)
    if y is None:
        raise DataError("explain needs the target y of the example x: the loss is measured against it.")
    target = np.asarray(y)
    target = target.reshape(1, -1) if target.size > 1 else target.reshape(1)
    return _explain(run, x, run.facts.encode_target(target), "one example", neuron, weight)


def explain_row(
    run: Run, part: Part, row: int, said: str, *, neuron: str | None = None, weight: str | None = None
) -> Explanation:
    """The explanation of a row of a dataset, whose targets are stored.

    Args:
        run: a trained run.
        part: the rows.
        row: which.
        said: what the rows are, for the head of the page.
        neuron: as for `explain`.
        weight: as for `explain`.

    Raises:
        InvalidValue: no such row.
    """
    if not 0 <= row < len(part):
        raise InvalidValue(f"the {said} are numbered 0 to {len(part) - 1}. Received: {row}.")
    y = None if run.facts.task == "reconstruction" else np.asarray(part.y)[row : row + 1]
    return _explain(run, run.encode(part.x[row : row + 1]), y, f"example {row} of the {said}", neuron, weight)


def _explain(
    run: Run, raw: np.ndarray, y: np.ndarray | None, said: str, neuron: str | None, weight: str | None
) -> Explanation:
    shapes = {row.layer: row.output_shape for row in run.summary.rows} | dict.fromkeys(
        run.network.inputs, run.facts.input_shape
    )
    times = [
        shapes[reads[0]][0] if isinstance(layer, RECURRENT) else None
        for layer, reads in zip(run.network.layers, run.network.reads, strict=True)
    ]
    with jax.enable_x64(True):
        scaled = (
            raw.astype(np.float64) - run.facts.preprocessing.shift.astype(np.float64)
        ) * run.facts.preprocessing.scale
        x = jnp.asarray(scaled, jnp.float64)
        target = x if y is None else jnp.asarray(_as_trained(run, y))
        if jnp.issubdtype(target.dtype, jnp.floating):
            target = target.astype(jnp.float64)
        own = double(run.params)
        network, params = open_in_time(run.network, own, times)
        walk = Walk(network, run.program.loss, params, double(run.layer_state), x, target)
        return walk.explanation(run, own, facts_of(run, said, walk.loss_numbers), neuron, weight)


def _as_trained(run: Run, y: np.ndarray) -> np.ndarray:
    """Stored targets as the loss takes them, scaled where the training scaled them."""
    scaling = run.facts.target_preprocessing
    target = target_for(run.program.loss, y, run.facts.outputs)
    if scaling.is_identity:
        return target
    return (target.astype(np.float64) - scaling.shift) * scaling.scale.astype(np.float64)


def facts_of(run: Run, said: str, loss: LossNumbers) -> Facts:
    """The head of the page: what is explained, what was true, what the network says."""
    classes, task = run.facts.classes, run.facts.task
    prediction, target = loss.prediction, loss.target
    if task == "multiclass":
        label = int(target.argmax()) if target.ndim else int(target)
        best = int(prediction.argmax())
        true, says = classes[label], f"{classes[best]}, with {prediction[best]:.6g}"
    elif task == "binary":
        loss_of = run.program.loss
        true = classes[int(target.reshape(-1)[0] > 0.5)]
        output = float(prediction.reshape(-1)[0])
        sure = f"{loss_of.reads} of {output:.6g}" if loss_of.threshold == 0 else f"{max(output, 1 - output):.6g}"
        says = f"{classes[int(output > loss_of.threshold)]}, with {sure}"
    else:
        true, says = (
            ", ".join(f"{number:.6g}" for number in array.reshape(-1)[:6]) + (" …" if array.size > 6 else "")
            for array in (run.facts.target_preprocessing.invert_numpy(end) for end in (target, prediction))
        )
    remarks = ["Computed in float64 from the trained float32 weights, in prediction mode, as a batch of one."]
    scaled = describe_targets(run.facts.target_preprocessing)
    if scaled:
        remarks.append(f"The t{scaled[1:]}; the numbers of the last layer and of the loss are those of y'.")
    layers = run.network.layers
    if any(isinstance(layer, Dropout | GaussianNoise | MaskingNoise) for layer in layers):
        remarks.append("Dropout and noise are off, as they are in prediction.")
    if any(isinstance(layer, BatchNorm) for layer in layers):
        remarks.append("Batch normalisation uses its running statistics, as it does in prediction.")
    features = tuple(getattr(run.facts.encoder, "features", ()))
    return Facts(f"{run.facts.name}: {said}", true, says, tuple(remarks), features, classes)
