"""Predictions of rows that arrive on standard input."""

import csv
import io
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any

import click

from pellucid.cli.columns import prediction_columns
from pellucid.cli.options import say
from pellucid.cli.sources import reading_settings

BLOCK = 1 << 18
"""Most bytes that are read at a time; fewer where fewer have arrived."""
SOURCE = "standard input"


def reading_of(loaded: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options of how a table of new rows is read, where they are not those of the training."""
    from pellucid.data.columns import verbatim

    known = {"encoding": loaded.experiment.data["encoding"]} if "encoding" in loaded.experiment.data else {}
    return {"texts": verbatim(dict(options["columns"])), **known, **reading_settings(options)}


def arrives_in_lines(loaded: Any, first: bytes) -> bool:
    """True where rows are predicted one by one, and what begins so can be read line by line."""
    from pellucid.data import TableEncoder
    from pellucid.data.groups import GroupsEncoder
    from pellucid.data.pipe import is_in_lines

    return bool(first) and isinstance(loaded.facts.encoder, (TableEncoder, GroupsEncoder)) and is_in_lines(first)


def predict_stream(
    loaded: Any, first: bytes, options: dict[str, Any], *, limit: int | None, unknown: bool, as_json: bool
) -> None:
    """Predict the rows on standard input as they arrive, and print each block's at once.

    Args:
        loaded: a run on a table.
        first: what was read already.
        options: of how tables are read.
        limit: most rows; None for all.
        unknown: predict rows of a category that the training did not see, flagged.
        as_json: print JSON lines for separated values too.
    """
    import numpy as np

    from pellucid.data.delimited import read_delimited
    from pellucid.data.pipe import is_json, read_pipe

    encoder = loaded.facts.encoder
    count = None if is_json(first) else lambda: len(read_delimited(first, SOURCE, SOURCE, header=False).columns)
    reading = encoder.reading_options(count, **reading_of(loaded, options))
    write = _json_lines if as_json or is_json(first) else _csv
    said: set[str] = set()
    flagged = rows = 0
    for table in read_pipe(chain([first], standard_input()), SOURCE, **reading):
        table = table if limit is None else table.take(np.arange(min(table.rows, limit - rows)))
        if not table.rows:
            break
        x, flags, notes = encoder.encode_flagged(table, unknown)
        beside = {"note": flags.tolist()} if unknown else {}
        click.echo(write(beside | prediction_columns(loaded, x), rows == 0), nl=False)
        rows, flagged = rows + table.rows, flagged + int((flags != "").sum())
        for note in (*table.notes, *notes):
            if note.partition(":")[0] not in said:
                said.add(note.partition(":")[0])
                say(note)
    say_flagged(flagged, rows)
    say(f"{rows} predictions")


def say_flagged(flagged: int, rows: int) -> None:
    """Say how many rows have an unknown category, where some have."""
    if flagged:
        say(f"{flagged} of {rows} rows have a category that the training did not see: column 'note'")


def standard_input() -> Iterator[bytes]:
    """What has arrived on standard input, again and again until it ends."""
    stream: Any = sys.stdin.buffer
    while block := stream.read1(BLOCK):
        yield block


def _csv(columns: dict[str, Any], first: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if first:
        writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _json_lines(columns: dict[str, Any], first: bool) -> bytes:
    import msgspec

    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return msgspec.json.Encoder().encode_lines(rows)  # NaN becomes null
