"""Named datasets, and a download that breaks off, lies, or does not know ranges."""

import dataclasses
import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import sklearn.datasets

from pellucid.core.errors import DataError, StorageError, UnknownName
from pellucid.data import download, idx
from pellucid.data.datasets import fetch, list_datasets, load_dataset
from pellucid.data.idx import IDX
from pellucid.data.plane import PLANE

# ---- what is shipped ----


@pytest.mark.parametrize("info", [info for info in list_datasets() if info.name not in IDX], ids=lambda i: i.name)
def test_a_dataset_is_what_the_list_says(info):
    data = load_dataset(info.name)
    held_out = data.held_out or data.train.take([])
    assert info.available
    assert fetch(info.name).exists()
    assert (data.name, data.task, data.outputs, data.input_shape) == (
        info.name,
        info.task,
        info.outputs,
        info.input_shape,
    )
    assert (len(data.train), len(held_out)) == (info.train, info.held_out)
    seen = data.preprocessing.apply_numpy(data.train.x)
    assert np.isfinite(seen).all()
    assert -10 < seen.min() <= 0
    assert 1 <= seen.max() < 20
    no_row_in_both = {row.tobytes() for row in data.train.x}.isdisjoint(row.tobytes() for row in held_out.x)
    assert no_row_in_both or info.name == "iris"  # Fisher measured two flowers alike


def test_the_seed_draws_the_held_out_rows():
    assert load_dataset("wine", seed=1).fingerprint == load_dataset("wine", seed=1).fingerprint
    assert load_dataset("wine", seed=1).fingerprint != load_dataset("wine", seed=2).fingerprint


@pytest.mark.parametrize("name", ["breast-cancer", "diabetes", "digits", "iris", "linnerud", "wine"])
def test_the_files_of_scikit_learn_are_read_as_its_loaders_do(name):
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(sklearn.datasets, f"load_{name.replace('-', '_')}")(**options)
    data = load_dataset(name)
    assert data.held_out is not None
    loaded = bunch.images if name == "digits" else bunch.data
    for part in (data.train, data.held_out):
        np.testing.assert_array_equal(part.x, loaded[part.rows].astype(np.float32))
        np.testing.assert_array_equal(part.y.reshape(bunch.target[part.rows].shape), bunch.target[part.rows])
    assert data.features == (() if name == "digits" else tuple(bunch.feature_names))
    if data.task == "regression":
        assert name == "diabetes" or data.targets == tuple(bunch.target_names)
    else:
        assert data.classes == tuple(map(str, bunch.target_names))


@pytest.mark.parametrize(("name", "options"), [("moons", {}), ("circles", {"factor": 0.5})])
def test_moons_and_circles_without_noise_are_those_of_scikit_learn(name, options):
    x, y = PLANE[name][0](100)
    theirs, labels = getattr(sklearn.datasets, f"make_{name}")(100, shuffle=False, **options)
    np.testing.assert_allclose(x, theirs, atol=1e-12)
    np.testing.assert_array_equal(y, labels)


