"""``pellucid data``."""

import click

from pellucid.cli.options import as_json, print_json, say


@click.group()
def data() -> None:
    """Built-in datasets."""


@data.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List them: rows, shape, task, licence, and whether they are on this machine."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from pellucid.data import list_datasets

    infos = list_datasets()
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "rows", "shape", "task", "here", "licence, origin"):
        table.add_column(heading)
    for info in infos:
        shape = "×".join(map(str, info.input_shape))
        here = "yes" if info.available else "to fetch"
        table.add_row(
            info.name, f"{info.train:,} + {info.held_out:,}", shape, info.task, here, f"{info.licence}; {info.source}"
        )
    Console().print(table)


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
