"""Named datasets: ``load_dataset("mnist")``.

A dataset is looked for in the folder named by ``PELLUCID_DATA``, then in the user's cache
(``PELLUCID_CACHE``, else ``$XDG_CACHE_HOME/pellucid``, else ``~/.cache/pellucid``), and is downloaded into
the cache last. What is read is checked by SHA-256 each time: for MNIST that costs 0.03 s.
"""

import gzip
import importlib.util
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DataError, UnknownName, did_you_mean
from pellucid.core.files import cache_folder, sha256, write_bytes
from pellucid.data.arrays import Dataset, Part, Preprocessing, make_dataset
from pellucid.data.download import Progress, download
from pellucid.data.points import GaussianMixture, gaussian_grid, gaussian_ring

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""Where MNIST is downloaded from, unless the environment variable ``PELLUCID_MNIST_URL`` names a mirror."""


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a dataset before it is loaded.

    Args:
        name: for `load_dataset`.
        title: what it is, in a line.
        train: number of training examples.
        held_out: number of held-out examples.
        input_shape: shape of one example.
        task: what is predicted.
        outputs: number of classes, or of quantities in a regression.
        source: where it comes from.
        licence: under which terms.
        available: whether it is on this machine already.
    """

    name: str
    title: str
    train: int
    held_out: int
    input_shape: tuple[int, ...]
    task: str
    outputs: int
    source: str
    licence: str
    available: bool


def load_dataset(name: str, *, seed: int = 0) -> Dataset:
    """The dataset of that name, downloaded first if it must be.

    Args:
        name: one of `list_datasets`; ``_`` and ``-`` are the same.
        seed: of the draw of held-out rows, where the dataset has no held-out part of its own (20 %, class by
        class).

    Raises:
        UnknownName: no such dataset, with the nearest names.
        DataError: files that cannot be fetched or are not what they should be.

    Example:
        >>> load_dataset("mnist-5k").train.x.shape
        (4000, 28, 28)

    MNIST images keep the shape ``(28, 28)`` and their uint8 pixels; `Preprocessing` scales them by 1/255 and
    a network flattens them, or adds the channel axis that a convolution needs.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.
    """
    entry = _find(name)
    return entry.load(entry, seed)


