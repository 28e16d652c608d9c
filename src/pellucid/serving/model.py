"""A run as a server sees it: what it takes, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pellucid.api import Run
from pellucid.core.errors import DataError, InvalidValue
from pellucid.core.interface import requests
from pellucid.data import SentenceEncoder, TableEncoder
from pellucid.data.arrays import Encoder
from pellucid.data.columns import Column
from pellucid.data.encoding import as_array, kind_of, real_numbers
from pellucid.data.groups import GroupsEncoder
from pellucid.data.series import SeriesEncoder
from pellucid.explanations import explain
from pellucid.serving.files import media_of
from pellucid.serving.limits import Limits

MOST_NUMBERS = 200
"""Most numbers of an example that is written out."""
Answer = dict[str, Any]
"""Arrays by name, one row for each example; for several outputs such a dictionary for each of them."""


@dataclass(frozen=True)
class Examples:
    """The examples of a request.

    Args:
        x: the inputs of the network, float32; a tuple of arrays for several; sentences for a translator.
        beside: what is answered beside the predictions, one a row, by name.
        notes: what had to be made up for them.
    """

    x: Any
    beside: dict[str, list[Any]]
    notes: list[str]

    @property
    def rows(self) -> int:
        """Number of examples."""
        return len(self.x[0] if isinstance(self.x, tuple) else self.x)


class Model:
    """A run that predicts, and the form of its requests and answers.

    Args:
        run: the run.

    Raises:
        InvalidValue: a GAN, which predicts nothing.
    """

    def __init__(self, run: Run) -> None:
        if run.adversarial:
            raise InvalidValue("this run is of a GAN, which predicts nothing: there is nothing to serve.")
        self.run, self.facts = run, run.facts
        self.outputs = {name: run.output(name) for name in run.facts.heads}

    @property
    def takes_texts(self) -> bool:
        """True where an example is a text."""
        encoder = self.facts.encoder
        return encoder is not None and (encoder.of_texts or isinstance(encoder, SentenceEncoder))

    @property
    def table(self) -> Encoder | None:
        """The conversion of rows ``{column: value}``; None where examples are arrays or texts."""
        encoder = self.facts.encoder
        return encoder if isinstance(encoder, (TableEncoder, GroupsEncoder, SeriesEncoder)) else None

    # ---- Requests ----

    def examples(self, given: Any, limits: Limits, unknown: bool = False) -> Examples:
        """Convert what a request holds to the inputs of the network.

        Args:
            given: rows as lists and dictionaries, or an Arrow table.
            limits: of the server.
            unknown: take categories that are not known as none of those that are.

        Raises:
            PellucidError: rows that the network does not take.
            Refused: more rows than the limit.
        """
        if isinstance(given, list):
            limits.check_rows(len(given))
        with requests():
            examples = self._examples(given, unknown)
        limits.check_rows(examples.rows)
        return examples

    def _examples(self, given: Any, unknown: bool) -> Examples:
        if isinstance(given, (str, bool, int, float)) or given is None:
            raise DataError(f"the request holds {kind_of(given)}, {given!r:.60}, where {self.form} is needed.")
        encoder, beside, notes = self.facts.encoder, {}, []
        if isinstance(encoder, (TableEncoder, GroupsEncoder)):
            x, flags, notes = encoder.encode_flagged(given, unknown)
            beside = {"note": flags.tolist()} if unknown else {}
        elif isinstance(encoder, SeriesEncoder):
            x, beside = encoder.encode(given), {"after": encoder.last_times(given)}
        elif isinstance(encoder, SentenceEncoder):
            return Examples(np.array(_texts(given), object), {}, [])
        else:
            x = encoder.encode(_texts(given)) if encoder is not None and encoder.of_texts else self._arrays(given)
        return Examples(_as_float32(self.run.as_inputs(x)), beside, notes)

    def _arrays(self, given: Any) -> Any:
        """Arrays of examples; several by the name of the input."""
        from pellucid.serving.arrow import array_of, is_arrow

        names, shapes = self.facts.inputs, self.facts.input_shape
        if is_arrow(given):
            if names:
                columns = given.select([name for name in names if name in given.column_names])
                return {
                    name: array_of(columns.select([name]), shapes[names.index(name)]) for name in columns.schema.names
                }
            return array_of(given, shapes)
        if names:
            if not isinstance(given, Mapping):
                raise DataError(f"the request holds {kind_of(given)}, where {self.form} is needed.")
            return {name: _array(rows, name) for name, rows in given.items()}
        if isinstance(given, Mapping):
            raise DataError(f"the request holds {kind_of(given)}, where {self.form} is needed.")
        return _array(given, "x")

    def warm_up(self, limits: Limits) -> None:
        """Convert an example, so that what that imports is there before the first request."""
        example = self.example()
        if example is not None:
            self.examples(example, limits)
        if isinstance(self.facts.encoder, (TableEncoder, GroupsEncoder)):
            self.facts.encoder.encode(self.facts.encoder.read(example))

    def explained(self, given: Any, limits: Limits) -> dict[str, Any]:
        """Explain one example: ``{"x": example, "y": target}``, perhaps ``"neuron"`` or ``"weight"``.

        Raises:
            PellucidError: no such example, or one that cannot be explained.
        """
        known = ("x", "y", "neuron", "weight")
        if not isinstance(given, Mapping) or "x" not in given or set(given) - set(known):
            received = ", ".join(map(repr, given)) if isinstance(given, Mapping) else kind_of(given)
            raise DataError(
                'an explanation is asked for as {"x": example, "y": target}, perhaps with "neuron" or "weight". '
                f"Received: {received}."
            )
        address = {name: given.get(name) for name in ("neuron", "weight")}
        for name, text in address.items():
            if text is not None and not isinstance(text, str):
                raise DataError(f'{name} is a text such as "dense_1:0". Received: {text!r:.60}.')
        x, y = given["x"], given.get("y")
        if isinstance(self.facts.encoder, SentenceEncoder):
            return explain(self.run, x, y, **address).to_dict()
        several = self.facts.inputs and self.table is None
        rows = {name: [array] for name, array in x.items()} if several and isinstance(x, Mapping) else [x]
        x = self.examples(rows, limits).x
        x = dict(zip(self.facts.inputs, x, strict=True)) if isinstance(x, tuple) else x
        return explain(self.run, x, y, **address).to_dict()

    # ---- Answers ----

    def translations(self, sentences: np.ndarray) -> np.ndarray:
        """The translations of sentences, as outputs."""
        return np.array(self.run.translate(sentences.tolist()), object)

    def forward(self, x: Any) -> tuple[Any, Any]:
        """The outputs for inputs, and which of their steps are real; tuples of arrays for several outputs."""
        return self.run.outputs_of_rows(x), self.run.mask_of(x)

    def answer(self, outputs: Any, mask: Any) -> Answer:
        """Predictions, and probabilities or scores where there are classes."""
        if not self.outputs:
            return _answer(self.run, outputs, mask)
        masks = (None,) * len(outputs) if mask is None else mask
        parts = zip(self.outputs.items(), outputs, masks, strict=True)
        return {name: _answer(run, array, real) for (name, run), array, real in parts}

    # ---- Descriptions ----

    @property
    def form(self) -> str:
        """What a request holds, in words."""
        if self.takes_texts:
            return "a list of texts"
        if self.table is not None:
            return "a list of rows {column: value}"
        if self.facts.inputs:
            return f"an array for each input, {', '.join(map(repr, self.facts.inputs))},"
        return f"an array of shape (rows, {', '.join(map(str, self.facts.input_shape))})"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the inputs are made of."""
        encoder = self.facts.encoder
        encoder = encoder.table if isinstance(encoder, SeriesEncoder) else encoder
        if isinstance(encoder, GroupsEncoder):
            return tuple({column.name: column for part in encoder.groups.values() for column in part.inputs}.values())
        return encoder.inputs if isinstance(encoder, TableEncoder) else ()

    def schema(self, limits: Limits) -> dict[str, Any]:
        """What the run takes and answers, as plain data."""
        shapes = self.facts.input_shape
        takes: dict[str, Any] = {"form": self.form}
        if self.table is not None:
            takes["columns"] = [
                {"name": column.name, "kind": column.kind}
                | ({"categories": list(column.categories)} if column.kind == "category" else {})
                | ({} if column.fill is None else {"if_missing": column.fill})
                for column in self.columns
            ]
        elif self.facts.inputs:
            takes["shapes"] = dict(zip(self.facts.inputs, map(list, shapes), strict=True))
        elif not self.takes_texts:
            takes["shape"] = list(shapes)
        if media := media_of(self.facts.encoder):
            takes["media"] = media
        answers = {name: _answers(run) for name, run in self.outputs.items()} or _answers(self.run)
        limited = {"rows": limits.max_rows, "bytes": limits.max_bytes}
        return {"name": self.run.name, "takes": takes, "answers": answers, "limits": limited, "example": self.example()}

    def example(self) -> Any:
        """The body of a request for one row; None where it would be too long to read."""
        if self.takes_texts:
            return ["a few words"]
        encoder = self.facts.encoder
        if self.table is not None:
            rows = encoder.window if isinstance(encoder, SeriesEncoder) else 1
            return [{column.name: self._value(column) for column in self.columns} for _ in range(rows)]
        shapes = self.facts.input_shape if self.facts.inputs else (self.facts.input_shape,)
        if sum(int(np.prod(shape)) for shape in shapes) > MOST_NUMBERS:
            return None
        arrays = [np.zeros((1, *shape)).tolist() for shape in shapes]
        return dict(zip(self.facts.inputs, arrays, strict=True)) if self.facts.inputs else arrays[0]

    def _value(self, column: Column) -> Any:
        """A usual value of a column."""
        if column.kind == "number":
            usual = column.fill if isinstance(column.fill, float) else self._means.get(column.name, 0.0)
            return float(f"{usual:.4g}")
        if column.kind == "category":
            return column.fill or column.categories[0]
        return "2024-01-31" if column.kind == "date" else "a few words"

    @cached_property
    def _means(self) -> dict[str, float]:
        """What the scaling subtracts, by column: the mean, where it standardises."""
        encoder: Any = self.facts.encoder
        tables = (encoder.table,) if isinstance(encoder, SeriesEncoder) else encoder.parts
        return {
            column.name: float(np.broadcast_to(scaling.shift, len(table.features))[span.start])
            for table, scaling in zip(tables, self.facts.preprocessing.parts, strict=True)
            for column, span in table.spans()
        }