def test_the_spirals_are_the_curves_of_lang_and_witbrock():
    angle = np.arange(97) * np.pi / 16  # their own points, from the outside
    theirs = (6.5 * (104 - np.arange(97)) / 104)[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    x, y = PLANE["spirals"][0](20_000)
    for sign in (1, -1):
        (own,) = {label for label in (0, 1) if _gap(sign * theirs, x[y == label]) < 0.01}
        assert _gap(sign * theirs, x[y == 1 - own]) > 0.5


def _gap(points, curve):
    """The largest distance of a point from a curve."""
    return max(np.linalg.norm(curve - point, axis=1).min() for point in points)


def test_underscores_capitals_and_hyphens_are_the_same():
    assert load_dataset("Breast_Cancer").name == "breast-cancer"


def test_an_unknown_name_brings_the_near_ones():
    with pytest.raises(UnknownName, match=r"unknown dataset 'minst'. Did you mean 'mnist'.*Known: breast-cancer"):
        load_dataset("minst")


def test_mnist_5k_is_drawn_from_the_two_files_of_mnist(shared_data):
    small, whole = load_dataset("mnist-5k"), load_dataset("mnist")
    assert small.held_out is not None
    assert whole.held_out is not None
    for few, many in ((small.train, whole.train), (small.held_out, whole.held_out)):
        label_of = {image.tobytes(): label for image, label in zip(many.x, many.y, strict=True)}
        assert len({image.tobytes() for image in few.x}) == len(few)
        assert all(label_of[image.tobytes()] == label for image, label in zip(few.x, few.y, strict=True))
        shares = np.bincount(few.y) / len(few) - np.bincount(many.y) / len(many)
        np.testing.assert_allclose(shares, 0, atol=1 / len(few))


def test_real_mnist_is_read_from_the_folder_of_data(shared_data):
    data = load_dataset("mnist")
    assert data.held_out is not None
    assert (data.train.x.shape, data.train.x.dtype) == ((60_000, 28, 28), np.uint8)
    # Class counts of the training file, as its authors publish them.
    assert np.bincount(data.train.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_the_data_floor_and_its_datasets_import_neither_jax_nor_scikit_learn():
    program = (
        "import sys, pellucid.data.datasets, pellucid.data.tables, pellucid.data.text\n"
        "from pellucid.data import load_dataset\n"
        "for name in ('breast-cancer', 'digits', 'linnerud', 'mnist-5k', 'moons', 'xor'): load_dataset(name)\n"
        "print([name for name in ('jax', 'sklearn', 'pandas', 'pyarrow', 'narwhals') if name in sys.modules])"
    )
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


# ---- downloads ----


class Server(http.server.ThreadingHTTPServer):
    """Serves ``contents`` by path; answers ranges, and can cut, refuse or lie."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents: dict[str, bytes] = {}
        self.knows_ranges = True
        self.cut_after: list[int] = []  # bytes after which the next answers break off
        self.failures: list[int] = []  # HTTP codes of the next answers
        self.ranges: list[str | None] = []  # what was asked for

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        content = self.server.contents.get(self.path.strip("/"))
        if self.server.failures or content is None:
            self.send_error(self.server.failures.pop(0) if self.server.failures else 404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.knows_ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = self.server.cut_after.pop(0) if self.server.cut_after else len(content)
        self.wfile.write(content[start : start + cut])

    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0))
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


CONTENT = np.random.default_rng(0).bytes(700_000)


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server, tmp_path):
    server.contents["file"], server.cut_after = CONTENT, [300_000, 100_000]
    seen = []
    path = download.download(server.url + "file", tmp_path / "file", lambda *numbers: seen.append(numbers))
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=400000-"]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {len(CONTENT)}
    assert seen[-1][0] == len(CONTENT)


def test_a_later_call_goes_on_from_what_an_earlier_one_left(server, tmp_path):
    server.contents["file"], server.cut_after = CONTENT, [100_000, 1, 1, 1]
    with pytest.raises(DataError, match=r"100,003 bytes received so far are kept.*PELLUCID_DATA"):
        download.download(server.url + "file", tmp_path / "file")
    assert download.download(server.url + "file", tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=100003-"


def test_a_server_without_ranges_is_asked_for_the_whole_again(server, tmp_path):
    server.contents["file"], server.cut_after, server.knows_ranges = CONTENT, [300_000], False
    assert download.download(server.url + "file", tmp_path / "file").read_bytes() == CONTENT


def test_a_longer_remnant_of_another_file_is_thrown_away(server, tmp_path):
    server.contents["file"] = CONTENT
    (tmp_path / "file").write_bytes(b"x" * 800_000)
    assert download.download(server.url + "file", tmp_path / "file").read_bytes() == CONTENT


def test_an_overloaded_server_is_tried_again_and_a_refusal_is_not(server, tmp_path):
    server.contents["file"], server.failures = CONTENT, [503, 500]
    assert download.download(server.url + "file", tmp_path / "file").read_bytes() == CONTENT
    server.ranges.clear()
    with pytest.raises(DataError, match=r"cannot download .*/absent: HTTP Error 404"):
        download.download(server.url + "absent", tmp_path / "absent")
    assert len(server.ranges) == 1


def test_no_server_at_all_is_an_error_with_advice(server, tmp_path):
    with pytest.raises(DataError, match=r"http://127.0.0.1:1/file.*Check the connection"):
        download.download("http://127.0.0.1:1/file", tmp_path / "file")


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_connection(server, tmp_path):
    server.contents["file"] = CONTENT
    (tmp_path / "file").mkdir()
    with pytest.raises(StorageError, match="This path is a folder"):
        download.download(server.url + "file", tmp_path / "file")


# ---- MNIST through a mirror ----


@pytest.fixture
def mirror(server, tmp_path, monkeypatch):
    """A mirror of a small MNIST in the real format, an empty cache, and no package of the system."""
    rng = np.random.default_rng(0)
    files = {}
    for name, rows in (("train", 50), ("t10k", 20)):
        files[f"{name}-images-idx3-ubyte"] = bytes(16) + rng.bytes(rows * 784)
        files[f"{name}-labels-idx1-ubyte"] = bytes(8) + rng.integers(0, 10, rows, np.uint8).tobytes()
    packed = {name: gzip.compress(content) for name, content in files.items()}
    table = {name: (len(packed[name]), hashlib.sha256(content).hexdigest()) for name, content in files.items()}
    monkeypatch.setitem(IDX, "mnist", dataclasses.replace(IDX["mnist"], files=table))
    monkeypatch.setattr(idx, "SYSTEM", tmp_path / "system")
    monkeypatch.setenv("PELLUCID_MNIST_URL", server.url)
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    server.contents = {f"{name}.gz": content for name, content in packed.items()}
    return server


def mnist_info():
    return next(info for info in list_datasets() if info.name == "mnist")


def test_mnist_is_fetched_once_and_then_read_from_the_cache(mirror, tmp_path):
    assert not mnist_info().available
    seen = []
    folder = fetch("mnist", lambda *numbers: seen.append(numbers))
    assert folder == tmp_path / "cache" / "mnist"
    assert sorted(os.listdir(folder)) == sorted(IDX["mnist"].files)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1] == sum(size for size, _ in IDX["mnist"].files.values())
    assert mnist_info().available
    requests = len(mirror.ranges)
    data = load_dataset("mnist")
    assert (data.train.x.shape, data.held_out and data.held_out.x.shape) == ((50, 28, 28), (20, 28, 28))
    assert len(mirror.ranges) == requests == 4


def test_a_fetch_that_failed_halfway_fetches_only_the_rest(mirror):
    mirror.cut_after = [10_000_000, 1, 0, 0, 0]
    with pytest.raises(DataError, match="train-labels"):
        fetch("mnist")
    mirror.ranges.clear()
    fetch("mnist")
    assert mirror.ranges == ["bytes=1-", None, None]


def test_a_wrong_content_is_refused_and_removed(mirror, tmp_path):
    right = mirror.contents["train-images-idx3-ubyte.gz"]
    mirror.contents["train-images-idx3-ubyte.gz"] = gzip.compress(b"something else")
    with pytest.raises(DataError, match=r"is not train-images-idx3-ubyte of mnist.*expected.*It was deleted"):
        fetch("mnist")
    assert os.listdir(tmp_path / "cache" / "mnist") == []
    mirror.contents["train-images-idx3-ubyte.gz"] = right
    assert len(load_dataset("mnist").train) == 50


def test_a_page_instead_of_a_file_is_refused_and_removed(mirror, tmp_path):
    mirror.contents["train-images-idx3-ubyte.gz"] = b"<html>Please log in to this network</html>"
    with pytest.raises(DataError, match="Not a gzipped file"):
        fetch("mnist")
    assert os.listdir(tmp_path / "cache" / "mnist") == []


def test_a_file_damaged_in_the_cache_is_noticed(mirror):
    path = fetch("mnist") / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train-images.*SHA-256.*Delete the file"):
        load_dataset("mnist")


def test_a_mirror_is_named_for_each_dataset():
    assert [files.mirror for files in IDX.values()] == ["PELLUCID_MNIST_URL", "PELLUCID_FASHION_MNIST_URL"]


def test_files_that_a_package_of_the_system_installed_are_read_where_they_lie(mirror, tmp_path):
    (tmp_path / "system" / "mnist").mkdir(parents=True)
    for name, content in mirror.contents.items():
        (tmp_path / "system" / "mnist" / name).write_bytes(content)
    assert fetch("mnist") == tmp_path / "system" / "mnist"
    assert len(load_dataset("mnist").train) == 50
    assert mirror.ranges == []


def test_fashion_is_what_its_authors_publish():
    if IDX["fashion-mnist"].folder() is None:
        pytest.skip("needs the files of fashion-mnist: apt-get install dataset-fashion-mnist")
    data = load_dataset("fashion-mnist")
    assert data.held_out is not None
    assert np.bincount(data.train.y).tolist() == [6000] * 10
    assert np.bincount(data.held_out.y).tolist() == [1000] * 10
    assert data.classes[data.train.y[0]] == "Ankle boot"