def list_datasets() -> list[DatasetInfo]:
    """All named datasets, those on this machine marked so. Reads and downloads nothing.

    Example:
        >>> [info.name for info in list_datasets()]
        ['breast-cancer', 'diabetes', 'digits', 'gaussian-grid', 'gaussian-ring', 'iris', 'mnist', 'mnist-5k', 'wine']
    """
    return [DatasetInfo(available=entry.place() is not None, **entry.facts) for _, entry in sorted(_ENTRIES.items())]


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Make sure that a dataset is on this machine, and say where.

    Args:
        name: one of `list_datasets`.
        progress: called as ``progress(bytes so far, bytes in all)`` while downloading.

    Returns:
        The file or folder that holds it.

    Raises:
        UnknownName: no such dataset.
        DataError: the download failed, or what came is not what it should be.

    Example:
        >>> fetch("mnist-5k").name
        'mnist-5k.npz'
    """
    entry = _find(name)
    place = entry.place()
    return _fetch_mnist(progress) if place is None else place


# ---- MNIST ----

# Size of the gzip file, and SHA-256 of its content.
_MNIST_FILES = {
    "train-images-idx3-ubyte": (9912422, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (28881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (1648877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (4542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def _mnist_place() -> Path | None:
    """The first folder that holds all four files, as gzip or uncompressed."""
    folders = [cache_folder() / "mnist"]
    if data := os.environ.get("PELLUCID_DATA"):
        folders.insert(0, Path(data) / "mnist")
    for folder in folders:
        if all((folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in _MNIST_FILES):
            return folder
    return None


def _read_mnist(path: Path, name: str) -> bytes:
    """The checked content of one IDX file in a folder."""
    plain, packed = path / name, path / f"{name}.gz"
    found = plain if plain.is_file() else packed
    try:
        content = found.read_bytes()
        content = content if found is plain else gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {str(found)!r}: {error}. Delete it and load the dataset again.") from error
    _check_mnist(content, name, str(found), "Delete the file and load the dataset again.")
    return content


def _check_mnist(content: bytes, name: str, origin: str, advice: str) -> None:
    expected, received = _MNIST_FILES[name][1], sha256(content)
    if received != expected:
        raise DataError(
            f"{origin!r} is not MNIST's {name}: its content has SHA-256 {received[:16]}…, expected "
            f"{expected[:16]}…. {advice}"
        )


def _fetch_mnist(progress: Progress | None) -> Path:
    """Download what is missing into the cache, check it, and keep it unpacked, which reads 5 times faster."""
    folder = cache_folder() / "mnist"
    base = (os.environ.get("PELLUCID_MNIST_URL") or MNIST_URL).rstrip("/")
    total, before = sum(size for size, _ in _MNIST_FILES.values()), 0
    for name, (size, _) in _MNIST_FILES.items():
        if not (folder / name).is_file():
            url, part = f"{base}/{name}.gz", folder / f"{name}.gz.part"
            report = progress and (lambda count, _, start=before: progress(start + count, total))
            packed = download(url, part, report)
            advice = "It was deleted. Try again, or name another mirror by PELLUCID_MNIST_URL."
            try:
                content = gzip.decompress(packed.read_bytes())
                _check_mnist(content, name, url, advice)
            except (OSError, EOFError, zlib.error) as error:
                raise DataError(f"{url!r} is not a gzip file: {error}. {advice}") from error
            finally:
                packed.unlink()  # unpacked it is not needed, and damaged it must not be resumed
            write_bytes(folder / name, content)
        before += size
    return folder


def _load_mnist(entry: "_Entry", seed: int) -> Dataset:
    folder = fetch("mnist")
    parts = []
    for stem in ("train", "t10k"):
        x = _aligned(np.frombuffer(_read_mnist(folder, f"{stem}-images-idx3-ubyte"), np.uint8, offset=16))
        y = np.frombuffer(_read_mnist(folder, f"{stem}-labels-idx1-ubyte"), np.uint8, offset=8)
        parts.append(Part(x.reshape(-1, 28, 28), y.astype(np.int32)))
    return _digits(entry, *parts)


def _aligned(pixels: np.ndarray) -> np.ndarray:
    """A copy that begins at a multiple of 64 bytes: jax on a CPU uses it in place, which saves its 47 MB."""
    room = np.empty(pixels.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + pixels.nbytes]
    copy[:] = pixels
    return copy


def _digits(entry: "_Entry", train: Part, held_out: Part) -> Dataset:
    return Dataset(
        name=entry.facts["name"],
        train=train,
        held_out=held_out,
        task="multiclass",
        classes=tuple("0123456789"),
        preprocessing=Preprocessing(scale=1 / 255),
        source=entry.facts["source"],
    )


def _mnist_5k_file() -> Path:
    return Path(__file__).parent / "files" / "mnist-5k.npz"


def _load_mnist_5k(entry: "_Entry", seed: int) -> Dataset:
    with np.load(_mnist_5k_file(), allow_pickle=False) as file:
        train = Part(file["train_x"], file["train_y"].astype(np.int32))
        held_out = Part(file["held_out_x"], file["held_out_y"].astype(np.int32))
    return _digits(entry, train, held_out)


# ---- scikit-learn's ----


def _sklearn_folder() -> Path | None:
    specification = importlib.util.find_spec("sklearn")  # finds the folder without the second of an import
    assert specification is not None
    assert specification.submodule_search_locations
    return Path(specification.submodule_search_locations[0]) / "datasets" / "data"


def _load_sklearn(entry: "_Entry", seed: int) -> Dataset:
    import sklearn.datasets

    name = entry.facts["name"]
    # In its raw units, because the scaling that scikit-learn ships has seen all rows.
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(sklearn.datasets, f"load_{name.replace('-', '_')}")(**options)
    x, features, preprocessing = bunch.data, tuple(bunch.feature_names), "auto"
    if name == "digits":
        x, features, preprocessing = bunch.images.astype(np.uint8), (), Preprocessing(scale=1 / 16)
    return make_dataset(
        x,
        bunch.target,
        name=name,
        task=entry.facts["task"],
        classes=[str(one) for one in bunch.target_names] if name != "diabetes" else None,
        seed=seed,
        preprocessing=preprocessing,
        features=features,
        source=entry.facts["source"],
    )


# ---- Points of a plane ----

_MIXTURES: dict[str, GaussianMixture] = {"gaussian-grid": gaussian_grid(), "gaussian-ring": gaussian_ring()}


def _draw_points(entry: "_Entry", seed: int) -> Dataset:
    name, rows = entry.facts["name"], entry.facts["train"]
    return _MIXTURES[name].dataset(rows, seed, name)


# ---- The table ----


@dataclass(frozen=True)
class _Entry:
    """A dataset's facts (fields of `DatasetInfo`), where it lies if it is here, and how it is read."""

    load: Callable[["_Entry", int], Dataset]
    place: Callable[[], Path | None]
    facts: dict[str, Any]


