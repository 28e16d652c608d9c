"""Saved runs as tables: those of a folder, or some side by side."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pellucid.core.errors import StorageError
from pellucid.report import html, terminal
from pellucid.report.document import Document, Table, number
from pellucid.runs.experiment import Experiment
from pellucid.runs.fit import notes_of
from pellucid.runs.folder import RunFolder


@dataclass(frozen=True)
class RunTable:
    """A table of saved runs; print it."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> list[dict[str, Any]]:
        """The rows as plain data."""
        return [dict(row) for row in self.rows]

    def to_document(self) -> Document:
        """The table as a document."""
        rows = [[row.get(column) for column in self.columns] for row in self.rows]
        return Document("" if rows else "no runs", Table(self.columns, rows) if rows else None)

    def __repr__(self) -> str:
        return f"<RunTable of {len(self.rows)} rows>"

    def __str__(self) -> str:
        return terminal.text(self.to_document(), width=200).strip("\n")

    def _repr_html_(self) -> str:
        return html.fragment(self.to_document())


def list_runs(folder: str | Path = "runs") -> RunTable:
    """List the saved runs of a folder, the newest first, each with its result and the doctor's likeliest finding.

    Raises:
        StorageError: no such folder.

    Example:
        >>> import tempfile
        >>> print(list_runs(tempfile.mkdtemp()))
        no runs
    """
    path = Path(folder)
    if not path.is_dir():
        raise StorageError(f"there is no folder {path}. Runs are kept in the folder runs by default.")
    files = [RunFolder(entry) for entry in path.iterdir() if RunFolder(entry).exists()]
    files.sort(key=lambda run: -(run.path / "experiment.toml").stat().st_mtime)
    return RunTable(("date", "run", "network", "epochs", "result", "finding"), tuple(map(_row, files)))


def compare_runs(runs: Sequence[str | Path]) -> RunTable:
    """Put saved runs side by side: a row for each setting in which they differ, and for each result."""
    folders = [RunFolder(run) for run in runs]
    names = [str(files.path) for files in folders]
    settings = [files.read_experiment() for files in folders]
    rows = [
        {"": setting, **dict(zip(names, values, strict=True))}
        for setting in dict.fromkeys(name for one in settings for name in one if name != "name")
        if len({json.dumps(value, sort_keys=True) for value in (one.get(setting) for one in settings)}) > 1
        for values in [[_short(setting, one.get(setting)) for one in settings]]
    ]
    results = [_result(files) for files in folders]
    for metric in dict.fromkeys(name for result in results for name in result):
        values = [result.get(metric) for result in results]
        rows.append({"": metric.replace("_", " "), **dict(zip(names, values, strict=True))})
    rows.append({"": "finding", **dict(zip(names, map(_finding, folders), strict=True))})
    return RunTable(("", *names), tuple(rows))


def _row(files: RunFolder) -> dict[str, Any]:
    experiment = Experiment.from_dict(files.read_experiment())
    result = _result(files)
    stopped = result.pop("stopped", "not ended")
    return {
        "date": datetime.fromtimestamp((files.path / "experiment.toml").stat().st_mtime).strftime("%Y-%m-%d %H:%M"),
        "run": str(files.path),
        "network": short_network(experiment.network),
        "epochs": f"{experiment.epochs}" + ("" if stopped == "epochs" else f", {stopped}"),
        "result": ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in result.items()),
        "finding": _finding(files),
    }


def _result(files: RunFolder) -> dict[str, Any]:
    return files.read_json("result.json") if files.has("result.json") else {}


def _finding(files: RunFolder) -> str | None:
    """The likeliest problem that the doctor found, else what it suspects."""
    found = files.read_verdict("findings") or ()
    problem = next((finding for finding in found if finding["severity"] == "problem"), None)
    return notes_of(files).suspicion if problem is None else str(problem["label"]).replace("_", " ")


def short_network(network: Any) -> str:
    """A network in a few words: its layers with units or filters.

    Example:
        >>> short_network([{"name": "dense", "units": 64}, "relu", {"name": "dense", "units": 10}])
        'dense 64, dense 10'
    """
    if isinstance(network, Mapping) and "generator" in network:
        return f"GAN ({short_network(network['generator'])} | {short_network(network['critic'])})"
    layers: Iterable[Any] = network.get("nodes", {}).values() if isinstance(network, Mapping) else network
    sized = []
    for layer in layers:
        if isinstance(layer, Mapping):
            size = layer.get("units", layer.get("filters"))
            if size is not None:
                sized.append(f"{layer['name']} {size}")
    return ", ".join(sized) or "no weights"


def _short(setting: str, value: Any) -> str | None:
    if value is None:
        return None
    if setting == "network":
        return short_network(value)
    return value if isinstance(value, str) else json.dumps(value)
