"""Starting weights: those of a run, a folder or the user, matched with the layers of a network by name and shape."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pellucid.core.errors import InvalidValue, StorageError
from pellucid.core.files import sha256
from pellucid.core.types import PyTree, Shapes
from pellucid.data import Dataset, Preprocessing
from pellucid.network import ByLayer, Network, arrays_by_layer, build_network, from_units, shapes_by_layer, units_of
from pellucid.network.peers import NAMES
from pellucid.runs.experiment import Experiment
from pellucid.runs.facts import DataFacts, under
from pellucid.runs.folder import RunFolder

SCALED = ("inputs", "targets")
"""The scalings that starting weights bring along."""


class Match(NamedTuple):
    """What became of a layer."""

    layer: str
    taken: tuple[str, ...]
    """Names of its arrays that start as given; the others are initialised."""
    why_not: str = ""
    """The reason why others are initialised."""

    def text(self, source: str) -> str:
        """The layer and where it starts, in a line."""
        start = f"starts from {source}" if self.taken else "initialised"
        return f"{self.layer}: {start}{f'; {self.why_not}' if self.why_not else ''}"


@dataclass(frozen=True, eq=False, repr=False)
class StartingWeights:
    """Arrays that layers start from instead of being initialised, by layer.

    Args:
        source: where they come from, in words: a run folder, ``"arrays"``.
        arrays: parameters and state by the name of the layer.
        facts: facts of the data that they were trained on, where they are a run's: its scalings, classes and names.
        inputs: the scaling of the inputs that they were trained with and keep; None for that of the new data.
        targets: the same for the targets.
    """

    source: str
    arrays: ByLayer
    facts: DataFacts | None = None
    inputs: Preprocessing | None = None
    targets: Preprocessing | None = None

    def matched(self, network: Network, data: Dataset) -> tuple["StartingWeights", tuple[str, ...]]:
        """Keep what a network takes, and say of each layer where it starts.

        Raises:
            InvalidValue: no layer takes anything.
        """
        matches = match(network, data.input_shape, self.arrays)
        taken = {one.layer: {name: self.arrays[one.layer][name] for name in one.taken} for one in matches if one.taken}
        if not taken:
            raise InvalidValue(
                f"initial: no layer of this network takes anything from {self.source}: "
                f"{'; '.join(f'{one.layer}, {one.why_not}' for one in matches) or 'no layer has weights'}. Layers are "
                "matched by name and shape; where only the names differ, give the arrays by the names of this network: "
                'initial={"dense_1": run.weights["dense_2"]}.'
            )
        lines = [one.text(self.source) for one in matches]
        lines += [f"{name} of {self.source}: not in this network" for name in self.arrays if name not in network.names]
        first = next((name for name in network.names if name in shapes_by_layer(network, data.input_shape)), "")
        kept: dict[str, Preprocessing] = {}
        facts = self.facts
        if facts is not None:
            last = [one.layer for one in matches][-1]
            if first in taken and facts.input_shape == data.input_shape:
                kept["inputs"] = facts.preprocessing
            if last in taken and facts.task == data.task == "regression" and facts.outputs == data.outputs:
                kept["targets"] = facts.target_preprocessing
            lines += _differences(self.source, facts, data, last if last in taken else "")
        return replace(self, arrays=taken, facts=None, **kept), tuple(lines)

    def scaled(self, data: Dataset, experiment: Experiment) -> Dataset:
        """The dataset scaled as that of the weights was, where the experiment leaves it open."""
        kept: dict[str, Any] = {}
        if self.inputs is not None and experiment.scale_inputs == "auto":
            kept["preprocessing"] = self.inputs
        if self.targets is not None and experiment.scale_targets == "auto":
            kept["target_preprocessing"] = self.targets
        return replace(data, **kept)

    @property
    def sha256(self) -> str:
        """The hash of the arrays."""
        content = self.to_arrays()
        named = (f"{name}{array.shape}{array.dtype}".encode() + array.tobytes() for name, array in content.items())
        return sha256(b"".join(named))

    def describe(self) -> dict[str, str]:
        """Source and hash, as ``experiment.toml`` holds them."""
        return {"from": self.source, "sha256": self.sha256}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All arrays by one name each, for a file."""
        named = {
            f"layers/{layer}/{name}": np.ascontiguousarray(array)
            for layer, arrays in sorted(self.arrays.items())
            for name, array in sorted(arrays.items())
        }
        for kind in SCALED:
            scaling: Preprocessing | None = getattr(self, kind)
            if scaling is not None:
                named |= {f"{kind}/{name}": array for name, array in scaling.to_dict().items()}
        return named

    @staticmethod
    def from_arrays(source: str, named: dict[str, np.ndarray]) -> "StartingWeights":
        """Read what ``to_arrays`` named."""
        inputs, targets = (
            Preprocessing.from_dict(arrays) if (arrays := under(kind, named)) else None for kind in SCALED
        )
        return StartingWeights(source, by_layer(under("layers", named)), None, inputs, targets)