def _entry(load: Callable[[_Entry, int], Dataset], place: Callable[[], Path | None], **facts: Any) -> _Entry:
    return _Entry(load, place, facts)


_MNIST_FACTS = {"input_shape": (28, 28), "task": "multiclass", "outputs": 10, "licence": "CC BY-SA 3.0"}
_UCI = "UCI Machine Learning Repository, by scikit-learn"

_ENTRIES = {
    entry.facts["name"]: entry
    for entry in (
        _entry(
            _load_mnist,
            _mnist_place,
            name="mnist",
            title="handwritten digits",
            train=60_000,
            held_out=10_000,
            source="MNIST (LeCun, Cortes, Burges)",
            **_MNIST_FACTS,
        ),
        _entry(
            _load_mnist_5k,
            _mnist_5k_file,
            name="mnist-5k",
            title="handwritten digits, a twelfth of MNIST, inside the package",
            train=4_000,
            held_out=1_000,
            source="drawn from MNIST (LeCun, Cortes, Burges), each class in proportion",
            **_MNIST_FACTS,
        ),
        _entry(
            _load_sklearn,
            _sklearn_folder,
            name="digits",
            title="small handwritten digits",
            train=1_437,
            held_out=360,
            input_shape=(8, 8),
            task="multiclass",
            outputs=10,
            source=_UCI,
            licence="CC BY 4.0",
        ),
        _entry(
            _load_sklearn,
            _sklearn_folder,
            name="iris",
            title="species of an iris from its measures (Fisher, 1936)",
            train=120,
            held_out=30,
            input_shape=(4,),
            task="multiclass",
            outputs=3,
            source=_UCI,
            licence="CC BY 4.0",
        ),
        _entry(
            _load_sklearn,
            _sklearn_folder,
            name="wine",
            title="cultivar of a wine from its chemistry",
            train=142,
            held_out=36,
            input_shape=(13,),
            task="multiclass",
            outputs=3,
            source=_UCI,
            licence="CC BY 4.0",
        ),
        _entry(
            _load_sklearn,
            _sklearn_folder,
            name="breast-cancer",
            title="malignant or benign, from measures of cell nuclei",
            train=455,
            held_out=114,
            input_shape=(30,),
            task="binary",
            outputs=1,
            source=_UCI,
            licence="CC BY 4.0",
        ),
        _entry(
            _load_sklearn,
            _sklearn_folder,
            name="diabetes",
            title="progression of diabetes in a year, from measures of the patient",
            train=353,
            held_out=89,
            input_shape=(10,),
            task="regression",
            outputs=1,
            source="Efron, Hastie, Johnstone, Tibshirani, 2004, by scikit-learn",
            licence="not stated",
        ),
        *(
            _entry(
                _draw_points,
                lambda: Path(__file__).parent / "points.py",
                name=name,
                title=f"points from {len(mixture.centres)} Gaussians of known centres, for a GAN to cover",
                train=50_000,
                held_out=0,
                input_shape=(2,),
                task="multiclass",
                outputs=len(mixture.centres),
                source="drawn by pellucid",
                licence="Apache-2.0",
            )
            for name, mixture in _MIXTURES.items()
        ),
    )
}


def _find(name: str) -> _Entry:
    key = name.strip().lower().replace("_", "-")
    if key in _ENTRIES:
        return _ENTRIES[key]
    advice = did_you_mean(key, _ENTRIES)
    raise UnknownName(f"unknown dataset {name!r}.{advice} Known: {', '.join(sorted(_ENTRIES))}.")


__all__ = ["DatasetInfo", "fetch", "list_datasets", "load_dataset"]
