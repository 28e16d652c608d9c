"""``pellucid data``."""

from typing import Any

import click

from pellucid.cli.options import as_json, print_document, print_json, say
from pellucid.cli.sources import (
    FILES,
    files_options,
    is_file,
    path_of,
    reading_options,
    reading_settings,
    tells_targets,
)


@click.group()
def data() -> None:
    """Built-in datasets, and what a file holds."""


@data.command(
    epilog="""\b
Examples:
  pellucid data show houses.csv --target price
  pellucid data show visits.xlsx --as patient=identifier --na '?,-999'
  pellucid data show - < new.jsonl
  pellucid data show iris
  pellucid data show recordings.zip --file-names '{label}_*'
"""
)
@click.argument("source", metavar="DATA")
@click.option("--target", multiple=True, metavar="COLUMN", help="Column to predict; several may be given.")
@reading_options
@files_options
@as_json
def show(source: str, target: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Show the columns of a table file as a training takes them: kind, why, missing values, examples, inputs.

    Of a folder of tables, by rows from all over it. Of a dataset by name, or a folder of images or recordings, show
    what it holds.
    """
    if not is_file(source) or tells_targets(source):
        from pellucid.runs.experiment import open_data

        given = {name: options[name] for name in FILES if options[name] is not None}
        click.echo(str(open_data({"file": path_of(source), **given} if is_file(source) else {"name": source})))
        return
    from pellucid.data.columns import verbatim
    from pellucid.data.describe import describe_table
    from pellucid.data.reading import read_table
    from pellucid.data.shards import files_of
    from pellucid.data.table_pass import probe
    from pellucid.data.table_source import is_streamed, open_shards
    from pellucid.report.document import Document, Table

    kinds = dict(options["columns"])
    path, reading = path_of(source), {"texts": verbatim(kinds), **reading_settings(options)}
    table = probe(open_shards(files_of(path), **reading)) if is_streamed(path) else read_table(path, **reading)
    columns = describe_table(table, target, kinds)
    if as_json:
        print_json([column._asdict() for column in columns])
        return
    head = ("column", "kind", "why", "missing", "such as", "inputs")
    rows = [[c.name, c.kind, c.reason, c.missing or "", c.examples, c.inputs or ""] for c in columns]
    looked_at = "rows looked at" if is_streamed(path) else "rows"
    title = f"{table.source.strip(chr(39))}: {table.rows:,} {looked_at}, {len(columns)} columns"
    print_document(Document(title, Table(head, rows), *table.notes), 140)


@data.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List them: rows, shape, task, content, source, licence, and whether they are on this machine."""
    from dataclasses import asdict

    from pellucid.data import list_datasets
    from pellucid.report.document import Document, Table

    infos = list_datasets()
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    head = ("name", "rows", "shape", "task", "here", "content", "licence", "source")
    rows = [
        [
            info.name,
            f"{info.train:,} + {info.held_out:,}" if info.held_out else f"{info.train:,}",
            "×".join(map(str, info.input_shape)),
            info.task if info.outputs == 1 else f"{info.task}, {info.outputs}",
            "yes" if info.available else "to fetch",
            info.title,
            info.licence,
            info.source,
        ]
        for info in infos
    ]
    title = f"{len(infos)} datasets: rows to train on + held out; classes or numbers to predict"
    print_document(Document(title, Table(head, rows)), 180)


@data.command(epilog="\b\nExample:\n  pellucid data fetch mnist")
@click.argument("name")
def fetch(name: str) -> None:
    """Download the dataset NAME, check its hash, and keep it in the cache. An interrupted download resumes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from pellucid.data import fetch as fetch_dataset

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        path = fetch_dataset(name, progress=lambda done, total: bar.update(task, completed=done, total=total))
    say(f"{name} is at {path}")