def match(network: Network, input_shape: Any, given: Mapping[str, Mapping[str, Any]]) -> list[Match]:
    """Match arrays with the layers of a network that have any, by name and shape."""
    return [_match(name, own, given) for name, own in shapes_by_layer(network, input_shape).items()]


def _match(name: str, own: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]]) -> Match:
    if name not in given:
        return Match(name, (), "no layer of that name there")
    arrays = given[name]
    unknown = [path for path in arrays if path not in own]
    if unknown:
        return Match(name, (), f"{', '.join(unknown)} there, {', '.join(own)} here")
    for path, array in sorted(arrays.items(), key=lambda item: -item[1].ndim):
        if array.shape != own[path].shape:
            return Match(name, (), f"{path} {_shape(array)} there, {_shape(own[path])} here")
    missing = [path for path in own if path not in arrays]
    return Match(name, tuple(arrays), f"{', '.join(missing)} initialised" if missing else "")


def _shape(array: Any) -> str:
    return "×".join(map(str, array.shape)) or "one number"


def _differences(source: str, facts: DataFacts, data: Dataset, last: str) -> list[str]:
    """What the data of starting weights and the new data do not have in common, where a layer depends on it."""
    lines = []
    before, after = (facts.classes or facts.targets, data.classes or data.targets)
    if last and before != after:
        lines.append(f"{last}: was trained for {_listed(before)} in {source}, is trained for {_listed(after)} here")
    return lines


def _listed(names: tuple[str, ...], most: int = 5) -> str:
    shown = ", ".join(names[:most]) + (f", … ({len(names)})" if len(names) > most else "")
    return shown or "numbers without names"


def starting_weights(given: Any, network: Network, input_shape: Shapes) -> StartingWeights:
    """Read what the setting ``initial`` is given, for a network and examples of a shape.

    Args:
        given: a run, its folder, arrays by layer, a model of PyTorch or Keras, or a state dict.
        network: the network.
        input_shape: the shape of one example.

    Raises:
        InvalidValue: none of these, arrays that are no finite numbers, or a model whose layers are others.
        StorageError: no run in that folder, or one without weights.
    """
    if isinstance(given, StartingWeights):
        return given
    if hasattr(given, "as_starting_weights"):
        return given.as_starting_weights()
    if isinstance(given, str | Path):
        return of_folder(given)
    model = units_of(given)
    if model is not None:
        library, units = model
        arrays = from_units(library, units, network, input_shape)
        return StartingWeights(f"the {NAMES[library]} model", arrays)
    if isinstance(given, Mapping):
        return StartingWeights("arrays", as_arrays(given))
    raise InvalidValue(
        f"initial must be a run, a run folder, arrays by layer ({_EXAMPLE}), or a model of PyTorch or Keras. Received: "
        f"{type(given).__name__}."
    )


_EXAMPLE = '{"dense_1": {"weights": …, "biases": …}}'


