"""``pellucid predict`` and ``pellucid evaluate``."""

import csv
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pellucid.cli.arriving import arrives_in_lines, predict_stream, reading_of, say_flagged, standard_input
from pellucid.cli.columns import prediction_columns
from pellucid.cli.options import as_json, print_json, say
from pellucid.cli.settings import Specifications
from pellucid.cli.sources import is_file, path_of, reading_options


@click.command(
    epilog="""\b
Examples:
  pellucid predict runs/houses-128-001 new.csv > predictions.csv
  pellucid predict runs/houses-128-001 - < new.jsonl             JSON lines in and out, as they arrive
  pellucid predict runs/shoes-128-001 new.csv --unknown          rows of a colour that the training did not see
  pellucid predict runs/photos-cnn-001 more-photos/
  pellucid predict runs/clicks-128-001 s3://bucket/clicks/ --output predictions.parquet
  pellucid predict runs/mnist-128-001 mnist --limit 5 --json
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", metavar="DATA")
@click.option("--limit", type=click.IntRange(min=0), help="Only the first rows.")
@click.option("--unknown", is_flag=True, help="Predict rows of a category that the training did not see, flagged.")
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write a Parquet file instead of CSV on stdout."
)
@reading_options
@as_json
def predict(
    run: Path, source: str, limit: int | None, unknown: bool, output: Path | None, as_json: bool, **options: Any
) -> None:
    """Predict with a saved RUN for the rows of DATA: a file, a folder of tables, images or recordings, or a dataset's
    held-out rows.

    Prints CSV on stdout: the prediction of each row and, for classes, its probability; for an autoencoder, the mean
    squared error of each row. Columns of a table are matched by name. A folder of tables is read some rows at a
    time. Rows on standard input (-) are predicted as they arrive; for JSON lines, and with --json, JSON lines are
    printed.
    """
    from pellucid.api import load

    loaded, first = load(run), b""
    if source == "-":
        first = next(standard_input(), b"")
        if output is None and arrives_in_lines(loaded, first):
            predict_stream(loaded, first, options, limit=limit, unknown=unknown, as_json=as_json)
            return
    parts = _parts(loaded, source, options, limit, unknown, first)
    with _warnings_said():
        if output is not None:
            rows = _write_parquet(output, parts)
        elif as_json:
            rows = [dict(zip(part, row, strict=True)) for part in parts for row in zip(*part.values(), strict=True)]
            print_json(rows)
        else:
            rows = _write_csv(parts)
    if output is not None or not as_json:
        say(f"{rows} predictions")


def _parts(
    loaded: Any, source: str, options: dict[str, Any], limit: int | None, unknown: bool, first: bytes
) -> Iterator[dict[str, Sequence[Any]]]:
    """The predictions as columns: of a folder of tables some rows at a time, of all else at once."""
    from pellucid.data import TableEncoder
    from pellucid.data.table_source import is_streamed
    from pellucid.runs.streams import read_like

    if isinstance(loaded.facts.encoder, TableEncoder) and is_streamed(source):
        for part in read_like(loaded, source, targets=False, unknown=unknown):
            x = part.x[:limit]
            limit = None if limit is None else limit - len(x)
            if len(x):
                yield prediction_columns(loaded, x)
            if limit == 0:
                return
        return
    x, beside = _inputs(loaded, source, options, unknown, first)
    several = isinstance(x, tuple)
    x = tuple(array[:limit] for array in x) if several else x[:limit]
    rows, beside = len(x[0] if several else x), {name: values[:limit] for name, values in beside.items()}
    yield beside | prediction_columns(loaded, x) if rows else {"prediction": []}


def _write_csv(parts: Iterator[dict[str, Sequence[Any]]]) -> int:
    writer, rows = csv.writer(sys.stdout, lineterminator="\n"), 0
    for i, columns in enumerate(parts):
        if i == 0:
            writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        rows += len(next(iter(columns.values())))
    return rows


def _write_parquet(path: Path, parts: Iterator[dict[str, Sequence[Any]]]) -> int:
    import pyarrow
    import pyarrow.parquet

    from pellucid.core.files import write_atomically

    rows = 0

    def write(file: Any) -> None:
        nonlocal rows
        writer = None
        for columns in parts:
            table = pyarrow.table(dict(columns), schema=None if writer is None else writer.schema)
            writer = writer or pyarrow.parquet.ParquetWriter(file, table.schema)
            writer.write_table(table)
            rows += table.num_rows
        if writer is not None:
            writer.close()

    write_atomically(path, write)
    return rows


@click.command(
    epilog="""\b
Examples:
  pellucid evaluate runs/mnist-128-001                 the held-out rows of its training
  pellucid evaluate runs/houses-128-001 other.csv
  pellucid evaluate runs/mnist-128-001 mnist-5k --json
  pellucid evaluate runs/churn-128-001 other.csv --metrics f1,roc_auc
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", metavar="[DATA]", required=False)
@click.option("--metrics", type=Specifications(), help="Metrics of the whole set; those of the training by default.")
@reading_options
@as_json
def evaluate(run: Path, source: str | None, metrics: Any, as_json: bool, **options: Any) -> None:
    """Loss and metrics of a saved RUN on DATA: a file, a dataset's held-out rows, or its own held-out rows."""
    from pellucid.api import load

    loaded = load(run)
    if source is None:
        result = loaded.evaluate(metrics=metrics)
    elif not is_file(source):
        result = loaded.evaluate_part(_held_out(source), metrics)
    else:
        result = _evaluate_file(loaded, path_of(source), options, metrics)
    if as_json:
        print_json(result)
    else:
        click.echo("\n".join(f"{name.replace('_', ' ')}: {value:.4f}" for name, value in result.items()))


def _evaluate_file(loaded: Any, path: str, options: dict[str, Any], metrics: Any) -> dict[str, float]:
    from pellucid.data.files import read_examples
    from pellucid.data.media import FileEncoder
    from pellucid.data.table_source import is_streamed

    if path.endswith(".npz"):
        return loaded.evaluate(*read_examples(path), metrics=metrics)
    if isinstance(loaded.facts.encoder, FileEncoder):
        return loaded.evaluate(path, metrics=metrics)
    with _warnings_said():
        if is_streamed(path):
            _needs_table(loaded, path)
            return loaded.evaluate(path, metrics=metrics)
        return loaded.evaluate(_table(loaded, path, options), metrics=metrics)


def _inputs(
    loaded: Any, source: str, options: dict[str, Any], unknown: bool, first: bytes
) -> tuple[Any, dict[str, Sequence[Any]]]:
    """The inputs of the rows of a source, and what is printed beside their predictions."""
    from pellucid.data import TableEncoder
    from pellucid.data.files import read_inputs
    from pellucid.data.groups import GroupsEncoder
    from pellucid.data.media import FileEncoder
    from pellucid.data.series import SeriesEncoder

    encoder = loaded.facts.encoder
    if not is_file(source):
        return loaded.as_inputs(_held_out(source).x), {}
    path = path_of(source, first)
    if isinstance(encoder, FileEncoder):
        files = encoder.files_of(path)
        return loaded.as_inputs(encoder.read(files)), {"file": [str(file) for file in files]}
    if path.endswith((".npz", ".npy")) and not isinstance(encoder, (TableEncoder, SeriesEncoder)):
        return loaded.as_inputs(read_inputs(path)), {}
    table = _table(loaded, path, options)
    if isinstance(encoder, SeriesEncoder):
        return loaded.as_inputs(encoder.encode(table)), {"after": encoder.last_times(table)}
    if not isinstance(encoder, (TableEncoder, GroupsEncoder)):
        return loaded.as_inputs(path), {}
    x, flags, notes = encoder.encode_flagged(table, unknown)
    for note in notes:
        say(note)
    say_flagged((flags != "").sum(), len(flags))
    return x, {"note": flags.tolist()} if unknown else {}


def _table(loaded: Any, path: str, options: dict[str, Any]) -> Any:
    """A table read as the run's was."""
    _needs_table(loaded, path)
    encoder = loaded.facts.encoder
    return getattr(encoder, "table", encoder).read(path, **reading_of(loaded, options))


@contextmanager
def _warnings_said() -> Iterator[None]:
    """Print warnings as messages."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        say(str(warning.message))


def _needs_table(loaded: Any, source: str) -> None:
    """Refuse a table for a run that was trained on arrays, or on a dataset of arrays."""
    from pellucid.core.errors import DataError

    if loaded.facts.encoder is None:
        raise DataError(
            f"{source!r} is a table, and this run was trained on {loaded.facts.name!r}, which is no table: it holds no "
            "columns to read one by. Give the name of a dataset of the same kind, or arrays (.npy); or train on a "
            "table, pellucid train TABLE --target COLUMN, and predict with that run."
        )


def _held_out(name: str) -> Any:
    from pellucid.core.errors import DataError
    from pellucid.data import load_dataset

    part = load_dataset(name).held_out
    if part is None:
        raise DataError(f"the dataset {name!r} has no held-out rows.")
    return part
