"""Facts of the data kept with a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from pellucid.data import Dataset, Encoder, Preprocessing
from pellucid.data.encoding import as_array
from pellucid.data.preprocessing import Preprocessings, restore
from pellucid.data.several import by_name
from pellucid.data.targets import AT_STEPS, Head, Target, Task, has_label, is_whole
from pellucid.data.transcription import as_sequences

PREPARED = ("preprocessing", "target_preprocessing")
"""The facts of a dataset that are arrays."""


@dataclass(frozen=True)
class DataFacts:
    """Facts of the data kept with a run: encoding, scaling, names; no rows."""

    name: str
    task: Task
    classes: tuple[str, ...]
    input_shape: tuple[Any, ...]
    outputs: int
    rows: int
    held_out_rows: int
    fingerprint: str
    preprocessing: Preprocessing | Preprocessings
    target_preprocessing: Preprocessing | Preprocessings
    encoder: Encoder | None
    targets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    """Names of several inputs."""
    heads: Mapping[str, Head] = field(default_factory=dict)
    """What each of several outputs predicts."""
    features: tuple[str, ...] = ()
    """Names of the columns of an array, where it has any."""

    @staticmethod
    def of(data: Dataset) -> "DataFacts":
        """Collect the facts of a dataset."""
        return DataFacts(
            data.name,
            data.task,
            data.classes,
            data.input_shape,
            data.outputs,
            data.rows,
            data.held_out_rows,
            data.fingerprint,
            data.preprocessing,
            data.target_preprocessing,
            data.encoder,
            data.targets,
            data.inputs,
            data.heads,
            data.features,
        )

    def of_output(self, name: str) -> "DataFacts":
        """The facts of one of several outputs."""
        head, scaling = self.heads[name], self.target_preprocessing
        return replace(
            self,
            task=head.task,
            classes=head.classes,
            outputs=head.outputs,
            targets=head.targets,
            heads={},
            target_preprocessing=scaling.parts[list(self.heads).index(name)] if len(scaling.parts) > 1 else scaling,
        )

    def encode_target(self, y: Any) -> Any:
        """Encode targets as they are stored: class names or numbers, 1-D or one column, as class numbers.

        Of several outputs a dictionary of targets, as a tuple.

        Raises:
            DataError: a label that is none of the classes.
        """
        if self.heads:
            given = by_name(y, tuple(self.heads), "y")
            return tuple(self.of_output(name).encode_target(given[name]) for name in self.heads)
        y = as_sequences(y) if self.task == "transcription" else as_array(y, "y")
        if self.task in AT_STEPS:
            labels = () if self.task == "forecasting" else self._labels_of(y[has_label(y)])
            return Target(self.task, self.classes, labels).encode(y)
        if y.dtype == object:  # a column of a data frame
            y = np.array(y.tolist())
        columns = 1 if y.ndim == 1 else y.shape[-1]
        labels: tuple[int | str, ...] = ()
        if self.classes and columns == 1 and self.task != "multilabel":
            labels = self._labels_of(y)
        return Target(self.task, self.classes, labels).encode(y)

    def _labels_of(self, y: np.ndarray) -> tuple[int | str, ...]:
        """Labels of the classes in ``y``: names; or, where no name is a number, numbers."""
        if y.dtype.kind not in "iuf":
            return self.classes
        if any(map(is_whole, self.classes)):
            return tuple(int(name) if is_whole(name) else name for name in self.classes)
        return tuple(range(len(self.classes)))

    @property
    def class_values(self) -> np.ndarray:
        """Classes as predictions return them: numbers and booleans as such, all else as text."""
        if all(map(is_whole, self.classes)):
            return np.array([int(name) for name in self.classes])
        if set(self.classes) <= {"False", "True"}:
            return np.array([name == "True" for name in self.classes])
        return np.array(self.classes)

    def sequences_of(self, numbers: np.ndarray) -> np.ndarray:
        """Sequences of labels, of class numbers with −1 behind: texts where all classes are single characters."""
        if self._of_characters:
            return np.array(self.written(numbers), str)
        sequences = np.empty(len(numbers), object)
        for i, row in enumerate(numbers):
            sequences[i] = self.class_values[row[row >= 0]].tolist()
        return sequences

    def written(self, numbers: np.ndarray) -> list[str]:
        """Sequences of labels as texts, words apart."""
        between = "" if self._of_characters else " "
        return [between.join(self.classes[number] for number in row if number >= 0) for row in numbers]

    @property
    def _of_characters(self) -> bool:
        return all(len(name) == 1 for name in self.classes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, without the arrays of `PREPARED`."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in PREPARED}
        heads = {name: asdict(head) for name, head in plain.pop("heads").items()}
        if_any = {"inputs": plain.pop("inputs"), "heads": heads, "features": plain.pop("features")}
        plain["encoder"] = None if self.encoder is None else self.encoder.to_dict()
        return plain | {name: value for name, value in if_any.items() if value}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that ``to_dict`` leaves out."""
        return {f"{part}/{name}": array for part in PREPARED for name, array in getattr(self, part).to_dict().items()}

    @staticmethod
    def from_dict(plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> "DataFacts":
        """Rebuild the facts that ``to_dict`` and ``to_arrays`` wrote."""
        encoder = None if plain["encoder"] is None else Encoder.restore(plain["encoder"])
        listed = ("classes", "input_shape", "targets", "inputs", "features")
        tuples = {name: _as_tuple(plain.get(name, ())) for name in listed}
        heads = {
            name: Head(**{key: _as_tuple(value) for key, value in head.items()})
            for name, head in plain.get("heads", {}).items()
        }
        prepared = {part: restore(under(part, arrays)) for part in PREPARED}
        facts: dict[str, Any] = plain | tuples | {"encoder": encoder, "heads": heads} | prepared
        return DataFacts(**facts)


def under(folder: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with ``folder/``, without it."""
    prefix = folder + "/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _as_tuple(listed: Any) -> Any:
    return tuple(map(_as_tuple, listed)) if isinstance(listed, (list, tuple)) else listed
