"""A run as one function of arrays: what is exported, whatever the format."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from itertools import product
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from pellucid import kernels
from pellucid.core.precision import cast
from pellucid.core.types import Array, PyTree
from pellucid.data import Preprocessing, SentenceEncoder
from pellucid.data.groups import GroupsEncoder
from pellucid.data.tables import TableEncoder
from pellucid.data.transcription import NO_LABEL
from pellucid.data.translation import END
from pellucid.functions.losses import Loss, losses_of
from pellucid.network import Network, token_layer
from pellucid.network.structure import one_or_several
from pellucid.runs.facts import DataFacts
from pellucid.runs.scaling import scaling_of
from pellucid.runs.trained import Trained
from pellucid.runs.translation import greedy

Shapes: TypeAlias = list[jax.ShapeDtypeStruct]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Input:
    """An input of the function, whose first axis is that of the rows.

    Args:
        name: its name.
        shape: of one example.
        vocabulary: of tokens, whole numbers below this; None for numbers.
    """

    name: str
    shape: tuple[int, ...]
    vocabulary: int | None = None

    @property
    def dtype(self) -> np.dtype:
        """Of its numbers."""
        return np.dtype(np.float32 if self.vocabulary is None else np.int32)

    @property
    def has_steps(self) -> bool:
        """True where its first axis may be one of time: sequences of vectors or of tokens."""
        return len(self.shape) == (2 if self.vocabulary is None else 1)


@dataclass(frozen=True)
class Program:
    """A run as a function of arrays.

    Args:
        function: from ``arrays`` and the inputs to the outputs by name; of a label its number.
        arrays: parameters and state, by name.
        inputs: what it reads.
        labels: of each output that holds labels, their values by number; the last stands for none.
        encoder: what makes a network's input of a table's columns; None where arrays are read.
        preprocessing: of the inputs.
        float32: False where the run computed in another precision.
        predict: some of the outputs by name, as the run itself predicts them; None where it does not, or in another
            precision.
    """

    function: Callable[..., dict[str, Array]]
    arrays: dict[str, Any]
    inputs: tuple[Input, ...]
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    encoder: TableEncoder | GroupsEncoder | None = None
    preprocessing: Any = field(default_factory=Preprocessing)
    float32: bool = True
    predict: Callable[[Sequence[np.ndarray]], dict[str, np.ndarray]] | None = None

    def generalised(self, convert: Callable[[Shapes], Result], steps: bool = True) -> "Generalised[Result]":
        """Convert the function for as general shapes as it can be traced for: any number of rows, and of steps.

        Args:
            convert: from shapes of the inputs to the result.
            steps: False takes sequences as long as those of the training.
        """
        sequences = [each for each in self.inputs if each.has_steps] if steps else []
        ways: list[dict[str, str]] = [{each.name: "steps" for each in sequences}]
        if len(sequences) > 1:  # each of its own length, where they need not agree
            ways.insert(0, {each.name: re.sub(r"\W", "_", each.name) + "_steps" for each in sequences})
        for at_least, symbols in product((False, True), ways if sequences else ()):
            least = {symbols[each.name]: each.shape[0] for each in sequences} if at_least else {}
            # JAX and the layers refuse in many ways what depends on the number of steps, such as a Flatten.
            with suppress(Exception), kernels.definitions():
                jax.eval_shape(self.function, self.arrays, *self._longer())
                note = ", ".join(f"{symbol} is at least {size}" for symbol, size in least.items())
                return Generalised(convert(self._shapes(symbols, least)), True, note)
        with kernels.definitions():
            return Generalised(convert(self._shapes({}, {})), False)

    def _shapes(self, symbols: Mapping[str, str], least: Mapping[str, int]) -> Shapes:
        """Shapes of the inputs, with symbols for the steps of some."""
        scope = jax.export.SymbolicScope([f"{symbol} >= {size}" for symbol, size in least.items()])
        shapes = []
        for given in self.inputs:
            sizes = ["batch", *map(str, given.shape)]
            if given.name in symbols:
                sizes[1] = symbols[given.name]
            shape = jax.export.symbolic_shape(f"({', '.join(sizes)},)", scope=scope)
            shapes.append(jax.ShapeDtypeStruct(shape, given.dtype))
        return shapes

    def _longer(self) -> Shapes:
        """Shapes of two rows of sequences that are one step longer than those of the training."""
        shapes = [
            (2, each.shape[0] + 1, *each.shape[1:]) if each.has_steps else (2, *each.shape) for each in self.inputs
        ]
        return [jax.ShapeDtypeStruct(shape, each.dtype) for shape, each in zip(shapes, self.inputs, strict=True)]


class Generalised(NamedTuple, Generic[Result]):
    """What a program was converted to."""

    result: Result
    free: bool
    """Whether its sequences may have any number of steps."""
    note: str = ""
    """The least number of steps, where there is one."""


def network_alone(run: Trained) -> Program:
    """The network of a run: from scaled arrays to the outputs of its last layers. Of a GAN the generator."""
    network, params, state, shapes = _network(run)
    return replace(of_network(network, params, state, shapes), float32=_in_float32(run))


def of_network(network: Network, params: Any, state: Any, shapes: Any) -> Program:
    """A network with its arrays, for examples of ``shapes``."""
    arrays = _by_layer(network, params, state)

    def function(arrays: Any, *x: Array) -> dict[str, Array]:
        outputs = network.forward(*_placed(network, arrays), one_or_several(x)).outputs
        return {name: outputs[end] for name, end in zip(network.output_names, network.ends, strict=True)}

    return Program(function, arrays, _inputs(network, shapes))


def whole_run(run: Trained) -> Program:
    """All that ``predict`` does: from raw rows to labels and probabilities, or numbers in their own units.

    Rows that ``predict`` refuses, with values that are not finite or tokens that the vocabulary lacks, give NaN and no
    label.
    """
    network, params, state, shapes = _network(run)
    arrays, inputs, facts = _by_layer(network, params, state), _inputs(network, shapes), run.facts
    if run.adversarial:
        noise = (replace(inputs[0], name="noise"),)
        return Program(_of_generator(network, facts), arrays, noise, float32=_in_float32(run))
    if isinstance(facts.encoder, SentenceEncoder):
        return _translator(run, network, arrays, inputs)
    scaling = scaling_of(facts.preprocessing)
    losses: Sequence[Any] = losses_of(run.program.loss)
    parts = [("", facts)] if not facts.heads else [(f"{name}_", facts.of_output(name)) for name in facts.heads]
    labels: dict[str, np.ndarray] = {}
    for prefix, own in parts:
        if own.classes and own.task not in ("multilabel", "transcription"):
            labels[f"{prefix}label"] = _values(own)

    def function(arrays: Any, *x: Array) -> dict[str, Array]:
        scaled = scaling(one_or_several(x))
        passed = network.forward(*_placed(network, arrays), scaled)
        valid = _valid(inputs, x)
        outputs: dict[str, Array] = {}
        for (prefix, own), loss, end, name in zip(parts, losses, network.ends, network.outputs, strict=True):
            y, mask = passed.outputs[end], passed.masks.get(name)
            outputs |= {f"{prefix}{key}": value for key, value in _predictions(own, loss, y, mask, valid).items()}
        return outputs

    encoder = facts.encoder if isinstance(facts.encoder, (TableEncoder, GroupsEncoder)) else None
    program = Program(function, arrays, inputs, labels, encoder, facts.preprocessing, _in_float32(run))
    return replace(program, predict=partial(_predicted, run)) if program.float32 else program


def _predicted(run: Trained, x: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The labels and predictions of stored rows, as the run gives them."""
    if run.facts.task == "transcription":
        return {}
    predictions = run.predict(dict(zip(run.facts.inputs, x, strict=True)) if run.facts.inputs else x[0])
    heads = {f"{name}_": (run.facts.of_output(name), predictions[name]) for name in run.facts.heads}
    return {
        f"{prefix}{'label' if own.classes else 'prediction'}": array
        for prefix, (own, array) in (heads or {"": (run.facts, predictions)}).items()
    }


