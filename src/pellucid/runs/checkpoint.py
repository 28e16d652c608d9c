"""Checkpoints: named arrays in safetensors, everything else in JSON beside them. No pickle.

The JSON is written last and holds the SHA-256 of the arrays' file: a checkpoint whose JSON is there is
complete, and one that was cut or altered is told from a sound one.
"""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pellucid.core.errors import StorageError
from pellucid.core.files import sha256, write_bytes

KEPT = 2
"""Checkpoints of a run that are kept; older ones are removed once a newer one is complete."""


def save_checkpoint(folder: Path, step: int, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> Path:
    """Write the checkpoint of ``step``; remove those older than the last `KEPT`.

    Args:
        folder: the run's ``checkpoints`` folder; made where missing.
        step: the number of steps made; names the files.
        arrays: all arrays by name.
        facts: what else to remember, JSON-like.

    Raises:
        StorageError: it cannot be written; the checkpoints before it are untouched.
    """
    content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    path = folder / f"step-{step:09d}.safetensors"
    write_bytes(path, content)
    record = {"step": step, "sha256": sha256(content), "facts": facts}
    write_bytes(path.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(record)))
    for old in sorted(folder.glob("step-*.json"))[:-KEPT]:
        old.unlink()
        old.with_suffix(".safetensors").unlink(missing_ok=True)
    return path


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and facts of one checkpoint.

    Raises:
        StorageError: a file is missing, cut, or not what was written.
    """
    try:
        record = msgspec.json.decode(path.with_suffix(".json").read_bytes())
        content = path.with_suffix(".safetensors").read_bytes()
        recorded, facts = record["sha256"], record["facts"]
        arrays = load(content) if sha256(content) == recorded else None
    except (OSError, SafetensorError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise StorageError(f"the checkpoint {path.name} cannot be read ({error}). {_remove(path)}") from error
    if arrays is None:
        raise StorageError(
            f"the checkpoint {path.name} is not what was written: its SHA-256 is {sha256(content)[:12]}…, "
            f"recorded was {recorded[:12]}…. It was cut or altered. {_remove(path)}"
        )
    return arrays, facts


def _remove(path: Path) -> str:
    return f"Remove {path.with_suffix('.json')} to go on from the checkpoint before it."


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of a folder; None where there is none."""
    complete = sorted(folder.glob("step-*.json"))
    return complete[-1].with_suffix(".safetensors") if complete else None
