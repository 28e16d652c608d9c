"""Datasets of several inputs or several targets, by name."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.core.errors import DataError, InvalidValue, ShapeError, did_you_mean
from pellucid.data.arrays import Dataset, Part, as_weights, fit_preprocessing
from pellucid.data.encoding import as_array, as_inputs, kind_of
from pellucid.data.groups import GroupsEncoder
from pellucid.data.rows import codes_of, target_notes
from pellucid.data.splits import held_out_rows
from pellucid.data.targets import Head, Target, infer_target, step_task


def is_several(x: Any, y: Any) -> bool:
    """True for inputs or targets that are given by name: a dictionary with an array of more than one axis.

    A dictionary of columns is a table.

    Example:
        >>> is_several({"image": np.zeros((5, 28, 28)), "age": np.zeros(5)}, np.zeros(5))
        True
        >>> is_several({"height": np.zeros(5), "age": np.zeros(5)}, np.zeros(5))
        False
    """
    by_name = [given for given in (x, y) if isinstance(given, Mapping)]
    return any(np.ndim(array) > 1 for given in by_name for array in given.values())


def several_dataset(
    x: Any,
    y: Any,
    *,
    name: str | None = None,
    task: Any = None,
    classes: Any = None,
    weights: Any = None,
    groups: Any = None,
    held_out: Any = 0.2,
    seed: int = 0,
    preprocessing: str = "auto",
    source: str = "arrays in memory",
) -> Dataset:
    """Make a `Dataset` of inputs and targets by name; arguments as for `make_dataset`.

    Args:
        x: a dictionary of arrays ``(rows, …)``, one for each input; or one array.
        y: a dictionary of targets, one for each output; or one target.
        name: as for `make_dataset`.
        task: by the name of the output; of those left out it is inferred.
        classes: by the name of the output.
        weights: as for `make_dataset`.
        groups: as for `make_dataset`.
        held_out: as for `make_dataset`; the pair holds dictionaries of the same names.
        seed: of the draw.
        preprocessing: as for `make_dataset`, of each input by itself.
        source: as for `make_dataset`.

    Raises:
        DataError: as `make_dataset`, naming the input or output.
        ShapeError: inputs and targets that differ in rows.

    Example:
        >>> data = several_dataset(
        ...     {"image": np.zeros((4, 8, 8), np.uint8), "age": [[30.0], [40.0], [50.0], [60.0]]},
        ...     {"ill": ["no", "yes", "no", "yes"], "dose": [0.5, 1.5, 2.5, 3.5]},
        ...     held_out=None,
        ... )
        >>> data.inputs, data.input_shape
        (('image', 'age'), ((8, 8), (1,)))
        >>> {name: head.task for name, head in data.heads.items()}
        {'ill': 'binary', 'dose': 'regression'}
    """
    if not isinstance(preprocessing, str):
        raise InvalidValue(
            "several inputs are each scaled by themselves: preprocessing is 'auto', 'standardise', 'min_max' or "
            f"'none'. Received: {kind_of(preprocessing)}."
        )
    x, y = (one if not isinstance(one, Mapping) or len(one) != 1 else next(iter(one.values())) for one in (x, y))
    inputs = tuple(x) if isinstance(x, Mapping) else ()
    outputs = tuple(y) if isinstance(y, Mapping) else ()
    if y is None:
        raise DataError("a network with several inputs learns targets: give y, or a dictionary of them.")
    targets = {name: _target(name, x, array, task, classes) for name, array in _named(y, outputs).items()}
    codes = codes_of(None if groups is None else as_array(groups, "groups"))
    whole = _part(x, y, inputs, targets, weights, codes)
    if isinstance(held_out, tuple):
        if len(held_out) not in (2, 3):
            raise ShapeError(f"held_out is a pair (x, y), or (x, y, weights). Received: {len(held_out)} values.")
        given = (by_name(held_out[0], inputs, "held-out x"), by_name(held_out[1], outputs, "held-out y"))
        train, rest = whole, _part(*given, inputs, targets, held_out[2] if len(held_out) == 3 else None)
        _check_alike(rest, train)
    else:
        alone = next(iter(targets.values()))
        stratify = len(targets) == 1 and alone.task in ("binary", "multiclass")
        options: dict[str, Any] = {"seed": seed, "stratify": stratify, "groups": codes}
        rows, drawn, _ = held_out_rows(held_out, whole.targets[0], classes=alone.classes, **options)
        train, rest = whole.take(rows), None if drawn is None else whole.take(drawn)
    heads = {name: _head(target, array) for (name, target), array in zip(targets.items(), whole.targets, strict=True)}
    only = next(iter(heads.values()))
    notes = [
        f"{name}: {note}" if outputs else note for name, target in targets.items() for note in target_notes(target)
    ]
    return Dataset(
        name or "arrays",
        train,
        rest,
        "several" if outputs else only.task,
        () if outputs else only.classes,
        preprocessing=fit_preprocessing(train.x, preprocessing),
        source=source,
        scaling=preprocessing,
        order="none" if groups is None else "groups",
        notes=tuple(notes),
        inputs=inputs,
        heads=heads if outputs else {},
    )


def by_name(given: Any, names: Sequence[str], what: str) -> Any:
    """Arrays by name in the order of ``names``, from a dictionary or a tuple; unchanged where there are no names.

    Raises:
        DataError: names that are missing or unknown, or not as many arrays.

    Example:
        >>> by_name({"b": 1, "a": 2}, ("a", "b"), "x")
        {'a': 2, 'b': 1}
    """
    if not names:
        return given
    if isinstance(given, (tuple, list)) and len(given) == len(names):
        return dict(zip(names, given, strict=True))
    known = ", ".join(map(repr, names))
    if not isinstance(given, Mapping):
        raise DataError(f"{what} is a dictionary of arrays, one for each of {known}. Received: {kind_of(given)}.")
    unknown = [name for name in given if name not in names]
    if unknown:
        raise DataError(f"{what} names {unknown[0]!r}.{did_you_mean(str(unknown[0]), names)} Known: {known}.")
    missing = [name for name in names if name not in given]
    if missing:
        raise DataError(f"{what} lacks {', '.join(map(repr, missing))}. It has one array for each of {known}.")
    return {name: given[name] for name in names}


def ordered(data: Dataset, inputs: Sequence[str], outputs: Sequence[str]) -> Dataset:
    """The dataset with its inputs and targets in a network's order.

    Args:
        data: the dataset.
        inputs: the network's; one alone needs no name.
        outputs: the network's; one alone needs no name.

    Raises:
        InvalidValue: a network with other inputs or outputs than the dataset has.
    """
    for what, names, has in (("input", inputs, data.inputs), ("output", outputs, tuple(data.heads))):
        if (len(names) > 1 or has) and sorted(names) != sorted(has):
            raise InvalidValue(
                f"the network has {_count(what, names)}, the data {data.name!r} {_count(what, has)}. Give "
                "dictionaries of arrays by these names, make_dataset({…}, {…}), or name the network's so."
            )
    if (not data.inputs or data.inputs == tuple(inputs)) and (not data.heads or tuple(data.heads) == tuple(outputs)):
        return data
    x_order = [data.inputs.index(name) for name in inputs] if data.inputs else []
    y_order = [list(data.heads).index(name) for name in outputs] if data.heads else []

    def turned(part: Part | None) -> Part | None:
        if part is None:
            return None
        x, missing = part.x, part.missing
        if x_order:
            x, missing = (each and tuple(each[i] for i in x_order) for each in (x, missing))
        return replace(part, x=x, missing=missing, y=tuple(part.y[i] for i in y_order) if y_order else part.y)

    preprocessing, encoder = data.preprocessing, data.encoder
    if isinstance(encoder, GroupsEncoder):
        encoder = encoder.ordered(data.inputs and inputs)
    if x_order:
        preprocessing = replace(preprocessing, parts=tuple(preprocessing.parts[i] for i in x_order))
    return replace(
        data,
        train=turned(data.train),
        held_out=turned(data.held_out),
        preprocessing=preprocessing,
        encoder=encoder,
        inputs=tuple(inputs) if data.inputs else (),
        heads={name: data.heads[name] for name in outputs} if data.heads else {},
    )


def _count(what: str, names: Sequence[str]) -> str:
    if not names or (len(names) == 1 and what == "input"):
        return f"one {what}"
    return f"{what}{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"


def _named(given: Any, names: Sequence[str]) -> dict[str, Any]:
    """The arrays by name; one without a name under ``""``."""
    return {name: given[name] for name in names} if names else {"": given}


def _target(name: str, x: Any, y: Any, task: Any, classes: Any) -> Target:
    options = [given.get(name) if isinstance(given, Mapping) else given for given in (task, classes)]
    sequences = [np.asarray(one) for one in (x.values() if isinstance(x, Mapping) else (x,)) if np.ndim(one) in (2, 3)]
    found = [one for one in sequences if options[0] is None and step_task(one, y)[0]]
    options[0] = step_task(found[0], y)[0] if found else options[0]
    if options[0] == "transcription":
        raise DataError("a transcription is learnt by a network of one input and one output: give arrays x and y.")
    with _naming("target", name):
        return infer_target(as_array(y, "y"), task=options[0], classes=options[1])


def _head(target: Target, y: np.ndarray) -> Head:
    outputs = len(target.classes) if target.task in ("multiclass", "tagging") else y.shape[-1]
    return Head(target.task, outputs, target.classes)


def _part(
    x: Any, y: Any, inputs: Sequence[str], targets: Mapping[str, Target], weights: Any = None, codes: Any = None
) -> Part:
    xs = tuple(_input(name, array) for name, array in _named(x, inputs).items())
    ys = []
    for name, target in targets.items():
        with _naming("target", name):
            ys.append(target.encode(y[name] if name else y))
    rows = len(xs[0])
    for name, array in zip(inputs, xs, strict=False):
        if len(array) != rows:
            raise ShapeError(f"the input {name!r} has {len(array)} rows, {inputs[0]!r} has {rows}. Give as many.")
    if codes is not None and len(codes) != rows:
        raise ShapeError(f"{rows} rows need as many groups, one for each. Received: {len(codes)}.")
    several = "" not in targets
    return Part(
        xs if inputs else xs[0], tuple(ys) if several else ys[0], as_weights(weights, rows), np.arange(rows), codes
    )


def _input(name: str, x: Any) -> np.ndarray:
    with _naming("input", name):
        array = as_array(x, "x")
        return as_inputs(array[:, None] if array.ndim == 1 else array)


@contextmanager
def _naming(what: str, name: str) -> Iterator[None]:
    """Name the input or target in an error about its array."""
    try:
        yield
    except (DataError, ShapeError) as error:
        if not name:
            raise
        raise type(error)(f"the {what} {name!r}: {error}") from error


def _check_alike(rest: Part, train: Part) -> None:
    pairs = [*zip(rest.inputs, train.inputs, strict=True), *zip(rest.targets, train.targets, strict=True)]
    for array, trained in pairs:
        if array.shape[1:] != trained.shape[1:] or array.dtype != trained.dtype:
            raise ShapeError(
                f"held-out rows hold {array.dtype} of shape {array.shape[1:]}, training rows {trained.dtype} of shape "
                f"{trained.shape[1:]}. Both must be alike."
            )
