"""``pellucid predict`` and ``pellucid evaluate``."""

import csv
import sys
from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import as_json, is_table, print_json, say


@click.command(
    epilog="""\b
Examples:
  pellucid predict runs/houses-128-001 new.csv > predictions.csv
  pellucid predict runs/mnist-128-001 mnist --limit 5 --json
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", metavar="DATA")
@click.option("--limit", type=click.IntRange(min=0), help="Only the first rows.")
@as_json
def predict(run: Path, source: str, limit: int | None, as_json: bool) -> None:
    """Predict with a saved RUN for the rows of DATA: a table file, or a dataset's held-out rows.

    Prints CSV on stdout: the prediction of each row and, for classes, its probability; for an autoencoder, the mean
    squared error of each row.
    """
    from pellucid.api import load

    loaded = load(run)
    if is_table(source):
        _needs_table(loaded, source)
    x = source if is_table(source) else _held_out(source).x
    x = loaded.as_inputs(x)[:limit]
    if loaded.facts.task == "reconstruction":
        rows = [{"error": round(float(error), 6)} for error in loaded.reconstruction_errors(x)]
    else:
        pairs = zip(loaded.predict(x), loaded.outputs(x), strict=True)
        rows = [_row(prediction, output, loaded.facts.task) for prediction, output in pairs]
    if as_json:
        print_json(rows)
        return
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]) if rows else ["prediction"])
    writer.writeheader()
    writer.writerows(rows)
    say(f"{len(rows)} predictions")


@click.command(
    epilog="""\b
Examples:
  pellucid evaluate runs/mnist-128-001                 the held-out rows of its training
  pellucid evaluate runs/houses-128-001 other.csv
  pellucid evaluate runs/mnist-128-001 mnist-5k --json
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", metavar="[DATA]", required=False)
@as_json
def evaluate(run: Path, source: str | None, as_json: bool) -> None:
    """Loss and metric of a saved RUN on DATA: a table file, a dataset's held-out rows, or its own held-out rows."""
    from pellucid.api import load

    loaded = load(run)
    if source is None:
        result = loaded.evaluate()
    elif is_table(source):
        _needs_table(loaded, source)
        result = loaded.evaluate(source)
    else:
        part = _held_out(source)
        result = loaded.evaluate_part(part)
    if as_json:
        print_json(result)
    else:
        click.echo("\n".join(f"{name.replace('_', ' ')}: {value:.4f}" for name, value in result.items()))


def _needs_table(loaded: Any, source: str) -> None:
    """Refuse a table for a run that was trained on arrays, or on a dataset of arrays."""
    from pellucid.core.errors import DataError

    if loaded.facts.encoder is None:
        raise DataError(
            f"{source!r} is a table, and this run was trained on {loaded.facts.name!r}, which is no table: it holds no "
            "columns to read one by. Give the name of a dataset of the same kind; or train on a table, pellucid train "
            "TABLE --target COLUMN, and predict with that run; or read the file in Python and use load(folder)."
        )


def _held_out(name: str) -> Any:
    from pellucid.core.errors import DataError
    from pellucid.data import load_dataset

    part = load_dataset(name).held_out
    if part is None:
        raise DataError(f"the dataset {name!r} has no held-out rows.")
    return part


def _row(prediction: Any, output: Any, task: str) -> dict[str, Any]:
    if task == "regression":
        values = output.tolist()
        names = ["prediction"] if len(values) == 1 else [f"prediction_{i + 1}" for i in range(len(values))]
        return dict(zip(names, values, strict=True))
    if task == "multilabel":
        return {f"label_{i + 1}": int(label) for i, label in enumerate(prediction)}
    probability = float(output.max()) if task == "multiclass" else float(max(output[0], 1 - output[0]))
    return {"prediction": str(prediction), "probability": round(probability, 6)}
