"""The files of a run by name."""

import errno
import os

import numpy as np
import pytest
from pyarrow.parquet import read_table

from pellucid.core.errors import StorageError
from pellucid.runs.folder import RunFolder, read_toml


def test_everything_written_is_read_again(tmp_path):
    files = RunFolder(tmp_path / "deep" / "run")
    assert not files.exists()
    assert files.read_weights() is None
    settings = {"epochs": 3, "network": [{"name": "dense", "units": 2}], "data": {"name": "größer"}}
    files.write_experiment(settings)
    assert files.exists()
    assert files.read_experiment() == settings
    arrays = {"w": np.ones((2, 3), np.float32).T, "scalar": np.float64(0.1)}
    files.write_weights(arrays)
    found = files.read_weights()
    assert found["scalar"].shape == ()
    assert found["scalar"] == 0.1
    np.testing.assert_array_equal(found["w"], arrays["w"])
    files.write_manifest({"seed": 4})
    manifest = files.read_json("manifest.json")
    assert manifest["seed"] == 4
    assert manifest["versions"].keys() >= {"pellucid", "jax", "numpy", "python"}


def test_tables_are_parquet(tmp_path):
    table = {"epoch": np.array([1, 2]), "loss": np.array([0.5, np.nan], np.float32), "name": np.array(["a", "b"])}
    RunFolder(tmp_path).write_table("epochs", table)
    path = tmp_path / "history" / "epochs.parquet"
    read = read_table(path)
    assert {name: str(column.type) for name, column in zip(read.column_names, read.columns, strict=True)} == {
        "epoch": "int64", "loss": "float", "name": "string",
    }  # fmt: skip
    for name, column in table.items():
        np.testing.assert_array_equal(read[name].to_numpy(), column)
    written = path.read_bytes()
    RunFolder(tmp_path).write_table("epochs", table)
    assert path.read_bytes() == written


def test_a_failed_write_leaves_the_file_before_it(tmp_path, monkeypatch):
    files = RunFolder(tmp_path)
    files.write_weights({"w": np.zeros(3, np.float32)})
    before = (tmp_path / "weights.safetensors").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"weights\.safetensors.*No space left.*previous file is untouched"):
        files.write_weights({"w": np.ones(3, np.float32)})
    assert sorted(os.listdir(tmp_path)) == ["weights.safetensors", "weights.sha256"]
    assert (tmp_path / "weights.safetensors").read_bytes() == before


def test_begin_makes_room_only_where_nothing_is_lost(tmp_path):
    new = RunFolder(tmp_path / "new")
    new.begin()
    assert not new.path.exists()  # made when the first file is written
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty").begin()
    new.write_experiment({"epochs": 1})
    with pytest.raises(StorageError, match=r"holds a run.*resume.*overwrite=True"):
        new.begin()
    assert new.exists()
    new.begin(overwrite=True)
    assert not new.path.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a run folder"):
        RunFolder(tmp_path / "file").begin(overwrite=True)


@pytest.mark.parametrize("content", [b"", b'{"data": ', b"\xff"])
def test_json_that_is_not_sound_is_named(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"manifest\.json cannot be read"):
        RunFolder(tmp_path).read_json("manifest.json")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"result\.json cannot be read"):
        RunFolder(tmp_path).read_json("result.json")
    with pytest.raises(StorageError, match=r"is not a run folder: it has no experiment\.toml"):
        RunFolder(tmp_path).read_experiment()
    with pytest.raises(StorageError, match=r"none\.toml cannot be read as TOML"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(StorageError, match=r"latin\.toml cannot be read as TOML"):
        read_toml(tmp_path / "latin.toml")
