"""The folder of a run: all that is needed to read, use and repeat it.

    experiment.toml      all settings, to run it again
    manifest.json        versions, data and their hash, seed
    checkpoints/         the newest states, each safetensors + JSON
    stream/              what one pass over all rows found, and a sample of them, of data that are streamed
    initial.safetensors  the weights that layers started from, where any were given
    weights.safetensors  the parameters to predict with
    weights.sha256       the hash of that file, as sha256sum writes and checks it
    history/             epochs, steps, layers, units and histograms as Parquet
    snapshots/           states along the training, each safetensors, where any were asked for
    notes.json           how the training ended, defaults chosen, warnings, the doctor's suspicion
    findings.json        what the doctor found, where it was asked, and of which weights
    proof.json           what was tried to fix the training, likewise
    report.html          the run to look at: result, findings, curves, mistakes, weights

Every file is written to a temporary name, flushed to the disk and renamed, so that a reader finds
the old file or the new one, never half of one.
"""

import importlib.metadata
import io
import platform
import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import tomli_w
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pellucid.core.errors import StorageError
from pellucid.core.files import sha256, storage_error, write_bytes
from pellucid.data.stream import Kept

PACKAGES = ("pellucid", "jax", "jaxlib", "numpy")


class RunFolder:
    """The files of one run, by name.

    Args:
        path: the folder; made when the first file is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"

    def exists(self) -> bool:
        """True where a run was begun in this folder."""
        return (self.path / "experiment.toml").exists()

    def require(self) -> None:
        """Raise `StorageError` unless a run was begun here."""
        if not self.exists():
            raise StorageError(
                f"{self.path} is not a run folder: it has no experiment.toml. "
                "Give the folder that a training printed as its run."
            )

    def begin(self, overwrite: bool = False) -> None:
        """Make room for a new run; ``overwrite`` replaces a run that is here already.

        Raises:
            StorageError: there is a run, or a file or folder that is something else.
        """
        advice = f"Resume it (pellucid resume {self.path}, or resume(folder)), replace it"
        require_free(self.path, "experiment.toml", overwrite, "run", advice)
        empty_folder(self.path)

    def has(self, name: str) -> bool:
        """True if the file exists."""
        return (self.path / name).exists()

    def write_experiment(self, settings: dict[str, Any]) -> None:
        """Write ``experiment.toml``."""
        self._write("experiment.toml", tomli_w.dumps(settings).encode())

    def read_experiment(self) -> dict[str, Any]:
        """Read ``experiment.toml``."""
        self.require()
        return read_toml(self.path / "experiment.toml")

    def write_manifest(self, facts: dict[str, Any]) -> None:
        """Write ``manifest.json``: the given facts, and the versions in use."""
        versions = {package: importlib.metadata.version(package) for package in PACKAGES}
        versions["python"] = platform.python_version()
        self.write_json("manifest.json", {"versions": versions, "platform": platform.machine(), **facts})

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file, indented."""
        self._write(name, msgspec.json.format(msgspec.json.encode(content)) + b"\n")

    def read_json(self, name: str) -> Any:
        """Read a JSON file."""
        try:
            return msgspec.json.decode((self.path / name).read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{self.path / name} cannot be read ({error}).") from error

    def write_verdict(self, name: str, content: Any, **beside: Any) -> None:
        """Write findings about the current weights as ``NAME.json``."""
        self.write_json(f"{name}.json", {"weights": self._hash_of_weights(), name: content, **beside})

    def read_verdict(self, name: str, key: str | None = None) -> Any:
        """Read findings, or what is kept beside them; None where there are none, or the weights have changed since."""
        if not (self.path / f"{name}.json").exists():
            return None
        verdict = self.read_json(f"{name}.json")
        return verdict.get(key or name) if verdict["weights"] == self._hash_of_weights() else None

    def _hash_of_weights(self) -> str | None:
        path = self.path / "weights.sha256"
        return path.read_text().split()[0] if path.exists() else None

    def write_weights(self, arrays: dict[str, np.ndarray]) -> None:
        """Write ``weights.safetensors``."""
        content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
        self._write("weights.safetensors", content)
        self._write("weights.sha256", f"{sha256(content)}  weights.safetensors\n".encode())

    def read_weights(self) -> dict[str, np.ndarray] | None:
        """Read ``weights.safetensors``; None where the run has not got that far."""
        path = self.path / "weights.safetensors"
        if not path.exists():
            return None
        try:
            content = path.read_bytes()
            recorded = (self.path / "weights.sha256").read_text().split()[0]
            if sha256(content) != recorded:
                raise StorageError(
                    f"{path} is cut or altered: its SHA-256 is {sha256(content)[:12]}…, weights.sha256 says "
                    f"{recorded[:12]}…. Resume the run to write it again."
                )
            return load(content)
        except StorageError:
            raise
        except (OSError, IndexError, SafetensorError) as error:
            raise StorageError(f"{path} cannot be read ({error}); resume the run to write it again.") from error

    def write_stream(self, plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Write what was found out about all rows of a stream."""
        self._write("stream/rows.safetensors", save({name: np.asarray(a, order="C") for name, a in arrays.items()}))
        self.write_json("stream/found.json", plain)

    def read_stream(self) -> Kept | None:
        """Read what was found out about all rows of a stream; None where there is nothing."""
        if not self.has("stream/found.json"):
            return None
        path = self.path / "stream" / "rows.safetensors"
        try:
            return Kept(self.read_json("stream/found.json"), load(path.read_bytes()))
        except (OSError, SafetensorError) as error:
            raise StorageError(f"{path} cannot be read ({error}). Remove its folder to read all rows again.") from error

    def write_initial(self, arrays: dict[str, np.ndarray]) -> None:
        """Write ``initial.safetensors``."""
        self._write("initial.safetensors", save({name: np.asarray(a, order="C") for name, a in arrays.items()}))

    def read_initial(self) -> dict[str, np.ndarray] | None:
        """Read ``initial.safetensors``; None where there is none."""
        path = self.path / "initial.safetensors"
        if not path.exists():
            return None
        try:
            return load(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise StorageError(f"{path} cannot be read ({error}): begin a new run.") from error

    def write_snapshot(self, step: int, arrays: dict[str, np.ndarray]) -> None:
        """Write the snapshot of a step."""
        content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
        self._write(_snapshot_name(step), content)

    def read_snapshot(self, step: int) -> dict[str, np.ndarray]:
        """Read the snapshot of a step."""
        path = self.path / _snapshot_name(step)
        try:
            return load(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"the snapshot {path} cannot be read ({error}). Train the experiment again to have it."
            ) from error

    def snapshot_steps(self) -> list[int]:
        """The steps that have a snapshot."""
        return sorted(int(path.stem.removeprefix("step-")) for path in self.path.glob("snapshots/step-*.safetensors"))

    def keep_snapshots(self, steps: Iterable[int]) -> None:
        """Remove all snapshots but those of ``steps``."""
        kept = set(steps)
        for step in self.snapshot_steps():
            if step not in kept:
                (self.path / _snapshot_name(step)).unlink()

    def write_table(self, name: str, table: dict[str, np.ndarray]) -> None:
        """Write a table of columns as Parquet under ``history/``."""
        import pyarrow as pa
        from pyarrow.parquet import write_table

        content = io.BytesIO()
        write_table(pa.table(table), content, compression="zstd")
        self._write(f"history/{name}.parquet", content.getvalue())

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        self._write(name, text.encode())

    def _write(self, name: str, content: bytes) -> None:
        write_bytes(self.path / name, content)


def _snapshot_name(step: int) -> str:
    return f"snapshots/step-{step:09d}.safetensors"


def require_free(path: Path, marker: str, overwrite: bool, kind: str, advice: str = "Replace it") -> None:
    """Refuse a folder that holds something else than what is to be saved there.

    Args:
        path: the folder.
        marker: the file that is in every folder of this kind.
        overwrite: allow one of this kind, to be replaced.
        kind: what the folder is to hold.
        advice: what to do where there is one already.

    Raises:
        StorageError: it is there already, or a file or folder that is something else.
    """
    if not path.exists():
        return
    marked = (path / marker).exists()
    if not path.is_dir() or (not marked and any(path.iterdir())):
        raise StorageError(f"{path} is there and is not a {kind} folder: choose another folder.")
    if marked and not overwrite:
        raise StorageError(
            f"{path} holds a {kind}. {advice} (--overwrite, or overwrite=True), or choose another folder."
        )


def empty_folder(path: Path) -> None:
    """Remove a folder that is to be replaced, if it is there and holds anything.

    Raises:
        StorageError: it cannot be removed.
    """
    if not path.exists() or not any(path.iterdir()):
        return
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise storage_error(path, error) from error


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as tables.

    Raises:
        StorageError: there is none, or it is not valid TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read as TOML: {error}.") from error
