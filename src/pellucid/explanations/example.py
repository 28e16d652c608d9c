"""The chain rule with numbers: one example forward and backward.

∂L/∂W = ∂L/∂a · ∂a/∂z · ∂z/∂W
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from pellucid.core.errors import DataError, InvalidValue
from pellucid.core.formula import number as typeset
from pellucid.data import Dataset, SentenceEncoder, TokenEncoder
from pellucid.data.several import by_name
from pellucid.data.targets import AS_ROWS
from pellucid.explanations.attribution import attribute
from pellucid.explanations.by_hand import Exercise, exercise
from pellucid.explanations.checks import Requests
from pellucid.explanations.explanation import Explanation, Facts, InputNumbers, LayerNumbers, LossNumbers, OutputNumbers
from pellucid.explanations.trace import Trace, arrays_of, parts_of, trace
from pellucid.explanations.update import double, next_update
from pellucid.explanations.weight import address_of, coupled_at, follow
from pellucid.functions.ctc import CTC
from pellucid.functions.losses import JointLoss, Loss
from pellucid.layers import Activation
from pellucid.network import Network
from pellucid.runs.facts import DataFacts
from pellucid.runs.ready import target_for
from pellucid.runs.scaling import describe_targets
from pellucid.runs.trained import Trained
from pellucid.training.adversarial import GAMES


def explain(
    run: Trained | Network,
    x: Any,
    y: Any = None,
    *,
    neuron: str | None = None,
    weight: str | None = None,
    params: Mapping[str, Any] | None = None,
    loss: Any = None,
    optimizer: Any = None,
) -> Explanation:
    """Explain one example with every number, each derivative checked by central differences.

    Everything is computed in float64, from the weights as they were trained, in prediction mode (dropout and noise off,
    batch normalisation by its running statistics).

    Args:
        run: a trained run; or a `Network` whose weights are written by hand.
        x: one example in its own units, of the shape that the run was trained on; or, for a table, a data frame of one
            row; for several inputs a dictionary by name.
        y: its target: a class name or number, or numbers; of several outputs a dictionary by name. None for an
            autoencoder, whose target is x.
        neuron: ``"LAYER:UNIT"``, the neuron whose largest gradient is followed; ``"conv2d_1:3"`` is a filter.
        weight: ``"LAYER:i,j"``, the weight that is followed; ``"LAYER:biases:j"`` for another array than the weights.
            By default that with the largest gradient in the last layer that has weights.
        params: of a `Network`, every array of every layer: ``{"dense_1": {"weights": …, "biases": …}}``, those of a
            dense layer of shape (inputs, units). Inputs and targets are then taken as they are, unscaled.
        loss: of a `Network`, its loss; mean squared error, or cross-entropy behind a softmax.
        optimizer: of a `Network`, the optimiser whose first step is shown; gradient descent with η = 0.01.

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

        >>> network = pel.Network(pel.Dense(2, "sigmoid"), pel.Dense(1))
        >>> params = {
        ...     "dense_1": {"weights": [[0.5, -1.0], [1.0, 0.5]], "biases": [0.0, 0.0]},
        ...     "dense_2": {"weights": [[1.0], [-1.0]], "biases": [0.0]},
        ... }
        >>> round(explain(network, [1.0, 2.0], [1.0], params=params).loss.value, 4)
        0.3316
    """
    if isinstance(run, Network):
        return explain_exercise(exercise(run, x, y, params, loss, optimizer), neuron=neuron, weight=weight)
    if params is not None or loss is not None or optimizer is not None:
        raise InvalidValue(
            "params, loss and optimizer are of a Network with weights written by hand; a run has its own."
        )
    return _explain(run, _given(run, x, y), neuron, weight)


def explain_exercise(given: Exercise, *, neuron: str | None = None, weight: str | None = None) -> Explanation:
    """Explain the example of an exercise.

    Args:
        given: the exercise.
        neuron: as for `explain`.
        weight: as for `explain`.
    """
    return _explain(given.run, Example((given.x,), given.target, "one example", by_hand=True), neuron, weight)


def explain_row(
    run: Trained, data: Dataset, row: int, *, neuron: str | None = None, weight: str | None = None
) -> Explanation:
    """Explain a held-out row of a dataset; a training row where none are held out.

    Args:
        run: a trained run.
        data: its data.
        row: the number of the row.
        neuron: as for `explain`.
        weight: as for `explain`.

    Raises:
        InvalidValue: no such row.
    """
    part, rows = (data.train, "training rows") if data.held_out is None else (data.held_out, "held-out rows")
    if not 0 <= row < len(part):
        raise InvalidValue(f"the {rows} are numbered 0 to {len(part) - 1}. Received: {row}.")
    one = part.take([row])
    y = None if run.adversarial or run.facts.task == "reconstruction" else one.y
    example = Example(one.inputs, y, f"example {row} of the {rows}")
    return _explain(run, example, neuron, weight)


class Example(NamedTuple):
    """One example as a batch of one.

    Attributes:
        raw: the arrays of its inputs, in their own units.
        target: its stored target; None for an autoencoder and for a GAN.
        name: in words.
        by_hand: whether the weights were written by hand, not trained.
    """

    raw: tuple[np.ndarray, ...]
    target: Any
    name: str
    by_hand: bool = False


def _given(run: Trained, x: Any, y: Any) -> Example:
    """Convert an example given by the user."""
    facts = run.facts
    if isinstance(facts.encoder, SentenceEncoder):
        if not isinstance(x, str) or not isinstance(y, str):
            raise DataError("explain takes a sentence x and its translation y, both text.")
        pair = facts.encoder.encode_pairs([(x, y)])
        return Example(pair.inputs, np.asarray(pair.y), "one sentence")
    if isinstance(x, str) and facts.encoder is not None and facts.encoder.of_texts:
        x = [x]
    texts = isinstance(x, list) and x and isinstance(x[0], str)
    table = facts.encoder is not None and (texts or not isinstance(x, np.ndarray | jax.Array | list))
    if facts.inputs and not table:
        pairs = zip(by_name(x, facts.inputs, "x").items(), facts.input_shape, strict=True)
        batch: Any = {n: np.asarray(array)[None] if np.shape(array) == shape else array for (n, array), shape in pairs}
    else:
        batch = x if table else np.asarray(x)[None] if np.shape(x) == facts.input_shape else x
    if run.adversarial:
        batch = np.asarray(batch, np.float32)
        run.networks["critic"].check_input(batch, facts.input_shape)
    else:
        batch = run.as_inputs(batch)
    arrays = batch if isinstance(batch, tuple) else (batch,)
    if len(arrays[0]) != 1:
        raise DataError(f"explain takes one example. Received: {len(arrays[0])}.")
    if run.adversarial or facts.task == "reconstruction":
        return Example(arrays, None, "one example")
    if y is None:
        raise DataError("explain needs the target y of the example x: the loss compares the prediction with it.")
    if facts.heads:
        pairs = by_name(y, tuple(facts.heads), "y").items()
        targets = tuple(_one_target(facts.of_output(output), one) for output, one in pairs)
        return Example(arrays, targets, "one example")
    return Example(arrays, _one_target(facts, y), "one example")


def _one_target(facts: DataFacts, y: Any) -> np.ndarray:
    if facts.task == "transcription":
        return facts.encode_target([y])
    target = np.asarray(y)
    if facts.task in AS_ROWS:
        return facts.encode_target(target[None])
    return facts.encode_target(target.reshape(1, -1) if target.size > 1 else target.reshape(1))


def _explain(run: Trained, example: Example, neuron: str | None, weight: str | None) -> Explanation:
    player = "critic" if run.adversarial else ""
    network, own = run.networks[player], (run.params, run.layer_state)
    params, state = (tree[player] for tree in own) if player else own
    with jax.enable_x64(True):
        network = network.in_precision("float64")
        scalings = run.facts.preprocessing.parts
        scalings = scalings * len(example.raw) if len(scalings) == 1 else scalings
        x = tuple(_scaled(scaling, raw) for scaling, raw in zip(scalings, example.raw, strict=True))
        loss, target = _loss_and_target(run, example, x[0])
        passes = trace(network, loss, double(params), double(state), x, target)
        address = address_of(passes, neuron, weight)
        chosen = follow(passes, address, next_update(run, passes, address, player))
        requests, coupled = Requests(passes), coupled_at(passes)
        requests.chosen(chosen)
        chosen_checks = len(requests.by_name)
        if coupled is not None:
            requests.coupled(coupled)
        requests.sample()
        return Explanation(
            _facts(run, example, passes),
            _inputs(passes, example.raw),
            _layers(passes),
            _loss(passes),
            chosen,
            tuple(requests.compare()),
            chosen_checks,
            coupled,
            attribute(passes, run.facts.task),
            tuple(passes.recurrent.values()),
            _outputs(run, example, passes),
        )


def _scaled(preprocessing: Any, raw: np.ndarray) -> np.ndarray:
    """Scale the example as the network reads it, in float64; padding and tokens stay as they are."""
    if preprocessing.is_identity and raw.dtype.kind == "i":
        return raw
    x = raw.astype(np.float64)
    scaled = (x - preprocessing.shift.astype(np.float64)) * preprocessing.scale
    if preprocessing.padding is None:
        return scaled
    return np.where((x == preprocessing.padding).all(axis=-1, keepdims=True), x, scaled)


def _loss_and_target(run: Trained, example: Example, x: Any) -> tuple[Loss | JointLoss, Any]:
    """Find the loss and its target; for a GAN the critic's for a real example."""
    if run.adversarial:
        game = GAMES[run.program.loss]
        return game.loss, np.full((1, 1), game.real)
    if run.facts.heads:
        pairs = zip(run.facts.heads, example.target, strict=True)
        targets = tuple(_in_double(_target(run.output(name), one)) for name, one in pairs)
        return run.program.loss, targets
    target = x if example.target is None else np.asarray(_target(run, np.asarray(example.target)))
    return run.program.loss, _in_double(target)


