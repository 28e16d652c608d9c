"""What every training from one call shares: the loop with progress and Ctrl-C, checkpoints, taking a run up again."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

from pellucid.core.errors import InvalidValue, StorageError, UnknownName
from pellucid.core.files import cache_folder, sha256
from pellucid.data import Dataset, make_dataset, reconstruction
from pellucid.optimizers import OptimizerState
from pellucid.runs.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from pellucid.runs.experiment import open_data
from pellucid.runs.folder import RunFolder
from pellucid.runs.interrupt import Interrupt
from pellucid.runs.progress import ProgressReport
from pellucid.runs.run import under
from pellucid.training import Training, from_arrays, to_arrays

Optimizers = Mapping[str, Any]
"""Each optimiser of a training as ``experiment.toml`` holds it, by its place in the state: ``"optimizer"``, or
``"optimizer/critic"`` …"""


def run_to_the_end(
    training: Training, epochs: int, files: RunFolder | None, every: float, progress: bool, optimizers: Optimizers
) -> str:
    """Train to the end, or to Ctrl-C; say which it was. Whatever ends it, the last state is kept.

    Args:
        training: the training, from wherever it is.
        epochs: epochs in all.
        files: run folder for the checkpoints; None for none.
        every: seconds between checkpoints.
        progress: show the progress on stderr.
        optimizers: what it is trained with; a checkpoint says so, for one that is resumed with others.

    Returns:
        ``"epochs"``, ``"early"`` or ``"interrupted"``.
    """
    report = ProgressReport(training.history, epochs, training.steps_per_epoch)
    saved_at = time.monotonic()
    try:
        with Interrupt() as interrupt, report if progress else nullcontext():
            for standing in training.run(epochs):
                if progress:
                    report.show(standing)
                if interrupt.asked:
                    return "interrupted"
                if files is not None and time.monotonic() - saved_at >= every:
                    _save_checkpoint(training, files, optimizers)
                    saved_at = time.monotonic()
    finally:
        if files is not None:
            _save_checkpoint(training, files, optimizers)
    return "epochs" if training.history.epochs_made >= epochs else "early"


def _save_checkpoint(training: Training, files: RunFolder, optimizers: Optimizers) -> None:
    arrays = to_arrays({"state": training.state})
    if training.best is not None:
        arrays |= to_arrays({"best": training.best})
    arrays |= {f"history/{name}": array for name, array in training.history.to_arrays().items()}
    facts = {"weights": _fingerprint(training.train.weights), "optimizers": optimizers}
    taker, step = training.snapshots, training.history.steps_made
    if taker is not None:
        for taken, snapshot in taker.taken.items():
            files.write_snapshot(taken, snapshot)
        taker.taken.clear()
    save_checkpoint(files.checkpoints, step, arrays, facts)
    if taker is not None:
        # Only now: going on from this checkpoint needs none of those that it no longer keeps.
        files.keep_snapshots(taker.kept(files.snapshot_steps(), step))


def restore(training: Training, files: RunFolder, optimizers: Optimizers) -> None:
    """Put a training where the last checkpoint of its folder was; leave it at its beginning where there is none.

    An optimiser that is not the checkpoint's goes on with its own hyperparameters: with the running averages of the
    checkpoint where it is of the same kind, else with new ones.

    Args:
        training: the training, at its beginning.
        files: its folder.
        optimizers: what it is trained with from here on.

    Raises:
        StorageError: a checkpoint that was altered, or of other settings or weights of the rows.
    """
    path = latest_checkpoint(files.checkpoints)
    if path is None:
        return
    arrays, facts = load_checkpoint(path)
    if facts.get("weights") != _fingerprint(training.train.weights):
        raise StorageError(
            "the weights of the training rows are not those of the run. Give the same sample_weights, "
            "or begin a new run."
        )
    own = training.state.optimizer
    training.state = from_arrays({"state": training.state._replace(optimizer=None)}, arrays)["state"]
    before = facts.get("optimizers", optimizers)
    taken = {
        place: _taken_up(
            own if place == "optimizer" else own[place.partition("/")[2]], f"state/{place}", arrays, before[place], now
        )
        for place, now in optimizers.items()
    }
    state = taken.get("optimizer", {place.partition("/")[2]: one for place, one in taken.items()})
    training.state = training.state._replace(optimizer=state)
    if any(name.startswith("best/") for name in arrays):
        training.best = from_arrays({"best": training.learned}, arrays)["best"]
    training.history.restore(under("history", arrays))
    if before != optimizers:
        training.follow_losses()


def _taken_up(fresh: OptimizerState, path: str, arrays: dict[str, np.ndarray], before: Any, now: Any) -> OptimizerState:
    """The state of one optimiser, of which ``fresh`` is that at the beginning, as a checkpoint leaves it."""
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


def data_of_run(files: RunFolder, settings: dict[str, Any], data: Any) -> Dataset:
    """The data that a run was trained on, as its network takes them.

    Args:
        files: its folder.
        settings: the ``data`` of its experiment.
        data: its data as they were given to `train`, where they came as arrays and cannot be loaded by name or path.

    Raises:
        InvalidValue: neither a dataset nor a pair of arrays.
        StorageError: data other than those of the run, or data without a name that were not given.
    """
    manifest = files.read_json("manifest.json")
    if settings.get("task") == "reconstruction" and hasattr(data, "__array__"):
        data = (data, None)
    if isinstance(data, tuple):
        task = "binary" if manifest["data"].get("task") == "binary" else None
        data = make_dataset(*data, seed=manifest["seed"], task=task)
    if data is None:
        try:
            data = open_data(settings)
        except UnknownName as error:
            kind = "gan" if "generator" in files.read_experiment() else "run"
            raise StorageError(
                f"the data of this run, {settings['name']!r}, are no dataset known by name: give them again, from "
                f"Python: resume_{kind}(folder, data), load_{kind}(folder).diagnose(data)."
            ) from error
    elif not isinstance(data, Dataset):
        raise InvalidValue(f"data must be a Dataset or a pair of arrays (x, y). Received: {data!r:.60}.")
    elif settings.get("task") == "reconstruction" and data.task != "reconstruction":
        data = reconstruction(data)  # an autoencoder's targets are its inputs
    recorded = manifest["data"]["fingerprint"]
    if data.fingerprint != recorded:
        raise StorageError(
            f"the data are not those of the run: their SHA-256 is {data.fingerprint[:12]}…, "
            f"that of the run's data was {recorded[:12]}…. Give the same data, or begin a new run."
        )
    return data


def keep_compiled_programs() -> None:
    """Turn the persistent compilation cache on: the second start of a program takes a tenth of the first."""
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