def by_layer(given: Mapping[str, Any], setting: str = "initial") -> ByLayer:
    """Sort arrays by layer: given so, or each under one name, ``"dense_1/weights"``.

    Example:
        >>> by_layer({"dense_1/biases": np.zeros(2)})
        {'dense_1': {'biases': array([0., 0.])}}
    """
    arrays: ByLayer = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            arrays.setdefault(str(name), {}).update(_flat(value))
            continue
        layer, slash, path = str(name).partition("/")
        if not slash:
            raise InvalidValue(
                f"{setting}: {name!r} names no array of a layer. Give {_EXAMPLE}, or {{'dense_1/weights': …}}."
            )
        arrays.setdefault(layer, {})[path] = value
    return arrays


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}/") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def as_arrays(given: Mapping[str, Any], setting: str = "initial", dtype: Any = np.float32) -> ByLayer:
    """Convert what the user gives by layer to arrays of finite numbers.

    Raises:
        InvalidValue: naming the first that is none.
    """
    checked: ByLayer = {}
    for layer, own in by_layer(given, setting).items():
        for name, value in own.items():
            try:
                array = np.asarray(value, dtype)
            except (TypeError, ValueError) as error:
                raise InvalidValue(f"{setting}: {layer}/{name} is no array of numbers ({error}).") from error
            if not np.isfinite(array).all():
                raise InvalidValue(f"{setting}: {layer}/{name} must hold finite numbers. Received: {array!r:.80}.")
            checked.setdefault(layer, {})[name] = array
    return checked


def of_folder(folder: str | Path) -> StartingWeights:
    """Read the weights of a run folder.

    Raises:
        InvalidValue: the run is of a GAN.
        StorageError: no run there, or one without weights.
    """
    files = RunFolder(folder)
    experiment = Experiment.from_dict(files.read_experiment())
    arrays = files.read_weights()
    if arrays is None:
        raise StorageError(f"the run {folder} has no weights yet. Resume it first.")
    if experiment.adversarial:
        raise of_gan()
    facts = DataFacts.from_dict(files.read_json("manifest.json")["data"], arrays)
    network = build_network(experiment.network)
    if facts.task != "translation":
        network = network.accepting(facts.input_shape)
    shapes = jax.eval_shape(lambda key: network.init(key, facts.input_shape)[:2], jax.random.key(0))
    params, state = (_from_file(tree, under(kind, arrays)) for tree, kind in zip(shapes, KINDS, strict=True))
    return StartingWeights(str(folder), arrays_by_layer(network, params, state), facts)


def kept_weights(files: RunFolder, experiment: Experiment) -> StartingWeights | None:
    """Read the starting weights that a run folder keeps; None where it has none.

    Raises:
        StorageError: they are not those of the experiment.
    """
    if experiment.initial is None:
        return None
    arrays = files.read_initial()
    if arrays is None:
        return None
    kept = StartingWeights.from_arrays(source_of(experiment.initial), arrays)
    if isinstance(experiment.initial, Mapping) and experiment.initial.get("sha256") != kept.sha256:
        raise StorageError(
            f"the starting weights in {files.path} are not those of its experiment: their SHA-256 is "
            f"{kept.sha256[:12]}…. They were altered; begin a new run."
        )
    return kept


def source_of(described: Any) -> str:
    """The source of starting weights as an experiment holds it."""
    return described["from"] if isinstance(described, Mapping) else str(described)


KINDS = ("params", "layer_state")
"""Folders of a run's arrays in its file of weights."""


def _from_file(template: PyTree, arrays: dict[str, np.ndarray]) -> PyTree:
    return jax.tree_util.tree_map_with_path(
        lambda path, _: arrays[jax.tree_util.keystr(path, simple=True, separator="/")], template
    )


def of_gan() -> InvalidValue:
    """The error where starting weights are asked of a GAN."""
    return InvalidValue(
        "initial: a GAN's run holds two networks. Take the arrays of one: "
        'initial={"dense_1": run.params["critic"][0]}.'
    )