def _in_double(target: np.ndarray) -> np.ndarray:
    return target.astype(np.float64) if target.dtype.kind == "f" else target


def _target(run: Trained, y: np.ndarray) -> np.ndarray:
    """Stored targets as the loss reads them, scaled where the training scaled them."""
    scaling = run.facts.target_preprocessing.parts[0]
    if run.facts.task == "translation":
        return y
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
        function: Any = layer.function if isinstance(layer, Activation) else None
        kind = layer.name if function is None else function.name
        formula = layer.formula or kind.replace("_", " ")
        if function is not None:
            formula = f"a = {getattr(function, 'formula', f'{kind}(z)')}"
        layers.append(
            LayerNumbers(
                name, kind, formula, passes.network.reads[i], passes.outputs[i], passes.gradients[i],
                arrays_of(passes.params[i]), arrays_of(passes.grads[i]), function is not None,
            )
        )  # fmt: skip
    return tuple(layers)


def _loss(passes: Trace) -> LossNumbers:
    """The loss; of several outputs their sum, as it reads the first."""
    first, *others = _losses(passes)
    return first if not others else replace(first, name="weighted sum", formula="", value=passes.value, function=None)


def _losses(passes: Trace) -> list[LossNumbers]:
    """The loss of each output, before its weight."""
    numbers = []
    parts = parts_of(passes.network, passes.loss, passes.target)
    for (loss, _, end, y), value, gradient in zip(parts, passes.values, passes.loss_gradients, strict=True):
        formula = str(getattr(loss, "formula", "")) or (type(loss).__doc__ or "").split("\n")[0]
        numbers.append(LossNumbers(loss.name, formula, value, passes.outputs[end], np.asarray(y)[0], gradient, loss))
    return numbers


