"""Checkpoints: complete or refused, the last two kept, arrays to the bit."""

import errno
import os

import numpy as np
import pytest

from pellucid.core.errors import StorageError
from pellucid.runs.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint


def arrays_of(number):
    return {
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3) + number,
        "scalar": np.float32(number),
        "step": np.int32(number),
        "nothing": np.zeros((0, 3), np.float32),
        "not a number": np.array([np.nan, -0.0, np.inf], np.float32),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "key": np.array([1, 2**32 - 1], np.uint32),
    }


def same_bits(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        array = np.asarray(array)
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype), name
        assert found[name].tobytes() == array.tobytes(), name  # NaN and −0 too


def test_arrays_come_back_to_the_bit_with_their_shape_and_dtype(tmp_path):
    path = save_checkpoint(tmp_path / "new" / "checkpoints", 7, arrays_of(7), {"weights": None, "best": 0.1})
    arrays, facts = load_checkpoint(path)
    same_bits(arrays, arrays_of(7))
    assert arrays["scalar"].shape == ()
    assert facts == {"weights": None, "best": 0.1}


def test_the_two_newest_are_kept(tmp_path):
    assert latest_checkpoint(tmp_path / "none") is None
    for step in (0, 9, 10, 100_000):
        newest = save_checkpoint(tmp_path, step, arrays_of(step), {})
        assert latest_checkpoint(tmp_path) == newest
    expected = {f"step-{step:09d}.{kind}" for step in (10, 100_000) for kind in ("json", "safetensors")}
    assert set(os.listdir(tmp_path)) == expected


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_full_disk_at_any_write_leaves_the_checkpoint_before(tmp_path, monkeypatch, failing):
    """A checkpoint is two files, each flushed, and its folder after it: four times the disk may be full."""
    save_checkpoint(tmp_path, 1, arrays_of(1), {})
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"No space left on device.*Free some space"):
        save_checkpoint(tmp_path, 2, arrays_of(2), {})
    monkeypatch.undo()
    newest = latest_checkpoint(tmp_path)
    arrays, _ = load_checkpoint(newest)
    same_bits(arrays, arrays_of(1 if newest.stem == "step-000000001" else 2))
    # Only once both files have their names is the new one the newest.
    assert newest.stem == ("step-000000002" if failing == 4 else "step-000000001")
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
    assert load_checkpoint(save_checkpoint(tmp_path, 2, arrays_of(2), {}))


@pytest.mark.parametrize("place", [0, 9, 60, -1])
def test_any_flipped_bit_is_told(tmp_path, place):
    path = save_checkpoint(tmp_path, 1, arrays_of(1), {})
    content = bytearray(path.read_bytes())
    content[place] ^= 0b100
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"step-000000001.* is not what was written.*Remove .*\.json"):
        load_checkpoint(path)


def damage_json(path, content):
    path.with_suffix(".json").write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: damage_json(path, b""),
        lambda path: damage_json(path, b"[]"),
        lambda path: damage_json(path, b'{"step": 1}'),
        lambda path: damage_json(path, path.with_suffix(".json").read_bytes()[:-9]),
    ],
    ids=["no arrays", "cut arrays", "empty arrays", "empty JSON", "other JSON", "JSON without hash", "cut JSON"],
)
def test_damage_is_reported_with_the_way_out(tmp_path, damage):
    save_checkpoint(tmp_path, 1, arrays_of(1), {})
    path = save_checkpoint(tmp_path, 2, arrays_of(2), {})
    damage(path)
    with pytest.raises(StorageError, match=r"Remove .*step-000000002\.json to resume") as caught:
        load_checkpoint(path)
    assert "Traceback" not in str(caught.value)
    path.with_suffix(".json").unlink()
    arrays, _ = load_checkpoint(latest_checkpoint(tmp_path))
    same_bits(arrays, arrays_of(1))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"file/checkpoints.*is a file, not a folder"):
        save_checkpoint(tmp_path / "file" / "checkpoints", 1, arrays_of(1), {})