def _texts(given: Any) -> list[str]:
    """The texts of a list, or of the one column of an Arrow table."""
    from pellucid.serving.arrow import is_arrow

    if is_arrow(given) and given.num_columns == 1:
        given = given.column(0).to_pylist()
    if not isinstance(given, list) or not given or not all(isinstance(text, str) for text in given):
        raise DataError(f"a list of texts is needed. Received: {given!r:.60}.")
    return given


def _array(given: Any, name: str) -> np.ndarray:
    """Nested lists of numbers as an array. Texts are refused here: an encoder would take them for paths of files."""
    array = as_array(given, name)
    return array if array.dtype.kind in "biuf" else real_numbers(array.astype(object), name)


def _as_float32(x: Any) -> Any:
    """Inputs of one type, so that those of several requests are computed together."""
    return tuple(map(_as_float32, x)) if isinstance(x, tuple) else np.asarray(x, np.float32)


def _answer(run: Any, outputs: np.ndarray, mask: Any) -> Answer:
    if run.facts.task == "translation":
        return {"predictions": outputs}
    answer: Answer = {"predictions": run.predictions_of(outputs, mask)}
    kind = _of_classes(run)
    if kind == "probabilities" and run.facts.task == "binary":
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    return answer | ({kind: outputs} if kind else {})


def _of_classes(run: Any) -> str:
    """What the outputs are for the classes: probabilities or scores; empty where there are none."""
    if not run.facts.classes or run.facts.task in ("transcription", "translation"):
        return ""
    return "probabilities" if run.gives_probabilities else "scores"


def _answers(run: Any) -> dict[str, Any]:
    """What is answered, as plain data."""
    facts, kind = run.facts, _of_classes(run)
    described = {"task": facts.task}
    if facts.classes:
        described["classes"] = list(facts.classes) if facts.task == "multilabel" else facts.class_values.tolist()
    if facts.targets:
        described["targets"] = list(facts.targets)
    return described | ({"beside_predictions": kind} if kind else {})