def _in_float32(run: Trained) -> bool:
    return run.experiment.precision == "float32"


def _network(run: Trained) -> tuple[Network, Any, Any, Any]:
    """The network in float32 with its parameters, its state, and the shapes of its inputs."""
    if run.adversarial:
        name, shapes = "generator", (run.program.latent,)
        params, state = run.params[name], run.layer_state[name]
    else:
        name, shapes, params, state = "", run.facts.input_shape, run.params, run.layer_state
    return run.networks[name].in_precision("float32"), params, state, shapes


def _by_layer(network: Network, params: Any, state: Any) -> dict[str, Any]:
    pairs = zip(network.names, cast(params, jnp.float32), cast(state, jnp.float32), strict=True)
    return {layer: {"params": own, "state": carried} for layer, own, carried in pairs}


def _inputs(network: Network, shapes: Any) -> tuple[Input, ...]:
    inputs = []
    for name, shape in zip(network.inputs, network.each_input(shapes), strict=True):
        tokens = token_layer(network, name)
        inputs.append(Input(name, tuple(shape), None if tokens is None else tokens.vocabulary))
    return tuple(inputs)


def _placed(network: Network, arrays: Mapping[str, Any]) -> tuple[Any, Any]:
    """Parameters and state as the network takes them."""
    layers = [arrays[name] for name in network.names]
    return tuple(layer["params"] for layer in layers), tuple(layer["state"] for layer in layers)