def _outputs(run: Trained, example: Example, passes: Trace) -> tuple[OutputNumbers, ...]:
    if not run.facts.heads:
        return ()
    weights = run.program.loss.weights
    return tuple(
        OutputNumbers(name, _facts(run.output(name), example, passes, number), loss, weight)
        for number, (name, loss, weight) in enumerate(zip(run.facts.heads, _losses(passes), weights, strict=True))
    )


def _facts(run: Trained, example: Example, passes: Trace, number: int | None = None) -> Facts:
    """The example, its target and the network's answer in words, of all outputs or of one."""
    facts, layers, encoder = run.facts, passes.network.layers, run.facts.encoder
    if facts.heads:
        each = [(name, _facts(run.output(name), example, passes, i)) for i, name in enumerate(facts.heads)]
        targets, answers = (
            "; ".join(f"{name}: {getattr(one, what)}" for name, one in each) for what in ("target", "prediction")
        )
        remarks = tuple(dict.fromkeys(remark for _, one in each for remark in one.remarks))
        return replace(
            each[0][1], title=f"{facts.name}: {example.name}", task="several", target=targets, prediction=answers,
            remarks=remarks, classes=(), answer=(), output=None, target_values=None,
        )  # fmt: skip
    loss, _, end, y = parts_of(passes.network, passes.loss, passes.target)[number or 0]
    prediction, target = passes.outputs[end], np.asarray(y)[0]
    scaling = facts.preprocessing if facts.task == "reconstruction" else facts.target_preprocessing
    if facts.task in ("regression", "forecasting", "reconstruction"):
        prediction, target = scaling.invert_numpy(prediction), scaling.invert_numpy(target)
    dtype = run.networks["critic" if run.adversarial else ""].dtype
    weights = "the weights as they are written" if example.by_hand else f"the trained {dtype} weights"
    remarks = [f"Computed in float64 from {weights}, in prediction mode, as a batch of one."]
    scaled = describe_targets(facts.target_preprocessing, tuple(facts.heads))
    if scaled:
        remarks.append(f"The t{scaled[1:]}; the numbers of the last layer and of the loss are those of y'.")
    remarks += dict.fromkeys(layer.in_prediction for layer in layers if layer.in_prediction)
    features = (() if encoder is None else encoder.names_of(example.raw[0][0])) or facts.features
    names, words = facts.classes, ()
    if not names and facts.task == "regression":
        names = facts.targets or (("y",) if prediction.size == 1 else tuple(f"y[{k}]" for k in range(prediction.size)))
    true, says, answer = _answers(facts.task, names, loss, target, prediction)
    if isinstance(loss, CTC):
        mask = passes.masks.get(passes.network.names[end])
        decoded = loss.decode(prediction[None], None if mask is None else np.asarray(mask))
        (true,), (says,), names = facts.written(example.target), facts.written(decoded), ()
    title = f"{facts.name}: {example.name}"
    if run.adversarial:
        title, names, says = f"{title}, scored by the critic", (), typeset(prediction.item()).text
        true, answer = f"{typeset(target.item()).text}, for a real example", (("score", prediction.item()),)
    if isinstance(encoder, TokenEncoder):
        words = (" ".join(encoder.decode(example.raw[0][0])),)
    if isinstance(encoder, SentenceEncoder):
        true, says = encoder.decode([target, prediction.argmax(axis=-1)])
        words = tuple(
            " ".join(side.decode(raw[0]))
            for side, raw in zip((encoder.source, encoder.target), example.raw, strict=True)
        )
    return Facts(
        title, "score" if run.adversarial else facts.task, true, says, tuple(remarks), tuple(features), names, answer,
        prediction, target, words,
    )  # fmt: skip


