"""Tables whose columns are several inputs, or several targets, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.interface import option
from pellucid.data.arrays import Dataset, Encoder, Part, as_weights
from pellucid.data.preprocessing import Preprocessing
from pellucid.data.reading import read_table
from pellucid.data.rows import Apart, codes_of, target_notes
from pellucid.data.splits import held_out_rows
from pellucid.data.table import Table
from pellucid.data.tables import Missing, TableEncoder, as_typed, check_digits, target_values
from pellucid.data.targets import Head, Task, infer_target


@dataclass(frozen=True)
class GroupsEncoder(Encoder):
    """Conversion of the rows of a table to inputs and targets by name.

    Args:
        groups: the conversion of each input's columns; under ``""`` where there is one input.
        columns: the columns of each target; under ``""`` where there is one.
        tasks: of each target.
    """

    groups: dict[str, TableEncoder]
    columns: dict[str, tuple[str, ...]]
    tasks: dict[str, Task]

    @property
    def parts(self) -> tuple[Encoder, ...]:
        """The conversion of each input."""
        return tuple(self.groups.values())

    def ordered(self, inputs: Sequence[str]) -> "GroupsEncoder":
        """The encoder with its inputs in this order; as it is for none."""
        return replace(self, groups={name: self.groups[name] for name in inputs}) if inputs else self

    def read(self, source: Any, **options: Any) -> Table:
        """The table of new rows, whose columns are matched by name; ``options`` as for `TableEncoder.read`."""
        if isinstance(source, Table):
            return source
        return read_table(source, **self.reading_options(**options))

    def reading_options(self, count: Any = None, **options: Any) -> dict[str, Any]:
        """The options that new rows are read by; see `TableEncoder.reading_options`. Files of theirs have names."""
        inputs = [column for encoder in self.groups.values() for column in encoder.inputs]
        texts = (column.name for column in inputs if column.kind in ("category", "text"))
        na = next(iter(self.groups.values())).na
        return {"na": na, **options, "texts": (*options.get("texts", ()), *texts)}

    def encode(self, source: Any) -> Any:
        """The arrays of the inputs; one array where there is one."""
        return self.encode_flagged(source, unknown=False)[0]

    def encode_flagged(self, source: Any, unknown: bool = True) -> tuple[Any, np.ndarray, list[str]]:
        """The arrays of the inputs, and what had to be made up for them; see `TableEncoder.encode_flagged`."""
        table = self.read(source)
        each = [encoder.encode_flagged(table, unknown) for encoder in self.groups.values()]
        flags = reduce(lambda a, b: np.where((a != "") & (b != ""), a + "; " + b, a + b), [one[1] for one in each])
        return self._together([one[0] for one in each]), flags, [note for one in each for note in one[2]]

    def encode_with_targets(self, source: Any) -> tuple[Any, Any]:
        """The inputs and the targets of a table that holds both."""
        table = self.read(source)
        targets = {}
        for name, columns in self.columns.items():
            targets[name], absent = target_values(table, columns, self.tasks[name])
            if absent.any():
                place = table.row_name(int(absent.argmax()))
                raise DataError(f"the target {' or '.join(map(repr, columns))} has no value at {place}.")
        return self.encode(table), targets.get("", targets)

    def refit(self, train: Part, held_out: Part | None) -> tuple["GroupsEncoder", Part, Part | None]:
        """The encoder with the values to fill in of other training rows, and the parts filled with those."""
        groups, filled = {}, []
        for i, (name, encoder) in enumerate(self.groups.items()):
            alone = [part and self._of_input(part, i) for part in (train, held_out)]
            assert alone[0] is not None
            groups[name], *parts = encoder.refit(alone[0], alone[1])
            filled.append([None if part is None else part.x for part in parts])
        whole = [
            None if part is None else replace(part, x=self._together([one[k] for one in filled]))
            for k, part in enumerate((train, held_out))
        ]
        assert whole[0] is not None
        return replace(self, groups=groups), whole[0], whole[1]

    def _of_input(self, part: Part, i: int) -> Part:
        missing = None if part.missing is None else part.missing[i] if isinstance(part.x, tuple) else part.missing
        return Part(part.inputs[i], part.targets[0], missing=missing)

    def _together(self, arrays: Sequence[Any]) -> Any:
        return arrays[0] if "" in self.groups else tuple(arrays)


def grouped_dataset(
    table: Table,
    inputs: Mapping[str, Sequence[str]] | None,
    targets: Mapping[str, tuple[str, ...]],
    apart: Apart,
    *,
    kinds: Mapping[str, str],
    missing: Missing,
    task: Any,
    held_out: Any,
    seed: int,
) -> Dataset:
    """Make a dataset of a table with several inputs or targets; arguments as for `pellucid.data.load_table`.

    Args:
        table: the rows.
        inputs: the columns of each input; None for one, of all columns that are left.
        targets: the columns of each target; under ``""`` where there is one.
        apart: weights and groups.
        kinds: as ``columns`` of `load_table`.
        missing: as for `load_table`.
        task: of all targets, or of some by name.
        held_out: as for `load_table`, but no other table.
        seed: of the draw.

    Raises:
        DataError: as `load_table`.
    """
    notes, tasks = list(table.notes), task if isinstance(task, Mapping) else dict.fromkeys(targets, task)
    flat = tuple(column for columns in targets.values() for column in columns)
    absent = np.any([target_values(table, columns, tasks.get(name))[1] for name, columns in targets.items()], axis=0)
    if absent.any():
        if missing == "refuse" or absent.all():
            raise DataError(
                f"a target has no value at {table.row_name(int(absent.argmax()))}, {int(absent.sum()):,} rows in all. "
                f"A target is never filled in: correct it, or say {option('missing', 'drop')}."
            )
        kept = np.flatnonzero(~absent)
        weights, groups = (None if values is None else values[kept] for values in (apart.weights, apart.groups))
        table, apart = table.take(kept), apart._replace(weights=weights, groups=groups)
        notes.append(f"{int(absent.sum()):,} rows without a target left out")
    taken = (*flat, *apart.columns)
    grouped = {"": None} if inputs is None else {name: tuple(map(table.find, of)) for name, of in inputs.items()}
    encoders, xs, masks = {}, [], []
    for name, columns in grouped.items():
        others = taken if columns is None else tuple(column for column in table.columns if column not in columns)
        declared = {column: kind for column, kind in kinds.items() if column not in others}
        what = "the targets" if columns is None else f"the targets by the input {name!r}"
        encoders[name] = TableEncoder.fitted(table, declared, missing, others, what)
        parsed = encoders[name].parsed(table)
        x, mask, _ = encoders[name].encode_raw(parsed)
        check_digits(encoders[name], parsed)
        if mask is not None and missing == "refuse":
            encoders[name].fill(x, mask, parsed)  # says where
        xs.append(x)
        masks.append(np.zeros(x.shape, bool) if mask is None else mask)
    converted = {}
    for name, columns in targets.items():
        values = as_typed(target_values(table, columns, tasks.get(name))[0], table, columns)
        labels = columns if len(columns) > 1 and np.isin(values, (0, 1)).all() else None
        converted[name] = infer_target(values, task=tasks.get(name), classes=labels), values
    ys = [target.encode(values) for target, values in converted.values()]
    heads = {
        name: Head(
            target.task,
            len(target.classes) if target.task == "multiclass" else y.shape[1],
            target.classes,
            targets[name],
        )
        for (name, (target, _)), y in zip(converted.items(), ys, strict=True)
    }
    several, only = "" not in targets, next(iter(heads.values()))
    tuples = inputs is not None
    whole = Part(
        tuple(xs) if tuples else xs[0],
        tuple(ys) if several else ys[0],
        as_weights(apart.weights, table.rows),
        table.row_labels(),
        codes_of(apart.groups),
        tuple(masks) if tuples else masks[0],
    )
    if missing == "drop":
        whole = whole.take(np.flatnonzero(~np.any([mask.any(axis=1) for mask in masks], axis=0)))
    in_time = apart.time is not None
    options: dict[str, Any] = {"seed": seed, "groups": whole.groups, "time": in_time}
    options |= {"stratify": not several and only.task in ("binary", "multiclass"), "classes": only.classes}
    rows, drawn, how = held_out_rows(held_out, whole.targets[0], **options)
    train, rest = whole.take(rows), None if drawn is None else whole.take(drawn)
    notes += [f"held out: {how}"] if how else []
    guesses = [
        f"{name}: {note}" if several else note
        for name, (target, _) in converted.items()
        for note in target_notes(target, targets[name])
    ]
    encoder = GroupsEncoder(encoders, dict(targets), {name: head.task for name, head in heads.items()})
    features = tuple(name for one in encoders.values() for name in one.features)
    return Dataset(
        table.name,
        train,
        rest,
        "several" if several else only.task,
        () if several else only.classes,
        () if tuples else features,
        Preprocessing(),
        encoder=encoder,
        source=table.source.strip("'"),
        targets=() if several else only.targets,
        scaling="auto",
        order="groups" if whole.groups is not None else "time" if in_time or held_out == "last" else "none",
        notes=(*guesses, *notes),
        inputs=tuple(grouped) if tuples else (),
        heads=heads if several else {},
    ).refit(train, rest)