def _of_generator(network: Network, facts: DataFacts) -> Callable[..., dict[str, Array]]:
    def function(arrays: Any, noise: Array) -> dict[str, Array]:
        outputs = network.forward(*_placed(network, arrays), noise).outputs
        return {"sample": _own_units(facts.preprocessing, outputs[network.ends[0]])}

    return function


def _translator(run: Trained, network: Network, arrays: Any, inputs: tuple[Input, ...]) -> Program:
    encoder = run.facts.encoder
    assert isinstance(encoder, SentenceEncoder)
    words = np.array([*encoder.target.words, ""])

    def function(arrays: Any, source: Array) -> dict[str, Array]:
        written = greedy(network, encoder.target_steps, *_placed(network, arrays), source)
        ended = jnp.cumsum((written == END).astype(jnp.int32), axis=1) > 0
        return {"words": jnp.where(ended, len(words) - 1, written)}

    return Program(function, arrays, inputs[:1], {"words": words}, float32=_in_float32(run))


def _values(facts: DataFacts) -> np.ndarray:
    """The values of labels by number, and behind them that of no label: −1, or an empty text."""
    values = facts.class_values
    if values.dtype == bool:
        values = values.astype(str)
    return np.append(values, "" if values.dtype.kind == "U" else NO_LABEL)


def _valid(inputs: Sequence[Input], x: Sequence[Array]) -> Array:
    """The rows that ``predict`` would take."""
    valid = []
    for given, array in zip(inputs, x, strict=True):
        known = jnp.isfinite(array) if given.vocabulary is None else (array >= 0) & (array < given.vocabulary)
        valid.append(known.all(axis=tuple(range(1, array.ndim))))
    return reduce(jnp.logical_and, valid)


def _predictions(facts: DataFacts, loss: Loss, y: Array, mask: Array | None, valid: Array) -> dict[str, Array]:
    """One output of the network as predictions, by name."""
    real = jnp.expand_dims(valid, tuple(range(1, y.ndim)))
    if mask is not None and mask.ndim < y.ndim:
        real = real & jnp.expand_dims(mask, tuple(range(mask.ndim, y.ndim)))
    numbers = jnp.where(jnp.broadcast_to(real, y.shape), y, jnp.nan)
    if facts.task == "reconstruction":
        return {"prediction": _own_units(facts.preprocessing, numbers)}
    if not facts.classes or facts.task == "transcription":
        scaled = facts.task in ("regression", "forecasting")
        return {"prediction" if scaled else "scores": _own_units(facts.target_preprocessing, numbers)}
    kind = "probabilities" if loss.reads == "probabilities" else "scores"
    yes = y > loss.threshold
    if facts.task == "multilabel":
        return {"label": jnp.where(jnp.broadcast_to(real, y.shape), yes.astype(jnp.int32), NO_LABEL), kind: numbers}
    if facts.task == "binary":
        number, real = yes[:, 0].astype(jnp.int32), real[:, 0]
        if kind == "probabilities":
            numbers = jnp.concatenate([1 - numbers, numbers], axis=1)
    else:
        number, real = y.argmax(axis=-1).astype(jnp.int32), real[..., 0]
    return {"label": jnp.where(real, number, len(facts.classes)), kind: numbers}


def _own_units(preprocessing: Any, y: Array) -> Array:
    """Scaled numbers in the units of the data."""
    targets: Any = scaling_of(Preprocessing(), preprocessing).targets
    return y if targets is None else targets.invert(y)


def result_of(program: Program, x: Sequence[np.ndarray]) -> PyTree:
    """What the function gives for arrays, as JAX computes it here; labels by their numbers."""
    return {name: np.asarray(value) for name, value in jax.jit(program.function)(program.arrays, *x).items()}