def _in_words(names: tuple[str, ...], labels: np.ndarray) -> str:
    """The labels of the steps, those without one as ·."""
    words = [names[label] if label >= 0 else "·" for label in labels.tolist()]
    return " ".join(words[:40]) + " …" * (len(words) > 40)


Bars = tuple[tuple[str, float], ...]


def _answers(
    task: str, names: tuple[str, ...], loss: Loss, target: np.ndarray, prediction: np.ndarray
) -> tuple[str, str, Bars]:
    """The target and the prediction in words, and the outputs by name."""
    numbers = [float(number) for number in prediction.reshape(-1)]
    bars = tuple(zip(names, numbers, strict=False)) if prediction.ndim == 1 else ()
    if task == "multiclass" and prediction.ndim == 1:
        label = int(target.argmax()) if target.ndim else int(target)
        best = int(prediction.argmax())
        return names[label], f"{names[best]}, with {typeset(numbers[best]).text}", bars
    if task == "binary" and prediction.size == 1:
        yes, (output,) = numbers[0] > loss.threshold, numbers
        words, bars = f"{loss.reads[:-1]} {typeset(output).text}", ((names[1], output),)
        if not loss.signed:
            words, bars = typeset(max(output, 1 - output)).text, ((names[0], 1 - output), (names[1], output))
        return names[int(target.reshape(-1)[0] > 0.5)], f"{names[int(yes)]}, with {words}", bars
    if task == "tagging" and prediction.ndim == 2:
        return _in_words(names, target), _in_words(names, prediction.argmax(axis=-1)), ()
    if task == "multilabel" and prediction.ndim == 1:
        chosen, true = (
            [name for name, yes in zip(names, array, strict=True) if yes]
            for array in (prediction > loss.threshold, target > 0.5)
        )
        return ", ".join(true) or "none", ", ".join(chosen) or "none", bars
    true, answer = (
        ", ".join(typeset(float(number)).text for number in array.reshape(-1)[:6]) + (" …" if array.size > 6 else "")
        for array in (target, prediction)
    )
    return true, answer, bars
