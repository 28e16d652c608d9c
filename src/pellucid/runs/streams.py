"""Trainings whose rows are read while they are trained on: how rows are divided, weighed and measured."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pellucid.core.errors import DataError, DataWarning, InvalidValue
from pellucid.data import Dataset, Part
from pellucid.data.shards import files_of
from pellucid.data.stream import Span, Stream, draws
from pellucid.data.table_source import TableRows, open_shards
from pellucid.data.tables import TableEncoder
from pellucid.functions.set_metrics import SetMetric
from pellucid.network import declares_padding
from pellucid.runs.experiment import Experiment
from pellucid.runs.measures import built
from pellucid.training import Rows
from pellucid.training.feed import Feed

if TYPE_CHECKING:
    from pellucid.runs.trained import Trained

WHOLE_BYTES = 2**29
"""Most bytes of outputs that are held at once for a metric of all held-out rows together."""


class Division(NamedTuple):
    """The rows of a stream as a training takes them."""

    span: Span
    """Those to train on."""
    train: Part
    """A sample of them."""
    watched: Part | None
    """The validation part, where there is one."""


def validation_of(stream: Stream, fraction: float) -> float:
    """The fraction of all rows that is watched: at most what is in memory."""
    return min(fraction * (stream.training.high - stream.training.low), stream.sampled.high - stream.sampled.low)


def rows_trained_on(data: Dataset, experiment: Experiment) -> int:
    """Number of rows to train on: all but the validation part, if any."""
    if data.stream is None:
        return experiment.training_rows(data.rows)
    return data.stream.rows(divide(data, experiment).span)


def divide(data: Dataset, experiment: Experiment) -> Division:
    """Divide the rows of a stream: those to train on, and with early stopping those that are watched.

    Raises:
        InvalidValue: early stopping without a row to watch or to train on.
    """
    stream = data.stream
    assert stream is not None
    if not experiment.decides:
        return Division(stream.training, data.train, None)
    low, high = stream.training
    edge = high - validation_of(stream, experiment.validation)
    assert data.train.rows is not None
    watched = draws(data.train.rows, stream.seed) >= edge
    if not watched.any() or watched.all():
        raise InvalidValue(
            f"validation={experiment.validation:g} sets {np.count_nonzero(watched)} of the {data.rows} rows aside, and "
            "at least one is needed to watch and one to train on. Give another fraction."
        )
    train, aside = (data.train.take(np.flatnonzero(rows)) for rows in (~watched, watched))
    return Division(Span(low, edge), train, aside)


def describe(data: Dataset, experiment: Experiment) -> tuple[str, ...]:
    """What is measured on some of the rows alone, in words; nothing for rows in memory."""
    stream = data.stream
    if stream is None:
        return ()
    texts = [f"{data.rows:,} rows are read while they are trained on"]
    if experiment.decides:
        texts.append(f"the validation part is {len(divide(data, experiment).watched or ()):,} of them")
    elif data.held_out is not None and len(data.held_out) < data.held_out_rows:
        texts.append(
            f"{len(data.held_out):,} of the {data.held_out_rows:,} held-out rows are measured after each epoch, all at "
            "the end"
        )
    if len(data.train) < data.rows:
        aside = 0 if data.held_out is None else len(data.held_out)
        texts.append(
            f"the doctor and the page look at {len(data.train):,} of them and {aside:,} held-out rows, by chance"
        )
    return ("; ".join(texts),)


def check(data: Dataset, experiment: Experiment, metrics: Any) -> None:
    """Refuse settings that need all rows at once.

    Raises:
        InvalidValue: naming them, and what to give instead.
    """
    if data.stream is None:
        return
    if experiment.batch_size == "all":
        raise InvalidValue(
            f"batch_size='all' takes all {data.rows:,} rows in one step, which are read some at a time. Give a number "
            "of rows; an optimizer that needs all, such as gradient_descent, trains on data.sample()."
        )
    outputs = 4 * data.held_out_rows * data.outputs
    if outputs > WHOLE_BYTES and any(isinstance(metric, SetMetric) for metric in built(metrics)):
        raise InvalidValue(
            f"metrics of the whole held-out part hold the outputs of its {data.held_out_rows:,} rows at once, "
            f"{outputs / 2**30:.1f} GiB. Hold fewer rows out (held_out), or measure them on a part: run.evaluate."
        )


def feed_of(
    data: Dataset, span: Span, experiment: Experiment, batch_size: int, to_rows: Callable[[Part], Rows]
) -> Feed:
    """The windows that a training reads."""
    assert data.stream is not None
    return Feed(data.stream, span, batch_size, experiment.seed, to_rows, shuffle=experiment.shuffle, example=data.train)


def measure_parts(trained: "Trained", parts: Iterable[Part], metrics: Any = None) -> dict[str, float]:
    """Loss and metrics over the rows of many parts; metrics of the whole are of all of their outputs together.

    Raises:
        DataError: no rows.
    """
    chosen = trained.metrics if metrics is None else built(metrics)
    if trained.facts.heads or (
        any(isinstance(metric, SetMetric) for metric in chosen)
        and (declares_padding(trained.network) or trained.facts.task == "reconstruction")
    ):
        raise DataError(
            "several outputs, and metrics of a whole set of sequences or reconstructions, need their rows in memory."
        )
    whole = any(isinstance(metric, SetMetric) for metric in chosen)
    sums: dict[str, float] = {}
    total, kept = 0.0, []
    for part in parts:
        size = float(len(part) if part.weights is None else part.weights.sum(dtype=np.float64))
        if not size:
            continue
        total += size
        outputs = trained.outputs_of_rows(part.x, like=len(part))
        for name, value in trained.metrics_of(outputs, part, () if whole else metrics).items():
            sums[name] = sums.get(name, 0.0) + size * value
        if whole:
            kept.append((outputs, part.y, part.weights))
    if not total:
        raise DataError("no row to evaluate on, or all of them weigh 0.")
    means = {name: value / total for name, value in sums.items()}
    if not whole:
        return means
    outputs, y, weights = zip(*kept, strict=True)
    weights = None if weights[0] is None else np.concatenate(weights)
    y = np.concatenate(y)
    rows = Part(np.broadcast_to(np.uint8(0), (len(y), 1)), y, weights)  # the metrics read no inputs
    return trained.metrics_of(np.concatenate(outputs), rows, metrics) | means


def read_like(trained: "Trained", source: Any, *, targets: bool, unknown: bool = False) -> Iterator[Part]:
    """The rows of a folder or an address as the network of a run takes them, some at a time.

    Args:
        trained: a run on a table.
        source: of the same columns.
        targets: whether their targets are read too.
        unknown: take a category that the training did not see as none of those it saw.

    Raises:
        DataError: a run on something else, a column that is missing, or a row that cannot be read.

    Warns:
        DataWarning: rows with an unknown category, or with missing values that were filled in.
    """
    encoder = trained.facts.encoder
    if not isinstance(encoder, TableEncoder):
        raise DataError(f"{str(source)!r} is a folder of tables, and {trained.facts.name!r} was none: give arrays.")
    rows = TableRows(encoder if targets else replace(encoder, targets=()))
    shards = open_shards(files_of(source), **encoder.reading)
    gaps, strange, count = 0, 0, 0
    for block in range(shards.blocks):
        for piece in shards.pieces(block, 0, rows.columns):
            part, missing, other = rows.checked(piece, unknown)
            gaps, strange, count = gaps + missing, strange + other, count + len(part)
            yield part
    texts = [
        f"{number:,} of {count:,} rows {what}"
        for number, what in ((strange, "have an unknown category"), (gaps, "have missing values, which were filled in"))
        if number
    ]
    if texts:
        warnings.warn("; ".join(texts), DataWarning, stacklevel=4)
