"""Checkpoints: named arrays in safetensors, everything else in JSON beside them. No pickle.

The JSON is written last and holds the SHA-256 of the arrays' file: a checkpoint whose JSON is there is
complete, and one that was truncated or altered is recognised.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pellucid.core.errors import StorageError
from pellucid.core.files import sha256, write_bytes
from pellucid.optimizers import OptimizerState
from pellucid.runs.facts import under
from pellucid.runs.folder import RunFolder
from pellucid.training import Training, from_arrays, to_arrays

KEPT = 2
"""Checkpoints kept of a run; older ones are removed once a newer one is complete."""


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
    """Read the arrays and facts of one checkpoint.

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
            f"recorded was {recorded[:12]}…. It was truncated or altered. {_remove(path)}"
        )
    return arrays, facts


def _remove(path: Path) -> str:
    return f"Remove {path.with_suffix('.json')} to resume from the checkpoint before it."


def latest_checkpoint(folder: Path) -> Path | None:
    """Find the newest complete checkpoint of a folder; None where there is none."""
    complete = sorted(folder.glob("step-*.json"))
    return complete[-1].with_suffix(".safetensors") if complete else None


def save_training(training: Training, files: RunFolder, optimizers: Mapping[str, Any]) -> None:
    """Write a checkpoint of a training, and the snapshots that it took.

    Args:
        training: the training.
        files: its run folder.
        optimizers: each optimiser as ``experiment.toml`` holds it, by where its state is kept; a checkpoint says so,
            for one that is resumed with others.
    """
    arrays = to_arrays({"state": training.state})
    if training.best is not None:
        arrays |= to_arrays({"best": training.best})
    arrays |= {f"history/{name}": array for name, array in training.history.to_arrays().items()}
    facts = {"weights": _fingerprint(training.train.weights), "optimizers": optimizers}
    facts |= {"changes": training.changes, "owed": training.owed}
    taker, step = training.snapshots, training.history.steps_made
    if taker is not None:
        for taken, snapshot in taker.taken.items():
            files.write_snapshot(taken, snapshot)
        taker.taken.clear()
    save_checkpoint(files.checkpoints, step, arrays, facts)
    if taker is not None:
        # Only now: resuming from this checkpoint needs none of those that it no longer keeps.
        files.keep_snapshots(taker.kept(files.snapshot_steps(), step))


def changes_of(files: RunFolder) -> list[dict[str, Any]]:
    """Read what callbacks had changed by the last checkpoint of a folder."""
    newest = latest_checkpoint(files.checkpoints)
    if newest is None:
        return []
    return load_checkpoint(newest)[1].get("changes", [])


def restore(training: Training, files: RunFolder, optimizers: Mapping[str, Any]) -> None:
    """Restore a training from the last checkpoint of its folder; without one it stays at its beginning.

    An optimiser other than the checkpoint's keeps its own hyperparameters; it takes over the running averages of the
    checkpoint where it is of the same kind, else it begins with new ones.

    Args:
        training: the training, at its beginning.
        files: its folder.
        optimizers: what it is trained with from here on.

    Raises:
        StorageError: a checkpoint that was altered, or of other settings or weights of the rows.
    """
    newest = latest_checkpoint(files.checkpoints)
    if newest is None:
        return
    arrays, facts = load_checkpoint(newest)
    if facts.get("weights") != _fingerprint(training.train.weights):
        raise StorageError(
            "the weights of the training rows are not those of the run. Give the same sample_weights, "
            "or begin a new run."
        )
    own = training.state.optimizer
    training.state = from_arrays({"state": training.state._replace(optimizer=None)}, arrays)["state"]
    before = facts.get("optimizers", optimizers)
    states = {}
    for path, now in optimizers.items():  # "optimizer", or "optimizer/generator" and "optimizer/critic"
        player = path.partition("/")[2]
        fresh = own[player] if player else own
        states[player] = _restored(fresh, f"state/{path}", arrays, before[path], now)
    training.state = training.state._replace(optimizer=states.get("", states))
    if any(name.startswith("best/") for name in arrays):
        training.best = from_arrays({"best": training.learned}, arrays)["best"]
    training.history.restore(under("history", arrays))
    training.changes, training.owed = facts.get("changes", []), facts.get("owed")
    if before != optimizers:
        training.follow_losses()


def _restored(fresh: OptimizerState, path: str, arrays: dict[str, np.ndarray], before: Any, now: Any) -> OptimizerState:
    if before == now:
        return from_arrays({path: fresh}, arrays)[path]
    if _kind(before) != _kind(now):
        return fresh
    averages = from_arrays({path: fresh._replace(rule=None)}, arrays)[path]
    return averages._replace(rule=fresh.rule)


def _kind(written: Any) -> str:
    return written if isinstance(written, str) else written["name"]


def _fingerprint(weights: Any) -> str | None:
    return None if weights is None else sha256(np.asarray(weights).tobytes())
