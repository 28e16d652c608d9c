"""Snapshots along a training: so many at most, evenly spaced, the same after any interruption."""

import shutil

import jax
import numpy as np
import pytest

import pellucid as pel
from pellucid.api import resume
from pellucid.core.errors import InvalidValue
from pellucid.training.snapshots import SnapshotTaker, interval, next_due

SETTINGS = {"batch_size": 30, "record_every": 0, "progress": False}  # 4 steps an epoch


@pytest.mark.parametrize("most", [2, 3, 5, 50])
def test_the_schedule_is_that_of_doubling(most):
    """Against the rule carried out step by step: double the interval whenever one is too many."""
    kept, every = {0}, 1
    for step in range(1, 400):
        if step % every == 0:
            kept.add(step)
        while len(kept) > most:
            every *= 2
            kept = {one for one in kept if one % every == 0}
        assert interval(step, most) == every
        assert set(SnapshotTaker(most).kept(range(400), at=step)) == kept
    dues = [0]
    while dues[-1] < 300:
        dues.append(next_due(dues[-1], most))
    assert dues == [step for step in range(dues[-1] + 1) if step % interval(step, most) == 0]


def files_of(folder):
    return {path.name: path.read_bytes() for path in (folder / "snapshots").iterdir()}


def test_interrupted_and_resumed_the_same_bits_are_kept(tmp_path):
    iris = pel.load_dataset("iris")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run = pel.train((6,), iris, epochs=12, snapshots=7, folder=whole, **SETTINGS)
    pel.train((6,), iris, epochs=5, snapshots=7, folder=cut, checkpoint_every=0, **SETTINGS)
    resume(cut, epochs=12, checkpoint_every=0, progress=False)
    assert list(run.snapshots) == [0, 8, 16, 24, 32, 40, 48]
    assert files_of(whole) == files_of(cut)

    # A snapshot is the state that the training passed through, optimiser and all.
    short = pel.train((6,), iris, epochs=4, **SETTINGS)
    same = run.snapshots[16]
    for one, other in ((same.params, short.training.state.params), (same.optimizer, short.training.state.optimizer)):
        jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_run_in_memory_has_them_and_saves_them(tmp_path):
    run = pel.train((6,), pel.load_dataset("iris"), epochs=3, snapshots=4, **SETTINGS)
    assert list(run.snapshots) == [0, 4, 8, 12]
    run.save(tmp_path / "saved")
    loaded = pel.load(tmp_path / "saved")
    assert list(loaded.snapshots) == [0, 4, 8, 12]
    jax.tree.map(np.testing.assert_array_equal, run.snapshots[12].params, loaded.snapshots[12].params)
    jax.tree.map(np.testing.assert_array_equal, run.params, loaded.snapshots[12].params)
    with pytest.raises(KeyError):
        loaded.snapshots[5]


def test_without_them_there_are_none_and_one_is_refused(tmp_path):
    iris = pel.load_dataset("iris")
    run = pel.train((6,), iris, epochs=1, folder=tmp_path / "run", **SETTINGS)
    assert len(run.snapshots) == 0
    assert not (tmp_path / "run" / "snapshots").exists()
    with pytest.raises(InvalidValue, match="snapshots kept at most"):
        pel.train((6,), iris, epochs=1, snapshots=1, **SETTINGS)
    shutil.rmtree(tmp_path / "run")
